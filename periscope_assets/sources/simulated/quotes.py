"""From true vols to the quotes that a market maker would show.

What belongs here: prices, ticks, spreads, sizes, interest. What does not: which options exist (``listings``),
planted defects (``defects``).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date

import numpy as np
from numpy.typing import NDArray

from periscope_analytics import american, black
from periscope_analytics.conventions import listing
from periscope_assets.sources.simulated.dislocations import shift
from periscope_assets.sources.simulated.draws import uniform
from periscope_assets.sources.simulated.listings import Expiry, contract_name, expiries, strikes
from periscope_assets.sources.simulated.markets import Market
from periscope_assets.sources.simulated.state import SimulatedMarket, last_cum_time

Floats = NDArray[np.float64]

_LEAST_VALUE = 1e-7
"""Least out-of-the-money value of a listed strike over the forward; beyond, a vol is imprecise."""
_FURTHEST_WIDENING = 4.0
_WIDENING_BY_WING, _WIDENING_BY_YEAR, _WIDTH_OF_INTRINSIC = 0.3, 0.4, 0.0005
_MOST_CONTRACTS, _MOST_INTEREST, _TURNOVER = 80, 6000, 0.4


@dataclass(frozen=True, slots=True)
class Quote:
    """One option as it is written; prices in the unit of quotation, None where the vendor gives nothing."""

    contract: str
    root: str
    expiry: date
    is_call: bool
    strike: float
    bid: float | None
    ask: float | None
    bid_size: int
    ask_size: int
    last: float | None
    volume: int
    open_interest: int
    vendor_iv: float
    vendor_delta: float
    vendor_mark: float
    underlying_price: float
    places: int

    def cells(self) -> list[str]:
        """Return the cells of one line of the simulated layout."""
        bid, ask, last, mark = (
            "" if price is None else f"{price:.{self.places}f}"
            for price in (self.bid, self.ask, self.last, self.vendor_mark)
        )
        side = "C" if self.is_call else "P"
        counts = [str(self.bid_size), str(self.ask_size), last, str(self.volume), str(self.open_interest)]
        vendor = [f"{self.vendor_iv:.4f}", f"{self.vendor_delta:.4f}", mark, f"{self.underlying_price:.2f}"]
        return [self.contract, self.expiry.isoformat(), side, plain(self.strike), bid, ask, *counts, *vendor]


@dataclass(frozen=True, slots=True)
class _Listed:
    """Every strike of every expiry, as arrays of one length, and the true vol of each."""

    expiry: Sequence[Expiry]
    strike: Floats
    tau: Floats
    forward: Floats
    vol: Floats


def plain(number: float) -> str:
    """Return a number as text with at most two decimals and no trailing zeros."""
    return f"{number:.2f}".rstrip("0").rstrip(".")


def true_price(truth: SimulatedMarket, market: Market, listed: _Listed, is_call: bool) -> Floats:
    """Return each option's value at its true vol: European, inverse in coin, or American with dividends."""
    if market.crypto:
        return black.price(listed.forward, listed.strike, listed.tau, listed.vol, is_call) / listed.forward
    if listing(market.root).style == "european":
        discount = np.exp(-truth.rate * listed.tau)
        return black.price(listed.forward, listed.strike, listed.tau, listed.vol, is_call, discount)
    times = [truth.tau(last_cum_time(dividend)) for dividend in truth.dividends]
    amounts = [dividend.amount for dividend in truth.dividends]
    return american.price(
        truth.spot,
        listed.strike,
        listed.tau,
        truth.rate,
        0.0,
        listed.vol,
        is_call,
        dividends=(amounts, times),
    )


def make_quotes(market: Market, truth: SimulatedMarket, seed: int, dislocated: bool = False) -> list[Quote]:
    """Return the quotes of every listed option, by expiry and strike, each call before its put.

    With `dislocated` some strikes are quoted off their true vol.
    """
    listed = _listed(market, truth)
    if dislocated:
        listed = _moved(market, truth, listed, seed)
    sides = {is_call: _side(market, truth, listed, is_call, seed) for is_call in (True, False)}
    return [quote for pair in zip(sides[True], sides[False], strict=True) for quote in pair]


def _listed(market: Market, truth: SimulatedMarket) -> _Listed:
    rows: list[tuple[Expiry, float, float, float]] = []
    for expiry in expiries(market, truth.as_of.date()):
        years, fair = truth.tau(expiry.at), truth.forward(expiry.at)
        written = round(fair, 2) if market.crypto else fair
        rows += [(expiry, listed, years, written) for listed in strikes(market, written, years)]
    strike, tau, forward = np.array([row[1:] for row in rows]).T
    vol = truth.params.implied_vol(forward, strike, tau)
    value = black.price(1.0, strike / forward, tau, vol, strike > forward)
    known = np.nan_to_num(value) > _LEAST_VALUE
    kept = [row[0] for row, keep in zip(rows, known, strict=True) if keep]
    return _Listed(kept, strike[known], tau[known], forward[known], vol[known])


def _moved(market: Market, truth: SimulatedMarket, listed: _Listed, seed: int) -> _Listed:
    day, width = truth.as_of.date(), _width(market, listed)
    names = [
        f"{expiry.root}|{expiry.day}|{plain(strike)}"
        for expiry, strike in zip(listed.expiry, listed.strike.tolist(), strict=True)
    ]
    z, tau = _deviations(market, listed).tolist(), listed.tau.tolist()
    off = np.array([shift(seed, *one) for one in zip(names, [day] * len(names), z, tau, strict=True)])
    return replace(listed, vol=listed.vol + off * width)


def _deviations(market: Market, listed: _Listed) -> Floats:
    return np.asarray(np.log(listed.strike / listed.forward) / np.sqrt(market.theta * listed.tau))


def _width(market: Market, listed: _Listed) -> Floats:
    """Return half the spread in vol."""
    wing = _WIDENING_BY_WING * np.minimum(np.abs(_deviations(market, listed)), _FURTHEST_WIDENING) ** 2
    return np.asarray(market.vol_width * (1 + wing) * (1 + _WIDENING_BY_YEAR * listed.tau))


def _side(market: Market, truth: SimulatedMarket, listed: _Listed, is_call: bool, seed: int) -> list[Quote]:
    unit = listed.forward if market.crypto else np.ones_like(listed.forward)
    greeks = black.greeks(listed.forward, listed.strike, listed.tau, listed.vol, is_call)
    value = true_price(truth, market, listed, is_call)
    z, width = _deviations(market, listed), _width(market, listed)
    intrinsic = np.maximum((listed.forward - listed.strike) * (1 if is_call else -1), 0.0)
    half = (greeks.vega * width + _WIDTH_OF_INTRINSIC * intrinsic) / unit
    under = listed.forward if market.crypto else np.full_like(listed.forward, truth.spot)
    table = np.column_stack([listed.strike, value, half, z, listed.vol, greeks.delta, under])
    key = (seed, truth.as_of.date())
    return [
        _quote(market, expiry, is_call, numbers, key)
        for expiry, numbers in zip(listed.expiry, table.tolist(), strict=True)
    ]


def _quote(
    market: Market, expiry: Expiry, is_call: bool, numbers: Sequence[float], key: tuple[int, date]
) -> Quote:
    strike, value, half, z, vol, delta, underlying = numbers
    name = contract_name(market, expiry.root, expiry.day, strike, is_call)
    tick = next(size for limit, size in market.ticks if value < limit)
    places = 4 if market.crypto else 2
    half = max(half, tick / 2)
    bid = round(max(math.floor((value - half) / tick), 0) * tick, places)
    ask = round(math.ceil((value + half) / tick) * tick, places)
    depth = 1 / (1 + z * z)
    interest = int(_MOST_INTEREST * depth * depth * (0.1 + uniform(key[0], name, "interest")))
    volume = int(interest * _TURNOVER * uniform(*key, name, "volume") ** 2)
    traded = value + (2 * uniform(*key, name, "last") - 1) * half
    return Quote(
        contract=name,
        root=expiry.root,
        expiry=expiry.day,
        is_call=is_call,
        strike=strike,
        bid=bid,
        ask=ask,
        bid_size=1 + int(_MOST_CONTRACTS * depth * uniform(*key, name, "bid")) if bid > 0 else 0,
        ask_size=1 + int(_MOST_CONTRACTS * depth * uniform(*key, name, "ask")),
        last=round(max(round(traded / tick), 1) * tick, places) if volume else None,
        volume=volume,
        open_interest=interest,
        vendor_iv=round(vol, 4),
        vendor_delta=round(delta, 4),
        vendor_mark=round(value, places),
        underlying_price=underlying,
        places=places,
    )
