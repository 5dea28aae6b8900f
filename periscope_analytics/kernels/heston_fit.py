"""What a Heston fit does at each step besides pricing: vol residuals, their Jacobian, and the next step.

What belongs here: arithmetic on quotes and on five parameters; arrays in, arrays out. What does not: prices
and their gradient (``heston_lanes``, ``heston``), the search itself (``calibration.objective``).
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

Floats = NDArray[np.float64]

N_PARAMS = 5
SMALLEST_PIVOT = 1e-30
_INV_SQRT_2PI = 0.3989422804014327


@njit(cache=True, error_model="numpy")
def vol_residuals(quotes: Floats, model: Floats, sigma: Floats, gradient: Floats, residuals: Floats) -> None:
    """Fill weighted vol residuals, and turn the gradient of the prices into theirs.

    Where `sigma` is NaN, the residual is that of the price over the market's vega.

    Parameters
    ----------
    quotes : ndarray, shape (6, n)
        ln(K / F), root of tau, market vol, its out-of-the-money value and vega over F, root of the weight.
    model, sigma : ndarray, shape (n,)
        The model's value out of the money, over F, and its vol.
    gradient : ndarray, shape (5, n)
    residuals : ndarray, shape (n,)
    """
    for i in range(model.size):
        k, root, vol = quotes[0, i], quotes[1, i], quotes[2, i]
        value, vega, weight = quotes[3, i], quotes[4, i], quotes[5, i]
        difference = (model[i] - value) / vega
        if sigma[i] > 0.0:
            s = sigma[i] * root
            d1 = 0.5 * s - k / s
            difference = sigma[i] - vol
            vega = root * _INV_SQRT_2PI * math.exp(-0.5 * d1 * d1)
        residuals[i] = weight * difference
        for j in range(N_PARAMS):
            gradient[j, i] *= weight / vega


@njit(cache=True, error_model="numpy")
def _solve(a: Floats, b: Floats, free: NDArray[np.bool_]) -> Floats:
    """Return the solution of a symmetric positive system in its free variables, zero in the others."""
    n = b.size
    low = np.zeros((n, n))
    x = np.zeros(n)
    for i in range(n):
        if not free[i]:
            continue
        for j in range(i + 1):
            if not free[j]:
                continue
            rest = a[i, j]
            for m in range(j):
                rest -= low[i, m] * low[j, m]
            low[i, j] = math.sqrt(max(rest, SMALLEST_PIVOT)) if i == j else rest / low[j, j]
        rest = b[i]
        for m in range(i):
            rest -= low[i, m] * x[m]
        x[i] = rest / low[i, i]
    for i in range(n - 1, -1, -1):
        if free[i]:
            for m in range(i + 1, n):
                x[i] -= low[m, i] * x[m]
            x[i] /= low[i, i]
    return x


@njit(cache=True, error_model="numpy")
def damped_step(
    x: Floats, residuals: Floats, jacobian: Floats, damping: float, lower: Floats, upper: Floats,
    trial: Floats,
) -> float:  # fmt: skip
    """Fill `trial` with the end of a step projected into the box; return the decrease predicted there.

    As ``calibration.objective`` has it; `jacobian` has shape (n_params, n).
    """
    n = x.size
    normal, slope, free = np.empty((n, n)), np.zeros(n), np.empty(n, dtype=np.bool_)
    for i in range(n):
        row = jacobian[i]
        for m in range(residuals.size):
            slope[i] += row[m] * residuals[m]
        for j in range(i + 1):
            other, total = jacobian[j], 0.0
            for m in range(residuals.size):
                total += row[m] * other[m]
            normal[i, j] = normal[j, i] = total
        free[i] = not ((x[i] <= lower[i] and slope[i] > 0.0) or (x[i] >= upper[i] and slope[i] < 0.0))
    damped = normal.copy()
    for i in range(n):
        damped[i, i] += damping * max(normal[i, i], SMALLEST_PIVOT)
    step = _solve(damped, slope, free)
    for i in range(n):
        trial[i] = min(max(x[i] - step[i], lower[i]), upper[i])
        step[i] = trial[i] - x[i]
    predicted = 0.0
    for i in range(n):
        bent = slope[i]
        for j in range(n):
            bent += 0.5 * normal[i, j] * step[j]
        predicted -= step[i] * bent
    return predicted
