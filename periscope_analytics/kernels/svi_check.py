"""What a fitted raw SVI smile is worth: the parameters' errors, and the exact check for butterfly arbitrage.

What belongs here: errors from the moments at the optimum; the proof, without a grid, that g >= 0 at every
strike. What does not: fits (``svi``, ``svi_bound``), certificates of surfaces (``arbitrage``).
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

from periscope_analytics.errors import Status

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

N = 5
RMSE, MAX_ERROR, STDERR, STATUS, FREE, NOISE, POINT = 5, 6, 7, 12, 15, 21, 22
UNPROVEN = 2.0
"""Places in a row of ``svi.fit_slices``, and what ``svi_within`` leaves in `FREE`."""
_OK, _FEW, _FLAT = float(Status.OK), float(Status.TOO_FEW_STRIKES), float(Status.UNIDENTIFIED)
STEEPEST = 2.0
_SMALLEST_PIVOT = 1e-12
_DEGREE, _DEEPEST = 10, 50
_EXACT, _MOST_CELLS, _DOUBLINGS = 1e-13, 5000, 40


@njit(cache=True, error_model="numpy")
def _density_numerator(x: Floats, c: Floats) -> None:
    """Fill the Bernstein coefficients of 16 w^2 r^3 g t^5 as a polynomial of t = exp(asinh((k - m)/sigma)).

    In t both k - m and r are rational, so g >= 0 at all strikes is the positivity of one polynomial of degree
    10 over t > 0; it is written in t/(1 + t), from 0 to 1.
    """
    a, b, rho, m, sigma = x[0], x[1], x[2], x[3], x[4]
    h = 0.5 * sigma
    w, v, k = np.empty(3), np.empty(3), np.empty(3)
    w[0], w[1], w[2] = b * h * (1.0 - rho), a, b * h * (1.0 + rho)
    v[0], v[1], v[2] = -b * h * (1.0 - rho), 0.0, b * h * (1.0 + rho)
    k[0], k[1], k[2] = -h, m, h
    lean, ww, vv, mixed = np.zeros(5), np.zeros(5), np.zeros(5), np.zeros(9)
    for i in range(3):
        lean[i] += 2.0 * h * w[i]
        lean[i + 2] += 2.0 * h * w[i]
        for j in range(3):
            lean[i + j] -= k[i] * v[j]
            ww[i + j] += w[i] * w[j]
            vv[i + j] += v[i] * v[j]
    for i in range(5):
        for j in range(5):
            mixed[i + j] += 4.0 * lean[i] * lean[j] - vv[i] * ww[j]
        for j in range(3):
            mixed[i + j + 1] -= 4.0 * vv[i] * w[j]
    c[:] = 0.0
    for i in range(9):
        c[i] += h * mixed[i]
        c[i + 2] += h * mixed[i]
    for i in range(5):
        c[i + 3] += 8.0 * b * sigma * sigma * ww[i]
    choose = 1.0
    for i in range(_DEGREE + 1):
        c[i] /= choose
        choose *= (_DEGREE - i) / (i + 1.0)


@njit(cache=True, error_model="numpy")
def _positive(stack: Floats) -> bool:
    """Return whether the polynomial of the Bernstein coefficients in the first row is not negative.

    Where coefficients are negative the interval is halved (de Casteljau): values lie between the least and
    the greatest of them.
    """
    height, depth = 1, np.zeros(_DEEPEST + 2, dtype=np.int64)
    while height > 0:
        height -= 1
        least = 0.0
        for i in range(_DEGREE + 1):
            least = min(least, stack[height, i])
        if least >= 0.0:
            continue
        if stack[height, 0] < 0.0 or stack[height, _DEGREE] < 0.0 or depth[height] == _DEEPEST:
            return False
        left, right = stack[height], stack[height + 1]
        for i in range(_DEGREE + 1):
            right[i] = left[i]
        for level in range(1, _DEGREE + 1):
            for i in range(_DEGREE, level - 1, -1):
                left[i] = 0.5 * (left[i] + left[i - 1])
            right[_DEGREE - level] = left[_DEGREE]
        depth[height] += 1
        depth[height + 1] = depth[height]
        height += 2
    return True


@njit(cache=True, error_model="numpy")
def is_free(x: Floats) -> bool:
    """Return whether the smile has positive variance, wings of at most 2 and g >= 0 at every real strike.

    Exact but for rounding, and without a grid: a smile whose g touches 0 counts as not free.
    """
    if not x[1] * (1.0 + abs(x[2])) <= STEEPEST:
        return False
    if not x[0] + x[1] * x[4] * math.sqrt((1.0 - x[2]) * (1.0 + x[2])) > 0.0:
        return False
    stack = np.empty((_DEEPEST + 2, _DEGREE + 1))
    _density_numerator(x, stack[0])
    return bool(_positive(stack))


@njit(cache=True, error_model="numpy")
def _variance(k: float, x: Floats) -> tuple[float, float]:
    """Return total variance and its slope."""
    s = k - x[3]
    root = math.sqrt(s * s + x[4] * x[4])
    return x[0] + x[1] * (x[2] * s + root), x[1] * (x[2] + s / root)


@njit(cache=True, error_model="numpy")
def _above_between(low: float, high: float, upper: Floats, lower: Floats) -> bool:
    """Return whether the tangent of the upper smile in the middle is above the chord of the lower one."""
    middle = 0.5 * (low + high)
    w, slope = _variance(middle, upper)
    left, right = w + slope * (low - middle), w + slope * (high - middle)
    return bool(left >= _variance(low, lower)[0] - _EXACT and right >= _variance(high, lower)[0] - _EXACT)


@njit(cache=True, error_model="numpy")
def lies_above(upper: Floats, lower: Floats) -> bool:
    """Return whether one smile's total variance is at least the other's at every real strike, but for 1e-13.

    Smiles are convex, so that on an interval the upper one lies above a tangent and the lower one below its
    chord; intervals where that does not decide are halved, `_MOST_CELLS` times at most. Beyond the last
    interval the wings' slopes and intercepts decide.
    """
    if upper[0] == lower[0] and np.all(upper[:N] == lower[:N]):
        return True
    reach = 2.0 + 2.0 * max(abs(upper[3]), abs(lower[3])) + 10.0 * max(upper[4], lower[4])
    for side in (1.0, -1.0):
        steeper = upper[1] * (1.0 + side * upper[2]) - lower[1] * (1.0 + side * lower[2])
        if not steeper >= 0.0:
            return False
    for _ in range(_DOUBLINGS):
        if _tails_above(reach, upper, lower):
            break
        reach *= 2.0
    else:
        return False
    stack = np.empty((_DEEPEST + 3, 2))
    stack[0, 0], stack[0, 1] = -reach, 0.0
    stack[1, 0], stack[1, 1] = 0.0, reach
    height, cells = 2, 0
    while height > 0:
        height -= 1
        low, high = stack[height, 0], stack[height, 1]
        if _above_between(low, high, upper, lower):
            continue
        middle = 0.5 * (low + high)
        cells += 1
        below = _variance(middle, upper)[0] < _variance(middle, lower)[0] - _EXACT
        if below or cells > _MOST_CELLS or height > _DEEPEST:
            return False
        stack[height, 0], stack[height, 1] = low, middle
        stack[height + 1, 0], stack[height + 1, 1] = middle, high
        height += 2
    return True


@njit(cache=True, error_model="numpy")
def _tails_above(reach: float, upper: Floats, lower: Floats) -> bool:
    """Return whether the order holds beyond `reach`, by |s| <= r <= |s| + sigma^2 / (2 |s|)."""
    for side in (1.0, -1.0):
        above = upper[0] + upper[1] * (1.0 + side * upper[2]) * (reach - side * upper[3])
        distance = reach - side * lower[3]
        below = lower[0] + lower[1] * (1.0 + side * lower[2]) * distance
        below += 0.5 * lower[1] * lower[4] * lower[4] / distance
        if not above >= below - _EXACT:
            return False
    return True


@njit(cache=True, error_model="numpy")
def _factorised(n: Floats) -> bool:
    """Factorise a symmetric matrix in place by Cholesky's method; False if a pivot is next to nothing."""
    for i in range(4):
        if not n[i, i] > 0.0:
            return False
        size = n[i, i]
        for j in range(i + 1):
            for q in range(j):
                n[i, j] -= n[i, q] * n[j, q]
            if j < i:
                n[i, j] /= n[j, j]
        if not n[i, i] > _SMALLEST_PIVOT * size:
            return False
        n[i, i] = math.sqrt(n[i, i])
    return True


@njit(cache=True, error_model="numpy")
def _errors(x: Floats, p: Floats, noise: float, out: Floats) -> bool:
    """Fill one-sigma errors of the parameters; False if quotes hardly tell them apart.

    ``noise (J'J)^-1`` from the moments at the optimum: columns by b, rho, m, sigma about their means, then
    the error of a from theirs and that of the mean.
    """
    b, rho, sigma = x[1], x[2], x[4]
    kk, kr, uk, vk, rr, ur, vr = p[7], p[8], p[9], p[10], p[11], p[12], p[13]
    n, mean, inverse = np.empty((4, 4)), np.empty(4), np.zeros((4, 4))
    n[0, 0] = rho * rho * kk + 2.0 * rho * kr + rr
    n[1, 0], n[1, 1] = b * (rho * kk + kr), b * b * kk
    n[2, 0], n[2, 1], n[2, 2] = -b * (rho * uk + ur), -b * b * uk, b * b * p[14]
    n[3, 0], n[3, 1] = b * sigma * (rho * vk + vr), b * b * sigma * vk
    n[3, 2], n[3, 3] = -b * b * sigma * p[15], b * b * sigma * sigma * p[16]
    mean[0], mean[1], mean[2], mean[3] = p[4] - rho * p[0], -b * p[0], -b * (rho + p[5]), b * sigma * p[6]
    if not _factorised(n):
        return False
    across = 1.0
    for i in range(4):
        inverse[i, i] = 1.0 / n[i, i]
        for j in range(i):
            total = 0.0
            for q in range(j, i):
                total -= n[i, q] * inverse[q, j]
            inverse[i, j] = total * inverse[i, i]
        lean = 0.0
        for j in range(i + 1):
            lean += inverse[i, j] * mean[j]
        across += lean * lean
    out[0] = math.sqrt(noise * across)
    for j in range(4):
        total = 0.0
        for i in range(j, 4):
            total += inverse[i, j] * inverse[i, j]
        out[1 + j] = math.sqrt(noise * total)
    return True


@njit(cache=True, error_model="numpy")
def judge(fits: Floats, constrained: bool) -> None:
    """Complete the rows that ``svi.fit_slices`` filled: errors, whether identified, whether free.

    With `constrained`, errors are only those of the smiles that are free: the others are to be fitted anew.
    """
    for i in range(fits.shape[0]):
        fit = fits[i]
        if fit[STATUS] == _FEW:
            continue
        fit[FREE] = 1.0 if is_free(fit[:N]) else 0.0
        if constrained and fit[FREE] == 0.0:
            continue
        identified = _errors(fit[:N], fit[POINT:], fit[NOISE], fit[STDERR:])
        if not identified and fit[STATUS] == _OK:
            fit[STATUS] = _FLAT


@njit(cache=True, error_model="numpy")
def _bound_errors(fit: Floats, out: Floats) -> bool:
    """Fill one-sigma errors from J'J by rows at `POINT`; False if quotes hardly tell the parameters apart."""
    normal, size, inverse = np.zeros((N, N)), np.empty(N), np.zeros((N, N))
    for i in range(N):
        size[i] = math.sqrt(fit[POINT + i * (i + 1) // 2 + i])
        for j in range(i + 1):
            normal[i, j] = fit[POINT + i * (i + 1) // 2 + j] / (size[i] * size[j])
    for i in range(N):
        for j in range(i):
            for q in range(j):
                normal[i, j] -= normal[i, q] * normal[j, q]
            normal[i, j] /= normal[j, j]
            normal[i, i] -= normal[i, j] * normal[i, j]
        if not normal[i, i] > _SMALLEST_PIVOT:
            return False
        normal[i, i] = math.sqrt(normal[i, i])
    for j in range(N):
        total = 0.0
        for i in range(j, N):
            right = 1.0 if i == j else 0.0
            for q in range(j, i):
                right -= normal[i, q] * inverse[q, j]
            inverse[i, j] = right / normal[i, i]
            total += inverse[i, j] * inverse[i, j]
        out[j] = math.sqrt(fit[NOISE] * total) / size[j]
    return True


@njit(cache=True, error_model="numpy")
def judge_bound(k: Floats, w: Floats, offsets: Ints, fits: Floats, residuals: Floats) -> None:
    """Complete the rows that ``svi_within.fit_slices`` filled: errors and residuals of those that are free.

    `FREE` is 1 for them. It is 0 for the others, and those whose parameters are not identified.
    """
    for p in range(fits.shape[0]):
        fit = fits[p]
        if fit[FREE] != UNPROVEN:
            continue
        fit[FREE] = 0.0
        if not (is_free(fit[:N]) and _bound_errors(fit, fit[STDERR:])):
            continue
        total, greatest, n = 0.0, 0.0, 0
        for i in range(offsets[p], offsets[p + 1]):
            if residuals[i] == residuals[i]:
                e = _variance(k[i], fit)[0] - w[i]
                residuals[i] = e
                total += e * e
                greatest = max(greatest, abs(e))
                n += 1
        fit[RMSE], fit[MAX_ERROR], fit[FREE] = math.sqrt(total / n), greatest, 1.0
