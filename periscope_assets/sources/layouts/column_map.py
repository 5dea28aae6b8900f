"""The column map of the generic layout: what our columns are called in somebody's file.

What belongs here: the map's sections, read and checked. What does not: reading chains with it (``generic``).

A map is TOML or JSON::

    [columns]             # ours = "theirs"
    contract = "OptionSymbol"
    bid = "Bid"
    ask = "Ask"
    [constants]           # ours = value, for what the file does not say
    symbol = "SPX"
    as_of = "2024-01-02T15:45:00"
    [divide]              # theirs is divided by this
    vendor_iv = 100
    [formats]             # strptime formats of dates and times; ISO 8601 by default
    expiry = "%m/%d/%Y"
    [options]
    zone = "America/New_York"   # of times that name none
    call = ["CALL"]             # words; C, P, call and put by default
    put = ["PUT"]
    absent = ["NA", "-"]        # words for no number
    delimiter = ";"
    snapshot = "latest"         # one snapshot per symbol and file, at its latest as_of
"""

from __future__ import annotations

import json
import math
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from periscope_assets.sources.base import SourceError
from periscope_assets.sources.layouts.cells import cut

NAMES, TIMES, NUMBERS = (
    ("contract", "symbol", "root", "type"),
    ("expiry", "as_of", "quoted_at", "open_interest_on"),
    (
        *("strike", "bid", "ask", "bid_size", "ask_size", "last", "volume", "open_interest", "vendor_iv"),
        *("vendor_delta", "vendor_mark", "underlying_price", "multiplier"),
    ),
)
OURS = (*NAMES, *TIMES, *NUMBERS)
_REQUIRED = ("bid", "ask", "as_of")
_CONTRACT = ("expiry", "type", "strike")
_SECTIONS = ("columns", "constants", "divide", "formats", "options")
_OPTIONS = ("zone", "call", "put", "absent", "delimiter", "snapshot")
_LONGEST = 64 * 1024


@dataclass(frozen=True, slots=True)
class ColumnMap:
    """A checked map.

    Attributes
    ----------
    columns : mapping of str to str
        Their column by ours.
    constants : mapping of str to str
        Text by our column.
    divide : mapping of str to float
        Divisor by our column of numbers.
    formats : mapping of str to str
        strptime format by our column of times.
    zone : str or None
        Of times that name none.
    call, put, absent : frozenset of str
        Words, as they stand in the file.
    delimiter : str
    latest : bool
        One snapshot per symbol and file, at its latest `as_of`.
    """

    columns: Mapping[str, str]
    constants: Mapping[str, str] = field(default_factory=dict)
    divide: Mapping[str, float] = field(default_factory=dict)
    formats: Mapping[str, str] = field(default_factory=dict)
    zone: str | None = None
    call: frozenset[str] = frozenset({"C", "c", "call", "Call", "CALL"})
    put: frozenset[str] = frozenset({"P", "p", "put", "Put", "PUT"})
    absent: frozenset[str] = frozenset()
    delimiter: str = ","
    latest: bool = False

    def knows(self, ours: str) -> bool:
        """Tell whether a column or a constant gives one of our columns."""
        return ours in self.columns or ours in self.constants


def read_map(content: bytes, name: str) -> ColumnMap:
    """Read and check a column map.

    Raises
    ------
    SourceError
        Naming the section and key that is wrong, and what is expected.
    """
    found = _document(content, name)
    unknown = found.keys() - set(_SECTIONS)
    if unknown:
        raise _wrong(name, sorted(unknown)[0], f"is no section; expected {', '.join(_SECTIONS)}")
    sections = {key: _section(found.get(key, {}), key, name) for key in _SECTIONS}
    columns = {key: _text(value, f"columns.{key}", name) for key, value in sections["columns"].items()}
    constants = {key: str(value) for key, value in sections["constants"].items()}
    for key in (*columns, *constants):
        if key not in OURS:
            raise _wrong(name, key, f"is no column of ours; expected some of {', '.join(OURS)}")
    twice = sorted(columns.keys() & constants.keys())
    if twice:
        raise _wrong(name, twice[0], "is both a column and a constant; keep one")
    made = ColumnMap(
        columns=columns,
        constants=constants,
        divide={key: _divisor(value, key, name) for key, value in sections["divide"].items()},
        formats={key: _format(value, key, name) for key, value in sections["formats"].items()},
        **_options(sections["options"], name),
    )
    _check_complete(made, name)
    return made


def _document(content: bytes, name: str) -> Mapping[str, Any]:
    if len(content) > _LONGEST:
        raise SourceError(f"{name}: {len(content):,} bytes are no column map; give the map, not the data")
    try:
        text = content.decode("utf-8-sig")
        found = json.loads(text) if text.lstrip().startswith("{") else tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise SourceError(f"{name}: neither TOML nor JSON ({cut(str(error))}); correct the map") from None
    return found if isinstance(found, dict) else {}


def _check_complete(found: ColumnMap, name: str) -> None:
    missing = [key for key in _REQUIRED if not found.knows(key)]
    if not found.knows("contract"):
        missing += [key for key in _CONTRACT if not found.knows(key)]
        missing += [] if found.knows("symbol") or found.knows("root") else ["symbol"]
    if missing:
        raise _wrong(name, missing[0], "is neither in [columns] nor in [constants]; say where it comes from")


def _section(value: object, key: str, name: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise _wrong(name, key, "is no section of keys and values")
    return value


def _text(value: object, key: str, name: str) -> str:
    if not isinstance(value, str) or not value or len(value) > 200:
        raise _wrong(name, key, f"{cut(str(value))} is no text")
    return value


def _divisor(value: object, key: str, name: str) -> float:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if key not in NUMBERS or not is_number or not math.isfinite(float(str(value))) or not value:
        raise _wrong(name, f"divide.{key}", f"expected a number for one of {', '.join(NUMBERS)}")
    return float(str(value))


def _format(value: object, key: str, name: str) -> str:
    if key not in TIMES:
        raise _wrong(name, f"formats.{key}", f"expected a format for one of {', '.join(TIMES)}")
    return _text(value, f"formats.{key}", name)


def _options(found: Mapping[str, Any], name: str) -> dict[str, Any]:
    unknown = sorted(found.keys() - set(_OPTIONS))
    if unknown:
        raise _wrong(name, f"options.{unknown[0]}", f"is no option; expected {', '.join(_OPTIONS)}")
    made: dict[str, Any] = {
        key: _words(found[key], key, name) for key in ("call", "put", "absent") if key in found
    }
    if "zone" in found:
        made["zone"] = _zone(_text(found["zone"], "options.zone", name), name)
    if "delimiter" in found:
        made["delimiter"] = _delimiter(found["delimiter"], name)
    if found.get("snapshot", "latest") != "latest":
        raise _wrong(name, "options.snapshot", "expected latest")
    return {**made, "latest": "snapshot" in found}


def _words(value: object, key: str, name: str) -> frozenset[str]:
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        raise _wrong(name, f"options.{key}", "expected a list of words")
    return frozenset(value)


def _zone(zone: str, name: str) -> str:
    try:
        ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise _wrong(name, "options.zone", f"{cut(zone)} is no zone like America/New_York") from None
    return zone


def _delimiter(value: object, name: str) -> str:
    if value not in (",", ";", "\t", "|"):
        raise _wrong(name, "options.delimiter", "expected a comma, semicolon, tab or bar")
    return str(value)


def _wrong(name: str, key: str, problem: str) -> SourceError:
    return SourceError(f"{name}: {cut(key)[1:-1]}: {problem}")
