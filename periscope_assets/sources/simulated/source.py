"""The simulated source: bytes for a symbol and session, and the truth behind them.

What belongs here: :class:`SimulatedSource`. What does not: how prices are made.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from periscope_assets.sources.base import RawPayload, SourceError
from periscope_assets.sources.layouts import simulated_chain
from periscope_assets.sources.simulated import defects, state
from periscope_assets.sources.simulated.markets import MARKETS, Dividend, Market
from periscope_assets.sources.simulated.quotes import Quote, make_quotes


class SimulatedSource:
    """A market made from known Heston parameters.

    Parameters
    ----------
    seed : int
        Chooses the paths; the same seed gives the same bytes.
    defects : bool
        Plant a labelled set of defects in every chain.
    dislocations : bool
        Quote some strikes off their true vol for a few days.
    """

    name = "simulated"

    def __init__(self, seed: int, defects: bool = False, dislocations: bool = False) -> None:
        self._seed = seed
        self._defects = defects
        self._dislocations = dislocations

    def fetch(self, symbol: str, session: date) -> Sequence[RawPayload]:
        """Return the one payload of a symbol and session, empty on a day without session.

        Raises
        ------
        SourceError
            If there is no such simulated market.
        """
        quotes, _ = self._quotes(symbol, session)
        if not quotes:
            return ()
        truth = self.truth(symbol, session)
        content = simulated_chain.write(
            symbol, truth.as_of, f"{truth.spot:.2f}", [quote.cells() for quote in quotes]
        )
        return (RawPayload(f"{symbol}_{session:%Y%m%d}.simulated.csv", content, received_at=truth.as_of),)

    def truth(self, symbol: str, session: date) -> state.SimulatedMarket:
        """Return what generated the quotes of a session.

        Raises
        ------
        SourceError
            If there is no such simulated market.
        ValueError
            If the market has no session on that day.
        """
        truth = state.market_at(_market(symbol), self._seed, session)
        if truth is None:
            raise ValueError(f"session: {symbol} does not trade on {session}")
        return truth

    def dividends(self, symbol: str) -> tuple[Dividend, ...]:
        """Return every cash dividend of a symbol by ex-date; empty for indices and coins.

        Raises
        ------
        SourceError
            If there is no such simulated market.
        """
        return state.dividends(_market(symbol))

    def labels(self, symbol: str, session: date) -> tuple[defects.Defect, ...]:
        """Return the defects planted in a chain; empty without session or where none are planted.

        Raises
        ------
        SourceError
            If there is no such simulated market.
        """
        return self._quotes(symbol, session)[1]

    def _quotes(self, symbol: str, session: date) -> tuple[Sequence[Quote], tuple[defects.Defect, ...]]:
        market = _market(symbol)
        truth = state.market_at(market, self._seed, session)
        if truth is None:
            return (), ()
        quotes = make_quotes(market, truth, self._seed, self._dislocations)
        return defects.plant(quotes, market, session, self._seed) if self._defects else (quotes, ())


def _market(symbol: str) -> Market:
    if symbol not in MARKETS:
        known = ", ".join(MARKETS)
        raise SourceError(
            f"{symbol[:40]}: no simulated market is called so; choose one of {known}, or ingest its files"
        )
    return MARKETS[symbol]
