"""One time step of Heston paths by Andersen's quadratic-exponential scheme.

What belongs here: the step; arrays in, arrays changed in place. What does not: random numbers, the time grid,
payoffs (see :mod:`periscope_analytics.montecarlo`).

References
----------
L. Andersen (2008), "Simple and efficient simulation of the Heston stochastic volatility model", J.
Computational Finance 11(3): sections 3.2 (QE), 4.2 (QE-M), proposition 9.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

Floats = NDArray[np.float64]

SWITCH = 1.5
"""Ratio of variance to squared mean above which the exponential law is taken."""
NO_NOISE = 1e-14
_ROOT_HALF = math.sqrt(0.5)


@njit(cache=True, error_model="numpy")
def _next_variance(mean: float, square: float, z: float, a: float) -> tuple[float, float]:
    """Return the next variance, and log E[exp(a v)] of the law it is drawn from (NaN where infinite)."""
    ratio = square / (mean * mean) if mean > 0.0 else 0.0
    if ratio <= NO_NOISE:
        return mean, a * mean
    if ratio <= SWITCH:
        inverse = 2.0 / ratio
        b2 = inverse - 1.0 + math.sqrt(inverse) * math.sqrt(inverse - 1.0)
        scale = mean / (1.0 + b2)
        room = 1.0 - 2.0 * a * scale
        log_moment = a * b2 * scale / room - 0.5 * math.log(room) if room > 0.0 else math.nan
        return scale * (math.sqrt(b2) + z) ** 2, log_moment
    p = (ratio - 1.0) / (ratio + 1.0)
    beta = (1.0 - p) / mean
    above = 0.5 * math.erfc(z * _ROOT_HALF)
    variance = math.log((1.0 - p) / above) / beta if above < 1.0 - p else 0.0
    log_moment = math.log(p + beta * (1.0 - p) / (beta - a)) if a < beta else math.nan
    return variance, log_moment


@njit(cache=True, error_model="numpy")
def advance(x: Floats, v: Floats, z_v: Floats, z_x: Floats, c: Floats) -> None:
    """Move log spot over forward `x` and variance `v` one step on.

    Parameters
    ----------
    x, v : ndarray, shape (n,)
        Changed in place.
    z_v, z_x : ndarray, shape (n,)
        Independent standard normals.
    c : ndarray, shape (9,)
        Decay exp(-kappa h), theta, the two coefficients of the variance's variance (of v and 1), and
        Andersen's K0 to K4.
    """
    for i in range(x.size):
        now = v[i]
        mean = c[1] + (now - c[1]) * c[0]
        after, log_moment = _next_variance(mean, now * c[2] + c[3], z_v[i], c[6] + 0.5 * c[8])
        level = c[4] + c[5] * now
        if not math.isnan(log_moment):
            level = -log_moment - 0.5 * c[7] * now
        x[i] += level + c[6] * after + math.sqrt(c[7] * now + c[8] * after) * z_x[i]
        v[i] = after
