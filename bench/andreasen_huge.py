"""The served surface against QuantLib's Andreasen-Huge interpolation, on one recorded chain of an index.

What belongs here: the same quotes given to both, how many of them each ends inside of, and what arbitrage is
left in the prices that each serves. What does not: timing (``harness``), the fit. QuantLib counts days: of
two expiries on one day the one with more quotes is taken, and both get whole days. Its fit of as many
parameters as quotes ends far off with a cubic spline, and near with a piecewise constant. Run alone:
``python -m bench.andreasen_huge``; the folder of recorded chains is ``PERISCOPE_TEST_DATA``.
"""

from __future__ import annotations

from bench.harness import Result, markdown  # isort: skip

import csv
import gzip
import os
import sys
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np
import QuantLib as ql  # noqa: N813

from periscope_analytics import black
from periscope_analytics.calibration.served import SliceQuotes, fit_surface
from periscope_analytics.forward import fit_forward
from periscope_analytics.implied_vol import implied_vol
from periscope_analytics.market import parse_occ

RECORDED = Path(
    os.environ.get("PERISCOPE_TEST_DATA", Path(__file__).resolve().parents[2] / "shared" / "data")
)
CHAIN = RECORDED / "cboe-spx-spy-xsp-20230914" / "spx_quotedata.csv.gz"
TODAY = ql.Date(14, 9, 2023)
RATE = 0.055
EVERY = 8
"""QuantLib takes minutes for the whole chain: every eighth day of expiry is given to both."""

GRID = np.linspace(-0.5, 0.25, 151)
Calls = Callable[[int, np.ndarray], np.ndarray]
"""Undiscounted calls in units of the forward, by days to expiry and k."""


class Expiry(NamedTuple):
    """Out-of-the-money quotes of one day, prices in units of the forward and undiscounted."""

    days: int
    forward: float
    k: np.ndarray
    bid: np.ndarray
    ask: np.ndarray
    vol: np.ndarray
    vega: np.ndarray


def _expiry(days: int, rows: np.ndarray) -> Expiry | None:
    strike, *sides = rows[np.argsort(rows[:, 0])].T
    tau, discount = days / 365.0, float(np.exp(-RATE * days / 365.0))
    forward = fit_forward(strike, *sides, discount=discount).forward
    call = strike >= forward
    bid, ask = np.where(call, sides[0], sides[2]), np.where(call, sides[1], sides[3])
    used = (bid > 0.0) & (ask > bid)
    k, unit = np.log(strike / forward)[used], forward * discount
    bid, ask = bid[used] / unit, ask[used] / unit
    vol = implied_vol(0.5 * (bid + ask), 1.0, np.exp(k), tau, k >= 0.0).sigma
    good = np.isfinite(vol)
    if np.count_nonzero(good) < 8:
        return None
    k, bid, ask, vol = k[good], bid[good], ask[good], vol[good]
    return Expiry(days, forward, k, bid, ask, vol, black.greeks(1.0, np.exp(k), tau, vol, k >= 0.0).vega)


def chain() -> list[Expiry]:
    """Read the recorded chain, one expiry a day, from one day on."""
    lines = gzip.decompress(CHAIN.read_bytes()).decode().splitlines()[4:]
    found: dict[tuple[int, bool], list[list[float]]] = defaultdict(list)
    for row in csv.reader(lines):
        contract = parse_occ(row[1])
        days = ql.Date(contract.expiry.day, contract.expiry.month, contract.expiry.year) - TODAY
        numbers = [float(row[i]) for i in (11, 4, 5, 15, 16)]
        found[days, contract.root == "SPX"].append(numbers)
    best: dict[int, Expiry] = {}
    for (days, _), rows in sorted(found.items()):
        made = _expiry(days, np.array(rows)) if days > 0 else None
        if made and (days not in best or made.k.size > best[days].k.size):
            best[days] = made
    return [best[days] for days in sorted(best)]


def _curves(expiries: list[Expiry], spot: float) -> tuple[ql.YieldTermStructureHandle, ...]:
    """Rates, and the yields that make QuantLib's forwards ours."""
    dates = [TODAY] + [TODAY + each.days for each in expiries]
    discounts = [1.0] + [float(np.exp(-RATE * each.days / 365.0)) for each in expiries]
    yields = [1.0] + [d * each.forward / spot for d, each in zip(discounts[1:], expiries, strict=True)]
    made = (ql.DiscountCurve(dates, column, ql.Actual365Fixed()) for column in (discounts, yields))
    return tuple(ql.YieldTermStructureHandle(each) for each in made)


def quantlib(expiries: list[Expiry], kind: str) -> Calls:
    """Fit QuantLib's interpolation to the mid vols; return its calls. 500 points are its default."""
    ql.Settings.instance().evaluationDate = TODAY
    spot = expiries[0].forward
    rates, yields = _curves(expiries, spot)
    quotes = ql.CalibrationSet()
    for each in expiries:
        exercise = ql.EuropeanExercise(TODAY + each.days)
        for k, vol in zip(each.k.tolist(), each.vol.tolist(), strict=True):
            payoff = ql.PlainVanillaPayoff(ql.Option.Call, float(each.forward * np.exp(k)))
            quotes.push_back(ql.CalibrationPair(ql.VanillaOption(payoff, exercise), ql.SimpleQuote(vol)))
    fit = ql.AndreasenHugeVolatilityInterpl(
        quotes, ql.QuoteHandle(ql.SimpleQuote(spot)), rates, yields,
        getattr(ql.AndreasenHugeVolatilityInterpl, kind), ql.AndreasenHugeVolatilityInterpl.Call, 500,
    )  # fmt: skip
    fit.calibrationError()

    def calls(days: int, k: np.ndarray) -> np.ndarray:
        tau = days / 365.0
        forward = fit.fwd(tau)
        unit = forward * fit.riskFreeRate().discount(tau)
        strikes = (forward * np.exp(k)).tolist()
        return np.array([fit.optionPrice(tau, x, ql.Option.Call) for x in strikes]) / unit

    return calls


def ours(expiries: list[Expiry]) -> Calls:
    """Fit the served surface to bids and asks; return its calls."""
    surface = fit_surface([SliceQuotes(e.days / 365.0, e.k, e.bid, e.ask) for e in expiries]).params

    def calls(days: int, k: np.ndarray) -> np.ndarray:
        price = surface.slice_at(days / 365.0).otm_price(k)
        return np.where(k >= 0.0, price, price + 1.0 - np.exp(k))

    return calls


def inside(calls: Calls, expiries: list[Expiry]) -> float:
    """Share of the quotes' vega within bid and ask."""
    good = total = 0.0
    for each in expiries:
        call = calls(each.days, each.k)
        price = np.where(each.k >= 0.0, call, call - 1.0 + np.exp(each.k))
        slack = 1e-12
        held = (price >= each.bid - slack) & (price <= each.ask + slack)
        good, total = good + float(each.vega[held].sum()), total + float(each.vega.sum())
    return good / total


def violations(calls: Calls, expiries: list[Expiry]) -> tuple[int, int, float]:
    """Butterflies below zero, calls that fall with time, of how many basis points at worst, on a grid."""
    between = ((a.days, (a.days + b.days) // 2, b.days) for a, b in pairwise(expiries))
    days = sorted({day for three in between for day in three})
    table = np.array([calls(d, GRID) for d in days])
    x = np.exp(GRID)
    slope = np.diff(table, axis=1) / np.diff(x)
    fly = np.diff(slope, axis=1) * np.diff(x)[1:]
    time_value = np.diff(table, axis=0)
    worst = max(0.0, -float(fly.min()), -float(time_value.min()))
    return int(np.sum(fly < -1e-10)), int(np.sum(time_value < -1e-10)), 1e4 * worst


def _result(name: str, fit: Callable[[list[Expiry]], Calls], expiries: list[Expiry], runs: int) -> Result:
    seconds = []
    for _ in range(runs):
        start = time.perf_counter()
        calls = fit(expiries)
        seconds.append(time.perf_counter() - start)
    flies, falls, worst = violations(calls, expiries)
    told = (
        f"{100.0 * inside(calls, expiries):.1f} % of vega inside; {flies} butterflies and {falls} calendars"
    )
    return Result(name, 1e9 * min(seconds), 1.0, f"{told} violated, by {worst:.1e} bps of F at worst")


def tables() -> list[str]:
    """Return the table, or nothing without the recorded chain."""
    if not CHAIN.is_file():
        return []
    whole = chain()
    expiries = whole[::EVERY]
    ours(expiries)
    first = _result("Periscope", ours, expiries, 5)
    rows = [first]
    for kind, name in (("PiecewiseConstant", "piecewise constant"), ("CubicSpline", "cubic spline")):
        result = _result(
            f"QuantLib Andreasen-Huge, {name}", lambda e, kind=kind: quantlib(e, kind), expiries, 1
        )
        rows.append(replace(result, ratio=result.nanoseconds / first.nanoseconds))
    n = sum(each.k.size for each in expiries)
    title = f"Surface of SPX, 2023-09-14: {n:,} quotes in {len(expiries)} of its {len(whole)} days of expiry"
    return [markdown(title, rows, "ms", 1e-6)]


if __name__ == "__main__":
    sys.stdout.write("\n".join(tables()))
