"""Least-squares fit of raw SVI to many slices, and the proof that a smile is free of butterfly arbitrage.

What belongs here: the search without conditions between strikes, its statistics, and the exact check of its
result; arrays in, arrays out. What does not: the search under the conditions (``svi_bound``), evaluation for
users (:mod:`periscope_analytics.svi`), objects (:mod:`periscope_analytics.calibration.svi`).

For given (m, sigma) the smile is linear in (1, k, r), r = sqrt((k - m)^2 + sigma^2), and the best
coefficients follow exactly within |rho| <= 1 and 0 <= b <= 2 (De Marco, Martini 2009, "Quasi-explicit
calibration of Gatheral's SVI model", Zeliade). Levenberg-Marquardt steps in (m, ln sigma) do the rest:
variable projection (Golub, Pereyra 1973; Kaufman 1975). Quotes lie in rows of one work array, eight to a
vector register; running sums of a lane stand eight places apart, so their order is the same everywhere.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

from periscope_analytics.errors import Status

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Work = tuple[Floats, Floats, Floats, Floats]
"""Quotes in rows, their moments, the box of (m, ln sigma), lanes: what :func:`_prepare` fills."""

N = 5
LANES, CHUNK = 8, 128
_ROW = CHUNK + LANES
_K, _W, _Q, _R = (_ROW * j for j in range(4))
_S0, _S1, _S2, _S3, _S4, _S5, _S6, _S7, _S8, _S9, _S10, _S11 = (_ROW * j for j in range(4, 16))
_WORK_SIZE = 16 * _ROW
_SUMS = 12

RMSE, MAX_ERROR, STDERR, STATUS, ITERATIONS, EVALUATIONS, FREE = 5, 6, 7, 12, 13, 14, 15
OTHER, NOISE, POINT = 16, 21, 22
N_POINT = 17
N_OUT = POINT + N_POINT
"""A slice's row of results: parameters, then these. `OTHER` is the optimum of a second valley or NaN, `NOISE`
the residuals' variance over their number, `POINT` what :func:`_evaluate` knew at the optimum; errors and
`FREE` are filled by ``svi_check``."""
_OK, _FEW = float(Status.OK), float(Status.TOO_FEW_STRIKES)
_FAILED, _BOUND = float(Status.NOT_CONVERGED), float(Status.AT_BOUND)

FURTHEST, SAME_STRIKE = 100.0, 1e-9
LEAST, GREATEST = 1e-16, 1e4
STEEPEST = 2.0
_M_POINTS, _SIGMA_POINTS, _BINS = 8, 4, 13
_POINTS = _M_POINTS * _SIGMA_POINTS
_SHARES = (0.03, 0.1, 0.3, 1.0)
_VALLEYS = 2
_MOST_STEPS, _TOLERANCE, _NOISE = 100, 1e-9, 1e-15
_PATIENCE, _HOPELESS, _APART = 2, 4.0, 0.03
_FLAT_SQUARE = 1e-28
_SUMS_AT = 32
_SIZE = _SUMS_AT + _SUMS


@njit(cache=True, error_model="numpy")
def _total(t: Floats, at: int) -> float:
    """Return the sum of eight lanes."""
    return float(
        ((t[at] + t[at + 4]) + (t[at + 2] + t[at + 6])) + ((t[at + 1] + t[at + 5]) + (t[at + 3] + t[at + 7]))
    )


@njit(cache=True, error_model="numpy")
def _load(t: Floats, rows: Floats, begin: int, n: int) -> None:
    for i in range(n):
        t[_K + i] = rows[0, begin + i]
        t[_W + i] = rows[1, begin + i]
        t[_Q + i] = rows[2, begin + i]


@njit(cache=True, error_model="numpy")
def _roots(t: Floats, n: int, m: float, sigma: float, middle: float) -> None:
    square = sigma * sigma
    for i in range(n):
        s = t[_K + i] - m
        t[_R + i] = math.sqrt(s * s + square) - middle


@njit(cache=True, error_model="numpy")
def _level_sums(t: Floats, n: int) -> None:
    """Add the moments of r, about its value in the middle, to the running sums."""
    for i in range(n):
        r, q = t[_R + i], t[_Q + i]
        qr = q * r
        t[_S0 + LANES + i] = t[_S0 + i] + qr
        t[_S1 + LANES + i] = t[_S1 + i] + qr * t[_K + i]
        t[_S2 + LANES + i] = t[_S2 + i] + qr * t[_W + i]
        t[_S3 + LANES + i] = t[_S3 + i] + qr * r


@njit(cache=True, error_model="numpy")
def _slope_sums(t: Floats, n: int, m: float, middle: float, mean: float, d: float, c: float) -> None:
    """Add the misfit's square and the moments of u = (k - m)/r and v = 1/r, about the middle, to the sums."""
    v_middle = 1.0 / middle
    u_middle = -m * v_middle
    for i in range(n):
        k, r, q = t[_K + i], t[_R + i], t[_Q + i]
        inverse = 1.0 / (r + middle)
        u, v = (k - m) * inverse - u_middle, inverse - v_middle
        e = t[_W + i] - d * k - c * (r - mean)
        qe, qu, qv = q * e, q * u, q * v
        t[_S0 + LANES + i] = t[_S0 + i] + qe * e
        t[_S1 + LANES + i] = t[_S1 + i] + qe * u
        t[_S2 + LANES + i] = t[_S2 + i] + qe * v
        t[_S3 + LANES + i] = t[_S3 + i] + qu
        t[_S4 + LANES + i] = t[_S4 + i] + qv
        t[_S5 + LANES + i] = t[_S5 + i] + qu * k
        t[_S6 + LANES + i] = t[_S6 + i] + qv * k
        t[_S7 + LANES + i] = t[_S7 + i] + qu * r
        t[_S8 + LANES + i] = t[_S8 + i] + qv * r
        t[_S9 + LANES + i] = t[_S9 + i] + qu * u
        t[_S10 + LANES + i] = t[_S10 + i] + qu * v
        t[_S11 + LANES + i] = t[_S11 + i] + qv * v


@njit(cache=True, error_model="numpy")
def _carry(t: Floats, n: int, count: int, last: bool, sums: Floats) -> None:
    """Move the running sums to the start of their rows, or after the last chunk out of them."""
    for p in range(count):
        row = _S0 + p * _ROW
        if last:
            sums[p] = _total(t, row + n)
        for j in range(LANES):
            t[row + j] = 0.0 if last else t[row + n + j]


@njit(cache=True, error_model="numpy")
def _linear(
    kk: float, kr: float, rr: float, kw: float, rw: float
) -> tuple[float, float, float, float, float]:
    """Return the best D = b rho and C = b, and the inverse (3 entries) of the matrix of the free ones."""
    det = kk * rr - kr * kr
    if det > 1e-14 * kk * rr:
        d, c = (rr * kw - kr * rw) / det, (kk * rw - kr * kw) / det
        if abs(d) <= c <= STEEPEST:
            return d, c, rr / det, -kr / det, kk / det
    else:
        d, c = 1.0, 0.0
    side = 0.0
    if abs(d) > c:
        gain, c = 0.0, 0.0
        for sign in (1.0, -1.0):
            top, bottom = rw + sign * kw, rr + 2.0 * sign * kr + kk
            if top > 0.0 and top * top > gain * bottom:
                gain, c, side = top * top / bottom, top / bottom, sign
        d = side * c
    if c > STEEPEST:
        c = STEEPEST
        d = (kw - c * kr) / kk
        if abs(d) < c:
            return d, c, 1.0 / kk, 0.0, 0.0
        return (c if d > 0.0 else -c), c, 0.0, 0.0, 0.0
    if side == 0.0:
        return d, c, 0.0, 0.0, 0.0
    weight = 1.0 / (rr + 2.0 * side * kr + kk)
    return d, c, weight, side * weight, weight


@njit(cache=True, error_model="numpy")
def _evaluate(work: Work, n: int, m: float, theta: float, p: Floats) -> float:
    """Fill `p` with all that is known at (m, ln sigma), and return the mean square of the misfit.

    `p`: m, ln sigma, D, C, mean of r, means of u and v; the 10 moments of (k, r, u, v); the projected
    Gauss-Newton matrix (3), its right side (2).
    """
    rows, moments, _, t = work
    sigma = math.exp(theta)
    middle = math.hypot(m, sigma)
    sums = p[_SUMS_AT:]
    for begin in range(0, n, CHUNK):
        size = min(CHUNK, n - begin)
        if n > CHUNK:
            _load(t, rows, begin, size)
        _roots(t, size, m, sigma, middle)
        _level_sums(t, size)
        _carry(t, size, 4, begin + size == n, sums)
    kk, kw, mean = moments[2], moments[3], sums[0]
    kr, rw, rr = sums[1], sums[2], sums[3] - mean * mean
    d, c, m11, m12, m22 = _linear(kk, kr, rr, kw, rw)
    for begin in range(0, n, CHUNK):
        size = min(CHUNK, n - begin)
        if n > CHUNK:
            _load(t, rows, begin, size)
            _roots(t, size, m, sigma, middle)
        _slope_sums(t, size, m, middle, mean, d, c)
        _carry(t, size, _SUMS, begin + size == n, sums)
    eu, ev, u1, v1 = sums[1], sums[2], sums[3], sums[4]
    uk, vk, ur, vr = sums[5], sums[6], sums[7] - u1 * mean, sums[8] - v1 * mean
    uu, uv, vv = sums[9] - u1 * u1, sums[10] - u1 * v1, sums[11] - v1 * v1
    p[0], p[1], p[2], p[3] = m, theta, d, c
    p[4], p[5], p[6] = mean + middle, u1 - m / middle, v1 + 1.0 / middle
    p[7], p[8], p[9], p[10], p[11], p[12], p[13] = kk, kr, uk, vk, rr, ur, vr
    p[14], p[15], p[16] = uu, uv, vv
    by_m, by_theta = -c, c * sigma * sigma
    p[17] = by_m * by_m * (uu - (uk * uk * m11 + 2.0 * uk * ur * m12 + ur * ur * m22))
    p[18] = by_m * by_theta * (uv - (uk * vk * m11 + (uk * vr + ur * vk) * m12 + ur * vr * m22))
    p[19] = by_theta * by_theta * (vv - (vk * vk * m11 + 2.0 * vk * vr * m12 + vr * vr * m22))
    p[20], p[21] = by_m * eu, by_theta * ev
    return float(sums[0])


@njit(cache=True, error_model="numpy")
def _step(p: Floats, damping: float, box: Floats) -> tuple[float, float, float]:
    """Return the damped step's end inside the box, and the decrease that the linear model predicts."""
    h11, h12, h22, g1, g2 = p[17], p[18], p[19], p[20], p[21]
    if (p[0] <= box[0] and g1 < 0.0) or (p[0] >= box[1] and g1 > 0.0) or not h11 > 0.0:
        h12, g1, h11 = 0.0, 0.0, 1.0
    if (p[1] <= box[2] and g2 < 0.0) or (p[1] >= box[3] and g2 > 0.0) or not h22 > 0.0:
        h12, g2, h22 = 0.0, 0.0, 1.0
    a11, a22 = h11 * (1.0 + damping), h22 * (1.0 + damping)
    det = a11 * a22 - h12 * h12
    if not det > 0.0:
        return p[0], p[1], -1.0
    m = min(max(p[0] + (a22 * g1 - h12 * g2) / det, box[0]), box[1])
    theta = min(max(p[1] + min(max((a11 * g2 - h12 * g1) / det, -1.0), 1.0), box[2]), box[3])
    x, y = m - p[0], theta - p[1]
    return m, theta, 2.0 * (x * g1 + y * g2) - (h11 * x * x + 2.0 * h12 * x * y + h22 * y * y)


@njit(cache=True, error_model="numpy")
def _descend(
    work: Work, n: int, here: Floats, there: Floats, best: Floats, counts: Floats
) -> tuple[float, bool]:
    """Move the point in `here` to a local minimum; return its mean square, and whether it is one.

    The search is given up when it comes to the optimum in `best`, or stays far above it.
    """
    cost = _evaluate(work, n, here[0], here[1], here)
    box, noise = work[2], _NOISE * work[1][4]
    counts[1] += 1.0
    damping, growth = 1e-3, 2.0
    near = 1e-3 * (box[1] - box[0])
    for i in range(_MOST_STEPS):
        counts[0] += 1.0
        if i >= _PATIENCE and cost > _HOPELESS * best[_SUMS_AT]:
            return cost, True
        if abs(here[0] - best[0]) < near and abs(here[1] - best[1]) < 0.02:
            return cost, True
        m, theta, predicted = _step(here, damping, box)
        if 0.0 <= predicted <= _TOLERANCE * cost + 1e-4 * noise and damping < 1e8:
            return cost, True
        new = math.inf
        if predicted > 0.0:
            new = _evaluate(work, n, m, theta, there)
            counts[1] += 1.0
        if new < cost or (new <= cost + noise and predicted <= noise):
            gain = (cost - new) / predicted
            damping *= max(1.0 / 9.0, 1.0 - (2.0 * gain - 1.0) ** 3)
            settled = abs(cost - new) <= _TOLERANCE * new
            growth, cost = 2.0, new
            here[:] = there
            if settled:
                return cost, True
        else:
            damping *= growth
            growth *= 2.0
            if damping > 1e12:
                return cost, True
    return cost, False


@njit(cache=True, error_model="numpy")
def _starts(rows: Floats, n: int, g: Floats, found: Floats) -> int:
    """Fill (m, ln sigma) of the best valleys of a coarse grid, best first; return how many there are.

    Neighbouring quotes count as one, so that there are at most `_BINS`.
    """
    low, high = rows[0, 0], rows[0, n - 1]
    span, group = high - low, (n + _BINS - 1) // _BINS
    for j in range(_POINTS):
        g[j] = low + span * (j % _M_POINTS - 1.0) / (_M_POINTS - 3.0)
        g[_POINTS + j] = (span * _SHARES[j // _M_POINTS]) ** 2
        for p in range(2, 6):
            g[_POINTS * p + j] = 0.0
    kk, kw = 0.0, 0.0
    for begin in range(0, n, group):
        k, w, q = 0.0, 0.0, 1e-300
        for i in range(begin, min(begin + group, n)):
            q += rows[2, i]
            k += rows[2, i] * rows[0, i]
            w += rows[2, i] * rows[1, i]
        k, w = k / q, w / q
        kk += q * k * k
        kw += q * k * w
        for j in range(_POINTS):
            s = k - g[j]
            r = math.sqrt(s * s + g[_POINTS + j])
            g[2 * _POINTS + j] += q * r
            g[3 * _POINTS + j] += q * r * k
            g[4 * _POINTS + j] += q * r * w
            g[5 * _POINTS + j] += q * r * r
    for j in range(_POINTS):
        kr, rw = g[3 * _POINTS + j], g[4 * _POINTS + j]
        rr = g[5 * _POINTS + j] - g[2 * _POINTS + j] * g[2 * _POINTS + j]
        det = kk * rr - kr * kr
        d, c = (rr * kw - kr * rw) / det, (kk * rw - kr * kw) / det
        up, down = max(rw + kw, 0.0), max(rw - kw, 0.0)
        side = max(up * up / (rr + 2.0 * kr + kk), down * down / (rr - 2.0 * kr + kk))
        g[j + 6 * _POINTS] = d * kw + c * rw if abs(d) <= c else side
    return int(_valleys(g, found))


@njit(cache=True, error_model="numpy")
def _valleys(g: Floats, found: Floats) -> int:
    """Fill the points of the grid that are better than their neighbours, the best two, best first."""
    gains, count = 6 * _POINTS, 0
    for j in range(_POINTS):
        here, column, line = g[gains + j], j % _M_POINTS, j // _M_POINTS
        best = bool(here > 0.0)
        for other in range(max(line - 1, 0), min(line + 2, _SIGMA_POINTS)):
            for across in range(max(column - 1, 0), min(column + 2, _M_POINTS)):
                at = other * _M_POINTS + across
                best = best and (g[gains + at] < here or (at >= j and g[gains + at] == here))
        if not best:
            continue
        place = 1
        if count == 0 or here > found[0, 2]:
            found[1, :] = found[0, :]
            place = 0
        elif count > 1 and here <= found[1, 2]:
            continue
        found[place, 0], found[place, 1], found[place, 2] = g[j], 0.5 * math.log(g[_POINTS + j]), here
        count += 1
    return min(count, _VALLEYS)


@njit(cache=True, error_model="numpy")
def _prepare(k: Floats, w: Floats, weight: Floats, work: Work) -> int:
    """Fill sorted, centred quotes of total weight one, their moments and the box; return their number."""
    rows, moments, box, _ = work
    n, heaviest = 0, 0.0
    for i in range(k.size):
        if abs(k[i]) <= FURTHEST and LEAST <= w[i] <= GREATEST and weight[i] < math.inf:
            heaviest = max(heaviest, weight[i])
    in_order = True
    for i in range(k.size):
        if abs(k[i]) <= FURTHEST and LEAST <= w[i] <= GREATEST and 1e-30 * heaviest < weight[i] < math.inf:
            rows[0, n], rows[1, n], rows[2, n] = k[i], w[i], weight[i] / heaviest
            in_order = in_order and (n == 0 or rows[0, n - 1] <= k[i])
            n += 1
    if not in_order:
        order = np.argsort(rows[0, :n])
        for p in range(3):
            rows[p, :n] = rows[p, :n][order]
    distinct, total, k_mean, w_mean, largest = min(n, 1), 0.0, 0.0, 0.0, 0.0
    for i in range(n):
        distinct += 1 if i > 0 and rows[0, i] - rows[0, i - 1] > SAME_STRIKE else 0
        total += rows[2, i]
        k_mean += rows[2, i] * rows[0, i]
        w_mean += rows[2, i] * rows[1, i]
        largest = max(largest, rows[1, i])
    if distinct < N:
        return 0
    k_mean, w_mean = k_mean / total, w_mean / total
    kk, kw, ww = 0.0, 0.0, 0.0
    for i in range(n):
        rows[0, i] -= k_mean
        rows[1, i] -= w_mean
        rows[2, i] /= total
        kk += rows[2, i] * rows[0, i] * rows[0, i]
        kw += rows[2, i] * rows[0, i] * rows[1, i]
        ww += rows[2, i] * rows[1, i] * rows[1, i]
    moments[0], moments[1], moments[2], moments[3], moments[4] = k_mean, w_mean, kk, kw, ww
    moments[5], moments[6] = largest, heaviest
    span = rows[0, n - 1] - rows[0, 0]
    box[0], box[1] = rows[0, 0] - span, rows[0, n - 1] + span
    box[2], box[3] = math.log(1e-3 * span), math.log(3.0 * span)
    return n


@njit(cache=True, error_model="numpy")
def _raw(p: Floats, moments: Floats, out: Floats) -> None:
    """Fill the five parameters of the point in `p`."""
    out[0] = moments[1] + p[2] * p[0] - p[3] * p[4]
    out[1], out[2] = p[3], (p[2] / p[3] if p[3] > 0.0 else 0.0)
    out[3], out[4] = p[0] + moments[0], math.exp(p[1])


@njit(cache=True, error_model="numpy")
def _misfit(
    k: Floats, w: Floats, weight: Floats, x: Floats, residuals: Floats, heaviest: float
) -> tuple[float, float]:
    """Fill model minus market of the quotes that are used; return their root mean square and greatest."""
    a, b, rho, m, square = x[0], x[1], x[2], x[3], x[4] * x[4]
    total, greatest, n = 0.0, 0.0, 0
    for i in range(k.size):
        if abs(k[i]) <= FURTHEST and LEAST <= w[i] <= GREATEST and 1e-30 * heaviest < weight[i] < math.inf:
            s = k[i] - m
            e = a + b * (rho * s + math.sqrt(s * s + square)) - w[i]
            residuals[i] = e
            total += e * e
            greatest = max(greatest, abs(e))
            n += 1
    return math.sqrt(total / n), greatest


@njit(cache=True, error_model="numpy")
def _pad(work: Work, n: int) -> int:
    """Fill up the last lanes with quotes of no weight and load what fits; return the number of lanes."""
    rows, moments, _, t = work
    padded = (n + LANES - 1) // LANES * LANES
    for i in range(n, padded):
        rows[0, i], rows[1, i], rows[2, i] = rows[0, n - 1], 0.0, 0.0
    if moments[4] <= _FLAT_SQUARE * moments[1] * moments[1]:
        moments[3] = 0.0
        rows[1, :padded] = 0.0
    if padded <= CHUNK:
        _load(t, rows, 0, padded)
    return padded


@njit(cache=True, error_model="numpy")
def _fit_one(
    k: Floats, w: Floats, weight: Floats, work: Work, g: Floats, out: Floats, residuals: Floats
) -> None:
    counts, starts = np.zeros(2), np.zeros((_VALLEYS, 3))
    p, trial, best = np.empty(_SIZE), np.empty(_SIZE), np.empty(_SIZE)
    moments, box = work[1], work[2]
    out[:], residuals[:] = math.nan, math.nan
    n = _prepare(k, w, weight, work)
    out[STATUS] = _FEW
    if n > 0:
        padded = _pad(work, n)
        valleys = max(_starts(work[0], n, g, starts), 1)
        if starts[0, 2] <= 0.0:
            starts[0, 0], starts[0, 1] = 0.0, box[3] - 2.0
        least, converged, best[0], best[1], best[_SUMS_AT] = math.inf, False, math.inf, 0.0, math.inf
        for i in range(valleys):
            p[0], p[1] = min(max(starts[i, 0], box[0]), box[1]), starts[i, 1]
            cost, done = _descend(work, padded, p, trial, best, counts)
            if i > 0 and abs(p[0] - best[0]) + abs(p[1] - best[1]) > _APART:
                _raw(best if cost < least else p, moments, out[OTHER:])
            if cost < least:
                least, converged = cost, done
                best[:] = p
        _raw(best, moments, out)
        out[RMSE], out[MAX_ERROR] = _misfit(k, w, weight, out, residuals, moments[6])
        out[STATUS] = _judged(best, work, converged, out)
        out[NOISE] = best[_SUMS_AT] / (n - N) if n > N else math.nan
        out[POINT:] = best[:N_POINT]
    out[ITERATIONS], out[EVALUATIONS] = counts[0], counts[1]


@njit(cache=True, error_model="numpy")
def _judged(p: Floats, work: Work, converged: bool, out: Floats) -> float:
    """Return the status of the point in `p`, but for what the errors say (``svi_check``)."""
    box, largest = work[2], work[1][5]
    inside = box[0] < p[0] < box[1] and box[2] < p[1] < box[3] and out[0] < largest
    if not converged:
        return _FAILED
    return _OK if inside and 0.0 < out[1] < STEEPEST and abs(out[2]) < 1.0 else _BOUND


@njit(cache=True, error_model="numpy")
def fit_slices(k: Floats, w: Floats, weight: Floats, offsets: Ints, out: Floats, residuals: Floats) -> None:
    """Fit each slice by itself.

    Parameters
    ----------
    k, w, weight : ndarray, shape (n,)
        Log-moneyness, total variance and weights, slice after slice; unusable quotes among them.
    offsets : ndarray of int64, shape (n_slices + 1,)
        Where each slice begins, and the end.
    out : ndarray, shape (n_slices, N_OUT)
        Filled; see the module's constants.
    residuals : ndarray, shape (n,)
        Filled with model minus market.
    """
    longest = 0
    for i in range(offsets.size - 1):
        longest = max(longest, offsets[i + 1] - offsets[i])
    g = np.empty(7 * _POINTS)
    work = np.empty((3, longest + LANES)), np.empty(7), np.empty(4), np.empty(_WORK_SIZE)
    for p in range(_SUMS):
        for j in range(LANES):
            work[3][_S0 + p * _ROW + j] = 0.0
    for i in range(offsets.size - 1):
        b, e = offsets[i], offsets[i + 1]
        _fit_one(k[b:e], w[b:e], weight[b:e], work, g, out[i], residuals[b:e])
