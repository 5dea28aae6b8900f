"""Any CSV or Parquet of quotes, read with a column map that says what its columns are.

What belongs here: chains from mapped columns. What does not: the map itself (``column_map``), judging quotes.
A contract that can be named from expiry, side and strike is named as OCC or Deribit would.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, time
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from periscope_analytics.conventions import check_symbol, contract_name
from periscope_assets.sources.base import ParsedChain, RawPayload, SourceError
from periscope_assets.sources.layouts import cells, parquet, times
from periscope_assets.sources.layouts.column_map import NUMBERS, ColumnMap, read_map
from periscope_assets.sources.layouts.contracts import Contract, deribit, occ, root_of, symbol_of
from periscope_assets.sources.layouts.rows import coded_frame, group_chains

MAP = "column map"
"""Name of the companion that holds the column map."""

_LONGEST_NAME = 40


class Generic:
    """A table of quotes with a column map beside it; never guessed from the content."""

    name = "generic"

    def recognises(self, head: bytes, name: str) -> bool:  # noqa: ARG002
        """Tell that nothing is recognised: the layout is asked for by name, with a map."""
        return False

    def parse(self, payload: RawPayload) -> list[ParsedChain]:
        """Read the chains; see :meth:`periscope_assets.sources.base.Layout.parse`."""
        if MAP not in payload.companions:
            raise SourceError(
                f"{payload.name}: the generic layout needs a column map; give it with --map FILE"
            )
        found = read_map(payload.companions[MAP], MAP)
        table = _read(payload, found)
        contracts, codes = _contracts(table, found)
        symbols = _symbols(table, found, contracts, codes)
        stamps = _as_of(table, found, symbols)
        numbers = {name: _numbers(table, found, name) for name in NUMBERS if found.knows(name)}
        instants = {
            "quoted_at": _instants(table, found, "quoted_at"),
            "open_interest_on": _days(table, found, "open_interest_on"),
        }
        rows = coded_frame(
            contracts,
            codes,
            **({"strike": np.array([each.strike for each in contracts])[codes]} | numbers),
            **{name: values for name, values in instants.items() if values is not None},
            raw_line=table.raw_line,
        )
        return group_chains(rows, symbols, stamps, lambda _, part: _median(part["underlying_price"]))


def _read(payload: RawPayload, found: ColumnMap) -> cells.Table:
    wanted = list(dict.fromkeys(found.columns.values()))
    if payload.content.startswith(parquet.MAGIC):
        table = parquet.read(payload.name, payload.content, wanted)
    else:
        table = cells.read_csv(payload.name, payload.content, wanted, found.delimiter)
    return replace(table, columns={key: _without(table.columns[key], found) for key in wanted})


def _without(column: Any, found: ColumnMap) -> Any:
    if not found.absent or not (pa.types.is_string(column.type) or pa.types.is_large_string(column.type)):
        return column
    words = pa.array(sorted(found.absent), column.type)
    return pc.if_else(pc.is_in(column, value_set=words), pa.scalar("", column.type), column)


def _coded(
    table: cells.Table, found: ColumnMap, ours: str, parse: Callable[[str], Any], expected: str
) -> tuple[list[Any], NDArray[np.int64]]:
    """Return the distinct values of a column or constant, and each row's position among them."""
    if ours in found.columns:
        return _textual(table, found.columns[ours]).coded(found.columns[ours], parse, expected)
    text = found.constants[ours]
    try:
        return [parse(text)], np.zeros(len(table), dtype=np.int64)
    except ValueError:
        raise SourceError(f"{MAP}: constants.{ours}: {cells.cut(text)} is not {expected}") from None


def _textual(table: cells.Table, column: str) -> cells.Table:
    """Return the table with a column of times or whole numbers as text."""
    kind = table.columns[column].type
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind) or pa.types.is_integer(kind):
        texts = pc.cast(table.columns[column], pa.string())
        return replace(table, columns={**table.columns, column: texts})
    return table


def _contracts(table: cells.Table, found: ColumnMap) -> tuple[list[Contract], NDArray[np.int64]]:
    if not found.knows("contract"):
        return _described(table, found, None)
    if not all(found.knows(name) for name in ("expiry", "type", "strike")):
        return _coded(table, found, "contract", named, "a contract symbol of OCC or Deribit")
    return _described(table, found, _coded(table, found, "contract", _plausible_name, "a contract symbol"))


def named(text: str) -> Contract:
    """Read a contract symbol of OCC, with or without ``O:`` before it, or of Deribit.

    Raises
    ------
    ValueError
        If it is neither.
    """
    bare = text.removeprefix("O:")
    try:
        return occ(bare)
    except ValueError:
        return deribit(bare)


def _plausible_name(text: str) -> str:
    bare = text.removeprefix("O:").replace(" ", "")
    if not 0 < len(bare) <= _LONGEST_NAME or not bare.isascii() or not bare.isprintable():
        raise ValueError(text)
    return bare


def _described(
    table: cells.Table, found: ColumnMap, given: tuple[list[str], NDArray[np.int64]] | None
) -> tuple[list[Contract], NDArray[np.int64]]:
    """Return contracts from expiry, side and strike; their names from the file where it gives them."""
    expiries, day = _coded(table, found, "expiry", lambda text: _day(text, found, "expiry"), "a date")
    sides, side = _coded(table, found, "type", lambda text: _side(text, found), "a call or a put")
    roots, root = _roots(table, found, given)
    strike = _numbers(table, found, "strike", blank=False)
    strikes, at = np.unique(strike, return_inverse=True)
    names, name = given if given is not None else ([""], np.zeros(len(table), dtype=np.int64))
    codes = np.zeros(len(table), dtype=np.int64)
    for part, size in (
        (root, len(roots)),
        (day, len(expiries)),
        (side, len(sides)),
        (at, len(strikes)),
        (name, len(names)),
    ):
        codes = pd.factorize(codes * size + part)[0]
    first = np.unique(codes, return_index=True)[1]
    contracts = [
        _contract(names[name[i]], roots[root[i]], expiries[day[i]], sides[side[i]], float(strike[i]))
        for i in first
    ]
    return contracts, codes


def _contract(name: str, root: str, expiry: date, is_call: bool, strike: float) -> Contract:
    return Contract(name or contract_name(root, expiry, is_call, strike), root, expiry, is_call, strike)


def _roots(
    table: cells.Table, found: ColumnMap, given: tuple[list[str], NDArray[np.int64]] | None
) -> tuple[list[str], NDArray[np.int64]]:
    """Return the root of each row: as given, or in the contract's name, or the underlying itself."""
    if found.knows("root"):
        return _coded(table, found, "root", check_symbol, "a root (1-15 of A-Z 0-9 . -)")
    if given is not None:
        names, codes = given
        return [root_of(name) for name in names], codes
    symbols, codes = _coded(table, found, "symbol", check_symbol, "a symbol (1-15 of A-Z 0-9 . -)")
    return [symbol.replace(".", "") for symbol in symbols], codes


def _symbols(
    table: cells.Table, found: ColumnMap, contracts: list[Contract], codes: NDArray[np.int64]
) -> NDArray[np.object_]:
    if found.knows("symbol"):
        values, at = _coded(
            table, found, "symbol", check_symbol, "a symbol (1-15 of A-Z 0-9 . -, first a letter)"
        )
    else:
        values, at = [_owner(table, each) for each in contracts], codes
    return _objects(values)[at]


def _owner(table: cells.Table, contract: Contract) -> str:
    try:
        return symbol_of(contract.root)
    except ValueError:
        raise SourceError(
            f"{table.name}: {cells.cut(contract.root)} of a contract is no valid symbol"
        ) from None


def _as_of(table: cells.Table, found: ColumnMap, symbols: NDArray[np.object_]) -> NDArray[np.object_]:
    values, codes = _coded(table, found, "as_of", lambda text: _instant(text, found, "as_of"), "a time")
    stamps = _objects(values)[codes]
    if not found.latest:
        return stamps
    return pd.Series(stamps).groupby(symbols).transform("max").to_numpy(dtype=object)


def _numbers(table: cells.Table, found: ColumnMap, ours: str, *, blank: bool = True) -> NDArray[np.float64]:
    if ours in found.columns:
        values = table.numbers(found.columns[ours], blank=blank, finite=not blank)
    else:
        (value,), _ = _coded(table, found, ours, float, "a number")
        values = np.full(len(table), value)
    return values / found.divide[ours] if ours in found.divide else values


def _instants(table: cells.Table, found: ColumnMap, ours: str) -> Any:
    if not found.knows(ours):
        return None
    values, codes = _coded(table, found, ours, lambda text: _maybe(text, found, ours), "a time")
    return pd.DatetimeIndex(values, dtype="datetime64[us, UTC]").take(codes)


def _days(table: cells.Table, found: ColumnMap, ours: str) -> Any:
    if not found.knows(ours):
        return None
    days, codes = _coded(table, found, ours, lambda text: _day(text, found, ours) if text else None, "a date")
    return np.array(days, dtype="datetime64[s]")[codes]


def _maybe(text: str, found: ColumnMap, ours: str) -> datetime | None:
    return _instant(text, found, ours) if text else None


def _instant(text: str, found: ColumnMap, ours: str) -> datetime:
    form = found.formats.get(ours)
    moment = datetime.strptime(text, form) if form else datetime.fromisoformat(text)
    if moment.tzinfo is None:
        if found.zone is None:
            raise ValueError("no zone")
        moment = moment.replace(tzinfo=ZoneInfo(found.zone))
    times.plausible_date(moment.year, moment.month, moment.day)
    return moment.astimezone(UTC)


def _day(text: str, found: ColumnMap, ours: str) -> date:
    form = found.formats.get(ours)
    moment = datetime.strptime(text, form) if form else datetime.fromisoformat(text)
    if not form and moment.time() != time(0):
        raise ValueError(text)
    return times.plausible_date(moment.year, moment.month, moment.day)


def _side(text: str, found: ColumnMap) -> bool:
    if text not in found.call | found.put:
        raise ValueError(text)
    return text in found.call


def _objects(values: list[Any]) -> NDArray[np.object_]:
    made = np.empty(len(values), dtype=object)
    made[:] = values
    return made


def _median(prices: pd.Series) -> float:
    finite = prices[np.isfinite(prices)]
    return float(finite.median()) if len(finite) else float("nan")
