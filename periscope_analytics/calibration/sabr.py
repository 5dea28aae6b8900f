"""Fit of SABR to the vols of one expiry, or of many expiries in one call.

What belongs here: arguments, and what the optimum says. What does not: the formula and the search
(``kernels.sabr``).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from periscope_analytics.calibration.result import Calibration, assembled
from periscope_analytics.calibration.slices import (
    SliceFits,
    checked_offsets,
    contiguous_columns,
    two_columns,
)
from periscope_analytics.errors import Status
from periscope_analytics.kernels import sabr as kernel
from periscope_analytics.sabr import SABRParams

Floats = NDArray[np.float64]

N_PARAMS = 4
_ROW, _ERRORS = kernel.N_OUT, slice(kernel.STDERR, kernel.STDERR + N_PARAMS)
_NAMES = ("strike", "iv")
_STATUSES = {float(each): each for each in Status}
_INFINITY = float("inf")


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
    if _is_number(forward) and _is_number(tau):
        _check(beta, shift)
        x, vol, weight = two_columns(weights, _NAMES, strike, iv)
        out = np.empty(_ROW + x.size)
        kernel.fit_alone(forward, x, tau, vol, weight, beta, shift, out)
    else:
        columns, weight = _columns(forward, strike, tau, iv, beta, shift, weights)
        size = columns[1].size
        fits, residuals = np.empty((1, _ROW)), np.empty(size)
        kernel.fit_slices(*columns, weight, np.array([0, size]), beta, shift, fits, residuals)
        out = np.concatenate([fits[0], residuals])
    alpha, _, rho, nu, _, rmse, most, _, _, _, _, status, iterations, evaluations = out[:_ROW].tolist()
    return assembled(
        None if alpha != alpha else SABRParams(alpha, beta, rho, nu, shift),
        _STATUSES[status],
        rmse,
        most,
        out[_ROW:],
        out[_ERRORS],
        int(iterations),
        int(evaluations),
    )


def fit_sabr_slices(
    forward: ArrayLike,
    strike: ArrayLike,
    tau: ArrayLike,
    iv: ArrayLike,
    beta: float,
    offsets: ArrayLike,
    weights: ArrayLike | None = None,
    shift: float = 0.0,
) -> SliceFits[SABRParams]:
    """Fit alpha, rho and nu to many expiries, each by itself, in one compiled call.

    Parameters
    ----------
    forward, strike, tau, iv : array_like, shape (n,)
        As for :func:`fit_sabr`, one expiry's quotes after the other's.
    beta : float
    offsets : array_like of int, shape (n_slices + 1,)
        Where each expiry's quotes begin, and `n`: ``offsets[i]:offsets[i + 1]`` are those of expiry i.
    weights : array_like, shape (n,), optional
    shift : float

    Returns
    -------
    SliceFits of SABRParams
        What :func:`fit_sabr` gives for each expiry; `parameters` in the order alpha, beta, rho, nu, shift.

    Raises
    ------
    ValueError
        As :func:`fit_sabr`, or if the offsets do not rise from 0 to n.
    """
    columns, weight = _columns(forward, strike, tau, iv, beta, shift, weights)
    bounds = checked_offsets(offsets, columns[1].size)
    fits, residuals = np.empty((bounds.size - 1, kernel.N_OUT)), np.empty(columns[1].size)
    kernel.fit_slices(*columns, weight, bounds, beta, shift, fits, residuals)
    return SliceFits(
        fits[:, : kernel.N_PARAMS],
        fits[:, kernel.STATUS].astype(np.int8),
        fits[:, kernel.RMSE],
        fits[:, kernel.MAX_ERROR],
        residuals,
        fits[:, kernel.STDERR : kernel.STDERR + N_PARAMS],
        fits[:, kernel.ITERATIONS].astype(np.int64),
        fits[:, kernel.EVALUATIONS].astype(np.int64),
        bounds,
        SABRParams,
    )


def _check(beta: float, shift: float) -> None:
    if not 0.0 <= beta <= 1.0:
        raise ValueError(f"beta: must lie in [0, 1], got {beta}")
    if not -_INFINITY < shift < _INFINITY:
        raise ValueError(f"shift: must be finite, got {shift}")


def _columns(
    forward: ArrayLike,
    strike: ArrayLike,
    tau: ArrayLike,
    iv: ArrayLike,
    beta: float,
    shift: float,
    weights: ArrayLike | None,
) -> tuple[list[Floats], Floats]:
    """Return forward, strike, tau, vol and weights; forward and tau of one element count for all."""
    _check(beta, shift)
    if _is_number(forward) and _is_number(tau):
        x, vol, weight = two_columns(weights, _NAMES, strike, iv)
        return [np.array([forward]), x, np.array([tau]), vol], weight
    return contiguous_columns(weights, forward=forward, strike=strike, tau=tau, iv=iv)


def _is_number(value: object) -> bool:
    return isinstance(value, float)
