"""Which options a simulated exchange lists on a session.

What belongs here: expiration dates and strikes. What does not: prices.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from periscope_analytics.conventions import PM, UTC08, listing, settlement_time
from periscope_assets.sources import calendars
from periscope_assets.sources.simulated.markets import Market

_FRIDAY = 4
_WEEKLIES = 8
_MIDWEEK_DAYS = (0, 2)
_MIDWEEK_WEEKS = 2
_MONTHLIES = 6
_QUARTERLY_MONTHS = (3, 6, 9, 12)
_QUARTERLY_DAYS = 735
_COIN_DAILIES, _COIN_WEEKLIES, _COIN_MONTHLIES, _COIN_QUARTERLY_DAYS = 3, 5, 5, 550
_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_NEAR = 1.5
_DOWN, _UP = 6.0, 3.5
_LOWEST, _HIGHEST = 0.25, 3.0


@dataclass(frozen=True, slots=True, order=True)
class Expiry:
    """One listed expiration of one root."""

    at: datetime
    day: date
    root: str


def expiries(market: Market, session: date) -> list[Expiry]:
    """Return the expirations listed on a session, all after it, in order of settlement."""
    return sorted(_coin_expiries(market, session) if market.crypto else _us_expiries(market, session))


def strikes(market: Market, forward: float, tau: float) -> list[float]:
    """Return the strikes listed for an expiry: close together near the forward, far apart in the wings."""
    deviation = math.sqrt(market.theta * tau)
    steps = market.strike_steps
    finest = market.density * deviation * forward
    index = next((i for i, step in enumerate(steps) if step >= finest), len(steps) - 1)
    fine, coarse = steps[index], steps[min(index + 1, len(steps) - 1)]
    near = _multiples(fine, forward * math.exp(-_NEAR * deviation), forward * math.exp(_NEAR * deviation))
    lowest, highest = max(math.exp(-_DOWN * deviation), _LOWEST), min(math.exp(_UP * deviation), _HIGHEST)
    wide = _multiples(coarse, forward * lowest, forward * highest)
    return sorted(near | wide)


def contract_name(market: Market, root: str, expiry: date, strike: float, is_call: bool) -> str:
    """Return the OCC symbol, or Deribit's instrument name for crypto."""
    side = "C" if is_call else "P"
    if market.crypto:
        return f"{root}-{expiry.day}{_MONTHS[expiry.month - 1]}{expiry:%y}-{strike:.0f}-{side}"
    return f"{root}{expiry:%y%m%d}{side}{round(strike * 1000):08d}"


def _multiples(step: float, low: float, high: float) -> set[float]:
    return {
        number * step for number in range(math.ceil(low / step), math.floor(high / step) + 1) if number > 0
    }


def _fridays(session: date, days: int) -> list[date]:
    first = session + timedelta(days=(_FRIDAY - session.weekday()) % 7)
    return [first + timedelta(weeks=week) for week in range(days // 7 + 1)]


def _is_third(friday: date) -> bool:
    return 15 <= friday.day <= 21


def _traded(day: date) -> date:
    """Return the session on which an expiration of `day` falls: the one before a holiday."""
    return calendars.sessions(calendars.XNYS, day - timedelta(days=5), day)[-1]


def _us_expiries(market: Market, session: date) -> set[Expiry]:
    fridays = _fridays(session, _QUARTERLY_DAYS)
    third = [friday for friday in fridays if _is_third(friday)]
    monthly = third[:_MONTHLIES] + [
        friday for friday in third[_MONTHLIES:] if friday.month in _QUARTERLY_MONTHS
    ]
    weekly = fridays[:_WEEKLIES]
    found = {(market.root, friday) for friday in monthly} | {
        (market.weekly_root, friday) for friday in weekly
    }
    if market.weekly_root != market.root:
        midweek = [session + timedelta(days=offset) for offset in range(1, 7 * _MIDWEEK_WEEKS + 1)]
        found |= {(market.weekly_root, day) for day in midweek if day.weekday() in _MIDWEEK_DAYS}
    listed = {(root, _traded(day), listing(root).settlement or PM) for root, day in found}
    return {Expiry(settlement_time(day, clock), day, root) for root, day, clock in listed if day > session}


def _coin_expiries(market: Market, session: date) -> set[Expiry]:
    dailies = [session + timedelta(days=offset) for offset in range(1, _COIN_DAILIES + 1)]
    fridays = [friday for friday in _fridays(session, _COIN_QUARTERLY_DAYS) if friday > session]
    last = [friday for friday in fridays if (friday + timedelta(days=7)).month != friday.month]
    monthly = last[:_COIN_MONTHLIES] + [friday for friday in last if friday.month in _QUARTERLY_MONTHS]
    days = {*dailies, *fridays[:_COIN_WEEKLIES], *monthly}
    return {Expiry(settlement_time(day, UTC08), day, market.root) for day in days}
