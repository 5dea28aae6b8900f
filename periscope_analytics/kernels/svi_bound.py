"""Least-squares fit of raw SVI under conditions: no butterfly arbitrage, and other smiles as bounds.

What belongs here: the penalised search over the five parameters, and the repair of what it leaves; arrays in,
arrays out. What does not: the search without conditions, whose optima are the starting points, and the exact
check of a smile (``svi_check``); the order of slices (:mod:`periscope_analytics.calibration.svi_surface`).

Parameters are ordered a, b, rho, m, sigma. The conditions make several valleys: the search starts from the
optima without conditions and from a tame smile that meets them (Gatheral, Jacquier 2014, theorem 4.2).
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Quotes = tuple[Floats, Floats, Floats, float]
"""Log-moneyness, total variance, weights that sum to one, and the mean variance, residuals' scale."""
Aim = tuple[Floats, float, float, float, Floats]
"""Log-moneyness where violations are penalised, the penalty, the least g that goes without, the least gap to
other smiles that does, and those, shape (2, 5): one to stay above, one to stay below; NaN for none."""

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
ROUGH = 1e-6
TIGHTENINGS = 8
_WORTH_SETTLING = 4.0
NEAR_LEAST = 0.02
TAME_RHO, TAME_SHARES = (-0.8, -0.4, 0.0, 0.4, 0.8), (0.95, 0.5, 0.25)


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
def _order(
    x: Floats,
    other: Floats,
    sign: float,
    grid: Floats,
    root: float,
    gap: float,
    level: float,
    slope: Floats,
    normal: Floats,
    gradient: Floats,
) -> float:
    """Add, as squared residuals, by how much the smile is not `gap` (1 + |k|) above (below) the other one."""
    cost, scale = 0.0, root * sign / level
    for j in range(grid.size):
        near = 1.0 / (1.0 + abs(grid[j]))
        excess = sign * near * (_smile(grid[j], x, slope) - _total_variance(grid[j], other)) - gap
        if excess < 0.0:
            for i in range(N):
                slope[i] *= scale * near
            cost += _accumulate(sign * scale * excess, slope, normal, gradient)
    slope[0], slope[3], slope[4] = 0.0, 0.0, 0.0
    for side in (1.0, -1.0):
        excess = sign * (x[1] * (1.0 + side * x[2]) - other[1] * (1.0 + side * other[2])) - gap
        if excess < 0.0:
            slope[1], slope[2] = sign * root * (1.0 + side * x[2]), sign * root * side * x[1]
            cost += _accumulate(root * excess, slope, normal, gradient)
    return cost


@njit(cache=True, error_model="numpy")
def _total_variance(k: float, x: Floats) -> float:
    s = k - x[3]
    return float(x[0] + x[1] * (x[2] * s + math.sqrt(s * s + x[4] * x[4])))


@njit(cache=True, error_model="numpy")
def least_gap(x: Floats, others: Floats) -> float:
    """Return by how much the smile keeps its place between the others at least, wings' slopes included.

    On grids around the money, both vertices and far into the wings; in units of 1 + |k|.
    """
    least = math.inf
    for p in range(2):
        other, sign = others[p], 1.0 - 2.0 * p
        if not other[1] >= 0.0:
            continue
        for side in (1.0, -1.0):
            least = min(least, sign * (x[1] * (1.0 + side * x[2]) - other[1] * (1.0 + side * other[2])))
        for i in range(3):
            centre, width = (x[3], x[4]) if i == 0 else (other[3], other[4])
            centre = 0.0 if i == 2 else centre
            for j in range(-CHECK_HALF, CHECK_HALF + 1):
                k = centre + width * math.sinh(CHECK_REACH * j / CHECK_HALF)
                difference = sign * (_total_variance(k, x) - _total_variance(k, other))
                least = min(least, difference / (1.0 + abs(k)))
    return least


@njit(cache=True, error_model="numpy")
def _penalties(
    x: Floats, aim: Aim, floor: float, slope: Floats, w_x: Floats, normal: Floats, gradient: Floats
) -> float:
    """Add the violations of the conditions as squared residuals."""
    grid, penalty, margin, gap, others = aim
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
    for p in range(2):
        if others[p, 1] >= 0.0:
            cost += _order(x, others[p], 1.0 - 2.0 * p, grid, root, gap, 1e3 * floor, slope, normal, gradient)
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
def _trial(x: Floats, normal: Floats, gradient: Floats, damping: float, box: Floats, out: Floats) -> float:
    """Fill `out` with the projected step's end; return the decrease that the linear model predicts."""
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
            system[i, i] += damping * normal[i, i] + 1e-300
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
    """Move `x` to a local minimum by Levenberg-Marquardt steps projected into the box."""
    normal, gradient, out = np.empty((N, N)), np.empty(N), np.empty(N)
    new_normal, new_gradient = np.empty((N, N)), np.empty(N)
    cost = _cost(x, quotes, aim, normal, gradient)
    damping, growth = 1e-3, 2.0
    for _ in range(MOST_STEPS):
        counts[0] += 1.0
        predicted = _trial(x, normal, gradient, damping, box, out)
        if predicted <= tolerance * cost + 1e-30 and damping < 1e8 and predicted > 0.0:
            return cost, True
        new = cost
        if predicted > 0.0:
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
def flatten(x: Floats, share: float, out: Floats) -> None:
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
    flatten(x, high, out)
    while high < 1.0 and least_g(out) < 0.0:
        low, high = high, min(4.0 * high, 1.0)
        flatten(x, high, out)
    for _ in range(12):
        middle = 0.5 * (low + high)
        flatten(x, middle, out)
        if least_g(out) >= 0.0:
            high = middle
        else:
            low = middle
    flatten(x, high, out)
    x[:] = out


@njit(cache=True, error_model="numpy")
def _approach(x: Floats, quotes: Quotes, others: Floats, box: Floats, counts: Floats) -> float:
    """Move `x` to the valley's least penalised sum of squares, ever more stiffly; return it."""
    grid, cost = np.empty(4 * GRID_HALF + 2), math.inf
    for stiffness in (1e-2 * STIFFNESS, STIFFNESS):
        _fill_grid(x, grid)
        cost, _ = _descend(x, quotes, (grid, stiffness, 0.0, 0.0, others), box, ROUGH, counts)
    return cost


@njit(cache=True, error_model="numpy")
def _settle(x: Floats, quotes: Quotes, others: Floats, box: Floats, counts: Floats) -> bool:
    """Move `x` from the penalised optimum to one that meets the conditions; return whether it converged.

    The margins are moved by what is still violated (the method of multipliers for the one strike at which a
    condition binds). What is left of butterfly arbitrage, if anything, is repaired.
    """
    converged, margin, gap = True, 0.0, 0.0
    slack = SLACK * quotes[3]
    grid = np.empty(4 * GRID_HALF + 2)
    for _ in range(TIGHTENINGS):
        excess, room = least_g(x), least_gap(x, others)
        if 0.0 <= excess <= 3.0 * SLACK and room >= 0.0 and (gap == 0.0 or room <= 3.0 * slack):
            break
        margin = max(margin + SLACK - max(excess, -0.05), 0.0)
        gap = max(gap + slack - max(room, -0.05 * quotes[3]), 0.0)
        _fill_grid(x, grid)
        _, converged = _descend(x, quotes, (grid, STIFFNESS, margin, gap, others), box, ROUGH, counts)
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
def _fill_box(k: Floats, w: Floats, others: Floats, box: Floats) -> None:
    low, high, largest = np.min(k), np.max(k), np.max(w)
    span = high - low
    box[0, 0], box[1, 0] = -1e3 * largest, largest
    box[0, 1], box[1, 1] = 0.0, STEEPEST
    box[0, 2], box[1, 2] = -1.0, 1.0
    box[0, 3], box[1, 3] = low - span, high + span
    box[0, 4], box[1, 4] = 1e-3 * span, 3.0 * span
    for p in range(2):
        if others[p, 1] >= 0.0:
            for i in range(N):
                box[0, i], box[1, i] = min(box[0, i], others[p, i]), max(box[1, i], others[p, i])


@njit(cache=True, error_model="numpy")
def fit(
    k: Floats, w: Floats, q: Floats, starts: Floats, others: Floats, x: Floats, box: Floats, counts: Floats
) -> bool:
    """Fill `x`, shape (5,), with the fitted parameters; return whether the last descent converged.

    Parameters
    ----------
    k, w, q : ndarray, shape (n,)
        Usable quotes, at least five distinct `k`; `q` sums to one.
    starts : ndarray, shape (n_starts, 5)
        Starting points; a tame smile is added to them.
    others : ndarray, shape (2, 5)
        The smile to stay above and the one to stay below; NaN for none.
    x, box, counts : ndarray, shapes (5,), (2, 5), (2,)
        Filled: parameters, bounds of the search; iterations and evaluations are added.
    """
    _fill_box(k, w, others, box)
    quotes = (k, w, q, np.sum(q * w))
    plain = (np.empty(0), 0.0, 0.0, 0.0, others)
    normal, gradient, n = np.empty((N, N)), np.empty(N), starts.shape[0]
    valleys, costs = np.empty((n + 1, N)), np.empty(n + 1)
    _tame(quotes, valleys[n])
    for i in range(n + 1):
        if i < n:
            valleys[i] = starts[i]
        costs[i] = _approach(valleys[i], quotes, others, box, counts)
    converged, least = False, math.inf
    for i in range(n + 1):
        if costs[i] > _WORTH_SETTLING * np.min(costs):
            continue
        done = _settle(valleys[i], quotes, others, box, counts)
        cost = _cost(valleys[i], quotes, plain, normal, gradient)
        cost += max(-least_gap(valleys[i], others), 0.0) ** 2 / quotes[3] ** 2
        if cost < least:
            least, converged, x[:] = cost, done, valleys[i]
    return bool(converged)
