"""Errors of the served surface, chained through the expiries.

What belongs here: how the errors of one slice's fit reach the prices of all later slices, and what they are
as vols. What does not: the fits (``calibration.slice``).

A slice's prices err because its own values do, and because the slice before it did. The second part goes
through the implicit step and is then partly taken back: a fit to given quotes answers an error below it with
the opposite one.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from periscope_analytics.arguments import floats
from periscope_analytics.calibration.served import ServedCalibration, SliceQuotes
from periscope_analytics.calibration.slice import SliceCalibration, SliceSettings, band
from periscope_analytics.kernels import slice as kernel
from periscope_analytics.kernels.slice_law import bspline
from periscope_analytics.slice import SliceParams, geometry

Floats = NDArray[np.float64]

_MOST = 24
"""Columns that a factor is cut to; the next ones are far below one percent of the first."""


def chained_errors(
    quotes: Sequence[SliceQuotes], fit: ServedCalibration, settings: SliceSettings | None = None
) -> tuple[Floats | None, ...]:
    """Return, for each expiry, a factor of the covariance of its prices' control points.

    Parameters
    ----------
    quotes : sequence of SliceQuotes
        As they were fitted.
    fit : ServedCalibration
    settings : SliceSettings, optional
        As in the fit.

    Returns
    -------
    tuple of ndarray of shape (grid points, r), or None
        The covariance is factor times its transpose; None where an expiry has no slice.
    """
    chosen = settings or SliceSettings()
    factors: list[Floats | None] = []
    before: Floats | None = None
    for each, one in zip(quotes, fit.slices, strict=True):
        if one.params is None:
            factors.append(None)
            continue
        before = _factor(each, one, one.params, before, chosen)
        factors.append(before)
    return tuple(factors)


def vol_stderr(params: SliceParams, factor: Floats, k: ArrayLike) -> Floats:
    """Return one-sigma errors of a slice's implied vols, decimals.

    Parameters
    ----------
    params : SliceParams
    factor : ndarray, shape (grid points, r)
        Of :func:`chained_errors`.
    k : array_like
        Log-moneyness.
    """
    at = floats("k", k)
    price = np.sqrt(np.sum(_at_strikes(params, factor, at.ravel()) ** 2, axis=1)).reshape(at.shape)
    w = params.total_variance(at)
    vega = np.exp(-((0.5 * w - at) ** 2) / (2.0 * w)) * np.sqrt(params.tau / (2.0 * np.pi))
    return np.asarray(price / vega)


def _factor(
    quotes: SliceQuotes,
    fit: SliceCalibration,
    params: SliceParams,
    before: Floats | None,
    settings: SliceSettings,
) -> Floats:
    law, pivot = params.law, np.empty(params.law.mass.size)
    link = geometry(params.grid).grid[1]
    kernel.solve(link, law.inverse, params.base()[0], np.empty_like(pivot), pivot)
    tangent = _tangent(params, link, pivot)
    own = tangent @ np.linalg.cholesky(fit.covariance)
    if before is None:
        return np.asarray(own)
    carried = _solved(link, pivot, law.inverse, before)
    used = band(*quotes[1:], settings)
    unit = 1.0 / (params.otm_price(used.k) * used.half * settings.noise)
    answer = fit.covariance @ (
        (unit[:, None] * _at_strikes(params, tangent, used.k)).T
        @ (unit[:, None] * _at_strikes(params, carried, used.k))
    )
    return _narrowed(np.hstack([carried - tangent @ answer, own]))


def _tangent(params: SliceParams, link: Floats, pivot: Floats) -> Floats:
    """Return the derivative of prices' control points by the values at the knots, shape (points, knots)."""
    shape, knots = geometry(params.grid), np.array(params.knots)
    rows = np.empty((-(-knots.size // kernel.LANES), shape.x.size, kernel.LANES))
    kernel.spline_rows(knots, kernel.curvatures(knots), shape.x / params.scale, rows)
    spline = np.empty(shape.x.size)
    kernel.level(rows, np.array(params.values), spline)
    bend = np.zeros_like(spline)
    bend[1:-1] = np.exp(-spline[1:-1]) / (params.scale**2 * shape.grid[2][1:-1])
    return _solved(link, pivot, bend * params.law.gain, rows)[:, : knots.size]


def _solved(link: Floats, pivot: Floats, scale: Floats, sides: Floats) -> Floats:
    """Solve the step's system for right-hand sides scale * sides, of shape (points, r) or in lanes."""
    if sides.ndim == 2:
        lanes = np.zeros((-(-sides.shape[1] // kernel.LANES) * kernel.LANES, sides.shape[0]))
        lanes[: sides.shape[1]] = sides.T
        sides = np.ascontiguousarray(lanes.reshape(-1, kernel.LANES, sides.shape[0]).transpose(0, 2, 1))
    out = np.empty_like(sides)
    kernel.solve_rows(link, pivot, np.where(np.isfinite(scale), scale, 0.0), sides, out)
    return np.asarray(out.transpose(1, 0, 2).reshape(out.shape[1], -1))


def _at_strikes(params: SliceParams, control: Floats, k: Floats) -> Floats:
    first, weight = np.empty(k.size, np.int64), np.empty((k.size, 4))
    bspline(geometry(params.grid).knots, np.exp(k), first, weight)
    return np.asarray(np.einsum("ia,iar->ir", weight, control[first[:, None] + np.arange(4)]))


def _narrowed(factor: Floats) -> Floats:
    """Return a factor of almost the same covariance with at most _MOST columns."""
    _, axes = np.linalg.eigh(factor.T @ factor)
    return np.asarray(factor @ axes[:, -_MOST:])
