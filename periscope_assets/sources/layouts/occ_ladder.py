"""The OCC-symbol ladder: one line per option with its capture time, which is UTC though no zone is written.

What belongs here: this one layout. What does not: cell conversion (``cells``), judging quotes.
"""

from __future__ import annotations

from periscope_assets.sources.base import ParsedChain, RawPayload
from periscope_assets.sources.layouts import cells, times
from periscope_assets.sources.layouts.contracts import call_or_put, check_agrees, check_symbols, occ, strikes
from periscope_assets.sources.layouts.rows import group_chains, quote_frame

_NUMBERS = {
    "bid": "bid", "ask": "ask", "bid_size": "bid_size", "ask_size": "ask_size", "last": "last_price",
    "vendor_iv": "implied_vol", "vendor_delta": "delta", "vendor_mark": "mid",
}  # fmt: skip
_WANTED = (
    "capture_ts",
    "symbol",
    "underlying",
    "expiration",
    "type",
    "strike",
    "und_close",
    *_NUMBERS.values(),
)
_SIGNATURE = {"capture_ts", "target_dte", "actual_dte", "und_session_date", "und_close", "last_size"}


class OccLadder:
    """A ladder of expiries per underlying, captured at one moment."""

    name = "occ_ladder"

    def recognises(self, head: bytes, name: str) -> bool:  # noqa: ARG002
        """Tell whether the header has the ladder's own column names."""
        return cells.has_columns(head, _SIGNATURE)

    def parse(self, payload: RawPayload) -> list[ParsedChain]:
        """Read one chain per underlying; see :meth:`periscope_assets.sources.base.Layout.parse`.

        A file is one capture: rows stamped seconds apart share the latest stamp as their `as_of`.
        """
        table = cells.read_csv(payload.name, payload.content, _WANTED)
        contracts = table.convert("symbol", occ, "an OCC contract symbol")
        check_agrees(
            table, "expiration", contracts, table.convert("expiration", times.iso_date, "a date"), "expiry"
        )
        check_agrees(table, "type", contracts, table.convert("type", call_or_put, "call or put"), "is_call")
        symbols = check_symbols(table, "underlying", contracts)
        spot = table.numbers("und_close")
        numbers = {column: table.numbers(name) for column, name in _NUMBERS.items()}
        rows = quote_frame(
            contracts,
            strike=strikes(table, "strike", contracts),
            underlying_price=spot,
            raw_line=table.raw_line,
            **numbers,
        )
        stamps = table.convert("capture_ts", times.naive_utc, "a time like 2026-04-17T23:58:01.546, in UTC")
        return group_chains(
            rows, symbols, [max(stamps)] * len(rows), lambda _, part: float(part["underlying_price"].iloc[0])
        )
