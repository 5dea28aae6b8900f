"""Least squares of one eSSVI slice inside the box that the slice before leaves.

What belongs here: the coordinates of the box, residuals and their derivatives, the damped Gauss-Newton
driver of ``calibration.objective`` for three coordinates. What does not: where a search starts, the chain of
slices (``calibration.essvi``), whose notation this file shares.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

Floats = NDArray[np.float64]

N_PARAMS = 3
_STEP = 1e-7
_MOST_STEPS, _TOLERANCE, _MOST_DAMPING = 100, 1e-10, 1e12


@njit(cache=True, error_model="numpy")
def slice_at(x: Floats, scale: float, before: Floats, out: Floats) -> None:
    """Fill theta, rho, psi of a point (rho, excess / scale, share) of the box.

    `before` has those of the slice before; theta 0 says that there is none.
    """
    rho, excess, share = x[0], x[1] * scale, x[2]
    room = 4.0 / (1.0 + abs(rho))
    out[1] = rho
    if before[0] <= 0.0:
        out[0] = excess
        out[2] = share * min(room, math.sqrt(room * excess))
        return
    ratio = max((1.0 + before[1]) / (1.0 + rho), (1.0 - before[1]) / (1.0 - rho))
    least = ratio * before[2]
    theta = max(ratio * before[0], 0.25 * least * least * (1.0 + abs(rho))) + excess
    most = min(before[2] / before[0] * theta, min(room, math.sqrt(room * theta)))
    out[0] = theta
    out[2] = least + share * (most - least)


@njit(cache=True, error_model="numpy")
def _slopes(x: Floats, scale: float, before: Floats, here: Floats, slopes: Floats) -> None:
    """Fill the derivatives of theta, rho, psi (rows) by the point, by differences inside the box."""
    moved, there = np.empty(N_PARAMS), np.empty(N_PARAMS)
    for i in range(N_PARAMS):
        step = _STEP * max(1.0, abs(x[i]))
        if i == 0 and x[0] > 0.0:
            step = -step
        moved[:] = x
        moved[i] += step
        slice_at(moved, scale, before, there)
        for j in range(N_PARAMS):
            slopes[j, i] = (there[j] - here[j]) / step


@njit(cache=True, error_model="numpy")
def misfit(
    k: Floats, vol: Floats, weight: Floats, tau: float, x: Floats, scale: float, before: Floats, r: Floats,
    jac: Floats,
) -> float:  # fmt: skip
    """Fill weighted residuals of vols and their derivatives by the point; return half the sum of squares."""
    here, slopes = np.empty(N_PARAMS), np.empty((N_PARAMS, N_PARAMS))
    slice_at(x, scale, before, here)
    _slopes(x, scale, before, here, slopes)
    theta, rho, psi = here[0], here[1], here[2]
    across = math.sqrt((1.0 - rho) * (1.0 + rho)) * theta
    cost = 0.0
    for i in range(k.size):
        lean = psi * k[i]
        root = math.hypot(lean + rho * theta, across)
        model = math.sqrt(0.5 * (theta + rho * lean + root) / tau)
        r[i] = weight[i] * (model - vol[i])
        cost += 0.5 * r[i] * r[i]
        unit = 0.25 * weight[i] / (tau * model)
        by_theta = unit * (1.0 + (rho * lean + theta) / root)
        by_rho = unit * lean * (1.0 + theta / root)
        by_psi = unit * k[i] * (rho + (lean + rho * theta) / root)
        for j in range(N_PARAMS):
            jac[i, j] = by_theta * slopes[0, j] + by_rho * slopes[1, j] + by_psi * slopes[2, j]
    return cost


@njit(cache=True, error_model="numpy")
def _solve(normal: Floats, right: Floats, damping: float, move: Floats) -> bool:
    """Fill the damped step by a Cholesky factor of the lower triangle; false where there is none."""
    factor = np.zeros((N_PARAMS, N_PARAMS))
    for i in range(N_PARAMS):
        total = right[i]
        for j in range(i):
            rest = normal[i, j]
            for m in range(j):
                rest -= factor[i, m] * factor[j, m]
            factor[i, j] = rest / factor[j, j]
            total -= factor[i, j] * move[j]
        pivot = normal[i, i] + damping * max(normal[i, i], 1e-30)
        for m in range(i):
            pivot -= factor[i, m] * factor[i, m]
        if not pivot > 0.0:
            return False
        factor[i, i] = math.sqrt(pivot)
        move[i] = total / factor[i, i]
    for i in range(N_PARAMS - 1, -1, -1):
        for m in range(i + 1, N_PARAMS):
            move[i] -= factor[m, i] * move[m]
        move[i] /= factor[i, i]
    return True


@njit(cache=True, error_model="numpy")
def _trial(
    x: Floats, r: Floats, jac: Floats, damping: float, lower: Floats, upper: Floats, trial: Floats
) -> float:
    """Fill the projected step's end; return the decrease of the cost that the linear model predicts there."""
    normal, gradient = np.zeros((N_PARAMS, N_PARAMS)), np.zeros(N_PARAMS)
    for i in range(r.size):
        for j in range(N_PARAMS):
            gradient[j] += jac[i, j] * r[i]
            for m in range(j + 1):
                normal[j, m] += jac[i, j] * jac[i, m]
    for j in range(N_PARAMS):
        if (x[j] <= lower[j] and gradient[j] > 0.0) or (x[j] >= upper[j] and gradient[j] < 0.0):
            # A coordinate that is held on its bound does not move, and the others don't see it.
            gradient[j] = 0.0
            normal[j, :] = 0.0
            normal[:, j] = 0.0
            normal[j, j] = 1.0
    move = np.zeros(N_PARAMS)
    if not _solve(normal, gradient, damping, move):
        return -1.0
    for j in range(N_PARAMS):
        trial[j] = min(max(x[j] - move[j], lower[j]), upper[j])
        move[j] = trial[j] - x[j]
    predicted = 0.0
    for j in range(N_PARAMS):
        predicted -= move[j] * gradient[j] + 0.5 * normal[j, j] * move[j] * move[j]
        for m in range(j):
            predicted -= normal[j, m] * move[j] * move[m]
    return predicted


@njit(cache=True, error_model="numpy")
def fit(
    k: Floats, vol: Floats, weight: Floats, tau: float, scale: float, before: Floats, lower: Floats,
    upper: Floats, x: Floats,
) -> tuple[float, bool, int, int]:  # fmt: skip
    """Move the point `x` to a least cost; return that, whether it converged, and steps and evaluations.

    As ``calibration.objective.least_squares``.
    """
    r, jac = np.empty(k.size), np.empty((k.size, N_PARAMS))
    new_r, new_jac, trial = np.empty(k.size), np.empty((k.size, N_PARAMS)), np.empty(N_PARAMS)
    for j in range(N_PARAMS):
        x[j] = min(max(x[j], lower[j]), upper[j])
    cost = misfit(k, vol, weight, tau, x, scale, before, r, jac)
    damping, growth, steps, evaluations, converged = 1e-3, 2.0, 0, 1, False
    while steps < _MOST_STEPS and not converged and math.isfinite(cost):
        steps += 1
        predicted = _trial(x, r, jac, damping, lower, upper, trial)
        if predicted < 0.0 and damping <= _MOST_DAMPING:
            damping *= growth
            growth *= 2.0
            continue
        if predicted <= _TOLERANCE * cost or cost == 0.0:
            converged = True
            break
        new_cost = misfit(k, vol, weight, tau, trial, scale, before, new_r, new_jac)
        evaluations += 1
        if math.isfinite(new_cost) and new_cost < cost:
            gain = (cost - new_cost) / predicted
            damping *= max(1.0 / 3.0, 1.0 - (2.0 * gain - 1.0) ** 3)
            growth = 2.0
            x[:] = trial
            r, new_r = new_r, r
            jac, new_jac = new_jac, jac
            cost = new_cost
        else:
            damping *= growth
            growth *= 2.0
            converged = damping > _MOST_DAMPING
    return cost, converged, steps, evaluations
