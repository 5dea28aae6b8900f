"""Derivatives of a served slice's prices: by its own values, and by the law under it.

What belongs here: one solve with the step's system for many right-hand sides, and splines of its columns at
strikes. What does not: what is done with them (``served_errors``, ``thin``).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from periscope_analytics.kernels import slice as kernel
from periscope_analytics.kernels.slice_law import bspline
from periscope_analytics.slice import SliceParams, geometry

Floats = NDArray[np.float64]

_FOUR = np.arange(4)


class Tangents(NamedTuple):
    """Derivatives of a slice's price control points, and what carries those of the slice before.

    Attributes
    ----------
    params : SliceParams
    by_values : ndarray, shape (points, knots)
        Of the control points by the values at the knots.
    pivot : ndarray, shape (points,)
        Factorisation of the step's system.
    """

    params: SliceParams
    by_values: Floats
    pivot: Floats

    def carried(self, before: Floats) -> Floats:
        """Return what columns of errors of the law before, shape (points, r), become after the step."""
        link = geometry(self.params.grid).grid[1]
        return _solved(link, self.pivot, self.params.law.inverse, before)


def tangents(params: SliceParams) -> Tangents:
    """Return the derivatives at a slice."""
    law, shape, knots = params.law, geometry(params.grid), np.array(params.knots)
    link, pivot = shape.grid[1], np.empty(params.law.mass.size)
    kernel.solve(link, law.inverse, params.base()[0], np.empty_like(pivot), pivot)
    rows = np.empty((-(-knots.size // kernel.LANES), shape.x.size, kernel.LANES))
    kernel.spline_rows(knots, kernel.curvatures(knots), shape.x / params.scale, rows)
    spline = np.empty(shape.x.size)
    kernel.level(rows, np.array(params.values), spline)
    bend = np.zeros_like(spline)
    bend[1:-1] = np.exp(-spline[1:-1]) / (params.scale**2 * shape.grid[2][1:-1])
    return Tangents(params, _solved(link, pivot, bend * law.gain, rows)[:, : knots.size], pivot)


class Basis(NamedTuple):
    """B-spline weights of n strikes, shape (n, 4), and the control points that they belong to."""

    point: NDArray[np.int64]
    weight: Floats

    def of(self, control: Floats) -> Floats:
        """Return splines of columns of control points, shape (points, r), at the strikes: shape (n, r)."""
        return np.asarray(np.einsum("ia,iar->ir", self.weight, control[self.point]))


def basis(params: SliceParams, k: Floats) -> Basis:
    """Return the weights of strikes at log-moneyness k."""
    first, weight = np.empty(k.size, np.int64), np.empty((k.size, 4))
    bspline(geometry(params.grid).knots, np.exp(k), first, weight)
    return Basis(first[:, None] + _FOUR, weight)


def at_strikes(params: SliceParams, control: Floats, k: Floats) -> Floats:
    """Return splines of columns of control points, shape (points, r), at log-moneyness k: shape (n, r)."""
    return basis(params, k).of(control)


def _solved(link: Floats, pivot: Floats, scale: Floats, sides: Floats) -> Floats:
    """Solve the step's system for right-hand sides scale * sides, of shape (points, r) or in lanes."""
    if sides.ndim == 2:
        lanes = np.zeros((-(-sides.shape[1] // kernel.LANES) * kernel.LANES, sides.shape[0]))
        lanes[: sides.shape[1]] = sides.T
        shaped = np.ascontiguousarray(lanes.reshape(-1, kernel.LANES, sides.shape[0]).transpose(0, 2, 1))
        return _solved(link, pivot, scale, shaped)[:, : sides.shape[1]]
    out = np.empty_like(sides)
    kernel.solve_rows(link, pivot, np.where(np.isfinite(scale), scale, 0.0), sides, out)
    return np.asarray(out.transpose(1, 0, 2).reshape(out.shape[1], -1))
