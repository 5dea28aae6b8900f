"""Deribit's JSON: the book summary of a currency, its list of instruments and, where asked for, tickers.

What belongs here: this one layout. What does not: asking for it (``sources.deribit``), turning coin prices
into dollars. Prices are in coin, `underlying_price` is the forward of each expiry; the summary has no sizes
and no deltas, a ticker has both and replaces what the summary says of its instrument.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from periscope_analytics.conventions import listing
from periscope_assets.sources.base import ParsedChain, RawPayload, SourceError
from periscope_assets.sources.layouts import answers, records
from periscope_assets.sources.layouts.contracts import Contract, deribit
from periscope_assets.sources.layouts.records import Record
from periscope_assets.sources.layouts.rows import group_chains, quote_frame

NAME = "deribit"
SUMMARY, INSTRUMENTS, TICKER = "summary", "instruments", "ticker"
"""Kinds of answers."""

_FROM_TICKER = {
    "bid_price": "best_bid_price", "ask_price": "best_ask_price", "bid_size": "best_bid_amount",
    "ask_size": "best_ask_amount", "last": "last_price", "open_interest": "open_interest",
    "mark_iv": "mark_iv", "mark_price": "mark_price", "underlying_price": "underlying_price",
    "creation_timestamp": "timestamp", "estimated_delivery_price": "estimated_delivery_price",
    "delta": "greeks.delta", "volume": "stats.volume",
}  # fmt: skip
_NUMBERS = {
    "bid": "bid_price", "ask": "ask_price", "bid_size": "bid_size", "ask_size": "ask_size", "last": "last",
    "volume": "volume", "open_interest": "open_interest", "vendor_iv": "mark_iv", "vendor_delta": "delta",
    "vendor_mark": "mark_price", "underlying_price": "underlying_price",
}  # fmt: skip
_OTHERS = {"stamp": "creation_timestamp", "index": "estimated_delivery_price"}
_PERCENT = 100.0


class DeribitSummary:
    """Inverse options of one currency at one moment; `raw_line` counts instruments of the summary from 1."""

    name = NAME

    def recognises(self, head: bytes, name: str) -> bool:  # noqa: ARG002
        """Tell whether it is the cover of such answers, or a book summary."""
        fields = (b'"result"', b'"instrument_name"', b'"mark_iv"', b'"creation_timestamp"')
        return answers.is_cover(head, NAME) or (
            head.lstrip().startswith(b"{") and all(field in head for field in fields)
        )

    def parse(self, payload: RawPayload) -> list[ParsedChain]:
        """Read the chain; see :meth:`periscope_assets.sources.base.Layout.parse`."""
        found = answers.uncover(payload)
        summary = read_list(found.of(SUMMARY)[0]) if found.of(SUMMARY) else []
        if not summary:
            raise SourceError(f"{payload.name}: no instruments in the book summary; check the currency")
        tickers = _tickers(found.of(TICKER) if found.symbol else [])
        merged = [{**book, **tickers.get(str(book.get("instrument_name")), {})} for book in summary]
        table = records.table(
            payload.name, merged, {"instrument_name": "instrument_name"}, _NUMBERS | _OTHERS
        )
        contracts = table.convert("instrument_name", _inverse, "an inverse option like BTC-27MAR26-95000-C")
        stamps = records.instants(table, "stamp", 1e3)
        as_of = records.snapshot_time(payload.name, stamps, found.received_at)
        numbers = {name: table.numbers(name) for name in _NUMBERS}
        numbers["vendor_iv"] = numbers["vendor_iv"] / _PERCENT
        rows = quote_frame(
            contracts,
            strike=[contract.strike for contract in contracts],
            quoted_at=np.array(stamps, dtype=object),
            raw_line=table.raw_line,
            **numbers,
        )
        index = table.numbers("index")
        listed = found.of(INSTRUMENTS) if found.symbol else []
        score = _score(contracts, names(read_list(listed[0]))) if listed else None
        symbols = [contract.root for contract in contracts]
        chains = group_chains(
            rows, symbols, [as_of] * len(rows), lambda _, part: _median(index[part["raw_line"] - 1])
        )
        return [ParsedChain(c.symbol, c.as_of, c.spot, c.rows, c.n_raw, score) for c in chains]


def read_result(payload: RawPayload) -> object:
    """Return the result of one answer.

    Raises
    ------
    SourceError
        If it is no such answer, or reports an error.
    """
    answer = records.read_object(payload.content, payload.name)
    if answer.get("error") is not None:
        code = records.value(answer, "error.code")
        raise SourceError(f"{payload.name}: Deribit reports error {str(code)[:10]!r}; check the currency")
    if "result" not in answer:
        raise SourceError(f"{payload.name}: no result; fetch it again")
    return answer["result"]


def read_list(payload: RawPayload) -> list[Record]:
    """Return the records of an answer that is a list.

    Raises
    ------
    SourceError
        If it is none.
    """
    return records.list_of_records({"result": read_result(payload)}, "result", payload.name)


def names(instruments: Sequence[Record]) -> list[str]:
    """Return the names of instruments or books."""
    return [str(each.get("instrument_name")) for each in instruments]


def _score(contracts: Sequence[Contract], listed: Sequence[str]) -> float | None:
    came = {contract.name for contract in contracts}
    return len(came & set(listed)) / len(listed) if listed else None


def _tickers(payloads: Sequence[RawPayload]) -> Mapping[str, Record]:
    found: dict[str, Record] = {}
    for payload in payloads:
        ticker = read_result(payload)
        if not isinstance(ticker, dict):
            raise SourceError(f"{payload.name}: the result is no object; fetch it again")
        known = {ours: records.value(ticker, theirs) for ours, theirs in _FROM_TICKER.items()}
        found[str(ticker.get("instrument_name"))] = known
    return found


def _inverse(text: str) -> Contract:
    contract = deribit(text)
    if listing(contract.root).quote_unit != "coin":
        raise ValueError(text)
    return contract


def _median(values: NDArray[np.float64]) -> float:
    known = values[np.isfinite(values)]
    return float(np.median(known)) if known.size else float("nan")
