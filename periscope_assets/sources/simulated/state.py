"""Where a simulated market stands on a session: spot, variance, dividends, and the true prices that follow.

What belongs here: the paths and the truth that tests may ask for. What does not: listed strikes, ticks,
spreads.

Paths step one calendar day at a time in plain arithmetic and square roots, which are exact on every machine.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

from periscope_analytics.conventions import NEW_YORK
from periscope_analytics.heston import HestonParams
from periscope_assets.sources import calendars
from periscope_assets.sources.calendars import XNYS
from periscope_assets.sources.simulated.draws import normal
from periscope_assets.sources.simulated.markets import RATE, Dividend, Market

FIRST_SESSION, LAST_SESSION = date(2019, 1, 2), date(2030, 6, 30)
"""Dates between which the simulated markets trade."""

_QUOTED_BEFORE_CLOSE = timedelta(minutes=15)
_CRYPTO_CLOCK = time(20, 0)
_DIVIDEND_MONTHS = (2, 5, 8, 11)
_DIVIDEND_DAY = 10
_REVERSION = 2.0
_LEAST, _GREATEST = 0.5, 1.8
_MINUTES_PER_YEAR = 365 * 1440


@dataclass(frozen=True, slots=True)
class SimulatedMarket:
    """The truth about one simulated market at the time of its quotes.

    Attributes
    ----------
    symbol : str
    as_of : datetime
        UTC.
    spot : float
        USD.
    params : HestonParams
        Parameters that generated the quotes.
    rate, carry : float
        Zero rate, and growth rate of the forward before cash dividends, continuously compounded.
    dividends : tuple of Dividend
        Cash dividends with an ex-date after `as_of`, known to the market for three years.
    """

    symbol: str
    as_of: datetime
    spot: float
    params: HestonParams
    rate: float
    carry: float
    dividends: tuple[Dividend, ...]

    def tau(self, moment: datetime) -> float:
        """Return years ACT/365F from the quotes to `moment`, to the minute."""
        return round((moment - self.as_of).total_seconds() / 60) / _MINUTES_PER_YEAR

    def forward(self, expiry_at: datetime) -> float:
        """Return the forward for settlement at `expiry_at`, USD; dividends are escrowed."""
        ahead = [(self.tau(last_cum_time(dividend)), dividend.amount) for dividend in self.dividends]
        tau = self.tau(expiry_at)
        paid = sum(amount * math.exp(-self.rate * t) for t, amount in ahead if t < tau)
        return (self.spot - paid) * math.exp(self.carry * tau)

    def vol(self, strike: ArrayLike, expiry_at: Sequence[datetime]) -> NDArray[np.float64]:
        """Return the Black vol of each strike for its settlement; NaN far out, where none resolves."""
        forward = np.array([self.forward(moment) for moment in expiry_at])
        tau = np.array([self.tau(moment) for moment in expiry_at])
        return np.asarray(self.params.implied_vol(forward, strike, tau), dtype=np.float64)


def last_cum_time(dividend: Dividend) -> datetime:
    """Return the last UTC instant at which a holder still gets the dividend: the close before the ex-date."""
    eve = dividend.ex_date - timedelta(days=1)
    return calendars.close_time(XNYS, calendars.sessions(XNYS, eve - timedelta(days=7), eve)[-1])


def quote_time(market: Market, session: date) -> datetime | None:
    """Return when quotes are taken: 15 minutes before the close, 20:00 UTC for crypto; else None."""
    if not FIRST_SESSION <= session <= LAST_SESSION:
        return None
    if market.crypto:
        return datetime.combine(session, _CRYPTO_CLOCK, tzinfo=UTC)
    if not calendars.is_session(XNYS, session):
        return None
    return calendars.close_time(XNYS, session) - _QUOTED_BEFORE_CLOSE


def dividends(market: Market) -> tuple[Dividend, ...]:
    """Return every cash dividend of a market, by ex-date."""
    if not market.dividend:
        return ()
    years = range(FIRST_SESSION.year, calendars.LAST.year + 1)
    days = [date(year, month, _DIVIDEND_DAY) for year in years for month in _DIVIDEND_MONTHS]
    return tuple(
        Dividend(calendars.sessions(XNYS, day, day + timedelta(days=7))[0], market.dividend) for day in days
    )


def market_at(market: Market, seed: int, session: date) -> SimulatedMarket | None:
    """Return the truth about a market on a session, None if it does not trade then."""
    as_of = quote_time(market, session)
    if as_of is None:
        return None
    spot, variance = _path(market, seed)[(session - FIRST_SESSION).days]
    today = as_of.astimezone(NEW_YORK).date()
    ahead = tuple(
        each for each in dividends(market) if today < each.ex_date <= today + timedelta(days=3 * 365)
    )
    params = HestonParams(variance, market.kappa, market.theta, market.sigma, market.rho)
    return SimulatedMarket(market.symbol, as_of, spot, params, RATE, market.carry, ahead)


@cache
def _path(market: Market, seed: int) -> tuple[tuple[float, float], ...]:
    """Return spot and variance of every calendar day; the variance is reflected at two barriers."""
    spot, variance, step = market.base, market.theta, 1 / 365
    other = math.sqrt(1 - market.rho * market.rho)
    path = []
    for offset in range((LAST_SESSION - FIRST_SESSION).days + 1):
        path.append((round(spot, 2), round(variance, 6)))
        first = normal(seed, market.symbol, offset, "spot")
        second = market.rho * first + other * normal(seed, market.symbol, offset, "variance")
        root = math.sqrt(variance * step)
        pull = _REVERSION * (1 - spot / market.base) * step
        spot = round(spot * (1 + pull + root * first), 6)
        moved = variance + market.kappa * (market.theta - variance) * step + market.sigma * root * second
        variance = round(_reflected(moved, _LEAST * market.theta, _GREATEST * market.theta), 9)
    return tuple(path)


def _reflected(value: float, low: float, high: float) -> float:
    return 2 * low - value if value < low else 2 * high - value if value > high else value
