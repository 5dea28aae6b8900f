"""Least-squares fit of raw SVI to one expiry, with or without the conditions against butterfly arbitrage.

What belongs here: the search over the five parameters; arrays in, arrays out. What does not: evaluation for
users (:mod:`periscope_analytics.svi`), judging quotes, statistics
(:mod:`periscope_analytics.calibration.svi`).

Parameters are ordered a, b, rho, m, sigma. Starting points come from variable projection: for given (m,
sigma) the smile is linear in (a, b rho sigma, b sigma), solved exactly within its constraints (De Marco,
Martini 2009, "Quasi-explicit calibration of Gatheral's SVI model", Zeliade). Levenberg-Marquardt in all five
then polishes. The conditions against arbitrage make several valleys: the search for them starts from both
optima without conditions and from a tame smile that meets them.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Quotes = tuple[Floats, Floats, Floats, float]
"""Log-moneyness, total variance, weights that sum to one, and the mean variance, residuals' scale."""
Aim = tuple[Floats, float, float]
"""Log-moneyness where g is penalised, the penalty, and the least g that goes without."""

N = 5
LARGEST_SLOPE, STEEPEST = 2.0, 2.0
GRID_HALF = 40
GRID_REACH = 7.0
CHECK_HALF = 100
CHECK_REACH = 12.0
SLACK = 2e-6
"""Aim of the search: least g this much above zero, so that rounding does no harm."""
STIFFNESS = 1e3
MOST_STEPS = 100
FINE, ROUGH = 1e-10, 1e-6
TIGHTENINGS = 8
NEAR_LEAST = 0.02
SIGMA_SHARES = (0.03, 0.1, 0.3, 1.0)
TAME_RHO, TAME_SHARES = (-0.8, -0.4, 0.0, 0.4, 0.8), (0.95, 0.5, 0.25)


@njit(cache=True, error_model="numpy")
def _two(a11: float, a12: float, a22: float, b1: float, b2: float) -> tuple[float, float]:
    """Solve a symmetric 2 x 2 system; zeros if it is singular."""
    det = a11 * a22 - a12 * a12
    if det <= 1e-14 * a11 * a22:
        return (b1 / a11 if a11 > 0.0 else 0.0), 0.0
    return (a22 * b1 - a12 * b2) / det, (a11 * b2 - a12 * b1) / det


@njit(cache=True, error_model="numpy")
def _project(k: Floats, w: Floats, q: Floats, m: float, sigma: float, x: Floats) -> float:
    """Fill `x` with the best parameters at given (m, sigma); return their sum of weighted squares.

    Weights `q` sum to one. Sums are about the means, so that the level drops out of the linear system.
    """
    n = k.size
    ym, zm, wm = 0.0, 0.0, 0.0
    for i in range(n):
        y = (k[i] - m) / sigma
        ym += q[i] * y
        zm += q[i] * math.sqrt(1.0 + y * y)
        wm += q[i] * w[i]
    yy, yz, zz, yw, zw, ww = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    for i in range(n):
        y = (k[i] - m) / sigma
        z = math.sqrt(1.0 + y * y) - zm
        y -= ym
        v = w[i] - wm
        yy += q[i] * y * y
        yz += q[i] * y * z
        zz += q[i] * z * z
        yw += q[i] * y * v
        zw += q[i] * z * v
        ww += q[i] * v * v
    d, c = _two(yy, yz, zz, yw, zw)
    if abs(d) > c:
        best, d, c = 0.0, 0.0, 0.0
        for side in (1.0, -1.0):
            top, bottom = zw + side * yw, zz + 2.0 * side * yz + yy
            if top > 0.0 and top * top > best * bottom:
                best, c = top * top / bottom, top / bottom
                d = side * c
    if c > STEEPEST * sigma:
        c = STEEPEST * sigma
        d = min(max((yw - c * yz) / yy, -c), c)
    x[0] = wm - d * ym - c * zm
    x[1] = c / sigma
    x[2] = d / c if c > 0.0 else 0.0
    x[3] = m
    x[4] = sigma
    cost: float = ww - 2.0 * (d * yw + c * zw) + d * d * yy + 2.0 * d * c * yz + c * c * zz
    return cost


@njit(cache=True, error_model="numpy")
def _accumulate(residual: float, slope: Floats, normal: Floats, gradient: Floats) -> float:
    for i in range(N):
        gradient[i] += slope[i] * residual
        for j in range(i + 1):
            normal[i, j] += slope[i] * slope[j]
    return residual * residual


@njit(cache=True, error_model="numpy")
def _smile(k: float, x: Floats, w_x: Floats) -> float:
    """Return total variance; fill `w_x` with its derivatives by the parameters."""
    s = k - x[3]
    root = math.sqrt(s * s + x[4] * x[4])
    w_x[0] = 1.0
    w_x[1] = x[2] * s + root
    w_x[2] = x[1] * s
    w_x[3] = -x[1] * (x[2] + s / root)
    w_x[4] = x[1] * x[4] / root
    w: float = x[0] + x[1] * w_x[1]
    return w


@njit(cache=True, error_model="numpy")
def _penalised_g(k: float, x: Floats, floor: float, w_x: Floats, g_x: Floats) -> float:
    """Return g; fill `g_x` with its derivatives by the parameters. Variance is taken as at least `floor`."""
    w = _smile(k, x, w_x)
    if w < floor:
        w = floor
        for i in range(N):
            w_x[i] = 0.0
    s, b, sigma = k - x[3], x[1], x[4]
    r2 = s * s + sigma * sigma
    r1 = math.sqrt(r2)
    r3 = r1 * r2
    w1, w2 = b * (x[2] + s / r1), b * sigma * sigma / r3
    lean = 1.0 - 0.5 * k * w1 / w
    by_w = (lean * k * w1 + 0.25 * w1 * w1) / (w * w)
    by_w1 = -lean * k / w - 0.5 * w1 * (1.0 / w + 0.25)
    g_x[0] = by_w * w_x[0]
    g_x[1] = by_w * w_x[1] + by_w1 * (x[2] + s / r1) + 0.5 * sigma * sigma / r3
    g_x[2] = by_w * w_x[2] + by_w1 * b
    g_x[3] = by_w * w_x[3] - by_w1 * b * sigma * sigma / r3 + 1.5 * b * sigma * sigma * s / (r3 * r2)
    g_x[4] = (
        by_w * w_x[4] - by_w1 * b * s * sigma / r3 + b * sigma * (1.0 / r3 - 1.5 * sigma * sigma / (r3 * r2))
    )
    return float(lean * lean - 0.25 * w1 * w1 * (1.0 / w + 0.25) + 0.5 * w2)


@njit(cache=True, error_model="numpy")
def _penalties(
    x: Floats, aim: Aim, floor: float, slope: Floats, w_x: Floats, normal: Floats, gradient: Floats
) -> float:
    """Add the violations of the conditions as squared residuals."""
    grid, penalty, margin = aim
    root, cost = math.sqrt(penalty / grid.size), 0.0
    for j in range(grid.size):
        g = _penalised_g(grid[j], x, floor, w_x, slope)
        if g < margin:
            for i in range(N):
                slope[i] *= root
            cost += _accumulate(root * (g - margin), slope, normal, gradient)
    for side in (1.0, -1.0):
        steepness = x[1] * (1.0 + side * x[2])
        if steepness > LARGEST_SLOPE:
            slope[0], slope[3], slope[4] = 0.0, 0.0, 0.0
            slope[1], slope[2] = root * (1.0 + side * x[2]), root * side * x[1]
            cost += _accumulate(root * (steepness - LARGEST_SLOPE), slope, normal, gradient)
    bend = math.sqrt(max(1.0 - x[2] * x[2], 1e-12))
    least = x[0] + x[1] * x[4] * bend
    if least < floor:
        scale = root / floor
        slope[0], slope[1], slope[3] = scale, scale * x[4] * bend, 0.0
        slope[2], slope[4] = -scale * x[1] * x[4] * x[2] / bend, scale * x[1] * bend
        cost += _accumulate(scale * (least - floor), slope, normal, gradient)
    return cost


@njit(cache=True, error_model="numpy")
def _cost(x: Floats, quotes: Quotes, aim: Aim, normal: Floats, gradient: Floats) -> float:
    """Return the sum of squares at `x`; fill the Gauss-Newton matrix and half the gradient."""
    k, w, q, level = quotes
    for i in range(N):
        gradient[i] = 0.0
        for j in range(N):
            normal[i, j] = 0.0
    slope, w_x = np.empty(N), np.empty(N)
    cost = 0.0
    for i in range(k.size):
        scale = math.sqrt(q[i]) / level
        value = _smile(k[i], x, w_x)
        for j in range(N):
            slope[j] = scale * w_x[j]
        cost += _accumulate(scale * (value - w[i]), slope, normal, gradient)
    if aim[1] > 0.0:
        cost += _penalties(x, aim, 1e-3 * level, slope, w_x, normal, gradient)
    for i in range(N):
        for j in range(i):
            normal[j, i] = normal[i, j]
    return cost


@njit(cache=True, error_model="numpy")
def _solve(a: Floats, b: Floats, x: Floats) -> bool:
    """Solve a symmetric system by Cholesky's method, in place; False if it is not positive definite."""
    n = b.size
    for i in range(n):
        for j in range(i + 1):
            total = a[i, j]
            for p in range(j):
                total -= a[i, p] * a[j, p]
            if i == j:
                if not total > 0.0:
                    return False
                a[i, i] = math.sqrt(total)
            else:
                a[i, j] = total / a[j, j]
    for i in range(n):
        total = b[i]
        for p in range(i):
            total -= a[i, p] * x[p]
        x[i] = total / a[i, i]
    for i in range(n - 1, -1, -1):
        total = x[i]
        for p in range(i + 1, n):
            total -= a[p, i] * x[p]
        x[i] = total / a[i, i]
    return True


@njit(cache=True, error_model="numpy")
def _trial(
    x: Floats, normal: Floats, gradient: Floats, damping: float, first: int, box: Floats, out: Floats
) -> float:
    """Fill `out` with the projected step's end; return the decrease that the linear model predicts.

    Parameters before the one numbered `first` are not damped.
    """
    system, right, step = np.empty((N, N)), np.empty(N), np.zeros(N)
    for i in range(N):
        right[i] = gradient[i]
        for j in range(N):
            system[i, j] = normal[i, j]
    for i in range(N):
        held = (x[i] <= box[0, i] and gradient[i] > 0.0) or (x[i] >= box[1, i] and gradient[i] < 0.0)
        if held or normal[i, i] <= 0.0:
            for j in range(N):
                system[i, j] = 0.0
                system[j, i] = 0.0
            system[i, i] = 1.0
            right[i] = 0.0
        else:
            system[i, i] += (damping if i >= first else 1e-12) * normal[i, i] + 1e-300
    if not _solve(system, right, step):
        return 0.0
    for i in range(N):
        out[i] = min(max(x[i] - step[i], box[0, i]), box[1, i])
        step[i] = out[i] - x[i]
    predicted = 0.0
    for i in range(N):
        predicted -= 2.0 * step[i] * gradient[i]
        for j in range(N):
            predicted -= step[i] * normal[i, j] * step[j]
    return predicted


@njit(cache=True, error_model="numpy")
def _descend(
    x: Floats, quotes: Quotes, aim: Aim, box: Floats, tolerance: float, counts: Floats
) -> tuple[float, bool]:
    """Move `x` to a local minimum by Levenberg-Marquardt steps projected into the box.

    Without a penalty only (m, sigma) are damped, and after each step the parameters in which the smile is
    linear are solved for again: variable projection (Kaufman 1975).
    """
    linear = aim[1] == 0.0
    normal, gradient, out = np.empty((N, N)), np.empty(N), np.empty(N)
    new_normal, new_gradient = np.empty((N, N)), np.empty(N)
    cost = _cost(x, quotes, aim, normal, gradient)
    damping, growth = 1e-3, 2.0
    for _ in range(MOST_STEPS):
        counts[0] += 1.0
        predicted = _trial(x, normal, gradient, damping, 3 if linear else 0, box, out)
        if predicted <= tolerance * cost + 1e-30 and damping < 1e8 and predicted > 0.0:
            return cost, True
        new = cost
        if predicted > 0.0:
            if linear:
                _project(quotes[0], quotes[1], quotes[2], out[3], out[4], out)
            new = _cost(out, quotes, aim, new_normal, new_gradient)
            counts[1] += 1.0
        if new < cost:
            gain = (cost - new) / predicted
            damping *= max(1.0 / 3.0, 1.0 - (2.0 * gain - 1.0) ** 3)
            settled = cost - new <= tolerance * new
            growth, cost = 2.0, new
            x[:], gradient[:], normal[:] = out, new_gradient, new_normal
            if settled:
                return cost, True
        else:
            damping *= growth
            growth *= 2.0
            if damping > 1e12:
                return cost, True
    return cost, False


@njit(cache=True, error_model="numpy")
def _fill_grid(x: Floats, grid: Floats) -> None:
    """Fill log-moneyness from far left to far right, dense around the smile's vertex and around 0."""
    half = (grid.size // 2 - 1) // 2
    for j in range(2 * half + 1):
        offset = x[4] * math.sinh(GRID_REACH * (j - half) / half)
        grid[2 * j] = x[3] + offset
        grid[2 * j + 1] = offset


@njit(cache=True, error_model="numpy")
def _g(k: float, x: Floats) -> float:
    """Return Gatheral and Jacquier's g."""
    s = k - x[3]
    root = math.sqrt(s * s + x[4] * x[4])
    w, w1 = x[0] + x[1] * (x[2] * s + root), x[1] * (x[2] + s / root)
    lean, bend = 1.0 - 0.5 * k * w1 / w, x[4] / root
    return float(lean * lean - 0.25 * w1 * w1 * (1.0 / w + 0.25) + 0.5 * x[1] * bend * bend / root)


@njit(cache=True, error_model="numpy")
def least_g(x: Floats) -> float:
    """Return the least g over all strikes; -inf where variance is not positive or a wing is too steep.

    The least value on two dense grids, around the smile's vertex and around the money, and between the
    neighbours of each of their low points by golden section.
    """
    least = x[0] + x[1] * x[4] * math.sqrt(max(1.0 - x[2] * x[2], 0.0))
    if least <= 0.0 or x[1] * (1.0 + abs(x[2])) > LARGEST_SLOPE:
        return -math.inf
    least = math.inf
    for i in range(2):
        centre = x[3] if i == 0 else 0.0
        before, here = math.inf, math.inf
        for j in range(-CHECK_HALF, CHECK_HALF + 1):
            after = _g(centre + x[4] * math.sinh(CHECK_REACH * j / CHECK_HALF), x)
            least = min(least, after)
            if here <= before and here <= after and here < least + NEAR_LEAST:
                low = centre + x[4] * math.sinh(CHECK_REACH * (j - 2) / CHECK_HALF)
                high = centre + x[4] * math.sinh(CHECK_REACH * j / CHECK_HALF)
                least = min(least, _golden(low, high, x))
            before, here = here, after
    return float(least)


@njit(cache=True, error_model="numpy")
def _golden(low: float, high: float, x: Floats) -> float:
    """Return the least g between two strikes that enclose a minimum."""
    ratio = 0.5 * (math.sqrt(5.0) - 1.0)
    left, right = high - ratio * (high - low), low + ratio * (high - low)
    g_left, g_right = _g(left, x), _g(right, x)
    for _ in range(40):
        if g_left < g_right:
            high, right, g_right = right, left, g_left
            left = high - ratio * (high - low)
            g_left = _g(left, x)
        else:
            low, left, g_left = left, right, g_right
            right = low + ratio * (high - low)
            g_right = _g(right, x)
    return float(min(g_left, g_right))


@njit(cache=True, error_model="numpy")
def _flatten(x: Floats, share: float, out: Floats) -> None:
    """Fill `out` with a smile whose b is smaller by `share`, at the same total variance at the money."""
    for i in range(N):
        out[i] = x[i]
    out[1] = x[1] * (1.0 - share)
    out[0] = x[0] + (x[1] - out[1]) * (math.sqrt(x[3] * x[3] + x[4] * x[4]) - x[2] * x[3])


@njit(cache=True, error_model="numpy")
def _repair(x: Floats) -> None:
    """Flatten `x` by as little as brings g to 0; a flat smile is always free of arbitrage."""
    if least_g(x) >= 0.0:
        return
    low, high, out = 0.0, 1e-6, np.empty(N)
    _flatten(x, high, out)
    while high < 1.0 and least_g(out) < 0.0:
        low, high = high, min(4.0 * high, 1.0)
        _flatten(x, high, out)
    for _ in range(12):
        middle = 0.5 * (low + high)
        _flatten(x, middle, out)
        if least_g(out) >= 0.0:
            high = middle
        else:
            low = middle
    _flatten(x, high, out)
    x[:] = out


@njit(cache=True, error_model="numpy")
def _constrain(x: Floats, quotes: Quotes, box: Floats, counts: Floats) -> bool:
    """Move `x` to the best smile free of butterfly arbitrage.

    Violations are penalised, ever more stiffly; then the margin is moved by what is still violated (the
    method of multipliers for the one strike at which the condition binds). What is left, if anything, is
    repaired.
    """
    converged, margin, stiffness = True, 0.0, 1e-2 * STIFFNESS
    grid = np.empty(4 * GRID_HALF + 2)
    for i in range(2 + TIGHTENINGS):
        if i >= 2:
            excess = least_g(x)
            if 0.0 <= excess <= 3.0 * SLACK:
                break
            margin = max(margin + SLACK - max(excess, -0.05), 0.0)
        _fill_grid(x, grid)
        _, converged = _descend(x, quotes, (grid, stiffness, margin), box, ROUGH, counts)
        stiffness = STIFFNESS
    _repair(x)
    return bool(converged)


@njit(cache=True, error_model="numpy")
def _tame(quotes: Quotes, best: Floats) -> None:
    """Fill `best` with the closest of a few smiles that are free of butterfly arbitrage whatever the quotes.

    They are SSVI's (Gatheral, Jacquier 2014, theorem 4.2), at the total variance quoted nearest the money.
    """
    k, w, q, _ = quotes
    x, w_x, least = np.empty(N), np.empty(N), math.inf
    theta = w[np.argmin(np.abs(k))]
    for rho in TAME_RHO:
        room = 4.0 / (theta * (1.0 + abs(rho)))
        for share in TAME_SHARES:
            phi, bend = share * min(room, math.sqrt(room)), math.sqrt(1.0 - rho * rho)
            x[0], x[1], x[2] = 0.5 * theta * bend * bend, 0.5 * theta * phi, rho
            x[3], x[4] = -rho / phi, bend / phi
            cost = 0.0
            for i in range(k.size):
                cost += q[i] * (_smile(k[i], x, w_x) - w[i]) ** 2
            if cost < least:
                least, best[:] = cost, x


@njit(cache=True, error_model="numpy")
def _starts(k: Floats, w: Floats, q: Floats, low: float, span: float, best: Floats) -> None:
    """Fill the two best starting points of a coarse grid over (m, sigma)."""
    x = np.empty(N)
    first, second = math.inf, math.inf
    for i in range(7):
        for j in range(4):
            cost = _project(k, w, q, low + span * (i - 0.5) / 5.0, span * SIGMA_SHARES[j], x)
            if cost < first:
                second, best[1] = first, best[0].copy()
                first, best[0] = cost, x
            elif cost < second:
                second, best[1] = cost, x


@njit(cache=True, error_model="numpy")
def _fill_box(low: float, high: float, largest: float, box: Floats) -> None:
    span = high - low
    box[0, 0], box[1, 0] = -1e3 * largest, largest
    box[0, 1], box[1, 1] = 0.0, STEEPEST
    box[0, 2], box[1, 2] = -1.0, 1.0
    box[0, 3], box[1, 3] = low - span, high + span
    box[0, 4], box[1, 4] = 1e-3 * span, 3.0 * span


@njit(cache=True, error_model="numpy")
def fit(
    k: Floats, w: Floats, q: Floats, arbitrage_free: bool, x: Floats, box: Floats, counts: Floats
) -> bool:
    """Fill `x`, shape (5,), with the fitted parameters; return whether the last descent converged.

    `k` holds at least five distinct values, `q` sums to one; `box`, shape (2, 5), is filled with the bounds
    of the search, and iterations and evaluations are added to `counts`.
    """
    low, high, largest, level = math.inf, -math.inf, -math.inf, 0.0
    for i in range(k.size):
        low, high, largest = min(low, k[i]), max(high, k[i]), max(largest, w[i])
        level += q[i] * w[i]
    _fill_box(low, high, largest, box)
    quotes = (k, w, q, level)
    starts, plain = np.zeros((3, N)), (np.empty(0), 0.0, 0.0)
    _starts(k, w, q, low, high - low, starts)
    converged, least = False, math.inf
    for i in range(2):
        cost, done = _descend(starts[i], quotes, plain, box, FINE, counts)
        if cost < least:
            least, converged, x[:] = cost, done, starts[i]
    if not arbitrage_free or least_g(x) >= 0.0:
        return bool(converged)
    least, normal, gradient = math.inf, np.empty((N, N)), np.empty(N)
    _tame(quotes, starts[2])
    for i in range(3):
        done = _constrain(starts[i], quotes, box, counts)
        cost = _cost(starts[i], quotes, plain, normal, gradient)
        if cost < least:
            least, converged, x[:] = cost, done, starts[i]
    return bool(converged)
