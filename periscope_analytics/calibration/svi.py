"""Fit of raw SVI to the total variances of one expiry.

What belongs here: which quotes are used, and what the optimum says. What does not: the search
(``kernels.svi``), evaluation (``svi``), fits of several expiries at once.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from periscope_analytics.calibration.objective import Optimum, nothing_fitted, quote_columns, summarise
from periscope_analytics.calibration.result import Calibration
from periscope_analytics.errors import Status
from periscope_analytics.kernels import svi as kernel
from periscope_analytics.svi import SVIParams

Floats = NDArray[np.float64]

N_PARAMS = 5
FURTHEST, SAME_STRIKE = 100.0, 1e-9
LEAST, GREATEST = 1e-16, 1e4


def fit_svi(
    k: ArrayLike, w: ArrayLike, weights: ArrayLike | None = None, arbitrage_free: bool = True
) -> Calibration[SVIParams]:
    """Fit raw SVI parameters by weighted least squares in total variance.

    Parameters
    ----------
    k : array_like, shape (n,)
        Log-moneyness ln(K/F); strikes closer than 1e-9 count as one.
    w : array_like, shape (n,)
        Total variance iv^2 tau. Quotes with ``|k| > 100`` or `w` outside [1e-16, 1e4], NaN included, are left
        out: residual NaN.
    weights : array_like, shape (n,), optional
        Weight of each squared residual; equal by default, zero leaves a quote out.
    arbitrage_free : bool
        Require g >= 0 at every strike and wing slopes of at most 2.

    Returns
    -------
    Calibration of SVIParams
        Residuals in total variance, model minus market. Status TOO_FEW_STRIKES (fewer than five distinct
        strikes; no parameters), UNIDENTIFIED (a flat smile, for instance), AT_BOUND (of the search, for
        instance a one-sided smile with rho = -1), NOT_CONVERGED or OK; in all but the first the parameters
        are usable. A smile that the conditions against arbitrage hold back is OK.

    Raises
    ------
    ValueError
        If shapes do not broadcast to one dimension or a weight is negative.

    References
    ----------
    S. De Marco, C. Martini (2009), "Quasi-explicit calibration of Gatheral's SVI model", Zeliade; J.
    Gatheral, A. Jacquier (2014), "Arbitrage-free SVI volatility surfaces", Quantitative Finance 14(1), eq.
    2.1.
    """
    (moneyness, variance), weight = quote_columns(weights, k=k, w=w)
    usable = (np.abs(moneyness) <= FURTHEST) & (variance >= LEAST) & (variance <= GREATEST) & (weight > 0.0)
    x, y, q = moneyness[usable], variance[usable], weight[usable]
    if 1 + int(np.sum(np.diff(np.sort(x)) > SAME_STRIKE)) < N_PARAMS:
        return nothing_fitted(Status.TOO_FEW_STRIKES, moneyness.size, N_PARAMS)
    found, box, counts = np.empty(N_PARAMS), np.empty((2, N_PARAMS)), np.zeros(2)
    q = q / q.max()
    converged = bool(kernel.fit(x, y, q / q.sum(), arbitrage_free, found, box, counts))
    params = SVIParams(*found.tolist())
    misfit = params.total_variance(x) - y
    root = np.sqrt(q / q.mean())
    optimum = Optimum(
        found,
        root * misfit,
        root[:, None] * _jacobian(params, x),
        0.5 * float(np.sum((root * misfit) ** 2)),
        converged,
        bool(np.any((found <= box[0]) | (found >= box[1]))),
        int(counts[0]),
        int(counts[1]),
    )
    residuals = np.full(moneyness.size, np.nan)
    residuals[usable] = misfit
    return summarise(params, optimum, residuals)


def _jacobian(params: SVIParams, k: Floats) -> Floats:
    """Return the derivatives of total variance by the parameters, shape (n, 5)."""
    s = k - params.m
    root = np.hypot(s, params.sigma)
    columns = (
        np.ones_like(k),
        params.rho * s + root,
        params.b * s,
        -params.b * (params.rho + s / root),
        params.b * params.sigma / root,
    )
    return np.stack(columns, axis=1)
