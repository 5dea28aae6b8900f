"""Cboe's delayed quotes (JSON): one underlying and all its options in one answer.

What belongs here: this one layout. What does not: asking for it (``sources.cboe``). The answer's `timestamp`
is UTC though no zone is written, times of last trades are New York's; an `iv` of 0.0 means none.
"""

from __future__ import annotations

from datetime import datetime

import numpy as np

from periscope_assets.sources.base import ParsedChain, RawPayload, SourceError
from periscope_assets.sources.layouts import answers, cells, records, times
from periscope_assets.sources.layouts.contracts import occ, one_underlying
from periscope_assets.sources.layouts.rows import group_chains, quote_frame

NAME = "cboe"
KIND = "options"
"""The one kind of answer."""
_NUMBERS = {
    "bid": "bid", "ask": "ask", "bid_size": "bid_size", "ask_size": "ask_size", "last": "last_trade_price",
    "volume": "volume", "open_interest": "open_interest", "vendor_iv": "iv", "vendor_delta": "delta",
    "vendor_mark": "theo",
}  # fmt: skip


class CboeDelayed:
    """One underlying's chain at one moment; `raw_line` counts options from 1."""

    name = NAME

    def recognises(self, head: bytes, name: str) -> bool:  # noqa: ARG002
        """Tell whether it is the cover of such an answer, or the answer."""
        fields = (b'"options"', b'"option"', b'"last_trade_price"', b'"prev_day_close"')
        return answers.is_cover(head, NAME) or (
            head.lstrip().startswith(b"{") and all(field in head for field in fields)
        )

    def parse(self, payload: RawPayload) -> list[ParsedChain]:
        """Read the chain; see :meth:`periscope_assets.sources.base.Layout.parse`."""
        found = answers.uncover(payload)
        answer = records.read_object(found.payloads[0].content, payload.name)
        as_of = _as_of(payload.name, answer)
        options = records.list_of_records(answer, "data.options", payload.name)
        if not options:
            raise SourceError(f"{payload.name}: no options; check the symbol")
        table = records.table(payload.name, options, {"option": "option"}, _NUMBERS)
        contracts = table.convert("option", occ, "an OCC contract symbol")
        symbol = one_underlying(table, "option", contracts, found.symbol)
        spot = _spot(payload.name, answer)
        numbers = {name: table.numbers(name) for name in _NUMBERS}
        rows = quote_frame(
            contracts,
            strike=[contract.strike for contract in contracts],
            underlying_price=np.full(len(contracts), spot),
            raw_line=table.raw_line,
            **numbers,
        )
        return group_chains(rows, [symbol] * len(rows), [as_of] * len(rows), lambda *_: spot)


def read_answer(payload: RawPayload) -> None:
    """Check that an answer is of this layout, as far as can be told without reading its options.

    Raises
    ------
    SourceError
        If it is not.
    """
    answer = records.read_object(payload.content, payload.name)
    _as_of(payload.name, answer)
    records.list_of_records(answer, "data.options", payload.name)


def _as_of(name: str, answer: records.Record) -> datetime:
    stamp = answer.get("timestamp")
    try:
        return times.naive_utc(str(stamp))
    except ValueError:
        found = cells.cut(str(stamp))
        raise SourceError(
            f"{name}: timestamp: {found} is no time like 2026-07-25 00:43:14; fetch it again"
        ) from None


def _spot(name: str, answer: records.Record) -> float:
    price = records.table(name, [answer], {}, {"current_price": "data.current_price"}).numbers(
        "current_price"
    )
    return float(price[0]) if price[0] > 0 else float("nan")
