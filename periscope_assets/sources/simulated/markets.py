"""The simulated underlyings: what generates them, how their options are listed and quoted.

What belongs here: constants. What does not: anything that depends on a date or a seed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from types import MappingProxyType

RATE = 0.0533
"""Continuously compounded zero rate of every tenor; equal to the configured default curve."""


@dataclass(frozen=True, slots=True)
class Dividend:
    """A cash dividend per share."""

    ex_date: date
    amount: float


@dataclass(frozen=True, slots=True)
class Market:
    """One simulated underlying.

    Attributes
    ----------
    symbol : str
    root : str
        Root of the monthly options.
    weekly_root : str
        Root of the weekly options; equal to `root` where both have one.
    base : float
        Price that the spot path reverts to, USD.
    kappa, theta, sigma, rho : float
        Heston parameters; v0 follows its own path.
    carry : float
        Growth rate of the forward before cash dividends: rate minus continuous yield, per year.
    dividend : float
        Quarterly cash dividend, USD per share.
    strike_steps : tuple of float
        Distances of listed strikes, USD, ascending.
    density : float
        Finest strike distance in standard deviations of the expiry.
    ticks : tuple of (float, float)
        Tick size below and from each price limit: ``(limit, tick)``, ascending, in the unit of quotation.
    vol_width : float
        Half-spread at the money, in vol.
    crypto : bool
    """

    symbol: str
    root: str
    weekly_root: str
    base: float
    kappa: float
    theta: float
    sigma: float
    rho: float
    carry: float
    dividend: float
    strike_steps: tuple[float, ...]
    density: float
    ticks: tuple[tuple[float, float], ...]
    vol_width: float
    crypto: bool = False


_INDEX_TICKS = ((3.0, 0.05), (float("inf"), 0.10))
_EQUITY_TICKS = ((3.0, 0.01), (float("inf"), 0.05))
_COIN_TICKS = ((float("inf"), 0.0001),)

_ALL = (
    Market("SIMX", "SIMX", "SIMXW", 5000.0, 2.2, 0.036, 0.62, -0.72, RATE - 0.014, 0.0,
           (5.0, 10.0, 25.0, 50.0, 100.0, 250.0, 500.0), 0.15, _INDEX_TICKS, 0.0010),
    Market("SIMN", "SIMN", "SIMNW", 18000.0, 1.8, 0.052, 0.66, -0.64, RATE - 0.008, 0.0,
           (10.0, 25.0, 50.0, 100.0, 250.0, 500.0, 1000.0), 0.15, _INDEX_TICKS, 0.0012),
    Market("ACME", "ACME", "ACME", 180.0, 1.7, 0.075, 0.60, -0.52, RATE, 0.55,
           (1.0, 2.5, 5.0, 10.0, 20.0), 0.45, _EQUITY_TICKS, 0.0018),
    Market("BOLT", "BOLT", "BOLT", 85.0, 2.6, 0.160, 0.95, -0.42, RATE, 0.12,
           (0.5, 1.0, 2.5, 5.0, 10.0), 0.45, _EQUITY_TICKS, 0.0025),
    Market("CRUX", "CRUX", "CRUX", 420.0, 1.3, 0.100, 0.62, -0.48, RATE, 1.60,
           (2.5, 5.0, 10.0, 20.0, 50.0), 0.45, _EQUITY_TICKS, 0.0020),
    Market("SIMBTC", "SIMBTC", "SIMBTC", 95000.0, 3.0, 0.300, 1.30, -0.18, 0.06, 0.0,
           (500.0, 1000.0, 2000.0, 5000.0, 10000.0, 20000.0), 0.12, _COIN_TICKS, 0.0040, crypto=True),
)  # fmt: skip

MARKETS: Mapping[str, Market] = MappingProxyType({market.symbol: market for market in _ALL})
"""Every simulated underlying by symbol."""
