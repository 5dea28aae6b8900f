"""Kernels of a law on the grid of the served surface: where it starts, its prices and densities.

What belongs here: functions that call no other kernel. What does not: steps and fits (``kernels.slice``),
whose notation this file shares.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@njit(cache=True, error_model="numpy")
def tilted(xi: Floats, spread: float, decay: float, mass: Floats) -> None:
    """Fill `mass` with the law exp(-x^2 / (2 spread) - decay |x| + b x) dx, x = ln xi; b makes the mean 1.

    b solves a monotone equation, by Newton's method inside a bracket. Laws of different `spread` and equal
    `decay` differ in sign as +, -, +, so they are in convex order of `spread`.
    """
    n = xi.size
    x = np.log(xi)
    shape = np.empty(n)
    for j in range(n):
        shape[j] = -0.5 * x[j] * x[j] / spread - decay * abs(x[j])
    low, high, tilt = -np.inf, np.inf, -0.5
    for _ in range(200):
        top = np.max(shape + tilt * x)
        total, mean, xs, xms = 0.0, 0.0, 0.0, 0.0
        mass[0] = mass[n - 1] = 0.0
        for j in range(1, n - 1):
            m = (xi[j + 1] - xi[j - 1]) / xi[j] * math.exp(shape[j] + tilt * x[j] - top)
            mass[j] = m
            total += m
            mean += m * xi[j]
            xs += m * x[j]
            xms += m * xi[j] * x[j]
        for j in range(n):
            mass[j] /= total
        excess = math.log(mean / total)
        if excess > 0.0:
            high = tilt
        else:
            low = tilt
        slope = xms / mean - xs / total
        move = tilt - excess / slope if slope > 0.0 else np.nan
        reach = 2.0 * max(1.0, abs(tilt))
        if math.isinf(high - low):
            if not abs(move - tilt) <= reach:
                move = tilt - math.copysign(reach, excess)
        elif not low < move < high:
            move = 0.5 * (low + high)
        if abs(excess) < 2e-16 or abs(move - tilt) <= 1e-15 * abs(tilt):
            break
        tilt = move


@njit(cache=True, error_model="numpy")
def controls(xi: Floats, mass: Floats, put: Floats, call: Floats) -> None:
    """Fill the control points of a law's puts and calls, by sums of positive terms (relative accuracy)."""
    n = xi.size
    put[0], total = 0.0, mass[0]
    for j in range(1, n):
        put[j] = put[j - 1] + total * (xi[j] - xi[j - 1])
        total += mass[j]
    call[n - 1], total = 0.0, mass[n - 1]
    for j in range(n - 2, -1, -1):
        call[j] = call[j + 1] + total * (xi[j + 1] - xi[j])
        total += mass[j]


@njit(cache=True, error_model="numpy")
def bspline(knots: Floats, strike: Floats, first: Ints, weight: Floats) -> None:
    """Fill the B-spline weights of each strike, and the control point they start at.

    `knots` is the clamped cubic vector, end knots four times. Four columns of `weight` make the cubic spline,
    three its derivative, whose control points are the slopes between those of the spline.
    """
    n = knots.size - 6
    distinct = knots[3 : 3 + n]
    w, columns = np.empty(4), weight.shape[1]
    for i in range(strike.size):
        x = strike[i]
        j = min(max(np.searchsorted(distinct, x, side="right") - 1, 0), n - 2) + 3
        w[0] = 1.0
        for d in range(1, columns):
            carry = 0.0
            for r in range(d):
                right, left = knots[j + 1 + r], knots[j + 1 + r - d]
                part = w[r] / (right - left)
                w[r] = carry + (right - x) * part
                carry = (x - left) * part
            w[d] = carry
        first[i] = j - 3
        for d in range(columns):
            weight[i, d] = w[d]


@njit(cache=True, error_model="numpy")
def density(knots: Floats, mass: Floats, strike: Floats, out: Floats) -> None:
    """Fill the density in K: linear between its values 2 mass / (t[i+1] - t[i-1]) at the knots t."""
    n = knots.size - 6
    distinct = knots[3 : 3 + n]
    for i in range(strike.size):
        x = strike[i]
        if x < distinct[0] or x > distinct[n - 1]:
            out[i] = 0.0
            continue
        j = min(max(np.searchsorted(distinct, x, side="right") - 1, 0), n - 2)
        left = 2.0 * mass[j + 1] / (knots[j + 4] - knots[j + 2])
        right = 2.0 * mass[j + 2] / (knots[j + 5] - knots[j + 3])
        share = (x - distinct[j]) / (distinct[j + 1] - distinct[j])
        out[i] = left + share * (right - left)


@njit(cache=True, error_model="numpy")
def atm_variance(call: float) -> float:
    """Return the total variance of a call struck at the forward: call = erf(sqrt(w / 8))."""
    y = 0.5 * call * math.sqrt(math.pi)
    for _ in range(60):
        step = (math.erf(y) - call) * 0.5 * math.sqrt(math.pi) * math.exp(y * y)
        y -= step
        if abs(step) <= 1e-16 * y:
            break
    return 8.0 * y * y


@njit(cache=True, error_model="numpy")
def examine(
    first: Ints, weight: Floats, n_puts: int, puts: Floats, calls: Floats, rounding: float, kept: Ints,
    price: Floats,
) -> int:  # fmt: skip
    """Return how often out-of-the-money prices, puts first, fall from a law to the next; fill some of them.

    A column of `puts` and `calls` holds a law, so that many are evaluated at once; those that `kept` names
    fill the rows of `price`.
    """
    n_fallen, n_laws = 0, puts.shape[1]
    value = np.zeros(n_laws + 1)
    for i in range(first.size):
        control = puts if i < n_puts else calls
        j = first[i]
        a, b, c, d = control[j], control[j + 1], control[j + 2], control[j + 3]
        of_a, of_b, of_c, of_d = weight[i, 0], weight[i, 1], weight[i, 2], weight[i, 3]
        for s in range(n_laws):
            value[s + 1] = (of_a * a[s] + of_b * b[s]) + (of_c * c[s] + of_d * d[s])
        for s in range(n_laws):
            n_fallen += 1 if value[s + 1] < value[s] * (1.0 - rounding) else 0
        for s in range(kept.size):
            price[s, i] = value[kept[s] + 1]
    return n_fallen
