"""Least-squares fit of raw SVI to many slices, eight at a time, without conditions between strikes.

What belongs here: the search, its statistics and errors; arrays in, arrays out. What does not: the search
under the conditions (``svi_within``, ``svi_bound``), the check of its result (``svi_check``), evaluation for
users (:mod:`periscope_analytics.svi`), objects (:mod:`periscope_analytics.calibration.svi`).

For given (m, sigma) the smile is linear in (1, k, r), r = sqrt((k - m)^2 + sigma^2), and the best
coefficients follow exactly within |rho| <= 1 and 0 <= b <= 2 (De Marco, Martini 2009, "Quasi-explicit
calibration of Gatheral's SVI model", Zeliade). Levenberg-Marquardt steps in (m, ln sigma) do the rest:
variable projection (Golub, Pereyra 1973; Kaufman 1975), first on quotes gathered into `BINS`, then on all.

Each of eight slices has a lane of its own: no sum runs across lanes, so that a slice's result does not depend
on its neighbours. Quotes stand by threes of lanes (k, w, weight), k centred and in units of the range quoted.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

from periscope_analytics.errors import Status
from periscope_analytics.kernels.lanes import (
    choose,
    fused_lanes,
    load,
    near_inverse_root,
    near_root,
    root,
    some,
    spread,
    store,
)

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Lanes = Floats
Marks = NDArray[np.bool_]
Base = tuple[Lanes, Lanes, Lanes, Lanes, Marks]
"""Moments of k and w about their means: kk, kw, ww; the greatest b; lanes that hold a slice."""
Pair = tuple[Lanes, Lanes]
Scales = tuple[Lanes, Lanes, Lanes]
"""Mean of k, range of k, mean of w."""
Fit = tuple[Lanes, Lanes, Lanes, Marks]
"""m, sigma, mean square, and whether the search has converged."""
Work = tuple[Floats, Floats, Floats]
"""Quotes, the same in bins, facts of each lane."""

N, WIDTH, QUOTE = 5, 8, 24
BINS, GRID_BINS = 16, 8
_RAW, _SECOND = 0, 5 * WIDTH
_NOISE, _STEPS, _STARTS, _NUMBER, _STATUS, _KNOWN = (WIDTH * j for j in range(10, 16))
_MEAN_K, _MEAN_W, _LOW, _SPAN, _LARGEST, _GAIN, _START = (WIDTH * j for j in range(33, 40))
_OTHER, FACTS = 41 * WIDTH, 43 * WIDTH
"""Of each lane: parameters, those of a second valley or NaN, mean square per spare quote, work, quotes used,
status but for what the errors say, and what errors follow from: kk, kr, the means of r, u, v, then rr, uk,
vk, ur, vr, uu, uv, vv, m, sigma squared, D, C and the range, at `_KNOWN`."""
_OK, _FEW = float(Status.OK), float(Status.TOO_FEW_STRIKES)
_FAILED, _BOUND = float(Status.NOT_CONVERGED), float(Status.AT_BOUND)

STEEPEST = 2.0
_NARROW, _WIDE = 1e-3, 3.0
_LINES, _LINE, _FIRST, _PEAKS = 4, 10, 11, 60
_COLUMNS, _SHARES = np.linspace(-0.2, 1.2, WIDTH), np.array([0.03, 0.1, 0.3, 1.0])
_MOST_STEPS, _ROUGHLY, _TOLERANCE, _ROUNDING = 100, 1e-5, 1e-9, 1e-15
_PATIENCE, _HOPELESS, _APART, _RIVAL = 2, 4.0, 0.03, 1.5
_HOPELESS_START, _FLAT_SQUARE, _SINGLES = 100.0, 1e-28, 1e-5


@njit(cache=True, error_model="numpy")
def _within(x: Lanes, low: Lanes, high: Lanes) -> Lanes:
    """Return x, but at least `low` and at most `high`; `low` for NaN."""
    raised = choose(x > low, x, low)
    return choose(raised < high, raised, high)


@njit(cache=True, error_model="numpy")
def _inverse_root(x: Lanes) -> Lanes:
    """Return 1 / sqrt(x) to rounding: one step of third order from single precision, without a division."""
    near = near_inverse_root(x)
    e = fused_lanes(-(x * near), near, 1.0)
    return fused_lanes(near * e, fused_lanes(e, 0.375, 0.5), near)


@njit(cache=True, error_model="numpy")
def _moments(z: Floats, n: int, m: Lanes, square: Lanes, middle: Lanes) -> tuple[Lanes, ...]:
    """Return the ten moments that a point needs, of r about its value in the middle, u = s/r and v = 1/r.

    Of r: 1, k, w, r; of v: 1, v; of u: 1, v; then of u and v with w. All others follow from them.
    """
    r1 = rk = rw = rr = v1 = vv = u1 = uv = uw = vw = spread(0.0)
    for i in range(0, n * QUOTE, QUOTE):
        k, w, q = load(z, i), load(z, i + WIDTH), load(z, i + 2 * WIDTH)
        s = k - m
        x = fused_lanes(s, s, square)
        v = _inverse_root(x)
        r = fused_lanes(x, v, -middle)
        qr, qv = q * r, q * v
        qu = qv * s
        r1, rk, rw, rr = r1 + qr, fused_lanes(qr, k, rk), fused_lanes(qr, w, rw), fused_lanes(qr, r, rr)
        v1, vv, u1, uv = v1 + qv, fused_lanes(qv, v, vv), u1 + qu, fused_lanes(qu, v, uv)
        uw, vw = fused_lanes(qu, w, uw), fused_lanes(qv, w, vw)
    return r1, rk, rw, rr, v1, vv, u1, uv, uw, vw


@njit(cache=True, error_model="numpy")
def _centred(sums: tuple[Lanes, ...], m: Lanes, square: Lanes, middle: Lanes) -> tuple[Lanes, ...]:
    """Return the means of r, u, v and the moments rr, uk, vk, ur, vr, uu, uv, vv about the means."""
    r_off, _, _, rr, v1, vv, u1, uv, _, _ = sums
    r1 = r_off + middle
    uk, vk = fused_lanes(m, u1, r1 - square * v1), fused_lanes(m, v1, u1)
    return (
        r1, u1, v1, rr - r_off * r_off, uk, vk,
        -m - u1 * r1, 1.0 - v1 * r1, 1.0 - square * vv - u1 * u1, uv - u1 * v1, vv - v1 * v1,
    )  # fmt: skip


@njit(cache=True, error_model="numpy")
def _linear(base: Base, kr: Lanes, rr: Lanes, rw: Lanes) -> tuple[Lanes, Lanes, Lanes, Lanes, Lanes]:
    """Return the best D = b rho and C = b, and the inverse (3 entries) of the matrix of the free ones."""
    kk, kw, _, steepest, taken = base
    det = kk * rr - kr * kr
    per = 1.0 / det
    d, c = (rr * kw - kr * rw) * per, (kk * rw - kr * kw) * per
    inside = (det > 1e-14 * kk * rr) & (abs(d) <= c) & (c <= steepest)
    x, y, z = rr * per, -kr * per, kk * per
    if some(~inside & taken):
        edge = _on_edge(base, kr, rr, rw)
        d, c = choose(inside, d, edge[0]), choose(inside, c, edge[1])
        x, y, z = choose(inside, x, edge[2]), choose(inside, y, edge[3]), choose(inside, z, edge[4])
    return d, c, x, y, z


@njit(cache=True, error_model="numpy")
def _on_edge(base: Base, kr: Lanes, rr: Lanes, rw: Lanes) -> tuple[Lanes, Lanes, Lanes, Lanes, Lanes]:
    """Return the best of the three edges D = C, D = -C and C = `steepest`, as ``_linear`` does."""
    kk, kw, _, steepest, _ = base
    none = spread(0.0)
    weight = 1.0 / kk
    d = _within((kw - steepest * kr) * weight, -steepest, steepest)
    gain = 2.0 * (d * kw + steepest * rw) - d * d * kk - steepest * (2.0 * d * kr + steepest * rr)
    x, y, z, c = choose(abs(d) < steepest, weight, none), none, none, steepest
    for sign in (1.0, -1.0):
        top, weight = rw + sign * kw, 1.0 / (rr + sign * (2.0 * kr) + kk)
        size = _within(top * weight, none, steepest)
        more = choose(top > 0.0, size * (2.0 * top - size / weight), none)
        better = more >= gain
        gain, d, c = choose(better, more, gain), choose(better, sign * size, d), choose(better, size, c)
        weight = choose((size > 0.0) & (size < steepest), weight, none)
        x, y, z = choose(better, weight, x), choose(better, sign * weight, y), choose(better, weight, z)
    return d, c, x, y, z


@njit(cache=True, error_model="numpy")
def _evaluate(z: Floats, n: int, base: Base, m: Lanes, sigma: Lanes) -> tuple[Lanes, ...]:
    """Return the mean square of the misfit, the projected Gauss-Newton matrix (3) and its right side (2)."""
    square = sigma * sigma
    middle = root(m * m + square)
    sums = _moments(z, n, m, square, middle)
    _, _, _, rr, uk, vk, ur, vr, uu, uv, vv = _centred(sums, m, square, middle)
    kk, kw, ww, _, _ = base
    kr, rw = sums[1], sums[2]
    d, c, m11, m12, m22 = _linear(base, kr, rr, rw)
    cost = ww - 2.0 * (d * kw + c * rw) + (d * d * kk + c * (2.0 * d * kr + c * rr))
    by_m, by_theta = -c, c * square
    uu = uu - (uk * uk * m11 + 2.0 * uk * ur * m12 + ur * ur * m22)
    uv = uv - (uk * vk * m11 + (uk * vr + ur * vk) * m12 + ur * vr * m22)
    vv = vv - (vk * vk * m11 + 2.0 * vk * vr * m12 + vr * vr * m22)
    g1, g2 = by_m * (sums[8] - d * uk - c * ur), by_theta * (sums[9] - d * vk - c * vr)
    return cost, by_m * by_m * uu, by_m * by_theta * uv, by_theta * by_theta * vv, g1, g2


@njit(cache=True, error_model="numpy")
def _step(
    m: Lanes, sigma: Lanes, point: tuple[Lanes, ...], damping: Lanes, box: Pair
) -> tuple[Lanes, Lanes, Lanes]:
    """Return the damped step's end inside the box, and the decrease that the linear model predicts."""
    _, h11, h12, h22, g1, g2 = point
    none, one = spread(0.0), spread(1.0)
    held = ((m <= box[0]) & (g1 < 0.0)) | ((m >= box[1]) & (g1 > 0.0)) | ~(h11 > 0.0)
    stuck = ((sigma <= _NARROW) & (g2 < 0.0)) | ((sigma >= _WIDE) & (g2 > 0.0)) | ~(h22 > 0.0)
    h12 = choose(held | stuck, none, h12)
    g1, h11 = choose(held, none, g1), choose(held, one, h11)
    g2, h22 = choose(stuck, none, g2), choose(stuck, one, h22)
    a11, a22 = fused_lanes(h11, damping, h11), fused_lanes(h22, damping, h22)
    det = a11 * a22 - h12 * h12
    per = 1.0 / det
    half = _within((a11 * g2 - h12 * g1) * per, -one, one) * 0.5
    reach = fused_lanes(0.5, sigma, 0.2)
    to_m = _within(m + _within((a22 * g1 - h12 * g2) * per, -reach, reach), box[0], box[1])
    to_sigma = _within(sigma * (1.0 + half) / (1.0 - half), spread(_NARROW), spread(_WIDE))
    x, y = to_m - m, 2.0 * (to_sigma - sigma) / (to_sigma + sigma)
    predicted = 2.0 * (x * g1 + y * g2) - (h11 * x * x + y * (2.0 * h12 * x + h22 * y))
    return to_m, to_sigma, choose(det > 0.0, predicted, -one)


@njit(cache=True, error_model="numpy")
def _descend(
    z: Floats, n: int, base: Base, box: Pair, start: Fit, best: Fit, tolerance: float, facts: Floats
) -> Fit:
    """Return the local minima that lanes reach from `start`; lanes that start converged stay there.

    The search is given up where it comes to the optimum in `best`, or stays far above it.
    """
    m, sigma, cost, done = start
    point = _evaluate(z, n, base, m, sigma)
    cost = choose(done, cost, point[0])
    none, one = spread(0.0), spread(1.0)
    noise, steps = _ROUNDING * base[2], load(facts, _STEPS)
    store(facts, _STARTS, load(facts, _STARTS) + choose(done, none, one))
    damping, growth = spread(1e-3), spread(4.0)
    near = 1e-3 * (box[1] - box[0])
    for i in range(_MOST_STEPS):
        if i >= _PATIENCE:
            done = done | (cost > _HOPELESS * best[2])
        done = done | ((abs(m - best[0]) < near) & (abs(sigma - best[1]) < 0.02 * sigma))
        to_m, to_sigma, predicted = _step(m, sigma, point, damping, box)
        done = done | ((predicted >= 0.0) & (predicted <= tolerance * cost + 1e-4 * noise) & (damping < 1e8))
        if not some(~done):
            break
        new = _evaluate(z, n, base, to_m, to_sigma)
        gain = cost - new[0]
        good = ((gain > 0.0) | ((gain >= -noise) & (predicted <= noise))) & (predicted > 0.0) & ~done
        steps = steps + choose(done, none, one)
        settled = good & (abs(gain) <= tolerance * new[0])
        share = 2.0 * gain / predicted - 1.0
        eased = damping * _within(1.0 - share * share * share, one * (1.0 / 9.0), spread(1e3))
        damping = choose(good, eased, damping * growth)
        growth = choose(good, spread(4.0), growth * 2.0)
        m, sigma, cost = choose(good, to_m, m), choose(good, to_sigma, sigma), choose(good, new[0], cost)
        point = _chosen(good, new, point)
        done = done | settled | (damping > 1e12)
    store(facts, _STEPS, steps)
    return m, sigma, cost, done


@njit(cache=True, error_model="numpy")
def _chosen(good: Marks, new: tuple[Lanes, ...], old: tuple[Lanes, ...]) -> tuple[Lanes, ...]:
    """Return the new point where it is good, the old one elsewhere."""
    return (
        choose(good, new[0], old[0]), choose(good, new[1], old[1]), choose(good, new[2], old[2]),
        choose(good, new[3], old[3]), choose(good, new[4], old[4]), choose(good, new[5], old[5]),
    )  # fmt: skip


@njit(cache=True, error_model="numpy")
def _fill_grid(quotes: Floats, count: int, low: float, grid: Floats) -> None:
    """Fill how much of the mean square the points of a grid of (m, sigma) explain, a column in a lane.

    Lines of the grid stand between lines and columns of nothing.
    """
    kk = kw = 0.0
    for i in range(count):
        kk += quotes[2, i] * quotes[0, i] * quotes[0, i]
        kw += quotes[2, i] * quotes[0, i] * quotes[1, i]
    m = load(_COLUMNS, 0) + low
    for line in range(_LINES):
        square = _SHARES[line] * _SHARES[line]
        r1 = rk = rw = spread(0.0)
        for i in range(count):
            s = quotes[0, i] - m
            qr = quotes[2, i] * near_root(fused_lanes(s, s, square))
            r1, rk, rw = r1 + qr, fused_lanes(qr, quotes[0, i], rk), fused_lanes(qr, quotes[1, i], rw)
        rr = (kk + square) + m * m - r1 * r1
        det = kk * rr - rk * rk
        d, c = rr * kw - rk * rw, kk * rw - rk * kw
        up, down = _within(rw + kw, 0.0, 1e300), _within(rw - kw, 0.0, 1e300)
        up, down = up * up / (rr + 2.0 * rk + kk), down * down / (rr - 2.0 * rk + kk)
        free = (abs(d) <= c) & (det > _SINGLES * kk * rr)
        store(grid, _LINE * line + _FIRST, choose(free, (d * kw + c * rw) / det, choose(up > down, up, down)))


@njit(cache=True, error_model="numpy")
def _valleys(grid: Floats, low: float, facts: Floats) -> None:
    """Note the two best points of the grid that are better than their neighbours; NaN for none."""
    best, second, at, then = 0.0, 0.0, -1, -1
    for line in range(_LINES):
        begin = _LINE * line + _FIRST
        here = load(grid, begin)
        peak = (here > load(grid, begin - 1)) & (here >= load(grid, begin + 1))
        for step in range(-1, 2):
            peak = (
                peak & (here > load(grid, begin - _LINE + step)) & (here >= load(grid, begin + _LINE + step))
            )
        if not some(peak):
            continue
        store(grid, _PEAKS, choose(peak, here, spread(0.0)))
        for j in range(WIDTH):
            gain = grid[_PEAKS + j]
            if gain > best:
                second, then, best, at = best, at, gain, WIDTH * line + j
            elif gain > second:
                second, then = gain, WIDTH * line + j
    facts[_START], facts[_START + WIDTH] = low, 1.0
    facts[_OTHER], facts[_OTHER + WIDTH], facts[_GAIN] = low, 1.0, -math.inf
    if at >= 0:
        facts[_START] = low + _COLUMNS[at % WIDTH]
        facts[_START + WIDTH] = _SHARES[at // WIDTH]
    if then >= 0:
        facts[_OTHER] = low + _COLUMNS[then % WIDTH]
        facts[_OTHER + WIDTH], facts[_GAIN] = _SHARES[then // WIDTH], second


@njit(cache=True, error_model="numpy")
def _base(z: Floats, n: int, steepest: Lanes, taken: Marks) -> Base:
    """Return the moments of centred quotes."""
    kk = kw = ww = spread(0.0)
    for i in range(0, n * QUOTE, QUOTE):
        k, w, q = load(z, i), load(z, i + WIDTH), load(z, i + 2 * WIDTH)
        qk, qw = q * k, q * w
        kk, kw, ww = fused_lanes(qk, k, kk), fused_lanes(qk, w, kw), fused_lanes(qw, w, ww)
    return kk, kw, ww, steepest, taken


@njit(cache=True, error_model="numpy")
def _flatten(z: Floats, n: int, flat: Marks) -> None:
    for i in range(0, n * QUOTE, QUOTE):
        store(z, i + WIDTH, choose(flat, spread(0.0), load(z, i + WIDTH)))


@njit(cache=True, error_model="numpy")
def _picked(where: Marks, x: Fit, y: Fit) -> Fit:
    done = (where & x[3]) | (~where & y[3])
    return choose(where, x[0], y[0]), choose(where, x[1], y[1]), choose(where, x[2], y[2]), done


@njit(cache=True, error_model="numpy")
def _search(work: Work, n: int, bins: int) -> None:
    """Fit the eight slices that have been gathered; results go to the lanes' facts."""
    z, binned, facts = work
    scales, few = (load(facts, _MEAN_K), load(facts, _SPAN), load(facts, _MEAN_W)), load(facts, _NUMBER) < 1.0
    steepest = STEEPEST * scales[1]
    base, rough = _base(z, n, steepest, ~few), _base(binned, bins, steepest, ~few)
    flat, none = (base[2] <= _FLAT_SQUARE * scales[2] * scales[2]) & ~few, spread(0.0)
    if some(flat):
        _flatten(z, n, flat)
        _flatten(binned, bins, flat)
        base, rough = _base(z, n, steepest, ~few), _base(binned, bins, steepest, ~few)
    low = load(facts, _LOW)
    box, far = (low - 1.0, low + 2.0), spread(math.inf)
    nowhere = far, none, far, few
    store(facts, _STEPS, spread(0.0))
    store(facts, _STARTS, spread(0.0))
    start = load(facts, _START), load(facts, _START + WIDTH), far, few
    first = _descend(binned, bins, rough, box, start, nowhere, _ROUGHLY, facts)
    hopeless = ~(rough[2] - load(facts, _GAIN) < _HOPELESS_START * first[2])
    other_start = load(facts, _OTHER), load(facts, _OTHER + WIDTH), far, few | hopeless
    second = _descend(binned, bins, rough, box, other_start, first, _ROUGHLY, facts)
    swap = second[2] < first[2]
    best, rest = _picked(swap, second, first), _picked(swap, first, second)
    best = _descend(z, n, base, box, (best[0], best[1], best[2], few), nowhere, _TOLERANCE, facts)
    apart = abs(rest[0] - best[0]) + abs(rest[1] - best[1]) / best[1] > _APART
    rival = apart & (rest[2] < _RIVAL * best[2]) & ~few
    if some(rival):
        again = _descend(z, n, base, box, (rest[0], rest[1], rest[2], ~rival), best, _TOLERANCE, facts)
        swap = rival & (again[2] < best[2])
        rest = _picked(swap, best, _picked(rival, again, rest))
        best = _picked(swap, again, best)
    apart = apart & (rest[2] < math.inf)
    for p in range(N):
        store(facts, _SECOND + WIDTH * p, spread(math.nan))
    if some(apart):
        _note(_SECOND, z, n, base, (choose(apart, rest[0], spread(math.nan)), rest[1]), scales, facts)
    _note(_RAW, z, n, base, (best[0], best[1]), scales, facts)
    _judge(best, base, box, facts)


@njit(cache=True, error_model="numpy")
def _note(at: int, z: Floats, n: int, base: Base, point: Pair, scales: Scales, facts: Floats) -> None:
    """Note the five parameters of (m, sigma), and what errors follow from."""
    m, sigma = point
    k_mean, span, w_mean = scales
    square = sigma * sigma
    middle = root(m * m + square)
    sums = _moments(z, n, m, square, middle)
    moments = _centred(sums, m, square, middle)
    d, c, _, _, _ = _linear(base, sums[1], moments[3], sums[2])
    store(facts, at, w_mean + d * m - c * moments[0])
    store(facts, at + WIDTH, c / span)
    store(facts, at + 2 * WIDTH, choose(c > 0.0, d / c, spread(0.0)))
    store(facts, at + 3 * WIDTH, fused_lanes(m, span, k_mean))
    store(facts, at + 4 * WIDTH, sigma * span)
    store(facts, _KNOWN, base[0])
    store(facts, _KNOWN + WIDTH, sums[1])
    for p in range(11):
        store(facts, _KNOWN + (2 + p) * WIDTH, moments[p])
    store(facts, _KNOWN + 13 * WIDTH, m)
    store(facts, _KNOWN + 14 * WIDTH, square)
    store(facts, _KNOWN + 15 * WIDTH, d)
    store(facts, _KNOWN + 16 * WIDTH, c)
    store(facts, _KNOWN + 17 * WIDTH, span)


@njit(cache=True, error_model="numpy")
def _judge(best: Fit, base: Base, box: Pair, facts: Floats) -> None:
    """Note the status of the optimum, but for what the errors say (``svi_check``), and the mean square."""
    m, sigma, cost, done = best
    d, c = load(facts, _KNOWN + 15 * WIDTH), load(facts, _KNOWN + 16 * WIDTH)
    inside = (m > box[0]) & (m < box[1]) & (sigma > _NARROW) & (sigma < _WIDE) & (c > 0.0) & (c < base[3])
    inside = inside & (abs(d) < c) & (load(facts, _RAW) < load(facts, _LARGEST))
    status = choose(done, choose(inside, spread(_OK), spread(_BOUND)), spread(_FAILED))
    number = load(facts, _NUMBER)
    store(facts, _STATUS, choose(number > 0.0, status, spread(_FEW)))
    store(facts, _NOISE, choose(number > N, cost / (number - N), spread(math.nan)))


@njit(cache=True, error_model="numpy")
def _bin(k: Floats, w: Floats, weight: Floats, most: int, quotes: Floats) -> int:
    """Gather neighbours into at most `most` quotes; return how many."""
    n, count, begin, over = k.size, min(k.size, most), 0, 0
    size, rest = n // count, n % count
    for j in range(count):
        over += rest
        end = begin + size
        if over >= count:
            end, over = end + 1, over - count
        qk, qw, q = 0.0, 0.0, 0.0
        for i in range(begin, end):
            q += weight[i]
            qk += weight[i] * k[i]
            qw += weight[i] * w[i]
        begin, per = end, 1.0 / q
        quotes[0, j], quotes[1, j], quotes[2, j] = qk * per, qw * per, q
    return count


@njit(cache=True, error_model="numpy")
def _gather(k: Floats, w: Floats, weight: Floats, lane: int, work: Work, room: tuple[Floats, Floats]) -> None:
    """Put a slice into a lane: its quotes of total weight one about their means, its bins, where to start."""
    z, binned, facts = work[0][lane:], work[1][lane:], work[2][lane:]
    (quotes, grid), n = room, k.size
    count = _bin(k, w, weight, BINS, quotes)
    total, k_mean, w_mean, largest = 0.0, 0.0, 0.0, 0.0
    for j in range(count):
        total += quotes[2, j]
        k_mean += quotes[2, j] * quotes[0, j]
        w_mean += quotes[2, j] * quotes[1, j]
    per, span = 1.0 / total, k[n - 1] - k[0]
    k_mean, w_mean, per_span = k_mean * per, w_mean * per, 1.0 / span
    low = (k[0] - k_mean) * per_span
    for i in range(n):
        largest = max(largest, w[i])
        z[QUOTE * i], z[QUOTE * i + WIDTH] = (k[i] - k_mean) * per_span, w[i] - w_mean
        z[QUOTE * i + 2 * WIDTH] = weight[i] * per
    for j in range(count):
        quotes[0, j], quotes[1, j] = (quotes[0, j] - k_mean) * per_span, quotes[1, j] - w_mean
        quotes[2, j] *= per
    for j in range(BINS):
        for p in range(3):
            binned[QUOTE * j + p * WIDTH] = quotes[p, j] if j < count else 0.0
    facts[_MEAN_K], facts[_MEAN_W], facts[_LOW], facts[_SPAN] = k_mean, w_mean, low, span
    facts[_LARGEST], facts[_NUMBER] = largest, n
    if count == BINS:
        count = _bin(quotes[0], quotes[1], quotes[2], GRID_BINS, quotes)
    _fill_grid(quotes, count, low, grid)
    _valleys(grid, low, facts)


@njit(cache=True, error_model="numpy")
def fit_slices(k: Floats, w: Floats, weight: Floats, offsets: Ints, order: Ints, facts: Floats) -> None:
    """Fit each slice by itself.

    Parameters
    ----------
    k, w, weight : ndarray, shape (n,)
        Log-moneyness, total variance and weights, slice after slice, each slice as ``svi_quotes`` leaves it:
        usable quotes in order of strike; none where there are too few strikes.
    offsets : ndarray of int64, shape (n_slices + 1,)
        Where each slice begins, and the end.
    order : ndarray of int64, shape (n_slices,)
        Slices in the order in which they take lanes: best by size, as eight take as long as their longest.
    facts : ndarray, shape (n_slices / 8 rounded up, FACTS)
        Filled; see the module's constants.
    """
    longest = 1
    for i in range(offsets.size - 1):
        longest = max(longest, offsets[i + 1] - offsets[i])
    z, binned = np.empty(QUOTE * longest), np.zeros(QUOTE * BINS)
    room = np.empty((3, BINS)), np.full(_PEAKS + WIDTH, -math.inf)
    for group in range(facts.shape[0]):
        here, n = facts[group], 0
        for at in range(group * WIDTH, min((group + 1) * WIDTH, order.size)):
            n = max(n, offsets[order[at] + 1] - offsets[order[at]])
        here[:] = 0.0
        for lane in range(WIDTH):
            at = group * WIDTH + lane
            b, e = (offsets[order[at]], offsets[order[at] + 1]) if at < order.size else (0, 0)
            if e > b:
                _gather(k[b:e], w[b:e], weight[b:e], lane, (z, binned, here), room)
            for i in range(e - b, n):
                for p in range(3):
                    z[QUOTE * i + p * WIDTH + lane] = 0.0
        if n == 0:
            here[_STATUS : _STATUS + WIDTH] = _FEW
        else:
            _search((z, binned, here), n, min(n, BINS))
