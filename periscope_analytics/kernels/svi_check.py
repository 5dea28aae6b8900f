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
from periscope_analytics.kernels.lanes import choose, every, fused_lanes, load, root, spread, store

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Lanes = Floats
Marks = NDArray[np.bool_]

N, WIDTH = 5, 8
RMSE, MAX_ERROR, STDERR, STATUS, ITERATIONS, EVALUATIONS, FREE = 5, 6, 7, 12, 13, 14, 15
OTHER, NOISE, POINT = 16, 21, 22
N_OUT = POINT + 15
UNPROVEN = 2.0
"""Places in a slice's row of results: parameters, then these. `OTHER` is the optimum of a second valley or
NaN, `NOISE` the residuals' variance over their number; `POINT` and `UNPROVEN` in `FREE` are for
``svi_within``."""
_SECOND, _NOISE, _STEPS, _STARTS, _STATUS, _KNOWN = (WIDTH * j for j in (5, 10, 11, 12, 14, 15))
"""Places in the facts of ``svi.fit_slices``."""
_OK, _FEW, _FLAT = float(Status.OK), float(Status.TOO_FEW_STRIKES), float(Status.UNIDENTIFIED)
STEEPEST = 2.0
_SMALLEST_PIVOT = 1e-12
_DEGREE, _DEEPEST = 10, 50
_EXACT, _MOST_CELLS, _DOUBLINGS = 1e-13, 5000, 40


@njit(cache=True, error_model="numpy")
def _density_numerator(a: Lanes, b: Lanes, rho: Lanes, m: Lanes, sigma: Lanes) -> tuple[Lanes, ...]:
    """Return the Bernstein coefficients of 16 w^2 r^3 g t^5 as a polynomial of t = exp(asinh((k - m)/sigma)).

    In t both k - m and r are rational, so g >= 0 at all strikes is the positivity of one polynomial of degree
    10 over t > 0; it is written in t/(1 + t), from 0 to 1. Of one smile, or of one in each lane.
    """
    h = 0.5 * sigma
    left, right = b * h * (1.0 - rho), b * h * (1.0 + rho)
    l0, l1, l2 = h * left, 2.0 * h * a + m * left, 3.0 * h * (left + right)
    l3, l4 = 2.0 * h * a - m * right, h * right
    w0, w1, w2, w3, w4 = (
        left * left,
        2.0 * left * a,
        a * a + 2.0 * left * right,
        2.0 * a * right,
        right * right,
    )
    p, q, r = w0, -2.0 * left * right, w4
    c0 = 4.0 * (l0 * l0) - p * w0
    c1 = 8.0 * (l0 * l1) - p * w1 - 4.0 * (p * left)
    c2 = 4.0 * (2.0 * (l0 * l2) + l1 * l1) - (p * w2 + q * w0) - 4.0 * (p * a)
    c3 = 8.0 * (l0 * l3 + l1 * l2) - (p * w3 + q * w1) - 4.0 * (p * right + q * left)
    c4 = 4.0 * (2.0 * (l0 * l4 + l1 * l3) + l2 * l2) - (p * w4 + q * w2 + r * w0) - 4.0 * (q * a)
    c5 = 8.0 * (l1 * l4 + l2 * l3) - (q * w3 + r * w1) - 4.0 * (q * right + r * left)
    c6 = 4.0 * (2.0 * (l2 * l4) + l3 * l3) - (q * w4 + r * w2) - 4.0 * (r * a)
    c7 = 8.0 * (l3 * l4) - r * w3 - 4.0 * (r * right)
    c8 = 4.0 * (l4 * l4) - r * w4
    bend = 8.0 * b * sigma * sigma
    return (
        h * c0, 0.1 * (h * c1), (h * (c0 + c2)) / 45.0, (h * (c1 + c3) + bend * w0) / 120.0,
        (h * (c2 + c4) + bend * w1) / 210.0, (h * (c3 + c5) + bend * w2) / 252.0,
        (h * (c4 + c6) + bend * w3) / 210.0, (h * (c5 + c7) + bend * w4) / 120.0,
        (h * (c6 + c8)) / 45.0, 0.1 * (h * c7), h * c8,
    )  # fmt: skip


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
    coefficients = _density_numerator(x[0], x[1], x[2], x[3], x[4])
    for i in range(_DEGREE + 1):
        stack[0, i] = coefficients[i]
    return bool(_positive(stack))


@njit(cache=True, error_model="numpy")
def _seen_free(facts: Floats, scratch: Floats) -> tuple[Marks, Marks]:
    """Return which of eight smiles are free beyond doubt, after one halving, and which may be."""
    a, b, rho, sigma = load(facts, 0), load(facts, WIDTH), load(facts, 2 * WIDTH), load(facts, 4 * WIDTH)
    c = _density_numerator(a, b, rho, load(facts, 3 * WIDTH), sigma)
    none = spread(0.0)
    possible = (b * (1.0 + abs(rho)) <= STEEPEST) & (a + b * sigma * root((1.0 - rho) * (1.0 + rho)) > 0.0)
    positive = c[0] >= none
    for i in range(_DEGREE + 1):
        positive = positive & (c[i] >= none)
        store(scratch, WIDTH * i, c[i])
    if every(positive | ~possible):
        return positive & possible, possible
    ends = (c[0] >= none) & (c[_DEGREE] >= none)
    for level in range(1, _DEGREE + 1):
        for i in range(_DEGREE, level - 1, -1):
            middle = 0.5 * (load(scratch, WIDTH * i) + load(scratch, WIDTH * (i - 1)))
            store(scratch, WIDTH * i, middle)
        ends = ends & (load(scratch, WIDTH * _DEGREE) >= none)
    for i in range(_DEGREE + 1):
        ends = ends & (load(scratch, WIDTH * i) >= none)
    return (positive | ends) & possible, possible


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
def _turns(base: tuple[Lanes, Lanes, Lanes, Lanes], by: tuple[Lanes, Lanes]) -> tuple[Lanes, Lanes]:
    """Return how D and C answer to a column that has these moments with k and r."""
    kk, kr, rr, per = base
    return (by[0] * rr - by[1] * kr) * per, (by[1] * kk - by[0] * kr) * per


@njit(cache=True, error_model="numpy")
def _note_errors(facts: Floats, errors: Floats) -> Marks:
    """Fill one-sigma errors of eight optima; return which have quotes that tell their parameters apart.

    ``noise (J'J)^-1`` in D, C, m, ln sigma: that of the last two is the inverse of the projected matrix, that
    of the first two their own and what the last two add; D = b rho and C = b; a is the mean less the rest.
    """
    at = _KNOWN
    kk, kr, r1, u1 = load(facts, at), load(facts, at + 8), load(facts, at + 16), load(facts, at + 24)
    v1, rr, uk, vk = load(facts, at + 32), load(facts, at + 40), load(facts, at + 48), load(facts, at + 56)
    ur, vr, uu, uv = load(facts, at + 64), load(facts, at + 72), load(facts, at + 80), load(facts, at + 88)
    vv, m, square, d = (
        load(facts, at + 96),
        load(facts, at + 104),
        load(facts, at + 112),
        load(facts, at + 120),
    )
    c, span, noise = load(facts, at + 128), load(facts, at + 136), load(facts, _NOISE)
    det = kk * rr - kr * kr
    per = 1.0 / det
    (u_d, u_c), (v_d, v_c) = _turns((kk, kr, rr, per), (uk, ur)), _turns((kk, kr, rr, per), (vk, vr))
    left_u, left_uv = uu - uk * u_d - ur * u_c, uv - uk * v_d - ur * v_c
    left_v = vv - vk * v_d - vr * v_c
    pivot = left_v - left_uv * left_uv / left_u
    known: Marks = (det > _SMALLEST_PIVOT * kk * rr) & (left_u > _SMALLEST_PIVOT * uu) & (c > 0.0)
    known = known & (pivot > _SMALLEST_PIVOT * vv)
    by_m, by_theta = -c, c * square
    theta_theta = 1.0 / (pivot * by_theta * by_theta)
    lean = left_uv * by_theta / (left_u * by_m)
    m_theta = -lean * theta_theta
    m_m = 1.0 / (left_u * by_m * by_m) - lean * m_theta
    a_d, a_c, b_d, b_c = by_m * u_d, by_m * u_c, by_theta * v_d, by_theta * v_c
    d_m, d_theta = -(a_d * m_m + b_d * m_theta), -(a_d * m_theta + b_d * theta_theta)
    c_m, c_theta = -(a_c * m_m + b_c * m_theta), -(a_c * m_theta + b_c * theta_theta)
    d_d, c_c = rr * per - (d_m * a_d + d_theta * b_d), kk * per - (c_m * a_c + c_theta * b_c)
    d_c, rho = -kr * per - (d_m * a_c + d_theta * b_c), d / c
    on_d, on_c, on_m, on_theta = -m, r1, -d - c * u1, c * square * v1
    a_a = on_d * (on_d * d_d + 2.0 * (on_c * d_c + on_m * d_m + on_theta * d_theta))
    a_a = a_a + on_c * (on_c * c_c + 2.0 * (on_m * c_m + on_theta * c_theta))
    a_a = a_a + on_m * (on_m * m_m + 2.0 * on_theta * m_theta) + on_theta * on_theta * theta_theta
    store(errors, 0, root(noise * (1.0 + a_a)))
    store(errors, WIDTH, root(noise * c_c) / span)
    store(errors, 2 * WIDTH, root(noise * (d_d - rho * (2.0 * d_c - rho * c_c))) / c)
    store(errors, 3 * WIDTH, root(noise * m_m) * span)
    store(errors, 4 * WIDTH, root(noise * theta_theta * square) * span)
    for i in range(N):
        store(errors, WIDTH * i, choose(known, load(errors, WIDTH * i), spread(math.nan)))
    return known


@njit(cache=True, error_model="numpy")
def _misfit(k: Floats, w: Floats, x: Floats, residuals: Floats, scratch: Floats) -> tuple[float, float]:
    """Fill model minus market; return its root mean square and the greatest."""
    a, b, rho, m, square = x[0], x[1], x[2], x[3], x[4] * x[4]
    for i in range(k.size):
        s = k[i] - m
        residuals[i] = a + b * (rho * s + math.sqrt(s * s + square)) - w[i]
    squares, most, rest = spread(0.0), spread(0.0), k.size % WIDTH
    for i in range(rest, k.size, WIDTH):
        e = abs(load(residuals, i))
        squares, most = fused_lanes(e, e, squares), choose(e > most, e, most)
    store(scratch, 0, squares)
    store(scratch, WIDTH, most)
    total, greatest = 0.0, 0.0
    for i in range(rest):
        total += residuals[i] * residuals[i]
        greatest = max(greatest, abs(residuals[i]))
    for lane in range(WIDTH):
        total += scratch[lane]
        greatest = max(greatest, scratch[WIDTH + lane])
    return math.sqrt(total / k.size), greatest


@njit(cache=True, error_model="numpy")
def judge(
    facts: Floats, order: Ints, k: Floats, w: Floats, offsets: Ints, out: Floats, residuals: Floats
) -> None:
    """Fill slices' rows of results from what ``svi.fit_slices`` found, and model minus market.

    Errors, whether identified, whether free of butterfly arbitrage. Arguments as those of ``svi.fit_slices``.
    """
    errors, scratch, marks = np.empty(N * WIDTH), np.empty((_DEGREE + 1) * WIDTH), np.empty(3 * WIDTH)
    one, none = spread(1.0), spread(0.0)
    for group in range(facts.shape[0]):
        here = facts[group]
        free, possible = _seen_free(here, scratch)
        store(marks, 0, choose(free, one, none))
        store(marks, WIDTH, choose(possible, one, none))
        store(marks, 2 * WIDTH, choose(_note_errors(here, errors), one, none))
        for lane in range(min(WIDTH, order.size - group * WIDTH)):
            j = order[group * WIDTH + lane]
            fit, begin, end = out[j], offsets[j], offsets[j + 1]
            fit[STATUS], fit[ITERATIONS] = here[_STATUS + lane], here[_STEPS + lane]
            fit[EVALUATIONS] = here[_STEPS + lane] + here[_STARTS + lane]
            if fit[STATUS] == _FEW:
                fit[:STATUS], fit[OTHER:], fit[FREE] = math.nan, math.nan, 0.0
                continue
            for i in range(N):
                fit[i], fit[STDERR + i] = here[WIDTH * i + lane], errors[WIDTH * i + lane]
                fit[OTHER + i] = here[_SECOND + WIDTH * i + lane]
            fit[NOISE] = here[_NOISE + lane]
            fit[RMSE], fit[MAX_ERROR] = _misfit(
                k[begin:end], w[begin:end], fit, residuals[begin:end], scratch
            )
            possible_here, identified = marks[WIDTH + lane] > 0.0, marks[2 * WIDTH + lane] > 0.0
            fit[FREE] = marks[lane]
            if marks[lane] == 0.0 and possible_here and is_free(fit[:N]):
                fit[FREE] = 1.0
            if fit[STATUS] == _OK and not identified:
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
