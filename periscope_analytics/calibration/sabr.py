"""Fit of SABR to the vols of one expiry.

What belongs here: residuals, bounds and starting points of the SABR fit. What does not: the formula
(``kernels.sabr``).
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from periscope_analytics.calibration.objective import (
    Residuals,
    least_squares,
    nothing_fitted,
    quote_columns,
    summarise,
)
from periscope_analytics.calibration.result import Calibration
from periscope_analytics.errors import Status
from periscope_analytics.kernels.sabr import vols
from periscope_analytics.sabr import SABRParams

Floats = NDArray[np.float64]

N_FREE = 3
N_PARAMS = 4
LOWER = np.array([1e-8, -0.9999, 1e-8])
UPPER = np.array([1e4, 0.9999, 1e2])
STARTS = ((-0.4, 0.6), (0.3, 1.5))
"""Starting points of (rho, nu); alpha starts at the level of the vols at the money."""


def fit_sabr(
    forward: ArrayLike,
    strike: ArrayLike,
    tau: ArrayLike,
    iv: ArrayLike,
    beta: float,
    weights: ArrayLike | None = None,
    shift: float = 0.0,
) -> Calibration[SABRParams]:
    """Fit alpha, rho and nu at a given beta.

    Parameters
    ----------
    forward, strike, tau, iv : array_like, shape (n,)
        Forward and strike in one unit, years, lognormal vols of the shifted forward. A quote with a vol or
        tau that is not finite and positive, or a shifted forward or strike that is not, is left out and has
        the residual NaN.
    beta : float
        Elasticity, in [0, 1]; not fitted.
    weights : array_like, shape (n,), optional
        Weight of each squared vol residual; equal by default, zero leaves a quote out.
    shift : float

    Returns
    -------
    Calibration of SABRParams
        Residuals are model vol minus market vol; `stderr` in the order alpha, beta, rho, nu with NaN for
        beta. Status TOO_FEW_STRIKES (fewer than three distinct strikes), AT_BOUND, NOT_CONVERGED,
        UNIDENTIFIED or OK.

    Raises
    ------
    ValueError
        If beta is outside [0, 1], the shift is not finite, shapes do not broadcast to one dimension or a
        weight is negative.
    """
    if not 0.0 <= beta <= 1.0:
        raise ValueError(f"beta: must lie in [0, 1], got {beta}")
    if not np.isfinite(shift):
        raise ValueError(f"shift: must be finite, got {shift}")
    (f, x, t, vol), weight = quote_columns(weights, forward=forward, strike=strike, tau=tau, iv=iv)
    f, x = f + shift, x + shift
    usable = np.logical_and.reduce([(a > 0.0) & np.isfinite(a) for a in (f, x, t, vol)]) & (weight > 0.0)
    f, x, t, sigma, root = f[usable], x[usable], t[usable], vol[usable], np.sqrt(weight[usable])
    if np.unique(x).size < N_FREE:
        return nothing_fitted(Status.TOO_FEW_STRIKES, vol.size, N_PARAMS)
    objective = _objective(f, x, t, sigma, root, beta)
    near = int(np.argmin(np.abs(np.log(x / f))))
    level = sigma[near] * f[near] ** (1.0 - beta)
    tried = [least_squares(objective, np.array([level, *start]), LOWER, UPPER) for start in STARTS]
    best = min(tried, key=lambda optimum: optimum.cost if np.isfinite(optimum.cost) else np.inf)
    residuals = np.full(vol.size, np.nan)
    residuals[usable] = best.residuals / root
    alpha, rho, nu = best.x.tolist()
    work = sum(o.n_iterations for o in tried), sum(o.n_evaluations for o in tried)
    fit = summarise(SABRParams(alpha, beta, rho, nu, shift), best, residuals, *work)
    return replace(fit, stderr=np.insert(fit.stderr[:N_FREE], 1, np.nan))


def _objective(f: Floats, x: Floats, t: Floats, sigma: Floats, root: Floats, beta: float) -> Residuals:
    """Return the weighted vol residuals and their Jacobian as a function of (alpha, rho, nu)."""

    def residuals(free: Floats) -> tuple[Floats, Floats]:
        model, by = np.empty(x.size), np.empty((N_FREE, x.size))
        vols(f, x, t, float(free[0]), beta, float(free[1]), float(free[2]), model, by)
        return root * (model - sigma), (root * by).T

    return residuals
