"""Forwards of American chains: put-call parity with the early-exercise premium taken off both legs.

What belongs here: the fixed point of forward and premiums. What does not: the robust fit of an expiry
(``forward``), early exercise itself (``american``).

At each strike the American vol of the out-of-the-money leg gives the premiums of both legs, these a forward
by parity, and its robust mean new vols, until it stands still. Where a yield stands for dividends that are
not known, a higher forward means a lower yield, less premium on the calls and a higher forward again or the
opposite: the plain iteration may swing. The next point is therefore that of the secant through the last two,
kept inside the bracket once there is one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from periscope_analytics import american
from periscope_analytics.american import Dividends, escrowed
from periscope_analytics.arguments import Floats, floats, not_negative
from periscope_analytics.errors import Status
from periscope_analytics.forward import (
    ForwardFit,
    ForwardFits,
    Ints,
    Pairs,
    absent,
    fit_forwards,
    no_forwards,
    two_sided,
)
from periscope_analytics.kernels.parity import NEAREST, STRADDLE_TO_DEVIATION

TOLERANCE = 1e-7
"""Relative change of the forward that ends the iteration; so does a hundredth of its standard error."""

MOST_STRIKES = 16
_SHARE_OF_ERROR = 0.01
_FARTHEST = 10.0
_MOST_PASSES = 20
_LONGEST = 100.0
_GREATEST = 1e50


class Carry(NamedTuple):
    """What American options of m expiries are priced with, each column of shape (m,).

    `tau` in years, `rate` continuously compounded; `spot` is what goes with the quotes, NaN to take the spot
    that the forward and the dividends imply without a yield.
    """

    tau: Floats
    rate: Floats
    spot: Floats


def fit_american_forward(
    strike: ArrayLike,
    call_bid: ArrayLike,
    call_ask: ArrayLike,
    put_bid: ArrayLike,
    put_ask: ArrayLike,
    tau: float,
    rate: float,
    spot: float | None,
    dividends: Dividends | None = None,
) -> ForwardFit:
    """Fit the forward of American options of one expiry.

    Parameters
    ----------
    strike, call_bid, call_ask, put_bid, put_ask : array_like, shape (n,)
        As in :func:`periscope_analytics.forward.fit_forward`.
    tau : float
        Years to expiry.
    rate : float
        Continuously compounded, decimal.
    spot : float or None
        Spot that goes with the quotes; what the dividends leave open of its carry is taken as a continuous
        yield. None takes the spot that the forward and the dividends imply, without a yield: better than a
        stale one.
    dividends : pair of array_like, shape (n,), optional
        Cash amounts and times, as in :func:`periscope_analytics.american.price`.

    Returns
    -------
    ForwardFit
        As :func:`periscope_analytics.forward.fit_forward` with the discount exp(-rate tau), and
        NOT_CONVERGED, or INVALID_VALUE for a tau, rate or spot that is not in range.

    Raises
    ------
    ValueError
        If tau is negative, the columns are not of one length, or `dividends` is not a pair of columns.
    """
    pairs = two_sided(strike, call_bid, call_ask, put_bid, put_ask)
    not_negative("tau", floats("tau", tau))
    given = np.nan if spot is None else spot
    carry = Carry(*(np.array([value], dtype=np.float64) for value in (tau, rate, given)))
    if spot is not None and not np.isfinite(spot):
        return absent(Status.INVALID_VALUE, len(pairs.strike))
    start = np.array([0, len(pairs.strike)])
    fits = fit_american_forwards(start, pairs, carry, dividends)
    status, n_used = Status(int(fits.status[0])), int(fits.n_used[0])
    if status is not Status.OK:
        return absent(status, n_used)
    numbers = (float(fits.forward[0]), float(np.exp(-rate * tau)), float(fits.stderr[0]))
    return ForwardFit(*numbers, n_used, status, float(fits.residual[0]))


def fit_american_forwards(
    start: Ints, pairs: Pairs, carry: Carry, dividends: Dividends | None = None
) -> ForwardFits:
    """Fit the forwards of many American expiries at once.

    Parameters
    ----------
    start, pairs
        As in :func:`periscope_analytics.forward.fit_forwards`.
    carry : Carry
        One row per expiry.
    dividends : pair of array_like, shape (n,), optional
        Shared by all expiries.
    """
    tau, rate, spot = carry
    paid = escrowed(tau, rate, dividends)
    with np.errstate(all="ignore"):
        sound = (tau > 0.0) & (tau < _LONGEST) & (np.abs(rate) * tau < 1.0)
        sound &= np.isnan(spot) | ((paid < spot) & (spot < _GREATEST))
        discount = np.where(sound, np.exp(-rate * tau), np.nan)
    first = fit_forwards(start, pairs, discount)
    live = np.flatnonzero(first.status == Status.OK)
    chosen = [_near(start, pairs, i, first.forward[i], discount[i]) for i in live.tolist()]
    rows = np.concatenate([np.empty(0, dtype=np.int64), *chosen])
    own = np.repeat(np.arange(len(live)), [len(each) for each in chosen])
    terms = _Terms(pairs.take(rows), own, Carry(*(c[live] for c in carry)), paid[live], discount[live])

    def step(forward: Floats, active: NDArray[np.intp]) -> ForwardFits:
        return _without_premium(terms, forward, active, dividends)

    everyone = np.arange(len(live))
    first.put(live, _settle(step, first.forward[live]), everyone)
    return first


def _near(start: Ints, pairs: Pairs, expiry: int, forward: float, discount: float) -> Ints:
    """Return the rows within one deviation of the money, at least six, at most the narrowest sixteen."""
    begin, end = start[expiry], start[expiry + 1]
    distance = np.abs(pairs.strike[begin:end] - forward)
    order = np.argsort(distance, kind="stable")
    straddle = float(np.median(pairs.straddle[begin:end][order[:3]]))
    count = int(np.sum(distance[order] <= STRADDLE_TO_DEVIATION * straddle / discount))
    close = order[: max(count, NEAREST)]
    narrowest = np.argsort(pairs.width[begin:end][close], kind="stable")[:MOST_STRIKES]
    return np.asarray(begin + np.sort(close[narrowest]))


class _Terms(NamedTuple):
    """Pairs near the money of all expiries, the expiry each belongs to, and what expiries are priced with."""

    pairs: Pairs
    own: Ints
    carry: Carry
    paid: Floats
    discount: Floats


@np.errstate(all="ignore")
def _without_premium(
    terms: _Terms, forward: Floats, active: NDArray[np.intp], dividends: Dividends | None
) -> ForwardFits:
    """Fit the active expiries to European differences, where the out-of-the-money leg has a vol."""
    of, n = np.full(len(forward), -1), len(active)
    of[active] = np.arange(n)
    rows = np.flatnonzero(of[terms.own] >= 0)
    pairs, own = terms.pairs.take(rows), terms.own[rows]
    tau, rate, spot = (column[own] for column in terms.carry)
    base = np.where(np.isnan(spot), (forward * terms.discount)[own], spot - terms.paid[own])
    carry = rate - np.log(forward[own] / base) / tau
    spot = base + terms.paid[own]
    is_call = pairs.strike >= forward[own]
    leg = 0.5 * pairs.straddle + np.maximum(np.where(is_call, pairs.difference, -pairs.difference), 0.0)
    sigma, status = american.implied_vol(leg, spot, pairs.strike, tau, rate, carry, is_call, dividends)
    of_call, of_put = (
        american.early_exercise_premium(spot, pairs.strike, tau, rate, carry, sigma, side, dividends)
        for side in (True, False)
    )
    told = status == Status.OK
    kept = pairs._replace(difference=pairs.difference - of_call + of_put).take(told)
    start = np.searchsorted(of[own[told]], np.arange(n + 1))
    return fit_forwards(start, kept, terms.discount[active])


def _settle(step: Callable[[Floats, NDArray[np.intp]], ForwardFits], guess: Floats) -> ForwardFits:
    """Return the fits at the point that `step` leaves where it is, each expiry on its own."""
    n = len(guess)
    done = no_forwards(n, Status.NOT_CONVERGED)
    x, active = guess.copy(), np.arange(n)
    before, gap_before = np.full(n, np.nan), np.full(n, np.nan)
    low, high = np.full(n, -np.inf), np.full(n, np.inf)
    for _ in range(_MOST_PASSES):
        if not len(active):
            break
        fits = step(x, active)
        at = x[active]
        gap = fits.forward - at
        close = np.abs(gap) <= np.maximum(TOLERANCE * at, _SHARE_OF_ERROR * fits.stderr)
        failed = fits.status != Status.OK
        ended = np.flatnonzero(close | failed)
        done.put(active[ended], fits, ended)
        low[active] = np.where(gap > 0.0, np.maximum(low[active], at), low[active])
        high[active] = np.where(gap < 0.0, np.minimum(high[active], at), high[active])
        following = _secant(at, gap, before[active], gap_before[active], low[active], high[active])
        before[active], gap_before[active], x[active] = at, gap, following
        active = active[~close & ~failed]
    return done


def _secant(x: Floats, gap: Floats, before: Floats, gap_before: Floats, low: Floats, high: Floats) -> Floats:
    """Return the next points: the secant's unless it moves far beyond the gap: then the plain step."""
    with np.errstate(all="ignore"):
        move = -gap * (x - before) / (gap - gap_before)
        move = np.where(np.isfinite(move) & (np.abs(move) <= _FARTHEST * np.abs(gap)), move, gap)
        point = x + move
        middle = 0.5 * (low + high)
    outside = ~((point > low) & (point < high))
    return np.asarray(np.where(outside & np.isfinite(middle), middle, point))
