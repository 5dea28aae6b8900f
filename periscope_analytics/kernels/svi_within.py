"""Least-squares fit of raw SVI to many slices under the conditions against butterfly arbitrage.

What belongs here: the search along the edge of what is allowed, for the slices whose optimum without
conditions is not; arrays in, arrays out. What does not: that optimum (``svi``), errors and the exact check
(``svi_check``), the search between other smiles, which also takes over where this one fails (``svi_bound``).

Each step minimises the sum of squares, linearised and damped, under the conditions linearised where they are
nearly met or not: the low points of g over strikes, the wings' slopes, the least variance and the box. It is
then brought back to what is allowed by the shortest way (R. Fletcher 1982, "Second order corrections for
non-differentiable optimization"). Quotes lie eight to a vector register, as in ``svi``.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

from periscope_analytics.errors import Status

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Quotes = tuple[Floats, Floats, Floats, Floats]
"""Log-moneyness, total variance and weights in rows, their moments, the box of the parameters, lanes."""
Point = tuple[Floats, Floats, Floats, Floats]
"""J'J, half the gradient, the conditions and their derivatives."""
Work = tuple[Floats, Floats, Floats, Floats, Floats, Floats]
"""Damped inverse of J'J, its factor, it times the conditions' slopes; multipliers: matrix, values, rest."""

N = 5
STATUS, ITERATIONS, EVALUATIONS, FREE, NOISE, POINT = 12, 13, 14, 15, 21, 22
"""Places in a row of ``svi.fit_slices``."""
UNPROVEN = 2.0
"""In `FREE`: fitted here, to be judged by ``svi_check``, for which `POINT` has J'J by rows."""
_OK, _FEW, _BOUND = float(Status.OK), float(Status.TOO_FEW_STRIKES), float(Status.AT_BOUND)
FURTHEST, LEAST, GREATEST, STEEPEST = 100.0, 1e-16, 1e4, 2.0

LANES, CHUNK = 8, 128
_ROW, _SUMS = CHUNK + LANES, 12
_K, _W, _Q, _S0, _WORK_SIZE = 0, _ROW, 2 * _ROW, 3 * _ROW, (3 + _SUMS) * _ROW
_HALF, _REACH = 56, 9.0
_POINTS = 2 * _HALF + 1
_U = np.linspace(-_REACH, _REACH, _POINTS)
_SINH, _COSH = np.sinh(_U), np.cosh(_U)
_SPACING = _REACH / _HALF
_NEAR, _FINELY, _REFINEMENTS, _MOST = 0.15, 0.08, 3, 16
_SLACK, _SHORT, _FLOOR = 2e-6, 1e-6, 1e-3
_MOST_STEPS, _TOLERANCE, _SWEEPS, _CAP = 60, 1e-6, 60, 1e4
_PATIENCE, _HOPELESS, _DAMPING = 8, 2.0, 1e-3
_TAME, _CLOSE, _FAR = (0.0, 0.5, -0.5), 1.2, 4.0
"""Tilts of the tame smiles; a sum of squares so many times that without conditions needs no second start, no
third and fourth."""


@njit(cache=True, error_model="numpy")
def _add(t: Floats, n: int, x: Floats) -> None:
    """Add the moments of s = k - m, r, u = s/r, v = 1/r and the misfit e to the running sums."""
    a, b, rho, m, square = x[0], x[1], x[2], x[3], x[4] * x[4]
    for i in range(n):
        q, s = t[_Q + i], t[_K + i] - m
        r = math.sqrt(s * s + square)
        v = 1.0 / r
        u = s * v
        e = a + b * (rho * s + r) - t[_W + i]
        qe, qv = q * e, q * v
        at = _S0 + i
        t[at + LANES] = t[at] + q * r
        t[at + _ROW + LANES] = t[at + _ROW] + q * u
        t[at + 2 * _ROW + LANES] = t[at + 2 * _ROW] + qv
        t[at + 3 * _ROW + LANES] = t[at + 3 * _ROW] + q * s * r
        t[at + 4 * _ROW + LANES] = t[at + 4 * _ROW] + qv * u
        t[at + 5 * _ROW + LANES] = t[at + 5 * _ROW] + qv * v
        t[at + 6 * _ROW + LANES] = t[at + 6 * _ROW] + qe * e
        t[at + 7 * _ROW + LANES] = t[at + 7 * _ROW] + qe
        t[at + 8 * _ROW + LANES] = t[at + 8 * _ROW] + qe * s
        t[at + 9 * _ROW + LANES] = t[at + 9 * _ROW] + qe * r
        t[at + 10 * _ROW + LANES] = t[at + 10 * _ROW] + qe * u
        t[at + 11 * _ROW + LANES] = t[at + 11 * _ROW] + qe * v


@njit(cache=True, error_model="numpy")
def _cost(quotes: Quotes, n: int, x: Floats, normal: Floats, half: Floats) -> float:
    """Return the mean square over that of the level; fill J'J (lower half) and half the gradient."""
    rows, scale, _, t = quotes
    sums = np.empty(_SUMS)
    for p in range(_SUMS):
        t[_S0 + p * _ROW : _S0 + p * _ROW + LANES] = 0.0
    for begin in range(0, n, CHUNK):
        size = min(CHUNK, n - begin)
        for i in range(size):
            t[_K + i], t[_W + i], t[_Q + i] = rows[0, begin + i], rows[1, begin + i], rows[2, begin + i]
        _add(t, size, x)
        for p in range(_SUMS):
            row = _S0 + p * _ROW
            for j in range(LANES):
                t[row + j] = t[row + size + j]
    for p in range(_SUMS):
        sums[p] = np.sum(t[_S0 + p * _ROW : _S0 + p * _ROW + LANES])
    b, rho, m, sigma, per = x[1], x[2], x[3], x[4], 1.0 / (scale[0] * scale[0])
    s1, ss = scale[1] - m, scale[2] - m * (2.0 * scale[1] - m)
    r1, u1, v1, sr, uv, vv = sums[0], sums[1], sums[2], sums[3], sums[4], sums[5]
    e1, es, er, eu, ev = sums[7], sums[8], sums[9], sums[10], sums[11]
    rr, su, uu = ss + sigma * sigma, r1 - sigma * sigma * v1, 1.0 - sigma * sigma * vv
    normal[0, 0], normal[1, 0], normal[2, 0] = 1.0, rho * s1 + r1, b * s1
    normal[3, 0], normal[4, 0] = -b * (rho + u1), b * sigma * v1
    normal[1, 1], normal[2, 1] = rho * (rho * ss + 2.0 * sr) + rr, b * (rho * ss + sr)
    normal[3, 1], normal[4, 1] = -b * (rho * (rho * s1 + su + r1) + s1), b * sigma * (rho * u1 + 1.0)
    normal[2, 2], normal[3, 2], normal[4, 2] = b * b * ss, -b * b * (rho * s1 + su), b * b * sigma * u1
    normal[3, 3], normal[4, 3] = b * b * (rho * (rho + 2.0 * u1) + uu), -b * b * sigma * (rho * v1 + uv)
    normal[4, 4] = b * b * sigma * sigma * vv
    half[0], half[1], half[2] = per * e1, per * (rho * es + er), per * b * es
    half[3], half[4] = -per * b * (rho * e1 + eu), per * b * sigma * ev
    for i in range(N):
        for j in range(i + 1):
            normal[i, j] *= per
            normal[j, i] = normal[i, j]
    return float(per * sums[6])


@njit(cache=True, error_model="numpy")
def _curve(x: Floats, floor: float, g: Floats) -> None:
    """Fill g at strikes spread evenly in asinh((k - m) / sigma)."""
    a, b, rho, m, sigma = x[0], x[1], x[2], x[3], x[4]
    for j in range(_POINTS):
        per = 1.0 / _COSH[j]
        w = max(a + b * sigma * (rho * _SINH[j] + _COSH[j]), floor)
        w1 = b * (rho + _SINH[j] * per)
        per_w = 1.0 / w
        lean = 1.0 - 0.5 * (m + sigma * _SINH[j]) * w1 * per_w
        g[j] = lean * lean - 0.25 * w1 * w1 * (per_w + 0.25) + 0.5 * b / sigma * per * per * per


@njit(cache=True, error_model="numpy")
def _g_and_slopes(u: float, x: Floats, floor: float, g_x: Floats) -> float:
    """Return g at a strike and fill its derivatives by the parameters."""
    b, rho, sigma = x[1], x[2], x[4]
    t = math.exp(u)
    s, r1 = 0.5 * sigma * (t - 1.0 / t), 0.5 * sigma * (t + 1.0 / t)
    k, r3, r2 = x[3] + s, r1 * r1 * r1, r1 * r1
    w, lies = x[0] + b * (rho * s + r1), 1.0
    if w < floor:
        w, lies = floor, 0.0
    w1, square = b * (rho + s / r1), sigma * sigma
    lean = 1.0 - 0.5 * k * w1 / w
    by_w = lies * (lean * k * w1 + 0.25 * w1 * w1) / (w * w)
    by_w1 = -lean * k / w - 0.5 * w1 * (1.0 / w + 0.25)
    g_x[0] = by_w
    g_x[1] = by_w * (rho * s + r1) + by_w1 * (rho + s / r1) + 0.5 * square / r3
    g_x[2] = by_w * b * s + by_w1 * b
    g_x[3] = -by_w * w1 - by_w1 * b * square / r3 + 1.5 * b * square * s / (r3 * r2)
    g_x[4] = by_w * b * sigma / r1 - by_w1 * b * s * sigma / r3
    g_x[4] += b * sigma * (1.0 / r3 - 1.5 * square / (r3 * r2))
    return float(lean * lean - 0.25 * w1 * w1 * (1.0 / w + 0.25) + 0.5 * b * square / r3)


@njit(cache=True, error_model="numpy")
def _low_point(j: int, g: Floats, x: Floats, floor: float, g_x: Floats) -> float:
    """Return where g is least near a low point of the grid: by parabolas, the later through closer points."""
    before, here, after, at, step = g[j - 1], g[j], g[j + 1], _U[j], _SPACING
    for i in range(_REFINEMENTS):
        bend = before - 2.0 * here + after
        move = 0.5 * step * (before - after) / bend if bend > 0.0 else 0.0
        at += min(max(move, -step), step)
        if i == _REFINEMENTS - 1 or here > _FINELY:
            break
        step *= 0.1
        before, here = _g_and_slopes(at - step, x, floor, g_x), _g_and_slopes(at, x, floor, g_x)
        after = _g_and_slopes(at + step, x, floor, g_x)
    return float(at)


@njit(cache=True, error_model="numpy")
def _conditions(
    x: Floats, level: float, box: Floats, g: Floats, c: Floats, slopes: Floats
) -> tuple[int, float]:
    """Fill the numbers that must not be negative and nearly are; return how many, and the worst violation."""
    floor, n = _FLOOR * level, 0
    _curve(x, floor, g)
    for j in range(_POINTS):
        if g[j] > _NEAR or n == _MOST - 7:
            continue
        left, right = g[j - 1] if j > 0 else math.inf, g[j + 1] if j < _POINTS - 1 else math.inf
        if g[j] < left and g[j] <= right:
            u = _low_point(j, g, x, floor, slopes[n]) if 0 < j < _POINTS - 1 else _U[j]
            c[n] = _g_and_slopes(u, x, floor, slopes[n]) - _SLACK
            n += 1
    for sign in (1.0, -1.0):
        lean = 1.0 + sign * x[2]
        if STEEPEST - x[1] * lean < 0.5:
            slopes[n, :] = 0.0
            c[n], slopes[n, 1], slopes[n, 2] = STEEPEST - 1e-9 - x[1] * lean, -lean, -sign * x[1]
            n += 1
        if lean < 0.3:
            slopes[n, :] = 0.0
            c[n], slopes[n, 2] = lean, sign
            n += 1
    bend = math.sqrt(max(1.0 - x[2] * x[2], 1e-12))
    least = x[0] + x[1] * x[4] * bend
    if least < 0.2 * level:
        per = 1.0 / level
        c[n], slopes[n, 0], slopes[n, 1] = (least - floor) * per, per, x[4] * bend * per
        slopes[n, 2], slopes[n, 3], slopes[n, 4] = -per * x[1] * x[4] * x[2] / bend, 0.0, per * x[1] * bend
        n += 1
    for i in range(3, N):
        for side in range(2):
            room = (x[i] - box[0, i]) if side == 0 else (box[1, i] - x[i])
            if room < 0.2 * (box[1, i] - box[0, i]) and n < _MOST:
                slopes[n, :] = 0.0
                c[n], slopes[n, i] = room, 1.0 - 2.0 * side
                n += 1
    worst = 0.0
    for j in range(n):
        worst = max(worst, -c[j])
    return n, worst


@njit(cache=True, error_model="numpy")
def _factorised(normal: Floats, damping: float, size: Floats, factor: Floats) -> bool:
    """Fill the Cholesky factor of the damped matrix whose diagonal has been scaled to one, by `size`."""
    for i in range(N):
        size[i] = 1.0 / math.sqrt(normal[i, i]) if normal[i, i] > 0.0 else 1.0
        for j in range(i + 1):
            total = normal[i, j] * size[i] * size[j] if i > j else 1.0 + damping
            for p in range(j):
                total -= factor[i, p] * factor[j, p]
            if i > j:
                factor[i, j] = total * factor[j, j]
            elif total > 1e-15:
                factor[i, i] = 1.0 / math.sqrt(total)
            else:
                return False
    return True


@njit(cache=True, error_model="numpy")
def _invert(normal: Floats, damping: float, factor: Floats, inverse: Floats) -> bool:
    """Fill the inverse of the damped matrix; False if it is not positive definite."""
    size = np.empty(N)
    if not _factorised(normal, damping, size, factor):
        return False
    for j in range(N):
        for i in range(j, N):
            total = 1.0 if i == j else 0.0
            for p in range(j, i):
                total -= factor[i, p] * factor[p, N + j]
            factor[i, N + j] = total * factor[i, i]
    for i in range(N):
        for j in range(i + 1):
            total = 0.0
            for p in range(i, N):
                total += factor[p, N + i] * factor[p, N + j]
            inverse[i, j] = total * size[i] * size[j]
            inverse[j, i] = inverse[i, j]
    return True


@njit(cache=True, error_model="numpy")
def _fill_dual(inverse: Floats, slopes: Floats, n: int, lean: Floats, a: Floats) -> None:
    """Fill the steps by which each condition's force moves, and how they meet each condition."""
    for i in range(n):
        for p in range(N):
            lean[i, p] = 0.0
            for q in range(N):
                lean[i, p] += inverse[p, q] * slopes[i, q]
        for j in range(i + 1):
            a[i, j] = 0.0
            for p in range(N):
                a[i, j] += lean[i, p] * slopes[j, p]
            a[j, i] = a[i, j]


@njit(cache=True, error_model="numpy")
def _forced(work: Work, c: Floats, slopes: Floats, n: int, d: Floats) -> float:
    """Change the step `d` as little as meets the linear conditions; return the sum of their multipliers.

    The multipliers by Gauss-Seidel sweeps; they are capped, should the conditions exclude each other.
    """
    inverse, _, lean, a, force, short = work
    worst, total = 0.0, 0.0
    for i in range(n):
        force[i], short[i] = 0.0, -c[i]
        for p in range(N):
            short[i] -= slopes[i, p] * d[p]
        worst = max(worst, short[i])
    if worst <= 0.0:
        return 0.0
    _fill_dual(inverse, slopes, n, lean, a)
    for _ in range(_SWEEPS):
        change = 0.0
        for i in range(n):
            if not a[i, i] > 0.0:
                continue
            new = min(max(force[i] + short[i] / a[i, i], 0.0), _CAP)
            move = new - force[i]
            if move != 0.0:
                force[i] = new
                change = max(change, abs(move) * a[i, i])
                for j in range(n):
                    short[j] -= a[j, i] * move
        if change <= 1e-7 * worst + 1e-9:
            break
    for i in range(n):
        total += force[i]
        for p in range(N):
            d[p] += lean[i, p] * force[i]
    return total


@njit(cache=True, error_model="numpy")
def _step(
    x: Floats, point: Point, m: int, work: Work, box: Floats, out: Floats
) -> tuple[float, float, float]:
    """Fill the step's end; return the decrease and the violation predicted there, and the forces' sum."""
    normal, half, c, slopes = point
    inverse, d = work[0], np.empty(N)
    for i in range(N):
        d[i] = 0.0
        for j in range(N):
            d[i] -= inverse[i, j] * half[j]
    pull = _forced(work, c, slopes, m, d)
    predicted, left = 0.0, 0.0
    for i in range(N):
        out[i] = min(max(x[i] + d[i], box[0, i]), box[1, i])
        d[i] = out[i] - x[i]
    for i in range(N):
        predicted -= 2.0 * d[i] * half[i]
        for j in range(N):
            predicted -= d[i] * normal[i, j] * d[j]
    for i in range(m):
        linear = c[i]
        for p in range(N):
            linear += slopes[i, p] * d[p]
        left = max(left, -linear)
    return predicted, left, pull


@njit(cache=True, error_model="numpy")
def _allowed(
    y: Floats, level: float, box: Floats, g: Floats, c: Floats, slopes: Floats, work: Work
) -> tuple[int, float]:
    """Move `y` the shortest way to what is allowed, if that helps; fill the conditions there."""
    m, short = _conditions(y, level, box, g, c, slopes)
    if short <= _SHORT:
        return int(m), float(short)
    d = np.zeros(N)
    _forced(work, c, slopes, m, d)
    nearer = np.minimum(np.maximum(y + d, box[0]), box[1])
    m, left = _conditions(nearer, level, box, g, c, slopes)
    if left < short:
        y[:] = nearer
    else:
        m, left = _conditions(y, level, box, g, c, slopes)
    return int(m), float(left)


@njit(cache=True, error_model="numpy")
def _descend(
    quotes: Quotes, n: int, x: Floats, normal: Floats, counts: Floats, best: float
) -> tuple[float, float]:
    """Move `x` to the least sum of squares that is allowed nearby; return it, and the worst violation left.

    A step counts as good if it lowers the sum of squares and the violation at a price twice the multipliers';
    the search is given up when it stays far above the sum `best`.
    """
    _, scale, box, _ = quotes
    half, new_half, new_normal, y = np.empty(N), np.empty(N), np.empty((N, N)), np.empty(N)
    work = (
        np.empty((N, N)), np.empty((N, 2 * N)), np.empty((_MOST, N)), np.empty((_MOST, _MOST)),
        np.empty(_MOST), np.empty(_MOST),
    )  # fmt: skip
    c, new_c, g = np.empty(_MOST), np.empty(_MOST), np.empty(_POINTS)
    slopes, new_slopes = np.empty((_MOST, N)), np.empty((_MOST, N))
    cost = _cost(quotes, n, x, normal, half)
    m, short = _conditions(x, scale[0], box, g, c, slopes)
    damping, growth, price = _DAMPING, 2.0, 0.0
    for step in range(_MOST_STEPS):
        counts[0] += 1.0
        if step >= _PATIENCE and cost > _HOPELESS * best:
            break
        if not _invert(normal, damping, work[1], work[0]):
            damping = max(10.0 * damping, 1e-8)
            continue
        predicted, left, pull = _step(x, (normal, half, c, slopes), m, work, box, y)
        price = max(0.3 * price, 4.0 * pull)
        predicted += price * (short - left)
        if predicted <= _TOLERANCE * cost + 1e-30 and short <= _SHORT and damping < 1e6:
            break
        new_m, new_short = _allowed(y, scale[0], box, g, new_c, new_slopes, work)
        new = _cost(quotes, n, y, new_normal, new_half)
        counts[1] += 1.0
        gain = cost - new + price * (short - new_short)
        if gain > 0.0:
            ratio = min(gain / predicted, 1.0) if predicted > 0.0 else 0.0
            damping = max(damping * max(1.0 / 9.0, 1.0 - (2.0 * ratio - 1.0) ** 3), 1e-12)
            settled = abs(cost - new) <= _TOLERANCE * new and new_short <= _SHORT
            growth, cost, short, m = 2.0, new, new_short, new_m
            x[:], half[:], normal[:] = y, new_half, new_normal
            c[:], slopes[:] = new_c, new_slopes
            if settled:
                break
        else:
            damping *= growth
            growth *= 2.0
            if damping > 1e10:
                break
    return cost, short


@njit(cache=True, error_model="numpy")
def _load(k: Floats, w: Floats, weight: Floats, rows: Floats, scale: Floats, box: Floats) -> tuple[int, int]:
    """Fill the usable quotes, their moments and the box; return their number, and padded."""
    n, heaviest, total, largest, low, high = 0, 0.0, 0.0, 0.0, math.inf, -math.inf
    for i in range(k.size):
        if abs(k[i]) <= FURTHEST and LEAST <= w[i] <= GREATEST and weight[i] < math.inf:
            heaviest = max(heaviest, weight[i])
    for i in range(k.size):
        if abs(k[i]) <= FURTHEST and LEAST <= w[i] <= GREATEST and 1e-30 * heaviest < weight[i] < math.inf:
            rows[0, n], rows[1, n], rows[2, n] = k[i], w[i], weight[i] / heaviest
            total += rows[2, n]
            largest, low, high = max(largest, w[i]), min(low, k[i]), max(high, k[i])
            n += 1
    padded = (n + LANES - 1) // LANES * LANES
    for i in range(n, padded):
        rows[0, i], rows[1, i], rows[2, i] = rows[0, n - 1], rows[1, n - 1], 0.0
    scale[:] = 0.0
    for i in range(n):
        q = rows[2, i] / total
        rows[2, i] = q
        scale[0] += q * rows[1, i]
        scale[1] += q * rows[0, i]
        scale[2] += q * rows[0, i] * rows[0, i]
    span = high - low
    box[0, 0], box[1, 0] = -1e3 * largest, largest
    box[0, 1], box[1, 1] = 1e-12, STEEPEST
    box[0, 2], box[1, 2] = -1.0, 1.0
    box[0, 3], box[1, 3] = low - span, high + span
    box[0, 4], box[1, 4] = 1e-3 * span, 3.0 * span
    return n, padded


@njit(cache=True, error_model="numpy")
def _start(i: int, rows: Floats, n: int, fit: Floats, box: Floats, x: Floats) -> None:
    """Fill the i-th point to start from: the optimum without conditions, then tame smiles.

    Those are SSVI's, at the total variance quoted nearest the money, and free of butterfly arbitrage whatever
    the quotes are (Gatheral, Jacquier 2014, theorem 4.2).
    """
    x[:] = fit[:N]
    if i > 0:
        theta, rho = rows[1, np.argmin(np.abs(rows[0, :n]))], _TAME[i - 1]
        room, bend = 4.0 / (theta * (1.0 + abs(rho))), math.sqrt(1.0 - rho * rho)
        phi = 0.5 * min(room, math.sqrt(room))
        x[0], x[1], x[2] = 0.5 * theta * bend * bend, 0.5 * theta * phi, rho
        x[3], x[4] = -rho / phi, bend / phi
    x[:] = np.minimum(np.maximum(x, box[0]), box[1])


@njit(cache=True, error_model="numpy")
def _fit_one(k: Floats, w: Floats, weight: Floats, quotes: Quotes, out: Floats) -> None:
    rows, scale, box, _ = quotes
    normal, best_normal, counts = np.empty((N, N)), np.empty((N, N)), np.zeros(2)
    n, padded = _load(k, w, weight, rows, scale, box)
    x, best, least, square = np.empty(N), np.empty(N), math.inf, scale[0] * scale[0]
    unbound = out[NOISE] * (n - N) / square if n > N else 0.0
    for i in range(1 + len(_TAME)):
        if (i == 1 and least <= _CLOSE * unbound) or (i > 1 and least <= _FAR * unbound):
            break
        _start(i, rows, n, out, box, x)
        cost, short = _descend(quotes, padded, x, normal, counts, least)
        if short <= _SHORT and cost < least:
            least, best[:], best_normal[:] = cost, x, normal
    out[ITERATIONS], out[EVALUATIONS] = out[ITERATIONS] + counts[0], out[EVALUATIONS] + counts[1]
    if least < math.inf:
        out[:N] = best
        inside = True
        for i in range(N):
            inside = inside and box[0, i] < best[i] < box[1, i]
            for j in range(i + 1):
                out[POINT + i * (i + 1) // 2 + j] = best_normal[i, j] * square
        out[NOISE] = least * square / (n - N) if n > N else math.nan
        out[STATUS], out[FREE] = _OK if inside else _BOUND, UNPROVEN


@njit(cache=True, error_model="numpy")
def fit_slices(k: Floats, w: Floats, weight: Floats, offsets: Ints, out: Floats) -> None:
    """Fit the slices that are not free of arbitrage; those that succeed are marked as `UNPROVEN`.

    Arguments as of ``svi.fit_slices``, whose rows are overwritten.
    """
    longest = 0
    for i in range(offsets.size - 1):
        longest = max(longest, offsets[i + 1] - offsets[i])
    quotes = np.empty((3, longest + LANES)), np.empty(3), np.empty((2, N)), np.empty(_WORK_SIZE)
    for i in range(offsets.size - 1):
        if out[i, FREE] == 0.0 and out[i, STATUS] != _FEW:
            b, e = offsets[i], offsets[i + 1]
            _fit_one(k[b:e], w[b:e], weight[b:e], quotes, out[i])
