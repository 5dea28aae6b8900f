"""American vols of bid, mid and ask of the same options, for little more than the price of one.

What belongs here: how the three are found from each other. What does not: American prices and the general
inversion (``american``), which vols a chain asks for.

An early-exercise price costs as much as hundreds of European ones. The mid is solved from its European vol,
bid and ask from the mid's vol and slope, by a few secant steps each; where these do not come to rest, by
the general, bracketed inversion.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from periscope_analytics import american
from periscope_analytics.american import Dividends, escrowed
from periscope_analytics.arguments import Flags, Floats
from periscope_analytics.black import greeks
from periscope_analytics.implied_vol import ImpliedVol
from periscope_analytics.implied_vol import implied_vol as european_vol

_AT_REST = 5e-5
"""Last change of a vol that is not looked at any more: what is left is of its order to the power 1.6."""

_EXACT = 1e-10
_FARTHEST = 2.0
_MOST_STEPS = 5
Gap = Callable[[Floats, NDArray[np.intp]], Floats]


class Options(NamedTuple):
    """What American options are priced with, columns of shape (n,): see :func:`american.price`."""

    spot: Floats
    strike: Floats
    tau: Floats
    rate: Floats
    dividend_yield: Floats
    is_call: Flags

    def take(self, rows: NDArray[np.intp]) -> Options:
        """Return the options of the given rows."""
        spot, strike, tau, rate, q, is_call = self
        return Options(spot[rows], strike[rows], tau[rows], rate[rows], q[rows], is_call[rows])


def quote_vols(
    mid: Floats, others: tuple[Floats, ...], options: Options, dividends: Dividends | None = None
) -> list[ImpliedVol]:
    """Return the American vols of mid prices, then those of other prices of the same options.

    Parameters
    ----------
    mid : ndarray, shape (n,)
        NaN where there is none.
    others : tuple of ndarray, shape (n,)
        Prices near the mid: bid, ask.
    options : Options
    dividends : pair of array_like, optional
        As in :func:`american.price`.

    Returns
    -------
    list of ImpliedVol
        As :func:`american.implied_vol`, the vols to 5e-6 at worst, 1e-7 typically.
    """
    paid = escrowed(options.tau, options.rate, dividends)
    with np.errstate(all="ignore"):
        carry, base = (options.rate - options.dividend_yield) * options.tau, options.spot - paid
        forward, discount = base * np.exp(carry), np.exp(-options.rate * options.tau)
        start = european_vol(mid, forward, options.strike, options.tau, options.is_call, discount).sigma
        vega = greeks(forward, options.strike, options.tau, start, options.is_call, discount).vega
    first = _Start(start, np.full(len(mid), np.nan), vega)
    found, slope = _solve(mid, first, options, dividends)
    near = _Start(found.sigma, mid, slope)
    return [found, *(_solve(each, near, options, dividends)[0] for each in others)]


class _Start(NamedTuple):
    """Vols, the prices at them (NaN if not known), and slopes: columns of shape (n,)."""

    vol: Floats
    price: Floats
    slope: Floats


def _solve(
    price: Floats, start: _Start, options: Options, dividends: Dividends | None
) -> tuple[ImpliedVol, Floats]:
    """Return the vols of prices, and the slopes there."""
    with np.errstate(all="ignore"):
        known = np.isfinite(start.vol) & (start.slope > 0.0) & np.isfinite(price)
        rows = np.flatnonzero(known)
        sound = options.take(rows)

        def gap(vol: Floats, of: NDArray[np.intp]) -> Floats:
            those = sound.take(of)
            return american.price(*those[:5], vol, those.is_call, dividends) - price[rows[of]]

        at = _Start(*(column[rows] for column in start))
        unknown = np.flatnonzero(np.isnan(at.price))
        first = at.price - price[rows]
        first[unknown] = gap(at.vol[unknown], unknown)
        vol, steep, rests = _secant(gap, at.vol, first, at.slope)
    sigma, slope = np.full(len(price), np.nan), start.slope.copy()
    status = np.zeros(len(price), dtype=np.int8)
    sigma[rows[rests]], slope[rows[rests]] = vol[rests], steep[rests]
    left = np.flatnonzero(np.isnan(sigma))
    general = american.implied_vol(price[left], *options.take(left), dividends)
    sigma[left], status[left] = general.sigma, general.status
    return ImpliedVol(sigma, status), slope


def _secant(gap: Gap, x: Floats, f: Floats, slope: Floats) -> tuple[Floats, Floats, Flags]:
    """Return roots, the slopes there, and which of them rest: the last step is not looked at."""
    x, slope, rests = x.copy(), slope.copy(), np.zeros(len(x), dtype=np.bool_)
    active = np.arange(len(x))
    for step in range(_MOST_STEPS):
        move = np.clip(-f / slope[active], x[active] / _FARTHEST - x[active], x[active] * (_FARTHEST - 1.0))
        x[active] += move
        # The first slope is a guess: a small step by it proves nothing, unless the point was exact.
        done = np.abs(move) <= (_AT_REST if step else _EXACT)
        rests[active[done]] = True
        kept = ~done & np.isfinite(move)
        before, move, active = f[kept], move[kept], active[kept]
        if not len(active) or step + 1 == _MOST_STEPS:
            break
        f = gap(x[active], active)
        steep = (f - before) / move
        slope[active] = np.where(steep > 0.0, steep, np.nan)
    return x, slope, rests
