"""Forward and discount of one expiry from put-call parity.

What belongs here: C - P = D (F - K) and its coin-quoted form C - P = 1 - K/F, fitted robustly to two-sided
quotes, with an honest error. What does not: rate curves, implied vols, the choice of quotes beyond two-
sidedness.

A quote pair tells the forward to within half the sum of the two spreads. Strikes are weighted by one over
that half-width squared, those within one standard deviation of the money are kept (the deviation is read
from the straddle), and a weighted median starts an iterated Huber mean. The standard error is the greater
of what the widths imply, taking each true value as uniform in its interval, and what the dispersion of the
strikes implies; the weights are those of the last iteration.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from periscope_analytics import american
from periscope_analytics.american import Dividends, escrowed
from periscope_analytics.arguments import Flags, Floats, floats, not_negative
from periscope_analytics.errors import Status

MIN_STRIKES = 3
MIN_STRIKES_DISCOUNT = 8
MAX_DISCOUNT_STDERR = 2e-3
_NEAREST = 6
_LEAST, _GREATEST = 1e-50, 1e50
_HUBER = 1.5
_MAX_ITERATIONS = 50
_MAX_PASSES = 20
_MOST_AMERICAN = 16
_LONGEST = 100.0
_STRADDLE_TO_DEVIATION = np.sqrt(np.pi / 2.0)


@dataclass(frozen=True, slots=True)
class ForwardFit:
    """Forward of an expiry and how sure it is.

    Attributes
    ----------
    forward, discount : float
        NaN where `status` says that there is none. With status UNIDENTIFIED the forward stands and only the
        discount is absent.
    stderr : float
        One-sigma error of the forward, in its units.
    n_used : int
        Strikes that the forward rests on.
    status : Status
        OK; TOO_FEW_STRIKES (fewer than three two-sided strikes); UNIDENTIFIED (the strikes do not tell the
        discount); OUT_OF_RANGE (the forward lies beyond the strikes); NO_FORWARD (parity gives no positive
        forward); INVALID_VALUE (the discount given is not a positive number).
    residual : float
        Weighted median absolute parity residual of the strikes used, in the units of the quotes.
    discount_stderr : float
        One-sigma error of a freed discount; zero for a given one.
    """

    forward: float
    discount: float
    stderr: float
    n_used: int
    status: Status
    residual: float = np.nan
    discount_stderr: float = 0.0


class Pairs(NamedTuple):
    """Strikes quoted on both sides, ascending: C - P, half-width of its interval, 2 min(C, P)."""

    strike: Floats
    difference: Floats
    width: Floats
    straddle: Floats

    def take(self, rows: Flags | NDArray[np.intp]) -> Pairs:
        """Return the pairs of the given rows."""
        return Pairs(*(column[rows] for column in self))


def fit_forward(
    strike: ArrayLike,
    call_bid: ArrayLike,
    call_ask: ArrayLike,
    put_bid: ArrayLike,
    put_ask: ArrayLike,
    discount: float | None = None,
) -> ForwardFit:
    """Fit the forward, and the discount unless it is given, of European quotes of one expiry.

    Parameters
    ----------
    strike, call_bid, call_ask, put_bid, put_ask : array_like, shape (n,)
        A side that is absent is NaN or has a bid of zero; such a strike and a crossed one is left out.
    discount : float, optional
        Discount factor from a curve. Without it the discount is freed, where the strikes tell it to 0.002.

    Raises
    ------
    ValueError
        If the columns are not numeric and of one length.
    """
    pairs = two_sided(strike, call_bid, call_ask, put_bid, put_ask)
    if discount is not None and not 1.0 / _GREATEST < discount < _GREATEST:
        return _absent(Status.INVALID_VALUE, len(pairs.strike))
    if len(pairs.strike) < MIN_STRIKES:
        return _absent(Status.TOO_FEW_STRIKES, len(pairs.strike))
    if discount is not None:
        return _at_discount(pairs, discount, 0.0)
    found, stderr = _free_discount(pairs)
    if stderr <= MAX_DISCOUNT_STDERR:
        return _at_discount(pairs, found, stderr)
    crossing = _at_discount(pairs, 1.0, 0.0)
    if crossing.status is not Status.OK:
        return crossing
    return ForwardFit(
        crossing.forward,
        np.nan,
        crossing.stderr,
        crossing.n_used,
        Status.UNIDENTIFIED,
        crossing.residual,
        np.nan,
    )


def fit_inverse_forward(
    strike: ArrayLike, call_bid: ArrayLike, call_ask: ArrayLike, put_bid: ArrayLike, put_ask: ArrayLike
) -> ForwardFit:
    """Fit the forward of coin-quoted (inverse) options of one expiry by C - P = 1 - K/F.

    Parameters
    ----------
    strike : array_like, shape (n,)
        In USD.
    call_bid, call_ask, put_bid, put_ask : array_like, shape (n,)
        In coin. A side that is absent is NaN or has a bid of zero.

    Returns
    -------
    ForwardFit
        Forward and error in USD, residual in coin, discount 1: the premium is paid in the coin itself.

    Raises
    ------
    ValueError
        If the columns are not numeric and of one length.
    """
    pairs = two_sided(strike, call_bid, call_ask, put_bid, put_ask)
    pairs = pairs.take(pairs.difference < 1.0)
    if len(pairs.strike) < MIN_STRIKES:
        return _absent(Status.TOO_FEW_STRIKES, len(pairs.strike))
    share = 1.0 - pairs.difference
    fit = _robust_forward(
        pairs.strike, pairs.strike / share, pairs.width * pairs.strike / share**2, pairs.straddle
    )
    if fit.status is not Status.OK:
        return _absent(fit.status, fit.n_used)
    residual = np.abs(pairs.difference - 1.0 + pairs.strike / fit.forward)
    return _with_residual(fit, 1.0, residual, 0.0)


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
    """Fit the forward of American options of one expiry, with the early-exercise premium taken off both legs.

    At each strike the American vol of the out-of-the-money leg gives the premiums of both legs, these a
    forward by parity, and its robust mean new vols, until it stands still.

    Parameters
    ----------
    strike, call_bid, call_ask, put_bid, put_ask : array_like, shape (n,)
        As in :func:`fit_forward`.
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
        As :func:`fit_forward` with the discount exp(-rate tau), and NOT_CONVERGED, or INVALID_VALUE for a
        tau, rate or spot that is not in range.

    Raises
    ------
    ValueError
        If tau is negative, the columns are not of one length, or `dividends` is not a pair of columns.
    """
    pairs = two_sided(strike, call_bid, call_ask, put_bid, put_ask)
    not_negative("tau", floats("tau", tau))
    pv = float(escrowed(tau, rate, dividends))
    sound = 0.0 < tau < _LONGEST and abs(rate) * tau < 1.0 and (spot is None or pv < spot < _GREATEST)
    if not sound:
        return _absent(Status.INVALID_VALUE, len(pairs.strike))
    discount = float(np.exp(-rate * tau))
    if len(pairs.strike) < MIN_STRIKES:
        return _absent(Status.TOO_FEW_STRIKES, len(pairs.strike))
    start = _at_discount(pairs, discount, 0.0)
    if start.status is not Status.OK:
        return start
    near = _near(pairs, start.forward, discount)
    forward = start.forward
    for _ in range(_MAX_PASSES):
        base = forward * discount if spot is None else spot - pv
        carry = rate - np.log(forward / base) / tau
        chosen = _without_premium(near, forward, (base + pv, tau, rate, carry), dividends)
        if len(chosen.strike) < MIN_STRIKES:
            return _absent(Status.TOO_FEW_STRIKES, len(chosen.strike))
        fit = _at_discount(chosen, discount, 0.0)
        if fit.status is not Status.OK or abs(fit.forward - forward) <= 1e-7 * forward:
            return fit
        forward = fit.forward
    return _absent(Status.NOT_CONVERGED, len(near.strike))


def _near(pairs: Pairs, forward: float, discount: float) -> Pairs:
    """Return the pairs within a standard deviation of the money, six at least and sixteen at most."""
    distance = np.abs(pairs.strike - forward)
    order = np.argsort(distance, kind="stable")[:_MOST_AMERICAN]
    deviation = _STRADDLE_TO_DEVIATION * float(np.median(pairs.straddle[order[:3]])) / discount
    count = max(int(np.sum(distance[order] <= deviation)), _NEAREST)
    return pairs.take(np.sort(order[:count]))


def _without_premium(
    pairs: Pairs, forward: float, terms: tuple[float, float, float, float], dividends: Dividends | None
) -> Pairs:
    """Return the pairs with European differences, without those whose out-of-the-money leg has no vol."""
    spot, tau, rate, carry = terms
    is_call = pairs.strike >= forward
    leg = 0.5 * pairs.straddle + np.maximum(np.where(is_call, pairs.difference, -pairs.difference), 0.0)
    sigma, status = american.implied_vol(leg, spot, pairs.strike, tau, rate, carry, is_call, dividends)
    rows = np.flatnonzero(status == Status.OK)
    k, vol = pairs.strike[rows], sigma[rows]
    of_call, of_put = (
        american.early_exercise_premium(spot, k, tau, rate, carry, vol, side, dividends)
        for side in (True, False)
    )
    kept = pairs.take(rows)
    return kept._replace(difference=kept.difference - of_call + of_put)


def two_sided(
    strike: ArrayLike, call_bid: ArrayLike, call_ask: ArrayLike, put_bid: ArrayLike, put_ask: ArrayLike
) -> Pairs:
    """Return the strikes whose call and put both have a bid above zero and an ask not below it.

    Numbers beyond 1e50 and strikes under 1e-50 are no prices; they are left out.

    Raises
    ------
    ValueError
        If the columns are not numeric and of one length, naming them.
    """
    names = ("strike", "call_bid", "call_ask", "put_bid", "put_ask")
    k, cb, ca, pb, pa = (
        floats(name, value)
        for name, value in zip(names, (strike, call_bid, call_ask, put_bid, put_ask), strict=True)
    )
    if k.ndim != 1 or any(column.shape != k.shape for column in (cb, ca, pb, pa)):
        raise ValueError(f"{', '.join(names)}: expected columns of one length")
    with np.errstate(invalid="ignore", over="ignore"):
        good = (
            (k > _LEAST)
            & (cb > 0)
            & (pb > 0)
            & (ca >= cb)
            & (pa >= pb)
            & (np.maximum(k, ca + pa) < _GREATEST)
        )
    rows = np.flatnonzero(good)
    rows = rows[np.argsort(k[rows], kind="stable")]
    k, cb, ca, pb, pa = (column[rows] for column in (k, cb, ca, pb, pa))
    call, put = (cb + ca) / 2, (pb + pa) / 2
    return Pairs(k, call - put, (ca - cb + pa - pb) / 2, 2.0 * np.minimum(call, put))


def weighted_median(value: Floats, weight: Floats) -> float:
    """Return the value at which half of the weight lies below; the mean of two if it lies between them."""
    order = np.argsort(value, kind="stable")
    share = np.cumsum(weight[order]) / np.sum(weight)
    low = int(np.searchsorted(share, 0.5 - 1e-12))
    high = int(np.searchsorted(share, 0.5 + 1e-12))
    return float(0.5 * (value[order[low]] + value[order[min(high, len(order) - 1)]]))


class _Robust(NamedTuple):
    forward: float
    stderr: float
    rows: NDArray[np.intp]
    weight: Floats
    status: Status

    @property
    def n_used(self) -> int:
        return len(self.rows)


def _robust_forward(strike: Floats, each: Floats, width: Floats, straddle_over_forward: Floats) -> _Robust:
    """Return the robust mean of the forwards that the strikes near the money tell.

    `each` and `width` are the forward of each strike and the half-width of its interval; the straddle is
    relative to the forward.
    """
    width = np.hypot(width, 1e-9 * strike)
    rows = np.arange(len(strike))
    centre = weighted_median(each, _weights(width))
    for _ in range(3):
        distance = np.abs(strike - centre)
        nearest = np.argsort(distance, kind="stable")
        deviation = _STRADDLE_TO_DEVIATION * float(np.median(straddle_over_forward[nearest[:3]])) * centre
        count = int(np.sum(distance <= deviation))
        rows = np.sort(nearest[: max(count, _NEAREST)])
        centre = weighted_median(each[rows], _weights(width[rows]))
    if not 0.0 < centre < np.inf:
        return _Robust(np.nan, np.nan, rows, width, Status.NO_FORWARD)
    if np.min(np.abs(strike - centre)) > deviation and not strike[0] <= centre <= strike[-1]:
        return _Robust(np.nan, np.nan, rows, width, Status.OUT_OF_RANGE)
    mean, weight = _huber_mean(each[rows], width[rows], centre)
    return _Robust(mean, _mean_stderr(each[rows], width[rows], weight, mean), rows, weight, Status.OK)


def _weights(width: Floats) -> Floats:
    return np.asarray((np.min(width) / width) ** 2)


def _huber_mean(value: Floats, width: Floats, start: float) -> tuple[float, Floats]:
    """Return the Huber mean weighted by 1/width^2, and its final weights, that sum to one."""
    mean = start
    scale = weighted_median(np.abs(value - mean) / width, _weights(width)) / 0.6745
    scale = max(scale, 1e-6)
    for _ in range(_MAX_ITERATIONS):
        score = np.abs(value - mean) / (width * scale)
        weight = _weights(width) / np.maximum(score / _HUBER, 1.0)
        weight /= np.sum(weight)
        before, mean = mean, float(np.sum(weight * value))
        if abs(mean - before) <= 1e-13 * abs(mean):
            break
    return mean, weight


def _mean_stderr(value: Floats, width: Floats, weight: Floats, mean: float) -> float:
    by_width = np.sum((weight * width) ** 2) / 3.0
    freedom = max(1.0 - float(np.sum(weight**2)), 1e-3)
    by_dispersion = np.sum((weight * (value - mean)) ** 2) / freedom
    return float(np.sqrt(max(by_width, by_dispersion)))


def _at_discount(pairs: Pairs, discount: float, discount_stderr: float) -> ForwardFit:
    each = pairs.strike + pairs.difference / discount
    centre = max(weighted_median(each, _weights(pairs.width + 1e-9 * pairs.strike)), pairs.strike[0])
    fit = _robust_forward(pairs.strike, each, pairs.width / discount, pairs.straddle / (discount * centre))
    if fit.status is not Status.OK:
        return _absent(fit.status, fit.n_used)
    residual = np.abs(pairs.difference - discount * (fit.forward - pairs.strike))
    return _with_residual(fit, discount, residual, discount_stderr)


def _free_discount(pairs: Pairs) -> tuple[float, float]:
    """Return D and its error from a Huber line through C - P against K; an infinite error if it has none."""
    k, y = pairs.strike, pairs.difference
    width = np.hypot(pairs.width, 1e-9 * k)
    if len(k) < MIN_STRIKES_DISCOUNT or k[-1] == k[0]:
        return np.nan, np.inf
    weight = _weights(width)
    for _ in range(_MAX_ITERATIONS):
        weight /= np.sum(weight)
        x = k - np.sum(weight * k)
        slope = float(np.sum(weight * x * y) / np.sum(weight * x * x))
        residual = y - np.sum(weight * y) - slope * x
        scale = max(weighted_median(np.abs(residual) / width, _weights(width)) / 0.6745, 1e-6)
        before = weight
        weight = _weights(width) / np.maximum(np.abs(residual) / (_HUBER * width * scale), 1.0)
        if np.max(np.abs(weight / np.sum(weight) - before)) < 1e-10:
            break
    leverage = before * x / np.sum(before * x * x)
    variance = max(np.sum((leverage * width) ** 2) / 3.0, np.sum((leverage * residual) ** 2))
    if not 0.0 < -slope < np.inf:
        return np.nan, np.inf
    return -slope, float(np.sqrt(variance))


def _with_residual(fit: _Robust, discount: float, residual: Floats, discount_stderr: float) -> ForwardFit:
    typical = weighted_median(residual[fit.rows], fit.weight)
    return ForwardFit(fit.forward, discount, fit.stderr, fit.n_used, Status.OK, typical, discount_stderr)


def _absent(status: Status, n_used: int) -> ForwardFit:
    return ForwardFit(np.nan, np.nan, np.nan, n_used, status, np.nan, np.nan)
