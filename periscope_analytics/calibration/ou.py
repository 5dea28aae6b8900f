"""Exact maximum-likelihood fit of the Ornstein-Uhlenbeck process to an evenly sampled path.

What belongs here: the estimator, its errors and its failures. What does not: the process (``ou``).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from periscope_analytics.arguments import floats
from periscope_analytics.calibration.objective import nothing_fitted
from periscope_analytics.calibration.result import Calibration
from periscope_analytics.errors import Status
from periscope_analytics.ou import OUParams

Floats = NDArray[np.float64]

N_PARAMS = 3


class _Regression(NamedTuple):
    """``x' = intercept + slope x + e`` over n pairs; `variance` is the mean of e^2."""

    n: int
    mean: float
    spread: float
    intercept: float
    slope: float
    variance: float


@np.errstate(all="ignore")
def fit_ou(x: ArrayLike, dt: float) -> Calibration[OUParams]:
    """Fit an Ornstein-Uhlenbeck process by exact maximum likelihood, given the first value.

    Parameters
    ----------
    x : array_like, shape (n,)
        Values at equal intervals; steps from or to a value that is not finite are left out.
    dt : float
        Interval, in the unit of time of the parameters (years, usually).

    Returns
    -------
    Calibration of OUParams
        Residuals are one-step errors, expected minus next value, shape (n - 1,). Status OK; UNIDENTIFIED
        without parameters when there are fewer than four steps or the path shows no reversion to a mean (its
        lag-one regression slope is not between 0 and 1); DEGENERATE when it does not move; OUT_OF_RANGE when
        a parameter overflows. The speed is biased upwards in short samples, by about 4 / (n dt).

    Raises
    ------
    ValueError
        If `x` is not one-dimensional or `dt` not finite and positive.

    Notes
    -----
    The transition is Gaussian with mean theta + (x - theta) e^(-kappa dt) and variance sigma^2 (1 - e^(-2
    kappa dt)) / (2 kappa), so the likelihood is that of a linear regression and its maximum explicit.
    """
    path = floats("x", x)
    if path.ndim != 1:
        raise ValueError(f"x: expected one dimension, got shape {path.shape}")
    if not 0.0 < dt < np.inf:
        raise ValueError(f"dt: must be finite and positive, got {dt}")
    n_steps, dt = max(path.size - 1, 0), np.float64(dt)
    known = np.isfinite(path[:-1]) & np.isfinite(path[1:])
    before, after = path[:-1][known], path[1:][known]
    if before.size <= N_PARAMS:
        return nothing_fitted(Status.UNIDENTIFIED, n_steps, N_PARAMS)
    if np.ptp(before) == 0.0 or np.ptp(after) == 0.0:
        return nothing_fitted(Status.DEGENERATE, n_steps, N_PARAMS)
    fit = _regress(before, after)
    if not 0.0 < fit.slope < 1.0:
        return nothing_fitted(Status.UNIDENTIFIED, n_steps, N_PARAMS)
    kappa = -float(np.log(fit.slope)) / dt
    theta = fit.intercept / (1.0 - fit.slope)
    sigma = float(np.sqrt(fit.variance * _per_step(fit.slope, dt)))
    if not (kappa > 0.0 and np.all(np.isfinite([kappa, theta, sigma]))):
        return nothing_fitted(Status.OUT_OF_RANGE, n_steps, N_PARAMS)
    params = OUParams(kappa, theta, sigma)
    errors = np.full(n_steps, np.nan)
    errors[known] = params.mean(before, dt) - after
    used = errors[known]
    rmse, largest = float(np.sqrt(np.mean(used**2))), float(np.abs(used).max())
    return Calibration(params, Status.OK, rmse, largest, errors, _stderr(fit, params, dt), 1, 1)


def _regress(before: Floats, after: Floats) -> _Regression:
    mean = float(before.mean())
    spread = np.sum((before - mean) ** 2)
    slope = float(np.sum((before - mean) * after) / spread)
    intercept = float(after.mean()) - slope * mean
    variance = float(np.mean((after - intercept - slope * before) ** 2))
    return _Regression(before.size, mean, float(spread), intercept, slope, variance)


def _per_step(slope: float, dt: float) -> float:
    """Return sigma^2 over the variance of one step."""
    return -2.0 * float(np.log(slope)) / (1.0 - slope**2) / dt


def _stderr(fit: _Regression, params: OUParams, dt: float) -> Floats:
    """Return one-sigma errors by the delta method from those of intercept, slope and variance."""
    of_slope = fit.variance / fit.spread
    covariance = np.array(
        [
            [fit.variance / fit.n + fit.mean**2 * of_slope, -fit.mean * of_slope, 0.0],
            [-fit.mean * of_slope, of_slope, 0.0],
            [0.0, 0.0, 2.0 * fit.variance**2 / fit.n],
        ]
    )
    rest, per_step = 1.0 - fit.slope, _per_step(fit.slope, dt)
    width = 1.0 - fit.slope**2
    growth = np.float64(-2.0) / (fit.slope * dt * width) + per_step * 2.0 * fit.slope / width
    twice = 2.0 * params.sigma if params.sigma > 0.0 else np.inf
    by = np.array(
        [
            [0.0, -1.0 / (fit.slope * dt), 0.0],
            [1.0 / rest, fit.intercept / rest**2, 0.0],
            [0.0, fit.variance * growth / twice, per_step / twice],
        ]
    )
    return np.asarray(np.sqrt(np.diag(by @ covariance @ by.T)))
