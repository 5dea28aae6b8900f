"""Errors of quotes: how far a mid vol may be off, and how much of that is the spread's doing.

What belongs here: the one-sigma error and the weight of each quote. What does not: vols (``vols``), errors
that all quotes of an expiry share: those of the forward and of the discount.

The spread alone takes the true vol as uniform between bid and ask. What else the quote tells of itself adds
variance: a small size, an age, and a gap to the vols of the option on the other side of the same strike,
which parity says are the same. The weight is the share of the spread's variance in the whole.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from periscope_assets.transforms.expiries import instants
from periscope_assets.transforms.frames import Floats, flags, numbers

_UNIFORM = 2.0 * np.sqrt(3.0)
"""Width of an interval over the standard deviation of a value that is uniform in it."""

_FULL_SIZE = 1.0
"""Contracts at which a quote's variance is twice that of a large one."""

_OLD_MINUTES = 15.0
"""Age at which a quote's variance is twice that of a fresh one."""


_MICROSECONDS = 60e6


class Sides(NamedTuple):
    """Vols and USD prices of the two sides of the market and vols of their mid, each of length n."""

    bid_iv: Floats
    mid_iv: Floats
    ask_iv: Floats
    bid: Floats
    ask: Floats


def errors_and_weights(
    quotes: pd.DataFrame, expiry: NDArray[np.intp], sides: Sides, vega: Floats, as_of: datetime
) -> tuple[Floats, Floats]:
    """Return the one-sigma error of each mid vol, NaN where there is none, and the weight of each quote.

    Parameters
    ----------
    quotes : DataFrame, length n
        Rows of ``options_snapshots``: strike, side, sizes and times.
    expiry : ndarray of int, shape (n,)
        Number of each quote's expiry.
    sides : Sides
    vega : ndarray, shape (n,)
        Per 1.00 vol, USD, at the mid: the width of a side without a vol is read from its price.
    as_of : datetime

    Returns
    -------
    stderr, weight : ndarray, shape (n,)
        The weight is 0 where a vol of the three is absent or the quote has no width.
    """
    by_vols = (sides.ask_iv - sides.bid_iv) / _UNIFORM
    with np.errstate(all="ignore"):
        by_vega = (sides.ask - sides.bid) / _UNIFORM / np.where(vega > 0, vega, np.nan)
        spread = np.where(np.isfinite(by_vols), by_vols, np.where(np.isfinite(sides.mid_iv), by_vega, np.nan))
        variance = spread**2 * (1.0 + _smallness(quotes) + _staleness(quotes, as_of))
        variance += _miss(quotes, expiry, sides, spread) ** 2
        weight = np.where(np.isfinite(by_vols) & (by_vols > 0), spread**2 / variance, 0.0)
    return np.sqrt(variance), np.where(np.isfinite(weight), weight, 0.0)


def _smallness(quotes: pd.DataFrame) -> Floats:
    """Return the variance that a small size adds, in units of the spread's; none where no size is told."""
    if "bid_size" not in quotes or quotes["bid_size"].isna().all():
        return np.zeros(len(quotes))
    size = np.fmin(numbers(quotes, "bid_size"), numbers(quotes, "ask_size"))
    return np.where(size > 0, _FULL_SIZE / np.where(size > 0, size, 1.0), 0.0)


def _staleness(quotes: pd.DataFrame, as_of: datetime) -> Floats:
    """Return the variance that a quote's age adds, in units of the spread's; none where no time is told."""
    if "quoted_at" not in quotes or quotes["quoted_at"].isna().all():
        return np.zeros(len(quotes))
    made = instants(quotes["quoted_at"])
    now = np.datetime64(as_of.astimezone(UTC).replace(tzinfo=None), "us")
    minutes = (now - made).astype(np.float64) / _MICROSECONDS
    return np.where(minutes > 0, (minutes / _OLD_MINUTES) ** 2, 0.0)


def _miss(quotes: pd.DataFrame, expiry: NDArray[np.intp], sides: Sides, spread: Floats) -> Floats:
    """Return how far each quote is likely off, given the gap to the vols of the other side of its strike.

    Two independent errors that add up to a known gap share it as their variances.
    """
    strike, is_call = numbers(quotes, "strike"), flags(quotes, "is_call")
    order = np.lexsort((is_call, strike, expiry))
    first, second = order[:-1], order[1:]
    met = (strike[first] == strike[second]) & (expiry[first] == expiry[second])
    met &= is_call[second] & ~is_call[first]
    put, call = first[met], second[met]
    gap = np.fmax(sides.bid_iv[put] - sides.ask_iv[call], sides.bid_iv[call] - sides.ask_iv[put])
    share = spread[put] ** 2 / (spread[put] ** 2 + spread[call] ** 2)
    apart = (gap > 0) & np.isfinite(share)
    miss = np.zeros(len(quotes))
    miss[put] = np.where(apart, gap * share, 0.0)
    miss[call] = np.where(apart, gap * (1.0 - share), 0.0)
    return miss
