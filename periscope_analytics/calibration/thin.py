"""Fit of an expiry that has too few strikes for a shape of its own: it borrows one and fits the level.

What belongs here: the rung below a full fit. What does not: full fits (``slice``), which expiry lends its
shape (``served``).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq

from periscope_analytics.calibration.slice import Band, SliceCalibration, SliceSettings, absent
from periscope_analytics.calibration.tangents import at_strikes, tangents
from periscope_analytics.errors import Status
from periscope_analytics.kernels import slice as kernel
from periscope_analytics.kernels.slice_quotes import otm_spread
from periscope_analytics.slice import SliceParams, geometry

Floats = NDArray[np.float64]

_LOWEST, _HIGHEST = -12.0, 6.0
_NEAR = 1.5


def thin_scale(quotes: Band) -> float:
    """Return the total vol of the quote nearest to the forward; NaN without a quote."""
    if not quotes.k.size:
        return np.nan
    nearest = int(np.argmin(np.abs(quotes.k)))
    return float(otm_spread(float(quotes.k[nearest]), float(np.exp(quotes.mid[nearest])), 1e-6)[0])


def fit_level(
    quotes: Band, like: SliceParams, previous: SliceParams | None, tau: float, settings: SliceSettings
) -> SliceCalibration:
    """Fit the level of a slice whose shape is that of `like`.

    Parameters
    ----------
    quotes : Band
        At least one quote.
    like : SliceParams
        The slice before, or where there is none the next expiry's, fitted on its own.
    previous : SliceParams or None
    tau : float
    settings : SliceSettings

    Returns
    -------
    SliceCalibration
        Status BORROWED_SHAPE, or OUT_OF_RANGE for a quote outside the grid. The level is that at which the
        residuals add up to zero, or the nearest one that keeps the order of expiries. Errors are those of a
        full fit with these quotes, so they are wide where none is.
    """
    if quotes.k.min() <= like.grid.k_min or quotes.k.max() >= like.grid.k_max:
        return absent(quotes, Status.OUT_OF_RANGE)
    at, low, high = _family(quotes, like, previous, tau, settings)

    def excess(level: float) -> float:
        return float(np.sum(_residuals(at(level), quotes)))

    ends = excess(low), excess(high)
    level = low if ends[0] >= 0.0 else high if ends[1] <= 0.0 else float(brentq(excess, low, high, xtol=1e-9))
    return _described(at(level), quotes, settings)


def _family(
    quotes: Band, like: SliceParams, previous: SliceParams | None, tau: float, settings: SliceSettings
) -> tuple[Callable[[float], SliceParams], float, float]:
    """Return slices by level, and the levels between which the search goes."""
    scale = thin_scale(quotes)
    if previous is None:
        near = np.log(scale)

        def rescaled(level: float) -> SliceParams:
            own = float(np.exp(level))
            base = settings.base_share * own**2
            return replace(like, tau=tau, scale=own, base_variance=base, previous=None, fraction=1.0)

        return rescaled, near - _NEAR, near + _NEAR
    shape = previous.log_shape(np.array(previous.knots))

    def raised(level: float) -> SliceParams:
        values = tuple((shape + level).tolist())
        base = settings.base_share * scale**2
        return SliceParams(tau, scale, previous.knots, values, like.grid, base, previous)

    return raised, _LOWEST, _HIGHEST


def _residuals(params: SliceParams, quotes: Band) -> Floats:
    return np.asarray((np.log(params.otm_price(quotes.k)) - quotes.mid) / quotes.half)


def _described(params: SliceParams, quotes: Band, settings: SliceSettings) -> SliceCalibration:
    residual, knots = _residuals(params, quotes), np.array(params.knots)
    unit = 1.0 / (params.otm_price(quotes.k) * quotes.half * settings.noise)
    jacobian = unit[:, None] * at_strikes(params, tangents(params).by_values, quotes.k)
    stiff = settings.stiffness * kernel.penalty(knots, kernel.curvatures(knots))
    covariance = np.linalg.inv(jacobian.T @ jacobian + stiff + settings.ridge * np.eye(knots.size))
    residuals = np.full(quotes.used.size, np.nan)
    residuals[quotes.used] = residual
    return SliceCalibration(
        params=params,
        status=Status.BORROWED_SHAPE,
        rmse=float(np.sqrt(np.mean(residual**2))),
        max_error=float(np.max(np.abs(residual))),
        residuals=residuals,
        stderr=np.sqrt(np.diagonal(covariance)),
        n_iterations=1,
        n_evaluations=1,
        inside=float(np.mean(np.abs(residual) <= 1.0)),
        second_mode=float(kernel.second_mode(geometry(params.grid).x / params.scale, params.law.mass)),
        covariance=covariance,
        quotes=quotes,
    )
