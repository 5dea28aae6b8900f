"""Kernels of the served surface: laws on one spline grid, implicit steps between them, the fit of a step.

What belongs here: arrays of doubles in, arrays of doubles out; no objects, no exceptions. What does not: the
choice of grids, knots and statuses (``slice``, ``calibration.slice``). Callers and callees share this file,
because numba's cache does not see edits in another one.

Notation. Calls and puts are undiscounted and in units of the forward. C(K) is a cubic B-spline with clamped
knots; its control points sit at the Greville points xi, so a convex polygon of control points makes a convex
C, and polygons ordered at every point make ordered C (de Boor 1978, ch. XI). ``mass`` is the law: the kinks
of the control polygon, one probability per xi. A step solves (1/b + L) x = mass for x = C_new - C_old, with L
the stiffness matrix of the polygon and b = v xi^2 / (2 cell width), 1/v = exp(-l(z)) / scale^2 + 1/ceiling:
the implicit step of Andreasen and Huge (2011), "Volatility interpolation", Risk 24(3), in symmetric form. The
new law is x/b, positive whatever l is.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Grid = tuple[Floats, Floats, Floats, float]
"""Greville points, 1 / their spacings, xi^2 / (2 cell width), and the ceiling of local variance."""
Step = tuple[Grid, Floats, Floats, float]
"""Grid, law before, basis of the spline at the Greville points, factor of exp(spline)."""
Quotes = tuple[Ints, Floats, Floats, Floats, Floats]
"""First control point, B-spline weights, price before the step, middle and half-width of the log band."""
Work = tuple[Floats, Floats, Floats, Floats, Floats, Floats]
"""1/b, its derivative by the spline (negative), gain, 1 / pivots, model prices, residuals."""

LANES = 8
_SMALL, _EDGE, _KNEE = 0.05, 0.6, 5.0
_MAX_STEPS, _MAX_TRIES, _TOLERANCE = 40, 10, 1e-4
_LONGEST, _BOUND, _RUNGS = 2.0, 60.0, 3
_SQRT_2PI = math.sqrt(2.0 * math.pi)


@njit(cache=True, error_model="numpy")
def solve(link: Floats, inverse: Floats, mass: Floats, gain: Floats, pivot: Floats) -> None:
    """Solve (inverse + L) gain = mass inside, gain = 0 at both ends.

    Elimination runs from both ends to the middle, two chains at a time. Only positive terms are added, so
    `gain` keeps its relative accuracy everywhere. `pivot` gets 1 / pivots.
    """
    n = mass.size
    middle = n // 2
    left, right = inverse[1] + link[0], inverse[n - 2] + link[n - 2]
    gain[1], gain[n - 2] = mass[1], mass[n - 2]
    pivot[1], pivot[n - 2] = 1.0 / (left + link[1]), 1.0 / (right + link[n - 3])
    for i in range(2, middle):
        j = n - 1 - i
        share = link[i - 1] * pivot[i - 1]
        left = inverse[i] + share * left
        gain[i] = mass[i] + share * gain[i - 1]
        pivot[i] = 1.0 / (left + link[i])
        if j > middle:
            share = link[j] * pivot[j + 1]
            right = inverse[j] + share * right
            gain[j] = mass[j] + share * gain[j + 1]
            pivot[j] = 1.0 / (right + link[j - 1])
    below, above = link[middle - 1] * pivot[middle - 1], link[middle] * pivot[middle + 1]
    pivot[middle] = 1.0 / (inverse[middle] + below * left + above * right)
    gain[middle] = (mass[middle] + below * gain[middle - 1] + above * gain[middle + 1]) * pivot[middle]
    gain[0] = gain[n - 1] = 0.0
    for i in range(middle - 1, 0, -1):
        j = 2 * middle - i
        gain[i] = (gain[i] + link[i] * gain[i + 1]) * pivot[i]
        if j < n - 1:
            gain[j] = (gain[j] + link[j - 1] * gain[j - 1]) * pivot[j]


@njit(cache=True, error_model="numpy")
def settle(link: Floats, inverse: Floats, gain: Floats, before: Floats, after: Floats) -> None:
    """Fill the law after a step: x/b inside, and what reached the two ends of the grid."""
    n = gain.size
    for j in range(1, n - 1):
        after[j] = gain[j] * inverse[j]
    after[0] = before[0] + gain[1] * link[0]
    after[n - 1] = before[n - 1] + gain[n - 2] * link[n - 2]


@njit(cache=True, error_model="numpy")
def carry_row(own: float, row: Floats, share: float, neighbour: Floats, out: Floats) -> None:
    """Fill own * row + share * neighbour over LANES."""
    for c in range(LANES):
        out[c] = own * row[c] + share * neighbour[c]


@njit(cache=True, error_model="numpy")
def solve_rows(link: Floats, pivot: Floats, scale: Floats, rows: Floats, out: Floats) -> None:
    """Solve the system of `solve` for right-hand sides scale * rows; both of shape (blocks, n, LANES)."""
    n = pivot.size
    middle = n // 2
    for b in range(rows.shape[0]):
        to = out[b]
        for c in range(LANES):
            to[0, c] = to[n - 1, c] = 0.0
        carry_row(scale[1], rows[b, 1], 0.0, to[0], to[1])
        carry_row(scale[n - 2], rows[b, n - 2], 0.0, to[0], to[n - 2])
        for i in range(2, middle):
            carry_row(scale[i], rows[b, i], pivot[i - 1] * link[i - 1], to[i - 1], to[i])
        for i in range(n - 3, middle - 1, -1):
            carry_row(scale[i], rows[b, i], pivot[i + 1] * link[i], to[i + 1], to[i])
        carry_row(1.0, to[middle], pivot[middle - 1] * link[middle - 1], to[middle - 1], to[middle])
        for c in range(LANES):
            to[middle, c] *= pivot[middle]
        for i in range(middle - 1, 0, -1):
            carry_row(pivot[i], to[i], pivot[i] * link[i], to[i + 1], to[i])
        for i in range(middle + 1, n - 1):
            carry_row(pivot[i], to[i], pivot[i] * link[i - 1], to[i - 1], to[i])


@njit(cache=True, error_model="numpy")
def curvatures(knots: Floats) -> Floats:
    """Return the matrix from values at the knots to second derivatives of the cubic spline with flat ends."""
    m = knots.size
    out, diagonal = np.zeros((m, m)), np.zeros(m)
    for i in range(m - 1):
        h = knots[i + 1] - knots[i]
        diagonal[i] += 2.0 * h
        diagonal[i + 1] += 2.0 * h
        out[i, i + 1] = out[i + 1, i] = 6.0 / h
        out[i, i] -= 6.0 / h
        out[i + 1, i + 1] -= 6.0 / h
    for i in range(1, m):
        h = knots[i] - knots[i - 1]
        share = h / diagonal[i - 1]
        diagonal[i] -= share * h
        for c in range(m):
            out[i, c] -= share * out[i - 1, c]
    for i in range(m - 1, -1, -1):
        for c in range(m):
            above = (knots[i + 1] - knots[i]) * out[i + 1, c] if i < m - 1 else 0.0
            out[i, c] = (out[i, c] - above) / diagonal[i]
    return out


@njit(cache=True, error_model="numpy")
def spline_rows(knots: Floats, second: Floats, z: Floats, rows: Floats) -> None:
    """Fill the cardinal basis of that spline at z, flat outside the knots: shape (blocks, n, LANES)."""
    m = knots.size
    rows[:] = 0.0
    j = 0
    for i in range(z.size):
        at = min(max(z[i], knots[0]), knots[m - 1])
        while j < m - 2 and at > knots[j + 1]:
            j += 1
        while j > 0 and at < knots[j]:
            j -= 1
        h = knots[j + 1] - knots[j]
        right = (at - knots[j]) / h
        left = 1.0 - right
        p = (left * left * left - left) * h * h / 6.0
        q = (right * right * right - right) * h * h / 6.0
        for c in range(m):
            rows[c // LANES, i, c % LANES] = p * second[j, c] + q * second[j + 1, c]
        rows[j // LANES, i, j % LANES] += left
        rows[(j + 1) // LANES, i, (j + 1) % LANES] += right


@njit(cache=True, error_model="numpy")
def level(rows: Floats, values: Floats, out: Floats) -> None:
    """Fill the spline at every point: the basis times the values at the knots."""
    for j in range(out.size):
        total = 0.0
        for c in range(values.size):
            total += rows[c // LANES, j, c % LANES] * values[c]
        out[j] = total


@njit(cache=True, error_model="numpy")
def blend(first: Ints, weight: Floats, control: Floats, out: Floats) -> None:
    """Fill the spline of those control points at located strikes."""
    for i in range(out.size):
        j = first[i]
        out[i] = (
            weight[i, 0] * control[j]
            + weight[i, 1] * control[j + 1]
            + weight[i, 2] * control[j + 2]
            + weight[i, 3] * control[j + 3]
        )


@njit(cache=True, error_model="numpy")
def descend(hessian: Floats, damping: float, gradient: Floats, factor: Floats, move: Floats) -> bool:
    """Solve (hessian + damping * diagonal) move = -gradient by Cholesky; false if not positive definite."""
    m = gradient.size
    for i in range(m):
        for j in range(i + 1):
            total = hessian[i, j] * (1.0 + damping) if i == j else hessian[i, j]
            for c in range(j):
                total -= factor[i, c] * factor[j, c]
            if i == j:
                if not total > 0.0:
                    return False
                factor[i, i] = math.sqrt(total)
            else:
                factor[i, j] = total / factor[j, j]
    for i in range(m):
        total = -gradient[i]
        for c in range(i):
            total -= factor[i, c] * move[c]
        move[i] = total / factor[i, i]
    for i in range(m - 1, -1, -1):
        total = move[i]
        for c in range(i + 1, m):
            total -= factor[c, i] * move[c]
        move[i] = total / factor[i, i]
    return True


@njit(cache=True, error_model="numpy")
def advance(
    hessian: Floats,
    damping: float,
    gradient: Floats,
    factor: Floats,
    move: Floats,
    values: Floats,
    other: Floats,
) -> bool:
    """Fill the next trial values; false where there is no such step, or it leaves exp(+-_BOUND)."""
    if not descend(hessian, damping, gradient, factor, move):
        return False
    longest = 0.0
    for a in range(move.size):
        longest = max(longest, abs(move[a]))
    shrink = min(1.0, _LONGEST / longest) if longest > 0.0 else 1.0
    inside = True
    for a in range(move.size):
        other[a] = values[a] + shrink * move[a]
        inside = inside and abs(other[a]) < _BOUND
    return inside


@njit(cache=True, error_model="numpy")
def penalty(knots: Floats, second: Floats) -> Floats:
    """Return the matrix of the integral of the squared third derivative of the spline."""
    m = knots.size
    out = np.zeros((m, m))
    for j in range(m - 1):
        h = knots[j + 1] - knots[j]
        for a in range(m):
            for b in range(m):
                out[a, b] += (second[j + 1, a] - second[j, a]) * (second[j + 1, b] - second[j, b]) / h
    return out


@njit(cache=True, error_model="numpy")
def band_loss(r: float) -> tuple[float, float, float]:
    """Return loss, slope and curvature of a residual in half-widths: nearly flat inside, Huber outside."""
    u = abs(r) - _EDGE
    loss, slope, weight = 0.5 * _SMALL * r * r, _SMALL * r, _SMALL
    if u > 0.0:
        if u < _KNEE:
            return loss + 0.5 * u * u, slope + math.copysign(u, r), weight + 1.0
        return loss + _KNEE * (u - 0.5 * _KNEE), slope + math.copysign(_KNEE, r), weight + _KNEE / u
    return loss, slope, weight


@njit(cache=True, error_model="numpy")
def trial(step: Step, quotes: Quotes, work: Work, values: Floats) -> float:
    """Take the step with these values, fill gain, prices and residuals, and return the quotes' loss."""
    (_, link, cell, ceiling), before, rows, factor = step
    first, weight, base, mid, half = quotes
    inverse, bend, gain, pivot, model, residual = work
    level(rows, values, bend)
    last, rate = np.nan, np.nan
    for j in range(1, inverse.size - 1):
        if bend[j] != last:
            last = bend[j]
            rate = math.exp(-last) / factor
        bend[j] = rate / cell[j]
        inverse[j] = bend[j] + 1.0 / (ceiling * cell[j])
    solve(link, inverse, before, gain, pivot)
    blend(first, weight, gain, model)
    total = 0.0
    for i in range(mid.size):
        model[i] += base[i]
        residual[i] = (math.log(model[i]) - mid[i]) / half[i]
        total += band_loss(residual[i])[0]
    return total


@njit(cache=True, error_model="numpy")
def add_quotes(
    quotes: Quotes, work: Work, tangent: Floats, jacobian: Floats, hessian: Floats,
    gradient: Floats, precision: float,
) -> None:  # fmt: skip
    """Add the quotes' part of Gauss-Newton matrix and gradient; fills `jacobian`, padded to LANES.

    With a positive `precision` the matrix is J'J times that, without the loss's curvature.
    """
    first, weight, _, _, half = quotes
    _, _, _, _, model, residual = work
    weighted = np.empty(jacobian.shape)
    for i in range(model.size):
        j, unit = first[i], 1.0 / (model[i] * half[i])
        p, q, r, s = unit * weight[i, 0], unit * weight[i, 1], unit * weight[i, 2], unit * weight[i, 3]
        _, slope, curvature = band_loss(residual[i])
        for b in range(tangent.shape[0]):
            four, row = tangent[b, j : j + 4], jacobian[i, b * LANES : b * LANES + LANES]
            for c in range(LANES):
                row[c] = p * four[0, c] + q * four[1, c] + r * four[2, c] + s * four[3, c]
        for a in range(gradient.size):
            gradient[a] += slope * jacobian[i, a]
        for a in range(jacobian.shape[1]):
            weighted[i, a] = (precision if precision > 0.0 else curvature) * jacobian[i, a]
    square = np.dot(weighted.T, jacobian)
    for a in range(gradient.size):
        for c in range(gradient.size):
            hessian[a, c] += square[a, c]


@njit(cache=True, error_model="numpy")
def prior(
    stiff: Floats, ridge: float, away: Floats, values: Floats, hessian: Floats, gradient: Floats
) -> float:
    """Fill the priors' part of matrix and gradient, and return their cost; away = values - start."""
    cost = 0.0
    for a in range(values.size):
        gradient[a] = 0.0
        for c in range(values.size):
            hessian[a, c] = stiff[a, c]
            gradient[a] += stiff[a, c] * values[c]
        cost += 0.5 * (gradient[a] * values[a] + ridge * away[a] * away[a])
        gradient[a] += ridge * away[a]
        hessian[a, a] += ridge
    return cost


@njit(cache=True, error_model="numpy")
def fit(
    step: Step, quotes: Quotes, stiff: Floats, ridge: float, start: Floats, values: Floats,
    residual: Floats, mass: Floats, precision: float,
) -> tuple[Floats, float, int, int]:  # fmt: skip
    """Minimise band loss + penalty + ridge over the spline's values by damped Gauss-Newton, from `values`.

    Fills values, residuals and the law after the step; returns precision J'J + penalty + ridge there,
    J of the residuals, the last relative fall of the cost, iterations and evaluations.
    """
    (_, link, _, _), before, rows, _ = step
    n, m = before.size, values.size
    bend, gain, pivot = np.empty(n), np.empty(n), np.empty(n)
    work = (np.empty(n), bend, gain, pivot, np.empty(residual.size), residual)
    tangent, jacobian = np.empty(rows.shape), np.empty((residual.size, rows.shape[0] * LANES))
    hessian, spare, factored = np.empty((m, m)), np.empty((m, m)), np.empty((m, m))
    gradient, aside, move, other = np.empty(m), np.empty(m), np.empty(m), np.empty(m)
    cost = trial(step, quotes, work, values)
    cost += prior(stiff, ridge, values - start, values, hessian, gradient)
    damping, fell, steps, evaluations = 1e-3, np.inf, 0, 1
    while True:
        solve_rows(link, pivot, bend * gain, rows, tangent)
        prior(stiff, ridge, values - start, values, hessian, gradient)
        add_quotes(quotes, work, tangent, jacobian, hessian, gradient, 0.0)
        if fell <= _TOLERANCE * (1.0 + cost) or steps == _MAX_STEPS:
            settle(link, work[0], gain, before, mass)
            prior(stiff, ridge, values - start, values, hessian, gradient)
            add_quotes(quotes, work, tangent, jacobian, hessian, gradient, precision)
            return hessian, fell / (1.0 + cost), steps, evaluations
        steps += 1
        fell = 0.0
        for _ in range(_MAX_TRIES):
            if advance(hessian, damping, gradient, factored, move, values, other):
                new = trial(step, quotes, work, other)
                new += prior(stiff, ridge, other - start, other, spare, aside)
                evaluations += 1
                if new < cost:
                    fell, cost, damping = cost - new, new, 0.1 * damping
                    values[:] = other
                    break
            damping = max(10.0 * damping, 1e-3)
        if fell == 0.0:
            trial(step, quotes, work, values)


@njit(cache=True, error_model="numpy")
def invert(matrix: Floats) -> Floats:
    """Return the inverse of a positive definite matrix, by Gauss and Jordan."""
    out, m = matrix.copy(), matrix.shape[0]
    for p in range(m):
        pivot = 1.0 / out[p, p]
        out[p, p] = 1.0
        for c in range(m):
            out[p, c] *= pivot
        for a in range(m):
            if a != p:
                share = out[a, p]
                out[a, p] = 0.0
                for c in range(m):
                    out[a, c] -= share * out[p, c]
    return out


@njit(cache=True, error_model="numpy")
def second_mode(z: Floats, mass: Floats) -> float:
    """Return the greatest rise of the density of z away from its peak, as a share of the peak."""
    n = z.size
    peak, top = 0.0, 1
    for j in range(1, n - 1):
        density = mass[j] / (z[j + 1] - z[j - 1])
        if density > peak:
            peak, top = density, j
    rise = 0.0
    for way in (-1, 1):
        least, j = peak, top
        while 0 < j < n - 1:
            density = mass[j] / (z[j + 1] - z[j - 1])
            least = min(least, density)
            rise = max(rise, density - least)
            j += way
    return rise / peak


@njit(cache=True, error_model="numpy")
def fit_ladder(
    grid: Grid, before: Floats, z: Floats, factor: float, quotes: Quotes, vega: Floats,
    knots: Floats, start: Floats, stiffness: float, ridge: float, target: float, bump: float,
    precision: float,
) -> tuple[Floats, Floats, Floats, float, float, float, int, int]:  # fmt: skip
    """Fit with falling stiffness until enough of the quotes are inside their band, and keep the best.

    A law whose second mode is above `bump` is worse than any other. Returns the spline's values, the
    residuals, the inverse of precision J'J + penalty + ridge, the vega-weighted share inside, the second
    mode, the last relative fall of the cost, iterations and evaluations.
    """
    second = curvatures(knots)
    rows = np.empty(((knots.size + LANES - 1) // LANES, z.size, LANES))
    spline_rows(knots, second, z, rows)
    bending, step = penalty(knots, second), (grid, before, rows, factor)
    values, residual, total = start.copy(), np.empty(vega.size), np.sum(vega)
    best_values, best_residual, best_matrix = values.copy(), residual.copy(), bending
    mass, best, least, fell, steps, evaluations = np.empty(z.size), -1.0, np.inf, np.inf, 0, 0
    for _ in range(_RUNGS):
        matrix, last, n_steps, n_evaluations = fit(
            step, quotes, stiffness * bending, ridge, start, values, residual, mass, precision
        )
        steps += n_steps
        evaluations += n_evaluations
        inside = 0.0
        for i in range(vega.size):
            if abs(residual[i]) <= 1.0:
                inside += vega[i] / total
        mode = second_mode(z, mass)
        if (inside > best and mode <= max(bump, least)) or least > bump >= mode:
            best, least, fell, best_matrix = inside, mode, last, matrix
            best_values[:], best_residual[:] = values, residual
        if inside >= target:
            break
        stiffness *= 0.1
    return best_values, best_residual, invert(best_matrix), best, least, fell, steps, evaluations


@njit(cache=True, error_model="numpy")
def take_step(
    grid: Grid, knots: Floats, values: Floats, z: Floats, scale2: float, fraction: float,
    before: Floats, inverse: Floats, gain: Floats, after: Floats,
) -> None:  # fmt: skip
    """Fill 1/b, gain and law of a share of the step of local variance scale2 * exp(spline at z)."""
    _, link, cell, ceiling = grid
    pivot = np.empty(z.size)
    curve = curvatures(knots) @ values
    m, i = knots.size, 0
    for j in range(1, z.size - 1):
        at = min(max(z[j], knots[0]), knots[m - 1])
        while i < m - 2 and at > knots[i + 1]:
            i += 1
        h = knots[i + 1] - knots[i]
        right = (at - knots[i]) / h
        left = 1.0 - right
        bend = (left * left - 1.0) * left * curve[i] + (right * right - 1.0) * right * curve[i + 1]
        local = left * values[i] + right * values[i + 1] + bend * h * h / 6.0
        inverse[j] = (math.exp(-local) / scale2 + 1.0 / ceiling) / (fraction * cell[j])
    solve(link, inverse, before, gain, pivot)
    settle(link, inverse, gain, before, after)


@njit(cache=True, error_model="numpy")
def take_shares(
    link: Floats, inverse: Floats, fractions: Floats, before: Floats, gains: Floats, masses: Floats
) -> None:
    """Fill gains and laws of shares of one step, a row for each, from 1/b of the whole step."""
    pivot = np.empty(before.size)
    for s in range(fractions.size):
        part = inverse / fractions[s]
        solve(link, part, before, gains[s], pivot)
        settle(link, part, gains[s], before, masses[s])
