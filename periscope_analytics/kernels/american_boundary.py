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

from periscope_analytics.kernels.fused import fused

Floats = NDArray[np.float64]

_INV_SQRT_2PI = 0.3989422804014327
_LN2_HIGH = 0.6931471803691238
_LN2_LOW = 1.9082149292705877e-10
_LOG2_E = 1.4426950408889634
_ROUNDER = 6755399441055744.0
_GUESS_STEPS = 12
MOST_POINTS = 1024
_DRIFT, _LEVEL, _HALF, _PER, _DOWN, _UP, _DOWN_TERM, _UP_TERM, _H = (MOST_POINTS * j for j in range(9))
_SIZE = MOST_POINTS * 9
_LARGEST_CHANGE = 1e-3


@njit(cache=True, error_model="numpy")
def exp_lane(a: float) -> float:
    """Return exp(a) for -700 <= a <= 700 to 1e-16 relative (own fit of degree 11)."""
    shifted = np.float64(fused(a, _LOG2_E, _ROUNDER))
    n = shifted - _ROUNDER
    r = fused(-n, _LN2_LOW, fused(-n, _LN2_HIGH, a))
    rr = r * r
    even = fused(2.7620201591031547e-07, rr, 2.4801521057868204e-05)
    even = fused(even, rr, 0.0013888888917367081)
    even = fused(even, rr, 0.041666666666623824)
    even = fused(even, rr, 0.5000000000000001)
    odd = fused(2.5100472505694996e-08, rr, 2.7557268276905696e-06)
    odd = fused(odd, rr, 0.00019841269863171557)
    odd = fused(odd, rr, 0.008333333333330039)
    odd = fused(odd, rr, 0.16666666666666669)
    p = np.float64(1.0 + fused(rr, fused(r, odd, even), r))
    return np.int64(p.view(np.int64) + (shifted.view(np.int64) << 52)).view(np.float64)


@njit(cache=True, error_model="numpy")
def normal(z: float) -> tuple[float, float]:
    """Return Phi(z) and phi(z), by a rational Mills ratio (own fit, 3e-13 relative on [0, 37])."""
    a = min(abs(z), 37.0)
    p = fused(a + 20.498297859938360689, a, 210.1207916169591019)
    p = fused(fused(fused(p, a, 1366.9192853798284298), a, 6095.7419680039496373), a, 18983.372914543289187)
    p = fused(fused(fused(p, a, 40342.620249189838786), a, 53882.476440045479389), a, 35283.140436280441613)
    d = fused(a + 20.498297859938360689, a, 211.12079161530949825)
    d = fused(fused(fused(d, a, 1387.4175835192688377), a, 6303.8627388883432864), a, 20309.296501826021073)
    d = fused(fused(fused(d, a, 46028.095067381711689), a, 70337.506186411073358), a, 65453.940883373713182)
    d = fused(d, a, 28151.873010738837122)
    density = _INV_SQRT_2PI * exp_lane(-0.5 * a * a)
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
def _prepare(w: Floats, tau: Floats, r: float, q: float, vol: float, y: Floats, weight: Floats) -> None:
    """Write what the quadrature points of all nodes need in every sweep."""
    n_y = y.size
    for i in range(tau.size):
        total = vol * math.sqrt(tau[i])
        for k in range(n_y):
            p = i * n_y + k
            ahead = tau[i] * y[k] * y[k]
            past = tau[i] - ahead
            w[_DRIFT + p] = (r - q) * ahead
            w[_HALF + p] = 0.5 * total * y[k]
            w[_PER + p] = 1.0 / (total * y[k])
            w[_DOWN + p] = r * weight[k] * tau[i] * math.exp(r * past)
            w[_UP + p] = q * weight[k] * tau[i] * math.exp(q * past)


@njit(cache=True, error_model="numpy")
def _between(w: Floats, matrix: Floats, h: Floats) -> None:
    """Write H at the quadrature points."""
    n = matrix.shape[1]
    for p in range(n):
        w[_H + p] = 0.0
    for j in range(h.size):
        row, value = matrix[j], h[j]
        for p in range(n):
            w[_H + p] = fused(row[p], value, w[_H + p])


@njit(cache=True, error_model="numpy")
def _terms(w: Floats, n: int, sign: float) -> None:
    """Write the integrands of D and N, or with sign = -1 of the premium, at the quadrature points."""
    for p in range(n):
        root = np.sqrt(max(w[_H + p], 0.0))
        half = w[_HALF + p]
        e1 = fused(w[_LEVEL + p] + root, w[_PER + p], half)
        w[_DOWN_TERM + p] = w[_DOWN + p] * normal(sign * (e1 - 2.0 * half))[0]
        w[_UP_TERM + p] = w[_UP + p] * normal(sign * e1)[0]


@njit(cache=True, error_model="numpy")
def _sweep(
    w: Floats,
    tau: Floats,
    r: float,
    q: float,
    vol: float,
    limit: float,
    inner: Floats,
    boundary: Floats,
    h: Floats,
) -> float:
    """Take a step towards B = exp((q-r) tau) N(B) / D(B) at every node; return the largest relative change.

    Fixed point B of the paper by its Jacobi-Newton step: the boundary under the integrals scales along with
    B, so that only the terms outside them have a slope.
    """
    n, n_y = tau.size, inner.shape[1] // tau.size
    for i in range(n):
        log_b = math.log(boundary[i] / limit)
        h[i] = log_b * log_b
        for k in range(n_y):
            w[_LEVEL + i * n_y + k] = log_b + w[_DRIFT + i * n_y + k]
    _between(w, inner, h)
    _terms(w, n * n_y, 1.0)
    largest = 0.0
    for i in range(n):
        total = vol * math.sqrt(tau[i])
        b = boundary[i]
        d1 = (math.log(b) + (r - q) * tau[i]) / total + 0.5 * total
        up, up_density = normal(d1)
        down, down_density = normal(d1 - total)
        up_slope, down_slope = up_density / total, down_density / total
        for k in range(n_y):
            down += w[_DOWN_TERM + i * n_y + k]
            up += w[_UP_TERM + i * n_y + k]
        f = math.exp((q - r) * tau[i]) * down / up
        slope = f / b * (down_slope / down - up_slope / up)
        new = min(max(b + (b - f) / (slope - 1.0), 0.1 * b), limit)
        largest = max(largest, abs(new / b - 1.0))
        boundary[i] = new
    return largest


@njit(cache=True, error_model="numpy")
def _premium(
    w: Floats,
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
    _between(w, outer, h)
    log_s = math.log(s / limit)
    full = vol * math.sqrt(t)
    for k in range(y.size):
        ahead = t * y[k] * y[k]
        w[_LEVEL + k] = log_s + (r - q) * ahead
        w[_HALF + k] = 0.5 * full * y[k]
        w[_PER + k] = 1.0 / (full * y[k])
        w[_DOWN + k] = r * weight[k] * t * math.exp(-r * ahead)
        w[_UP + k] = q * weight[k] * t * s * math.exp(-q * ahead)
    _terms(w, y.size, -1.0)
    total = 0.0
    for k in range(y.size):
        total += w[_DOWN_TERM + k] - w[_UP_TERM + k]
    return total


@njit(cache=True, error_model="numpy")
def put_one(
    w: Floats,
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
    _prepare(w, tau, r, q, vol, y, weight)
    change = math.inf
    for _ in range(n_sweeps):
        change = _sweep(w, tau, r, q, vol, limit, inner, boundary, h)
    if not change < _LARGEST_CHANGE:
        return math.nan
    if s <= boundary[0]:
        return 1.0 - s
    for i in range(n):
        h[i] = math.log(boundary[i] / limit) ** 2
    premium = _premium(w, s, t, r, q, vol, limit, outer, y_outer, weight_outer, h)
    return float(max(put_price(s, t, r, q, vol) + max(premium, 0.0), 1.0 - s))


@njit(cache=True, error_model="numpy", nogil=True)
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
    begin: int,
    end: int,
) -> None:
    """Fill elements begin to end - 1 of `out` with puts of strike 1."""
    w = np.empty(_SIZE)
    for i in range(begin, end):
        out[i] = put_one(
            w, s[i], t[i], r[i], q[i], vol[i], n_sweeps, z, inner, y, weight, outer, y_outer, weight_outer
        )


class Scheme(NamedTuple):
    """How finely the boundary is resolved, in the order of the arguments of :func:`put_many`.

    Attributes
    ----------
    n_sweeps : int
    z : ndarray, shape (n,)
        Chebyshev nodes, descending, without -1, where H is zero.
    inner : ndarray, shape (n, n l)
        H at the quadrature points of all nodes, the points of a node together, from H at the nodes.
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
    """Return the nodes, weights and interpolation matrices of a resolution.

    Raises
    ------
    ValueError
        If there are more quadrature points than the kernels have room for.
    """
    if max(n_nodes * n_inner, n_outer) > MOST_POINTS:
        raise ValueError(f"n_nodes, n_inner, n_outer: at most {MOST_POINTS} points, got {n_nodes * n_inner}")
    z = np.cos(np.pi * np.arange(n_nodes + 1) / n_nodes)
    theta, weight = _half_circle(n_inner)
    theta_outer, weight_outer = _half_circle(n_outer)
    inner = _interpolation(z, (1.0 + z[:-1, None]) * np.cos(theta) - 1.0)
    outer = _interpolation(z, 2.0 * np.cos(theta_outer) - 1.0)
    inner, outer = (np.ascontiguousarray(m.reshape(-1, n_nodes).T) for m in (inner, outer))
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
