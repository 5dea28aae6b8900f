"""Legs as a line of text, so that a link holds a strategy: ``1C6850_20260220T143000Z~-1P6700_...``.

What belongs here: writing and reading that line. What does not: whether the legs are listed.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime

from app.queries import InvalidParameterError
from app.queries.strategy import CALL, MOST_LEGS, PUT, UNDERLYING, AskedLeg

LEGS = "legs"
_LETTERS = {CALL: "C", PUT: "P", UNDERLYING: "U"}
_KINDS = {letter: kind for kind, letter in _LETTERS.items()}
_STAMP = "%Y%m%dT%H%M%SZ"
_LEG = re.compile(
    r"(?P<quantity>[+-]?\d{1,9}(\.\d{1,6})?)(?P<kind>[CPU])"
    r"((?P<strike>\d{1,12}(\.\d{1,9})?)_(?P<expiry>\d{8}T\d{6}Z))?(_(?P<price>\d{1,12}(\.\d{1,9})?))?",
    re.ASCII,
)


def write(legs: Sequence[AskedLeg]) -> str:
    """Return legs as a line of text."""
    return "~".join(_write(leg) for leg in legs)


def _write(leg: AskedLeg) -> str:
    text = f"{leg.quantity:.10g}{_LETTERS[leg.kind]}"
    if leg.kind != UNDERLYING and isinstance(leg.expiry, datetime):
        text += f"{leg.strike:.12g}_{leg.expiry.astimezone(UTC):{_STAMP}}"
    return text if leg.price is None else f"{text}_{leg.price:.12g}"


def read(text: str) -> list[AskedLeg]:
    """Return the legs of a line of text.

    Raises
    ------
    InvalidParameterError
        If it is none.
    """
    parts = text.split("~")
    if len(parts) > MOST_LEGS:
        raise InvalidParameterError(LEGS, f"expected at most {MOST_LEGS}")
    return [_read(part) for part in parts]


def _read(text: str) -> AskedLeg:
    match = _LEG.fullmatch(text)
    if match is None or (match["strike"] is None) != (match["kind"] == "U"):
        example = "1C6850_20260220T143000Z"
        raise InvalidParameterError(LEGS, f"expected legs such as {example}, got {text[:40]!r}")
    kind = _KINDS[match["kind"]]
    price = None if match["price"] is None else float(match["price"])
    if kind == UNDERLYING:
        return AskedLeg(kind, float(match["quantity"]), price=price)
    try:
        expiry = datetime.strptime(match["expiry"], _STAMP).replace(tzinfo=UTC)
    except ValueError:
        raise InvalidParameterError(LEGS, f"{match['expiry']} is no time of the calendar") from None
    return AskedLeg(kind, float(match["quantity"]), float(match["strike"]), expiry, price)
