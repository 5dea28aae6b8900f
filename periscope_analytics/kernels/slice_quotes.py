"""Kernels of single quotes: total vol and vega of an out-of-the-money price.

What belongs here: what the served surface needs to know of a quote before and after a fit, at little cost.
What does not: implied vols that are published (``black``).
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_SQRT_2PI = math.sqrt(2.0 * math.pi)


@njit(cache=True, error_model="numpy")
def otm_spread(k: float, price: float, tolerance: float) -> tuple[float, float]:
    """Return the total vol of an out-of-the-money price, to about that relative tolerance, and phi(d1)."""
    x = abs(k)
    target = price * math.exp(-0.5 * k)
    s = target * _SQRT_2PI + x / math.sqrt(2.0 * max(-math.log(target), 0.02))
    for _ in range(6):
        d1, d2 = -x / s + 0.5 * s, -x / s - 0.5 * s
        value = 0.5 * (
            math.exp(-0.5 * x) * math.erfc(-d1 / math.sqrt(2.0))
            - math.exp(0.5 * x) * math.erfc(-d2 / math.sqrt(2.0))
        )
        vega = math.exp(-0.5 * x - 0.5 * d1 * d1) / _SQRT_2PI
        if not (value > 1e-300 and vega > 1e-300):
            s *= 1.5
            continue
        move = math.log(target / value) * value / (vega * s)
        s *= math.exp(min(max(move, -0.7), 0.7))
        if abs(move) < tolerance:
            break
    d1 = -k / s + 0.5 * s
    return s, math.exp(-0.5 * d1 * d1) / _SQRT_2PI


@njit(cache=True, error_model="numpy")
def quote_vegas(k: Floats, price: Floats, vega: Floats) -> None:
    """Fill phi(d1) of each quote, from a total vol to about three percent."""
    for i in range(k.size):
        vega[i] = otm_spread(k[i], price[i], 0.03)[1]


@njit(cache=True, error_model="numpy")
def atm_spread(k: Floats, price: Floats) -> float:
    """Return the total vol near the forward: the mean of the middle two of the four quotes nearest to it."""
    number = min(4, k.size)
    taken, spread = np.zeros(k.size, np.bool_), np.empty(number)
    for i in range(number):
        best, least = 0, np.inf
        for j in range(k.size):
            if not taken[j] and abs(k[j]) < least:
                best, least = j, abs(k[j])
        taken[best] = True
        new = otm_spread(k[best], price[best], 1e-6)[0]
        place = i
        while place > 0 and spread[place - 1] > new:
            spread[place] = spread[place - 1]
            place -= 1
        spread[place] = new
    return float(0.5 * (spread[(number - 1) // 2] + spread[number // 2]))
