"""Kernels of put-call parity: the robust forward of each expiry, and the discount that its strikes tell.

What belongs here: robust means over the strikes of one expiry; arrays in, numbers out. What does not: which
quotes take part and what the numbers mean (:mod:`periscope_analytics.forward`).
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

OK, TOO_FEW, NO_FORWARD, OUT_OF_RANGE = 0, 9, 10, 17
"""Codes of :class:`periscope_analytics.errors.Status`, which a kernel can't import."""

MIN_STRIKES = 3
MIN_STRIKES_DISCOUNT = 8
NEAREST = 6
HUBER = 1.5
UNIFORM = 1.0 / math.sqrt(3.0)
"""Standard deviation of a value that is uniform in an interval, over the half-width."""
MOST_ITERATIONS = 50
STRADDLE_TO_DEVIATION = math.sqrt(math.pi / 2.0)
MEDIAN_TO_DEVIATION = 1.0 / 0.6745


@njit(cache=True, error_model="numpy")
def weighted_median(value: Floats, weight: Floats) -> float:
    """Return the value at which half of the weight lies below; the mean of two if it lies between them."""
    order = np.argsort(value, kind="mergesort")
    total = 0.0
    for i in range(weight.size):
        total += weight[i]
    share, low = 0.0, -1
    for i in range(order.size):
        share += weight[order[i]] / total
        if low < 0 and share >= 0.5 - 1e-12:
            low = i
        if share >= 0.5 + 1e-12:
            return float(0.5 * (value[order[low]] + value[order[i]]))
    return float(value[order[max(low, 0)]])


@njit(cache=True, error_model="numpy")
def _weights(width: Floats) -> Floats:
    return (np.min(width) / width) ** 2


@njit(cache=True, error_model="numpy")
def _huber_mean(value: Floats, width: Floats, start: float) -> tuple[float, Floats]:
    """Return the Huber mean weighted by 1/width^2, and its final weights, that sum to one.

    Deviations that the widths explain are never outliers, however few strikes carry the weight.
    """
    base = _weights(width)
    scale = weighted_median(np.abs(value - start) / width, base) * MEDIAN_TO_DEVIATION
    scale = max(scale, UNIFORM)
    mean, weight = start, base
    for _ in range(MOST_ITERATIONS):
        weight = base / np.maximum(np.abs(value - mean) / (width * scale * HUBER), 1.0)
        weight /= np.sum(weight)
        before, mean = mean, np.sum(weight * value)
        if abs(mean - before) <= 1e-13 * abs(mean):
            break
    return mean, weight


@njit(cache=True, error_model="numpy")
def _mean_stderr(value: Floats, width: Floats, weight: Floats, mean: float) -> float:
    by_width = np.sum((weight * width) ** 2) / 3.0
    freedom = max(1.0 - np.sum(weight**2), 1e-3)
    by_dispersion = np.sum((weight * (value - mean)) ** 2) / freedom
    return math.sqrt(max(by_width, by_dispersion))


@njit(cache=True, error_model="numpy")
def _robust(
    strike: Floats, each: Floats, width: Floats, straddle: Floats, rows: Ints
) -> tuple[int, float, float, int, Floats]:
    """Return status, forward, its error, how many of `rows` it rests on, and their weights.

    `rows` is filled with the strikes near the money; `width` is the half-width of the interval in which each
    strike's forward lies, `straddle` is relative to the forward.
    """
    width = np.hypot(width, 1e-9 * strike)
    centre = weighted_median(each, _weights(width))
    n, deviation = strike.size, 0.0
    for _ in range(3):
        distance = np.abs(strike - centre)
        nearest = np.argsort(distance, kind="mergesort")
        deviation = STRADDLE_TO_DEVIATION * np.median(straddle[nearest[:3]]) * centre
        n = min(max(int(np.sum(distance <= deviation)), NEAREST), strike.size)
        rows[:n] = np.sort(nearest[:n])
        centre = weighted_median(each[rows[:n]], _weights(width[rows[:n]]))
    if not 0.0 < centre < np.inf:
        return NO_FORWARD, np.nan, np.nan, n, width
    if np.min(np.abs(strike - centre)) > deviation and not strike[0] <= centre <= strike[-1]:
        return OUT_OF_RANGE, np.nan, np.nan, n, width
    value, own = each[rows[:n]], width[rows[:n]]
    mean, weight = _huber_mean(value, own, centre)
    return OK, mean, _mean_stderr(value, own, weight, mean), n, weight


@njit(cache=True, error_model="numpy")
def fit_many(
    start: Ints,
    strike: Floats,
    difference: Floats,
    width: Floats,
    straddle: Floats,
    discount: Floats,
    is_coin: bool,
    out: Floats,
) -> None:
    """Fill forward, error, residual, share inside, strikes used and status of each expiry.

    Expiry i has the rows ``start[i]`` to ``start[i + 1]``, strikes ascending. Coin-quoted options have the
    parity C - P = 1 - K/F, others C - P = D (F - K).
    """
    for i in range(discount.size):
        a, b = start[i], start[i + 1]
        k, y, w, s = strike[a:b], difference[a:b], width[a:b], straddle[a:b]
        d = discount[i]
        if is_coin:
            sound = y < 1.0
            k, y, w, s = k[sound], y[sound], w[sound], s[sound]
        out[i, :4], out[i, 4], out[i, 5] = np.nan, k.size, TOO_FEW
        if k.size < MIN_STRIKES:
            continue
        if is_coin:
            each = k / (1.0 - y)
            w = w * k / (1.0 - y) ** 2
        else:
            each = k + y / d
            centre = max(weighted_median(each, _weights(w + 1e-9 * k)), k[0])
            w, s = w / d, s / (d * centre)
        rows = np.empty(k.size, np.int64)
        status, forward, stderr, n, weight = _robust(k, each, w, s, rows)
        out[i, 4], out[i, 5] = n, status
        if status == OK:
            at = rows[:n]
            parity = k[at] / forward - k[at] / each[at] if is_coin else d * (each[at] - forward)
            out[i, 0], out[i, 1], out[i, 2] = forward, stderr, weighted_median(np.abs(parity), weight)
            out[i, 3] = np.mean(np.abs(each[at] - forward) <= w[at] + 1e-9 * k[at])


@njit(cache=True, error_model="numpy")
def free_discount(strike: Floats, difference: Floats, width: Floats) -> tuple[float, float]:
    """Return D and its error from a Huber line through C - P against K; an infinite error if it has none."""
    k, y = strike, difference
    if k.size < MIN_STRIKES_DISCOUNT or k[-1] == k[0]:
        return np.nan, np.inf
    width = np.hypot(width, 1e-9 * k)
    base = _weights(width)
    weight = base / np.sum(base)
    slope = 0.0
    for _ in range(MOST_ITERATIONS):
        x = k - np.sum(weight * k)
        slope = np.sum(weight * x * y) / np.sum(weight * x * x)
        residual = y - np.sum(weight * y) - slope * x
        scale = max(weighted_median(np.abs(residual) / width, base) * MEDIAN_TO_DEVIATION, 1e-6)
        before = weight
        weight = base / np.maximum(np.abs(residual) / (HUBER * width * scale), 1.0)
        weight /= np.sum(weight)
        if np.max(np.abs(weight - before)) < 1e-10:
            break
    leverage = before * x / np.sum(before * x * x)
    variance = max(np.sum((leverage * width) ** 2) / 3.0, np.sum((leverage * residual) ** 2))
    if not 0.0 < -slope < np.inf:
        return np.nan, np.inf
    return -slope, math.sqrt(variance)


@njit(cache=True, error_model="numpy")
def discounts(start: Ints, strike: Floats, difference: Floats, width: Floats, out: Floats) -> None:
    """Fill D and its error of each expiry."""
    for i in range(start.size - 1):
        a, b = start[i], start[i + 1]
        out[i, 0], out[i, 1] = free_discount(strike[a:b], difference[a:b], width[a:b])
