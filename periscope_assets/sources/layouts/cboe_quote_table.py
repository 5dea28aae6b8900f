"""Cboe's quote-table download: a preamble, then one line per strike, call on the left and put on the right.

What belongs here: this one layout. What does not: cell conversion (``cells``), judging quotes.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from typing import TypeVar

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from periscope_assets.sources.base import ParsedChain, RawPayload, SourceError
from periscope_assets.sources.layouts import cells, times
from periscope_assets.sources.layouts.contracts import Contracts, occ_contracts, symbol_of
from periscope_assets.sources.layouts.rows import column_frame

_T = TypeVar("_T", bound=np.generic)

_SIDE = ("Last Sale", "Net", "Bid", "Ask", "Volume", "IV", "Delta", "Gamma", "Open Interest")
_HEADER = ("Expiration Date", "Calls", *_SIDE, "Strike", "Puts", *_SIDE)
_COLUMNS = (
    "Expiration Date", "Calls", *(f"Calls {name}" for name in _SIDE),
    "Strike", "Puts", *(f"Puts {name}" for name in _SIDE),
)  # fmt: skip
_NUMBERS = {
    "bid": "Bid", "ask": "Ask", "last": "Last Sale", "volume": "Volume",
    "open_interest": "Open Interest", "vendor_iv": "IV", "vendor_delta": "Delta",
}  # fmt: skip
_HEADER_WITHIN = 10
_LAST = re.compile(r"Last: ([0-9,]+\.?[0-9]*)")


class CboeQuoteTable:
    """``quotedata.csv`` as anybody can download it from Cboe's site."""

    name = "cboe_quote_table"

    def recognises(self, head: bytes, name: str) -> bool:  # noqa: ARG002
        """Tell whether one of the first lines is the table's two-sided header."""
        return _header_index(head.decode("utf-8", "replace").split("\n")) is not None

    def parse(self, payload: RawPayload) -> list[ParsedChain]:
        """Read the chain; see :meth:`periscope_assets.sources.base.Layout.parse`."""
        name = payload.name
        lines = cells.split_lines(cells.decode(payload.content, name))
        index = _header_index(lines)
        if index is None:
            raise SourceError(f"{name}: no header line of a Cboe quote table; download the file again")
        _check_header(name, index + 1, cells.split_cells(lines[index]) or [])
        preamble = [cell for line in lines[:index] for cell in cells.split_cells(line) or []]
        as_of, spot = _as_of(name, preamble), _spot(name, preamble)
        table = cells.read_table(name, lines[index + 1 :], _COLUMNS, first=index + 2)
        return [_chain(table, as_of, spot)]


def _header_index(lines: Sequence[str]) -> int | None:
    for index, line in enumerate(lines[:_HEADER_WITHIN]):
        if (
            len(
                {"Expiration Date", "Calls", "Puts", "Strike", "Last Sale"}
                & set(line.rstrip("\r").split(","))
            )
            >= 3
        ):
            return index
    return None


def _check_header(name: str, line: int, found: Sequence[str]) -> None:
    for column in dict.fromkeys(_HEADER):
        if found.count(column) < _HEADER.count(column):
            side = " (once for calls, once for puts)" if column in _SIDE else ""
            raise SourceError(
                f"{name}: line {line}: column {column}{side} is missing; download the file again"
            )
    if tuple(found) != _HEADER:
        odd = next((cell for cell, wanted in zip(found, _HEADER, strict=False) if cell != wanted), found[-1])
        problem = f"column {cells.cut(odd)} is not where Cboe puts it"
        raise SourceError(f"{name}: line {line}: {problem}; supply the file as downloaded")


def _as_of(name: str, preamble: Sequence[str]) -> datetime:
    stamp = next((cell.removeprefix("Date: ") for cell in preamble if cell.startswith("Date: ")), None)
    if stamp is None:
        raise SourceError(
            f"{name}: no 'Date: ...' above the header, so the time of the quotes is unknown; download again"
        )
    try:
        return times.long_utc(stamp)
    except ValueError:
        wanted = "'September 14, 2023 at 4:31 PM EDT'"
        raise SourceError(
            f"{name}: {cells.cut(stamp)} above the header is no time like {wanted}; correct it"
        ) from None


def _spot(name: str, preamble: Sequence[str]) -> float:
    match = next((found for cell in preamble if (found := _LAST.fullmatch(cell.strip()))), None)
    if match is None:
        raise SourceError(f"{name}: no 'Last: <number>' above the header; download the file again")
    return float(match[1].replace(",", ""))


def _interleave(left: NDArray[_T], right: NDArray[_T]) -> NDArray[_T]:
    both: NDArray[_T] = np.stack([left, right], axis=1).ravel()
    return both


def _side(table: cells.Table, column: str, is_call: bool) -> Contracts:
    contracts = occ_contracts(table, column)
    contracts.check_agrees(table, column, contracts.is_call, np.full(len(table), is_call))
    return contracts


def _check_expiries(table: cells.Table, contracts: Contracts) -> None:
    column, expected = "Expiration Date", "a date like 'Thu Sep 14 2023'"
    dates, codes = table.coded(column, times.weekday_date, expected)
    stated = np.array(contracts.expiries, dtype="datetime64[D]")[contracts.expiry_codes]
    contracts.check_agrees(table, column, stated, np.array(dates, dtype="datetime64[D]")[codes])


def _chain(table: cells.Table, as_of: datetime, spot: float) -> ParsedChain:
    calls, puts = _side(table, "Calls", True), _side(table, "Puts", False)
    strike = table.numbers("Strike", blank=False)
    for side in (calls, puts):
        _check_expiries(table, side)
    for side in (calls, puts):
        side.check_agrees(table, "Strike", side.strike, strike)
    symbol = _one_symbol(table, calls, puts)
    numbers = {
        column: _interleave(table.numbers(f"Calls {name}"), table.numbers(f"Puts {name}"))
        for column, name in _NUMBERS.items()
    }
    rows = column_frame(
        _paired(calls, puts),
        underlying_price=np.full(2 * len(table), spot),
        raw_line=np.repeat(table.raw_line, 2),
        **numbers,
    )
    return ParsedChain(symbol, as_of, spot, rows, len(rows))


def _paired(calls: Contracts, puts: Contracts) -> Contracts:
    """Return the contracts of both sides, call and put of a line together."""
    n = len(calls.names)
    return Contracts(
        pa.concat_arrays([calls.names, puts.names]).take(_interleave(np.arange(n), np.arange(n, 2 * n))),
        calls.roots + puts.roots,
        _interleave(calls.root_codes, puts.root_codes + len(calls.roots)),
        calls.expiries + puts.expiries,
        _interleave(calls.expiry_codes, puts.expiry_codes + len(calls.expiries)),
        _interleave(calls.is_call, puts.is_call),
        _interleave(calls.strike, puts.strike),
    )


def _one_symbol(table: cells.Table, calls: Contracts, puts: Contracts) -> str:
    symbol = symbol_of(calls.roots[calls.root_codes[0]])
    for column, contracts in (("Calls", calls), ("Puts", puts)):
        others = np.array([symbol_of(root) != symbol for root in contracts.roots])[contracts.root_codes]
        if others.any():
            row = int(np.argmax(others))
            problem = f"{cells.cut(contracts.names[row].as_py())} is not on {symbol} like the rows above"
            raise table.error(row, column, f"{problem}; supply one file per underlying")
    return symbol
