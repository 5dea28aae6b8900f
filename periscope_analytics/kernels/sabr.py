"""Hagan's lognormal SABR vol and its parameter derivatives.

What belongs here: the formula, element by element. What does not: shifts, argument checks (``sabr``), the
fit.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

Floats = NDArray[np.float64]

SERIES = 1e-5


@njit(cache=True, error_model="numpy")
def _stretch(z: float, rho: float) -> tuple[float, float, float]:
    """Return z / x(z) and its derivatives by z and rho (Hagan et al. 2002, eq. 2.17c)."""
    if abs(z) < SERIES:
        square = (2.0 - 3.0 * rho * rho) / 12.0
        return 1.0 - 0.5 * rho * z + square * z * z, -0.5 * rho + 2.0 * square * z, -0.5 * z * (1.0 + rho * z)
    side = 1.0 if z > 0.0 else -1.0
    y, r = side * z, side * rho
    root = math.sqrt(1.0 - 2.0 * r * y + y * y)
    x = math.log1p((y * (y - 2.0 * r) / (root + 1.0) + y) / (1.0 - r))
    by_y = (x - y / root) / (x * x)
    by_r = -y * (1.0 / (1.0 - r) - (y / root + 1.0) / (root + y - r)) / (x * x)
    return y / x, side * by_y, side * by_r


@njit(cache=True, error_model="numpy")
def vols(
    forward: Floats,
    strike: Floats,
    tau: Floats,
    alpha: float,
    beta: float,
    rho: float,
    nu: float,
    vol: Floats,
    by: Floats,
) -> None:
    """Fill `vol` with lognormal vols, and `by` with the derivatives by alpha, rho and nu.

    Parameters
    ----------
    forward, strike, tau : ndarray, shape (n,)
        Positive (shifted) forward and strike, years.
    alpha, beta, rho, nu : float
    vol : ndarray, shape (n,)
    by : ndarray, shape (3, n)

    References
    ----------
    P. Hagan, D. Kumar, A. Lesniewski, D. Woodward (2002), "Managing smile risk", Wilmott, eq. 2.17a.
    """
    rest = (1.0 - beta) * (1.0 - beta)
    for i in range(vol.size):
        log = math.log(forward[i] / strike[i])
        power = (forward[i] * strike[i]) ** (0.5 * (1.0 - beta))
        square = rest * log * log
        level = 1.0 / (power * (1.0 + square / 24.0 + square * square / 1920.0))
        per_nu = power * log / alpha
        stretch, by_z, by_rho = _stretch(nu * per_nu, rho)
        first, mixed = rest / (24.0 * power * power), beta / (4.0 * power)
        last = (2.0 - 3.0 * rho * rho) / 24.0
        growth = 1.0 + (first * alpha * alpha + mixed * rho * nu * alpha + last * nu * nu) * tau[i]
        size = level * alpha
        vol[i] = size * stretch * growth
        by[0, i] = level * (stretch - by_z * nu * per_nu) * growth + size * stretch * tau[i] * (
            2.0 * first * alpha + mixed * rho * nu
        )
        by[1, i] = size * (by_rho * growth + stretch * tau[i] * (mixed * nu * alpha - 0.25 * rho * nu * nu))
        by[2, i] = size * (
            by_z * per_nu * growth + stretch * tau[i] * (mixed * rho * alpha + 2.0 * last * nu)
        )
