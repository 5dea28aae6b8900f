"""The simulated source's own layout: a self-describing text table.

What belongs here: writing and reading this layout. What does not: the market that is written
(``sources.simulated``).

The first line carries what the columns do not::

    periscope-simulated-chain,1,SIMX,2026-01-02T20:45:00+00:00,5012.34
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime

import numpy as np

from periscope_analytics.conventions import check_symbol, listing
from periscope_assets.sources.base import ParsedChain, RawPayload, SourceError
from periscope_assets.sources.layouts import cells, times
from periscope_assets.sources.layouts.contracts import (
    Contract,
    call_or_put,
    check_agrees,
    deribit,
    occ,
    strikes,
    symbol_of,
)
from periscope_assets.sources.layouts.rows import group_chains, quote_frame

MAGIC = "periscope-simulated-chain"
_VERSION = "1"
_NUMBERS = (
    "bid", "ask", "bid_size", "ask_size", "last", "volume", "open_interest",
    "vendor_iv", "vendor_delta", "vendor_mark", "underlying_price",
)  # fmt: skip
COLUMNS = ("contract", "expiry", "type", "strike", *_NUMBERS)


class SimulatedChain:
    """One symbol and snapshot of a simulated market."""

    name = "simulated"

    def recognises(self, head: bytes, name: str) -> bool:  # noqa: ARG002
        """Tell whether the first line carries the layout's name."""
        return head.startswith(MAGIC.encode())

    def parse(self, payload: RawPayload) -> list[ParsedChain]:
        """Read the chain; see :meth:`periscope_assets.sources.base.Layout.parse`."""
        lines = cells.split_lines(cells.decode(payload.content, payload.name))
        symbol, as_of, spot = _title(payload.name, lines[0])
        header = (cells.split_cells(lines[1]) or []) if len(lines) > 1 else []
        cells.check_columns(payload.name, 2, header, COLUMNS)
        if len(header) != len(COLUMNS):
            raise SourceError(
                f"{payload.name}: line 2: {len(header)} columns, expected {len(COLUMNS)}; generate it again"
            )
        table = cells.read_table(payload.name, lines[2:], header, first=3)
        read, example = (deribit, "BTC-27MAR26-95000-C") if _is_coin(symbol) else (occ, "SPX230915C04500000")
        contracts = table.convert("contract", read, f"a contract symbol like {example}")
        _check(table, contracts, symbol)
        rows = quote_frame(
            contracts,
            strike=strikes(table, "strike", contracts),
            raw_line=table.raw_line,
            **{name: table.numbers(name) for name in _NUMBERS},
        )
        return group_chains(rows, [symbol] * len(rows), [as_of] * len(rows), lambda *_: spot)


def write(symbol: str, as_of: datetime, spot: str, rows: Sequence[Sequence[str]]) -> bytes:
    """Return a chain in this layout: `rows` of text in the order of :data:`COLUMNS`, `spot` as text."""
    title = ",".join([MAGIC, _VERSION, symbol, as_of.isoformat(), spot])
    return "\n".join([title, ",".join(COLUMNS), *(",".join(row) for row in rows), ""]).encode()


def _is_coin(symbol: str) -> bool:
    return listing(symbol).quote_unit == "coin"


def _title(name: str, line: str) -> tuple[str, datetime, float]:
    try:
        _, version, symbol, as_of, spot = line.split(",")
        price = float(spot)
        if version != _VERSION or not (math.isfinite(price) and price > 0):
            raise ValueError(line)
        return check_symbol(symbol), times.iso_utc(as_of), price
    except ValueError:
        wanted = f"{MAGIC},{_VERSION},<symbol>,<UTC time>,<spot>"
        raise SourceError(
            f"{name}: line 1: {cells.cut(line)}: expected {wanted}; generate the file again"
        ) from None


def _check(table: cells.Table, contracts: Sequence[Contract], symbol: str) -> None:
    check_agrees(table, "expiry", contracts, table.convert("expiry", times.iso_date, "a date"), "expiry")
    check_agrees(table, "type", contracts, table.convert("type", call_or_put, "C or P"), "is_call")
    owners = {root: symbol_of(root) for root in {contract.root for contract in contracts}}
    wrong = np.array([owners[contract.root] != symbol for contract in contracts])
    if np.any(wrong):
        row = int(np.argmax(wrong))
        raise table.error(
            row, "contract", f"{cells.cut(contracts[row].name)} is not on {symbol}; generate the file again"
        )
