"""Kernels of American options without cash dividends: the exercise boundary as a fixed point.

What belongs here: the method of Andersen, Lake and Offengenden for one boundary, floats in, floats out.
What does not: cash dividends and two boundaries (``american_tree``), checks of arguments, objects. Callers
and callees stay in this one file, because numba's cache does not see edits in another one.

All is for a put of strike 1; calls come by the symmetry C(S, K, r, q) = P(K, S, q, r). The boundary B at
the Chebyshev nodes of sqrt(tau) is carried as H = ln(B/X)^2, X its value at tau = 0+; H between nodes is a
fixed matrix times H at them.
"""

from __future__ import annotations

import math
from functools import cache
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_INV_SQRT_2PI = 0.3989422804014327
_GUESS_STEPS = 12
_LARGEST_CHANGE = 1e-3


@njit(cache=True, error_model="numpy")
def normal(z: float) -> tuple[float, float]:
    """Return Phi(z) and phi(z), by a rational Mills ratio (own fit, 3e-13 relative on [0, 40])."""
    a = min(abs(z), 40.0)
    p = a + 20.498297859938360689
    p = p * a + 210.1207916169591019
    p = p * a + 1366.9192853798284298
    p = p * a + 6095.7419680039496373
    p = p * a + 18983.372914543289187
    p = p * a + 40342.620249189838786
    p = p * a + 53882.476440045479389
    p = p * a + 35283.140436280441613
    d = a + 20.498297859938360689
    d = d * a + 211.12079161530949825
    d = d * a + 1387.4175835192688377
    d = d * a + 6303.8627388883432864
    d = d * a + 20309.296501826021073
    d = d * a + 46028.095067381711689
    d = d * a + 70337.506186411073358
    d = d * a + 65453.940883373713182
    d = d * a + 28151.873010738837122
    density = _INV_SQRT_2PI * math.exp(-0.5 * a * a)
    tail = density * p / d
    return (tail if z < 0.0 else 1.0 - tail), density


@njit(cache=True, error_model="numpy")
def put_price(s: float, tau: float, r: float, q: float, vol: float) -> float:
    """Return the European put of strike 1."""
    total = vol * math.sqrt(tau)
    d1 = (math.log(s) + (r - q) * tau) / total + 0.5 * total
    return float(math.exp(-r * tau) * normal(total - d1)[0] - s * math.exp(-q * tau) * normal(-d1)[0])


@njit(cache=True, error_model="numpy")
def _guess_gap(s: float, tau: float, r: float, q: float, vol: float) -> tuple[float, float]:
    """Return the function whose root is the boundary in Li's (2010) QD+ approximation, and its slope."""
    root_tau = math.sqrt(tau)
    total = vol * root_tau
    asset, cash = math.exp(-q * tau), math.exp(-r * tau)
    g = r / (1.0 - cash) if abs(r * tau) > 1e-8 else 1.0 / tau
    w = 2.0 * (r - q) / (vol * vol) - 1.0
    root = math.sqrt(w * w + 8.0 * g / (vol * vol))
    c2 = cash * 2.0 / (vol * vol) / root
    c1 = c2 * (g - 2.0 * g * g / (vol * vol * root * root))
    weight = -0.5 * (w + root) + c1
    d1 = (math.log(s) + (r - q) * tau) / total + 0.5 * total
    below1, density1 = normal(-d1)
    below2, density2 = normal(total - d1)
    value = cash * below2 - s * asset * below1
    per_s = 1.0 / (s * total)
    theta = r * cash * below2 - q * s * asset * below1 - 0.5 * vol * s * asset * density1 / root_tau
    theta_slope = (
        -r * cash * density2 * per_s
        - q * asset * below1
        + q * s * asset * density1 * per_s
        - 0.5 * vol * asset * density1 / root_tau * (1.0 - d1 / total)
    )
    hedge = 1.0 - asset * below1
    gap = hedge * s + weight * (1.0 - s - value) - c2 / cash * theta
    slope = hedge + asset * density1 * s * per_s - weight * hedge - c2 / cash * theta_slope
    return gap, slope


@njit(cache=True, error_model="numpy")
def _guess(tau: Floats, r: float, q: float, vol: float, limit: float, boundary: Floats) -> None:
    """Fill `boundary` at the nodes, tau descending, by Newton's method from the shortest on."""
    s = limit
    for i in range(tau.size - 1, -1, -1):
        for _ in range(_GUESS_STEPS):
            gap, slope = _guess_gap(s, tau[i], r, q, vol)
            step = -gap / slope
            before = s
            s = min(max(s + step, 0.5 * s), limit)
            if abs(s - before) < 1e-4 * s:
                break
        boundary[i] = s


@njit(cache=True, error_model="numpy")
def _sweep(
    tau: Floats,
    r: float,
    q: float,
    vol: float,
    limit: float,
    inner: Floats,
    y: Floats,
    weight: Floats,
    boundary: Floats,
    h: Floats,
) -> float:
    """Take a step towards B = exp((q-r) tau) N(B) / D(B) at every node; return the largest relative change.

    Fixed point B of the paper by its Jacobi-Newton step: the boundary under the integrals scales along with
    B, so that only the terms outside them have a slope.
    """
    n, n_y = tau.size, y.size
    for i in range(n):
        h[i] = math.log(boundary[i] / limit) ** 2
    largest = 0.0
    for i in range(n):
        root_tau = math.sqrt(tau[i])
        total = vol * root_tau
        log_b = -math.sqrt(h[i])
        d1 = (log_b + math.log(limit) + (r - q) * tau[i]) / total + 0.5 * total
        up, up_density = normal(d1)
        down, down_density = normal(d1 - total)
        up_slope, down_slope = up_density / total, down_density / total
        for k in range(n_y):
            between = 0.0
            for j in range(n):
                between += inner[i, k, j] * h[j]
            ahead = tau[i] * y[k] * y[k]
            spread = total * y[k]
            e1 = (log_b + math.sqrt(max(between, 0.0)) + (r - q) * ahead) / spread + 0.5 * spread
            size = weight[k] * tau[i]
            past = tau[i] - ahead
            down += r * size * math.exp(r * past) * normal(e1 - spread)[0]
            up += q * size * math.exp(q * past) * normal(e1)[0]
        b = boundary[i]
        f = math.exp((q - r) * tau[i]) * down / up
        slope = f / b * (down_slope / down - up_slope / up)
        new = min(max(b + (b - f) / (slope - 1.0), 0.1 * b), limit)
        largest = max(largest, abs(new / b - 1.0))
        boundary[i] = new
    return largest


@njit(cache=True, error_model="numpy")
def _premium(
    s: float,
    t: float,
    r: float,
    q: float,
    vol: float,
    limit: float,
    outer: Floats,
    y: Floats,
    weight: Floats,
    h: Floats,
) -> float:
    """Return the early-exercise premium of the put of strike 1, given H at the nodes (Kim's integral)."""
    log_s = math.log(s / limit)
    total = 0.0
    for k in range(y.size):
        between = 0.0
        for j in range(h.size):
            between += outer[k, j] * h[j]
        ahead = t * y[k] * y[k]
        spread = vol * math.sqrt(t) * y[k]
        d1 = (log_s + math.sqrt(max(between, 0.0)) + (r - q) * ahead) / spread + 0.5 * spread
        below1, _ = normal(-d1)
        below2, _ = normal(spread - d1)
        gain = r * math.exp(-r * ahead) * below2 - q * s * math.exp(-q * ahead) * below1
        total += weight[k] * t * gain
    return total


@njit(cache=True, error_model="numpy")
def put_one(
    s: float,
    t: float,
    r: float,
    q: float,
    vol: float,
    n_sweeps: int,
    z: Floats,
    inner: Floats,
    y: Floats,
    weight: Floats,
    outer: Floats,
    y_outer: Floats,
    weight_outer: Floats,
) -> float:
    """Return the American put of strike 1 for r > 0, or r = 0 > q; NaN if no fixed point was found."""
    n = z.size
    limit = min(1.0, r / q) if q > 0.0 else 1.0
    tau, boundary, h = np.empty(n), np.empty(n), np.empty(n)
    for i in range(n):
        tau[i] = t * (0.5 * (1.0 + z[i])) ** 2
    _guess(tau, r, q, vol, limit, boundary)
    change = math.inf
    for _ in range(n_sweeps):
        change = _sweep(tau, r, q, vol, limit, inner, y, weight, boundary, h)
    if not change < _LARGEST_CHANGE:
        return math.nan
    if s <= boundary[0]:
        return 1.0 - s
    for i in range(n):
        h[i] = math.log(boundary[i] / limit) ** 2
    premium = _premium(s, t, r, q, vol, limit, outer, y_outer, weight_outer, h)
    return float(max(put_price(s, t, r, q, vol) + max(premium, 0.0), 1.0 - s))


@njit(cache=True, error_model="numpy")
def put_many(
    s: Floats,
    t: Floats,
    r: Floats,
    q: Floats,
    vol: Floats,
    n_sweeps: int,
    z: Floats,
    inner: Floats,
    y: Floats,
    weight: Floats,
    outer: Floats,
    y_outer: Floats,
    weight_outer: Floats,
    out: Floats,
) -> None:
    """Fill `out` with puts of strike 1."""
    for i in range(out.size):
        out[i] = put_one(
            s[i], t[i], r[i], q[i], vol[i], n_sweeps, z, inner, y, weight, outer, y_outer, weight_outer
        )


class Scheme(NamedTuple):
    """How finely the boundary is resolved, in the order of the arguments of :func:`put_many`.

    Attributes
    ----------
    n_sweeps : int
    z : ndarray, shape (n,)
        Chebyshev nodes, descending, without -1, where H is zero.
    inner : ndarray, shape (n, l, n)
        H at the quadrature points of each node, from H at the nodes.
    y, weight : ndarray, shape (l,)
        sin(theta) and weights of the integrals over theta in [0, pi/2]; the time ahead is tau sin^2(theta),
        which leaves the integrand smooth at both ends.
    outer, y_outer, weight_outer : ndarray
        The same for the integral of the price.
    """

    n_sweeps: int
    z: Floats
    inner: Floats
    y: Floats
    weight: Floats
    outer: Floats
    y_outer: Floats
    weight_outer: Floats


@cache
def scheme(n_nodes: int, n_inner: int, n_sweeps: int, n_outer: int) -> Scheme:
    """Return the nodes, weights and interpolation matrices of a resolution."""
    z = np.cos(np.pi * np.arange(n_nodes + 1) / n_nodes)
    theta, weight = _half_circle(n_inner)
    theta_outer, weight_outer = _half_circle(n_outer)
    inner = _interpolation(z, (1.0 + z[:-1, None]) * np.cos(theta) - 1.0)
    outer = _interpolation(z, 2.0 * np.cos(theta_outer) - 1.0)
    return Scheme(
        n_sweeps, z[:-1].copy(), inner, np.sin(theta), weight, outer, np.sin(theta_outer), weight_outer
    )


def _half_circle(n: int) -> tuple[Floats, Floats]:
    nodes, weights = np.polynomial.legendre.leggauss(n)
    theta = (1.0 + nodes) * np.pi / 4.0
    return theta, weights * np.pi / 4.0 * np.sin(2.0 * theta)


def _interpolation(z: Floats, at: Floats) -> Floats:
    """Return the barycentric weights of all nodes but the last (where the function is zero) at each point."""
    alternating = np.where(np.arange(len(z)) % 2, -1.0, 1.0)
    alternating[[0, -1]] *= 0.5
    terms = alternating / (at[..., None] - z)
    return np.ascontiguousarray((terms / terms.sum(axis=-1, keepdims=True))[..., :-1])
