"""Forward and discount of one expiry from put-call parity, or of many expiries at once.

What belongs here: C - P = D (F - K) and its coin-quoted form C - P = 1 - K/F, fitted robustly to two-sided
quotes, with an honest error. What does not: American chains (``american_forward``), rates from discounts
(``box``), implied vols, the choice of quotes beyond two-sidedness.

A quote pair tells the forward to within half the sum of the two spreads. Strikes are weighted by one over
that half-width squared, those within one standard deviation of the money are kept (the deviation is read
from the straddle), and a weighted median starts an iterated Huber mean. Deviations within the widths are
never taken for outliers. The standard error is the greater of what the widths imply, taking each true value
as uniform in its interval, and what the dispersion of the strikes implies; the weights are those of the last
iteration.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from periscope_analytics.arguments import Flags, Floats, floats
from periscope_analytics.errors import Status
from periscope_analytics.kernels import parity

MIN_STRIKES = parity.MIN_STRIKES
MIN_STRIKES_DISCOUNT = parity.MIN_STRIKES_DISCOUNT
MAX_DISCOUNT_STDERR = 2e-3
_LEAST, _GREATEST = 1e-50, 1e50
Ints = NDArray[np.int64]


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


class ForwardFits(NamedTuple):
    """Forwards of m expiries, each column of shape (m,).

    `inside` is the share of the strikes used whose interval holds the forward, the others are those of
    :class:`ForwardFit`. The first four are NaN exactly where `status` is not OK.
    """

    forward: Floats
    stderr: Floats
    residual: Floats
    inside: Floats
    n_used: Ints
    status: NDArray[np.int8]

    def put(self, at: NDArray[np.intp], other: ForwardFits, rows: NDArray[np.intp]) -> None:
        """Overwrite the expiries `at` with those of another fit, `rows`."""
        self.forward[at], self.stderr[at] = other.forward[rows], other.stderr[rows]
        self.residual[at], self.inside[at] = other.residual[rows], other.inside[rows]
        self.n_used[at], self.status[at] = other.n_used[rows], other.status[rows]


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
    if discount is not None:
        return _one(pairs, discount)
    if len(pairs.strike) < MIN_STRIKES:
        return absent(Status.TOO_FEW_STRIKES, len(pairs.strike))
    found, stderr = parity.free_discount(pairs.strike, pairs.difference, pairs.width)
    if stderr <= MAX_DISCOUNT_STDERR:
        return replace(_one(pairs, found), discount_stderr=stderr)
    crossing = _one(pairs, 1.0)
    if crossing.status is not Status.OK:
        return crossing
    return replace(crossing, discount=np.nan, status=Status.UNIDENTIFIED, discount_stderr=np.nan)


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
    return _one(two_sided(strike, call_bid, call_ask, put_bid, put_ask), 1.0, is_coin=True)


def fit_forwards(start: Ints, pairs: Pairs, discount: Floats, *, is_coin: bool = False) -> ForwardFits:
    """Fit the forwards of many expiries at once.

    Parameters
    ----------
    start : ndarray of int, shape (m + 1,)
        Expiry i has the rows ``start[i]`` to ``start[i + 1]`` of `pairs`, strikes ascending.
    pairs : Pairs
    discount : ndarray, shape (m,)
    is_coin : bool
        Coin-quoted options, as in :func:`fit_inverse_forward`; `discount` does not matter then.
    """
    out = np.empty((len(discount), 6))
    sound = (discount > 1.0 / _GREATEST) & (discount < _GREATEST)
    parity.fit_many(start, *pairs, np.where(sound, discount, np.nan), is_coin, out)
    status = np.where(sound | is_coin, out[:, 5], Status.INVALID_VALUE).astype(np.int8)
    good = status == Status.OK
    forward, stderr, residual, inside = (np.where(good, out[:, i], np.nan) for i in range(4))
    return ForwardFits(forward, stderr, residual, inside, out[:, 4].astype(np.int64), status)


def no_forwards(n: int, status: Status) -> ForwardFits:
    """Return n expiries without a forward, all for one reason, to be filled in."""
    forward, stderr, residual, inside = np.full((4, n), np.nan)
    codes = np.full(n, status, dtype=np.int8)
    return ForwardFits(forward, stderr, residual, inside, np.zeros(n, dtype=np.int64), codes)


def free_discounts(start: Ints, pairs: Pairs) -> tuple[Floats, Floats]:
    """Return the discount factor that the strikes of each expiry tell, and its one-sigma error.

    C - P is a line in K with slope -D, fitted with Huber weights. The error is infinite where fewer than
    eight strikes are quoted or the slope is not negative.

    Parameters
    ----------
    start, pairs
        As in :func:`fit_forwards`.
    """
    out = np.empty((len(start) - 1, 2))
    parity.discounts(start, *pairs[:3], out)
    return out[:, 0], out[:, 1]


def _one(pairs: Pairs, discount: float, *, is_coin: bool = False) -> ForwardFit:
    n = len(pairs.strike)
    fits = fit_forwards(np.array([0, n]), pairs, np.array([discount], dtype=np.float64), is_coin=is_coin)
    status = Status(int(fits.status[0]))
    if status is not Status.OK:
        return absent(status, n if status is Status.INVALID_VALUE else int(fits.n_used[0]))
    return ForwardFit(
        float(fits.forward[0]),
        discount,
        float(fits.stderr[0]),
        int(fits.n_used[0]),
        Status.OK,
        float(fits.residual[0]),
    )


def absent(status: Status, n_used: int) -> ForwardFit:
    """Return a fit without numbers, and why."""
    return ForwardFit(np.nan, np.nan, np.nan, n_used, status, np.nan, np.nan)


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
    """Return the value at which half of the weight lies below; the mean of two if it lies between them.

    NaN without values, or unless all are finite and weights finite, not negative and somewhere positive.

    Raises
    ------
    ValueError
        If `value` and `weight` are not columns of one length.
    """
    if value.ndim != 1 or value.shape != weight.shape:
        raise ValueError(f"value, weight: expected columns of one length, got {value.shape}, {weight.shape}")
    sound = np.all(np.isfinite(value)) and np.all((weight >= 0.0) & (weight < _GREATEST))
    if not (sound and np.any(weight > 0.0)):
        return np.nan
    return float(parity.weighted_median(value, weight))
