"""Yahoo chains as yfinance collectors store them: a CSV without a time, beside a ``<session>_meta.json``.

What belongs here: this one layout and its companion. What does not: finding the companion on disk
(``files``). The CSV's session and `spot` belong to the previous close; the quotes were taken at the
companion's `utc`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime

import numpy as np

from periscope_assets.sources.base import ParsedChain, RawPayload, SourceError
from periscope_assets.sources.layouts import cells, times
from periscope_assets.sources.layouts.contracts import call_or_put, check_agrees, occ, strikes, symbol_of
from periscope_assets.sources.layouts.rows import group_chains, quote_frame

_NUMBERS = {
    "bid": "bid", "ask": "ask", "last": "lastPrice", "volume": "volume",
    "open_interest": "openInterest", "vendor_iv": "impliedVolatility",
}  # fmt: skip
_WANTED = ("contractSymbol", "expiry", "type", "strike", "session", *_NUMBERS.values())
_SIGNATURE = {
    "contractSymbol",
    "lastPrice",
    "impliedVolatility",
    "inTheMoney",
    "lastTradeDate",
    "openInterest",
}


class YahooChain:
    """One underlying's chain of one collection run."""

    name = "yahoo_chain"

    def recognises(self, head: bytes, name: str) -> bool:  # noqa: ARG002
        """Tell whether the header has Yahoo's camel-case column names."""
        return cells.has_columns(head, _SIGNATURE)

    def parse(self, payload: RawPayload) -> list[ParsedChain]:
        """Read one chain per underlying; see :meth:`periscope_assets.sources.base.Layout.parse`."""
        table = cells.read_csv(payload.name, payload.content, _WANTED)
        sessions = table.convert("session", times.iso_date, "a date")
        if len(set(sessions)) > 1:
            row = next(i for i, session in enumerate(sessions) if session != sessions[0])
            raise table.error(
                row, "session", f"is not {sessions[0]} like the rows above; supply one session per file"
            )
        meta_name, meta = _companion(payload, sessions[0].isoformat())
        contracts = table.convert("contractSymbol", occ, "an OCC contract symbol")
        check_agrees(table, "expiry", contracts, table.convert("expiry", times.iso_date, "a date"), "expiry")
        check_agrees(table, "type", contracts, table.convert("type", call_or_put, "C or P"), "is_call")
        symbols = table.convert(
            "contractSymbol", lambda text: symbol_of(occ(text).root), "a contract on a valid symbol"
        )
        spots = {symbol: _live_spot(meta_name, meta, symbol) for symbol in set(symbols)}
        numbers = {column: table.numbers(name) for column, name in _NUMBERS.items()}
        rows = quote_frame(
            contracts,
            strike=strikes(table, "strike", contracts),
            underlying_price=np.array([spots[symbol] for symbol in symbols]),
            raw_line=table.raw_line,
            **numbers,
        )
        as_of = _as_of(meta_name, meta)
        return group_chains(rows, symbols, [as_of] * len(rows), lambda symbol, _: spots[symbol])


def read_meta(content: bytes) -> Mapping[str, object] | None:
    """Return a collector's meta.json as a mapping, or None if the bytes are something else."""
    try:
        meta = json.loads(content)
    except (ValueError, RecursionError):
        return None
    return meta if isinstance(meta, dict) and {"utc", "session"} <= meta.keys() else None


def _companion(payload: RawPayload, session: str) -> tuple[str, Mapping[str, object]]:
    for name, content in payload.companions.items():
        meta = read_meta(content)
        if meta is not None and meta["session"] == session:
            return name, meta
    wanted = f"{session}_meta.json"
    raise SourceError(
        f"{payload.name}: no {wanted} of session {session} beside it, so the time of the quotes is unknown; "
        f"put {wanted} into the same folder"
    )


def _as_of(name: str, meta: Mapping[str, object]) -> datetime:
    try:
        return times.iso_utc(str(meta["utc"]))
    except ValueError:
        found = cells.cut(str(meta["utc"]))
        raise SourceError(
            f"{name}: utc: {found} is no time like 2026-08-17T14:05:34+00:00; correct it"
        ) from None


def _live_spot(name: str, meta: Mapping[str, object], symbol: str) -> float:
    tickers = meta.get("tickers")
    ticker = tickers.get(symbol) if isinstance(tickers, dict) else None
    spot = ticker.get("spot_live") if isinstance(ticker, dict) else None
    if spot is None:
        return float("nan")
    if isinstance(spot, bool) or not isinstance(spot, int | float) or not np.isfinite(spot):
        raise SourceError(
            f"{name}: spot_live of {symbol}: {cells.cut(str(spot))} is not a finite number; correct it"
        )
    return float(spot)
