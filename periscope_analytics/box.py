"""Zero rates that a chain itself tells: the discounts of its boxes, smoothed towards a curve.

What belongs here: the term structure of European parity slopes. What does not: the slopes
(``forward.free_discounts``), curves from elsewhere.

A box of two strikes pays a certain amount, so that the slope of C - P against K is the discount at which the
market funds options. One expiry tells it only where its strikes are many and narrow; the spread of all
expiries over a given curve is a smooth function of time. It is estimated as a Gaussian process in the
logarithm of time with mean zero, so that it returns to the curve where the chain tells nothing.

References
----------
J. van Binsbergen, W. Diamond, M. Grotteria (2022), "Risk-free interest rates", J. Financial Economics 143
(box rates of index options); C. Rasmussen, C. Williams (2006), "Gaussian processes for machine learning",
eqs. 2.23-2.24, 4.17 (the conditional, the Matern kernel).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from periscope_analytics.arguments import Floats

SPREAD = 0.005
"""One-sigma distance of box rates from a policy or government curve, decimal."""

REACH = 1.5
"""Distance in ln(tau) over which spreads are alike."""

LEAST_ERROR = 3e-4
"""Error of an expiry's rate that its quotes do not show: settlement, stale strikes."""

GREATEST_ERROR = 0.02
_FAR = 2.0
_FURTHEST = 1.0
"""Rates that lie further from the curve are no rates."""

_ITERATIONS = 5


class ZeroRates(NamedTuple):
    """Continuously compounded rates and their one-sigma errors, shape (m,)."""

    rate: Floats
    stderr: Floats


@np.errstate(all="ignore")
def fit_zero_rates(
    tau: Floats, curve: Floats, discount: Floats, discount_stderr: Floats, spread: float = SPREAD
) -> ZeroRates:
    """Return the zero rate of each expiry from all parity slopes and a curve.

    Parameters
    ----------
    tau : ndarray, shape (m,)
        Years; rates of expiries that are not positive are those of the curve.
    curve : ndarray, shape (m,)
        Rates to fall back on, continuously compounded.
    discount, discount_stderr : ndarray, shape (m,)
        From :func:`periscope_analytics.forward.free_discounts`; an infinite error says that there is none.
    spread : float
        One-sigma distance at which the chain's rates may lie from the curve, decimal.

    Returns
    -------
    ZeroRates
        The error is at most `spread`; those beyond two errors count ever less, those beyond 100 % nothing.

    Raises
    ------
    ValueError
        If `spread` is not between 0 and 1.
    """
    with np.errstate(all="ignore"):
        own, error = -np.log(discount) / tau, discount_stderr / discount / tau
    if not 0.0 < spread < 1.0:
        raise ValueError(f"spread: expected a number between 0 and 1, got {spread}")
    told = (tau > 0.0) & (np.abs(own - curve) < _FURTHEST) & (error < GREATEST_ERROR)
    rate, stderr = curve.copy(), np.full(len(tau), spread)
    ahead = np.flatnonzero(tau > 0.0)
    if not np.any(told):
        return ZeroRates(rate, stderr)
    seen = told[ahead]
    prior = spread**2 * _matern(np.log(tau[ahead]))
    cross, among = prior[:, seen], prior[np.ix_(seen, seen)]
    value, variance = (own - curve)[told], np.hypot(error[told], LEAST_ERROR) ** 2
    weight = np.ones(len(value))
    for _ in range(_ITERATIONS):
        gain = np.linalg.solve(among + np.diag(variance * weight), cross.T).T
        mean = gain @ value
        weight = np.maximum(np.abs(value - mean[seen]) / np.sqrt(variance) / _FAR, 1.0) ** 2
    rate[ahead] += mean
    stderr[ahead] = np.sqrt(np.maximum(np.diag(prior) - np.sum(gain * cross, axis=1), 0.0))
    return ZeroRates(rate, stderr)


def _matern(x: Floats) -> Floats:
    """Return correlations between points, differentiable once (smoothness 3/2)."""
    distance = np.sqrt(3.0) * np.abs(x[:, None] - x) / REACH
    return np.asarray((1.0 + distance) * np.exp(-distance))
