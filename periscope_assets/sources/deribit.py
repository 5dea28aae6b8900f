"""Deribit: book summary and list of instruments of a currency and, where asked for, each one's ticker.

What belongs here: what is asked for. What does not: its format (``layouts.deribit_summary``).
"""

from __future__ import annotations

from collections.abc import Sequence

from periscope_analytics.conventions import listing
from periscope_assets.sources.base import RawPayload, SourceError
from periscope_assets.sources.layouts import deribit_summary as layout
from periscope_assets.sources.layouts.deribit_summary import INSTRUMENTS, SUMMARY, TICKER
from periscope_assets.sources.live import LiveSource, checked
from periscope_assets.sources.pacing import Clock
from periscope_assets.sources.transport import Transport

ORIGIN = "https://www.deribit.com"

_API = "/api/v2/public/"


class Deribit(LiveSource):
    """The keyless source of coin-quoted options.

    Parameters
    ----------
    transport : Transport
    clock : Clock
    completeness : float
        Least share of the listed instruments that a chain must hold.
    tickers : bool
        Ask for the ticker of each instrument too, for sizes and deltas: one request each.
    """

    name = layout.NAME

    def __init__(self, transport: Transport, clock: Clock, completeness: float, tickers: bool) -> None:
        super().__init__(transport, clock)
        self._least, self._tickers = completeness, tickers

    def _ask(self, symbol: str, kept: list[RawPayload]) -> Sequence[RawPayload]:
        if listing(symbol).quote_unit != "coin":
            raise SourceError(f"{self.name}: {symbol}: has no coin-quoted options there; choose BTC or ETH")
        asked = {"currency": symbol, "kind": "option"}
        summary = self._list("get_book_summary_by_currency", asked, SUMMARY, kept)
        instruments = self._list("get_instruments", {**asked, "expired": "false"}, INSTRUMENTS, kept)
        came, listed = (set(layout.names(layout.read_list(each))) for each in (summary, instruments))
        if not listed or len(came & listed) < self._least * len(listed):
            raise SourceError(
                f"{self.name}: {symbol}: {len(came & listed):,} of {len(listed):,} listed instruments came "
                f"(a share of at least {self._least} is wanted); retry later"
            )
        wanted = sorted(came & listed) if self._tickers else []
        tickers = [self._ticker(number, name, kept) for number, name in enumerate(wanted, start=1)]
        return [summary, instruments, *tickers]

    def _list(self, method: str, params: dict[str, str], kind: str, kept: list[RawPayload]) -> RawPayload:
        return self._transport.get(
            _API + method, params, f"{kind}-0001.json", checked(layout.read_list), kept
        )

    def _ticker(self, number: int, instrument: str, kept: list[RawPayload]) -> RawPayload:
        asked = {"instrument_name": instrument}
        name = f"{TICKER}-{number:04d}.json"
        return self._transport.get(f"{_API}ticker", asked, name, checked(layout.read_result), kept)
