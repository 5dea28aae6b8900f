"""Contract symbols: OCC (US listings) and Deribit.

What belongs here: taking a contract symbol apart and checking it against the columns beside it. What does
not: facts about roots (``periscope_analytics.conventions``).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date
from functools import lru_cache
from operator import attrgetter
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from periscope_analytics.conventions import check_symbol, listing
from periscope_assets.sources.layouts.cells import Table, cut
from periscope_assets.sources.layouts.times import plausible_date, short_month

_OCC = re.compile(r"([A-Z][A-Z0-9.]{0,5}) *([0-9]{6})([CP])([0-9]{8})")
_DERIBIT = re.compile(
    r"([A-Z][A-Z0-9_]{1,14})-([0-9]{1,2})([A-Z]{3})([0-9]{2})-([0-9]{1,9}(?:d[0-9]{1,6})?)-([CP])"
)


class Contract(NamedTuple):
    """What one contract symbol says."""

    name: str
    root: str
    expiry: date
    is_call: bool
    strike: float


def occ(text: str) -> Contract:
    """Read an OCC symbol, padded to 21 characters or not.

    Raises
    ------
    ValueError
        If it is no OCC symbol.
    """
    match = _OCC.fullmatch(text)
    if not match or (" " in text and len(text) != 21):
        raise ValueError(text)
    root, day, side, strike = match.groups()
    return Contract(text.replace(" ", ""), root, _occ_day(day), side == "C", int(strike) / 1000)


@lru_cache(maxsize=4096)
def _occ_day(text: str) -> date:
    return plausible_date(2000 + int(text[:2]), int(text[2:4]), int(text[4:]))


def deribit(text: str) -> Contract:
    """Read a Deribit instrument like ``BTC-27MAR26-95000-C``; a strike of 1d325 is 1.325.

    Raises
    ------
    ValueError
        If it is no Deribit option.
    """
    match = _DERIBIT.fullmatch(text)
    if not match:
        raise ValueError(text)
    root, day, month, year, strike, side = match.groups()
    expiry = plausible_date(2000 + int(year), short_month(month), int(day))
    return Contract(text, root, expiry, side == "C", float(strike.replace("d", ".")))


def root_of(name: str) -> str:
    """Return the root with which a contract symbol of OCC or Deribit begins; the whole name if it is neither.

    Its other parts need not be right: whether they agree with the columns beside it is for the rules to
    judge.
    """
    match = re.match(r"([A-Z][A-Z0-9.]{0,5}?)[0-9]{6}[CP][0-9]{8}$|([A-Z][A-Z0-9_]{0,14})-", name)
    return (match[1] or match[2]) if match else name


def symbol_of(root: str) -> str:
    """Return the underlying of a root; an adjusted root (AAPL1) belongs to the chain of its company (AAPL).

    Raises
    ------
    ValueError
        If the underlying is not a valid symbol.
    """
    symbol = listing(root).symbol
    return check_symbol(listing(root.rstrip("0123456789")).symbol if symbol == root else symbol)


def check_agrees(
    table: Table, column: str, contracts: Sequence[Contract], values: Sequence[object], part: str
) -> None:
    """Raise SourceError at the first row whose cell contradicts the contract symbol's `part`."""
    stated = list(map(attrgetter(part), contracts))
    if len(stated) == len(values) and stated == list(values):
        return
    for row, (contract, value) in enumerate(zip(contracts, values, strict=True)):
        if getattr(contract, part) != value:
            raise table.error(
                row,
                column,
                f"{cut(str(value))} contradicts the contract {cut(contract.name)}; correct one of them",
            )


def strikes(table: Table, column: str, contracts: Sequence[Contract]) -> NDArray[np.float64]:
    """Return the strike column, checked against the contract symbols."""
    values = table.numbers(column, blank=False)
    check_agrees(table, column, contracts, values.tolist(), "strike")
    return values


def call_or_put(text: str) -> bool:
    """Return True for ``call`` or ``C``, False for ``put`` or ``P``.

    Raises
    ------
    ValueError
        For anything else.
    """
    if text not in {"call", "C", "put", "P"}:
        raise ValueError(text)
    return text in {"call", "C"}


def check_symbols(table: Table, column: str, contracts: Sequence[Contract]) -> list[str]:
    """Return the column of underlyings, checked against the pattern of symbols and the contracts' roots."""
    symbols = table.convert(column, check_symbol, "a symbol (1-15 of A-Z 0-9 . -, first a letter)")
    owner = {root: symbol_of(root) for root in {contract.root for contract in contracts}}
    for row, (contract, symbol) in enumerate(zip(contracts, symbols, strict=True)):
        if owner[contract.root].replace(".", "") != symbol.replace(".", ""):
            raise table.error(
                row,
                column,
                f"{cut(symbol)} contradicts the contract {cut(contract.name)}; correct one of them",
            )
    return symbols


def one_underlying(table: Table, column: str, contracts: Sequence[Contract], asked: str | None) -> str:
    """Return the one underlying of all contracts: the symbol `asked` for, or that of the first contract.

    Raises
    ------
    SourceError
        At the first contract on another underlying.
    """
    owner = {root: symbol_of(root) for root in {contract.root for contract in contracts}}
    symbol = asked or owner[contracts[0].root]
    try:
        check_symbol(symbol)
    except ValueError as error:
        raise table.error(0, column, str(error)) from None
    for row, contract in enumerate(contracts):
        if owner[contract.root].replace(".", "") != symbol.replace(".", ""):
            problem = f"{cut(contract.name)} is not on {symbol}; supply one underlying at a time"
            raise table.error(row, column, problem)
    return symbol
