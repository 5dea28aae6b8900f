"""Hagan's lognormal SABR vol, its parameter derivatives, and its least-squares fit to many slices.

What belongs here: the formula, element by element, and the search over (alpha, rho, nu) at a given beta. What
does not: argument checks (``sabr``, ``calibration.sabr``).
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

from periscope_analytics.errors import Status

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

SERIES = 1e-5
N, N_PARAMS = 3, 5
RMSE, MAX_ERROR, STDERR, STATUS, ITERATIONS, EVALUATIONS = 5, 6, 7, 11, 12, 13
N_OUT = 14
"""Of a slice's row of results: alpha, beta, rho, nu, shift, then these; four errors, that of beta NaN."""
_OK, _FEW = float(Status.OK), float(Status.TOO_FEW_STRIKES)
_FAILED, _BOUND, _FLAT = float(Status.NOT_CONVERGED), float(Status.AT_BOUND), float(Status.UNIDENTIFIED)
_LOWER, _UPPER = (1e-8, -0.9999, 1e-8), (1e4, 0.9999, 1e2)
_STEEPEST_GUESS = 0.9
_STARTS = ((-0.4, 0.6), (0.3, 1.5))
"""Starting points of (rho, nu) beside the one that the smile's own slope and curvature suggest."""
_GOOD = 0.02
_MOST_STEPS, _TOLERANCE, _SMALLEST_PIVOT = 100, 1e-10, 1e-12
_LOG, _POWER, _LEVEL, _FIRST, _MIXED, _TAU, _VOL, _WEIGHT = range(8)


@njit(cache=True, error_model="numpy")
def _stretch(z: float, rho: float) -> tuple[float, float, float]:
    """Return z / x(z) and its derivatives by z and rho (Hagan et al. 2002, eq. 2.17c)."""
    if abs(z) < SERIES:
        square = (2.0 - 3.0 * rho * rho) / 12.0
        return 1.0 - 0.5 * rho * z + square * z * z, -0.5 * rho + 2.0 * square * z, -0.5 * z * (1.0 + rho * z)
    side = 1.0 if z > 0.0 else -1.0
    y, r = side * z, side * rho
    root = math.sqrt(1.0 - 2.0 * r * y + y * y)
    over, top, rest = root + 1.0, root + y - r, 1.0 - r
    inverse = 1.0 / (root * over * (top * rest))
    per_root, per_over = inverse * over * (top * rest), inverse * root * (top * rest)
    per_top, per_rest = inverse * root * over * rest, inverse * root * over * top
    x = math.log1p((y * (y - 2.0 * r) * per_over + y) * per_rest)
    per_x = 1.0 / x
    by_y = (x - y * per_root) * per_x * per_x
    by_r = -y * (per_rest - (y * per_root + 1.0) * per_top) * per_x * per_x
    return y * per_x, side * by_y, side * by_r


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


@njit(cache=True, error_model="numpy")
def _known(f: float, x: float, t: float, vol: float, weight: float) -> bool:
    top = math.inf
    return bool(0.0 < f < top and 0.0 < x < top and 0.0 < t < top and 0.0 < vol < top and 0.0 < weight < top)


@njit(cache=True, error_model="numpy")
def _prepare(
    forward: Floats,
    strike: Floats,
    tau: Floats,
    vol: Floats,
    weight: Floats,
    beta: float,
    shift: float,
    r: Floats,
) -> int:
    """Fill rows of what the formula needs of each usable quote; 0 with fewer than three strikes.

    `forward` and `tau` hold one value for each quote or one for all.
    """
    n, distinct, heaviest = 0, 0, 0.0
    first, second, log_forward = math.nan, math.nan, 0.0
    by_forward, by_tau = min(forward.size - 1, 1), min(tau.size - 1, 1)
    for i in range(strike.size):
        f, x, t = forward[by_forward * i] + shift, strike[i] + shift, tau[by_tau * i]
        if not _known(f, x, t, vol[i], weight[i]):
            continue
        if distinct == 0:
            distinct, first = 1, x
        elif distinct == 1 and x != first:
            distinct, second = 2, x
        elif distinct == 2 and x != first and x != second:
            distinct = 3
        heaviest = max(heaviest, weight[i])
        log = math.log(f / x)
        if n == 0 or by_forward > 0:
            log_forward = math.log(f)
        power = math.exp((1.0 - beta) * (log_forward - 0.5 * log))
        square = (1.0 - beta) * (1.0 - beta) * log * log
        r[_LOG, n], r[_POWER, n], r[_TAU, n], r[_VOL, n], r[_WEIGHT, n] = log, power, t, vol[i], weight[i]
        inverse = 1.0 / power
        r[_LEVEL, n] = inverse / (1.0 + square / 24.0 + square * square / 1920.0)
        r[_FIRST, n] = (1.0 - beta) * (1.0 - beta) / 24.0 * inverse * inverse
        r[_MIXED, n] = 0.25 * beta * inverse
        n += 1
    for i in range(n):
        r[_WEIGHT, i] /= heaviest
    return n if distinct == N else 0


@njit(cache=True, error_model="numpy")
def _sums(r: Floats, n: int, p: Floats, normal: Floats, gradient: Floats) -> float:
    """Return half the weighted sum of squares at (alpha, rho, nu); fill J'J and the gradient."""
    alpha, rho, nu = p[0], p[1], p[2]
    last = (2.0 - 3.0 * rho * rho) / 24.0
    cost, g0, g1, g2 = 0.0, 0.0, 0.0, 0.0
    h00, h01, h02, h11, h12, h22 = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    per_alpha = 1.0 / alpha
    for i in range(n):
        first, mixed, t = r[_FIRST, i], r[_MIXED, i], r[_TAU, i]
        per_nu = r[_POWER, i] * r[_LOG, i] * per_alpha
        stretch, by_z, by_rho = _stretch(nu * per_nu, rho)
        growth = 1.0 + (first * alpha * alpha + mixed * rho * nu * alpha + last * nu * nu) * t
        size = r[_LEVEL, i] * alpha
        e = size * stretch * growth - r[_VOL, i]
        a = r[_LEVEL, i] * (stretch - by_z * nu * per_nu) * growth
        a += size * stretch * t * (2.0 * first * alpha + mixed * rho * nu)
        b = size * (by_rho * growth + stretch * t * (mixed * nu * alpha - 0.25 * rho * nu * nu))
        c = size * (by_z * per_nu * growth + stretch * t * (mixed * rho * alpha + 2.0 * last * nu))
        q = r[_WEIGHT, i]
        cost += q * e * e
        g0, g1, g2 = g0 + q * a * e, g1 + q * b * e, g2 + q * c * e
        h00, h01, h02 = h00 + q * a * a, h01 + q * a * b, h02 + q * a * c
        h11, h12, h22 = h11 + q * b * b, h12 + q * b * c, h22 + q * c * c
    gradient[0], gradient[1], gradient[2] = g0, g1, g2
    normal[0, 0], normal[1, 0], normal[2, 0] = h00, h01, h02
    normal[1, 1], normal[2, 1], normal[2, 2] = h11, h12, h22
    return 0.5 * cost


@njit(cache=True, error_model="numpy")
def _misfit(r: Floats, i: int, p: Floats) -> float:
    """Return model minus market."""
    alpha, rho, nu = p[0], p[1], p[2]
    stretch, _, _ = _stretch(nu * r[_POWER, i] * r[_LOG, i] / alpha, rho)
    first, mixed, last = r[_FIRST, i] * alpha * alpha, r[_MIXED, i] * rho * nu * alpha, 2.0 - 3.0 * rho * rho
    growth = 1.0 + (first + mixed + last / 24.0 * nu * nu) * r[_TAU, i]
    return float(r[_LEVEL, i] * alpha * stretch * growth - r[_VOL, i])


@njit(cache=True, error_model="numpy")
def _inside(p: Floats) -> bool:
    inside = True
    for i in range(N):
        inside = inside and _LOWER[i] < p[i] < _UPPER[i]
    return inside


@njit(cache=True, error_model="numpy")
def _factorised(normal: Floats, damping: float, held: Floats, out: Floats) -> float:
    """Fill the Cholesky factor of the damped matrix without the held rows; return the least pivot's share."""
    least = 1.0
    for i in range(N):
        for j in range(i + 1):
            total = normal[i, j] if held[i] + held[j] == 0.0 else 0.0
            if i == j:
                total = total * (1.0 + damping) if held[i] == 0.0 else 1.0
            size = total
            for p in range(j):
                total -= out[i, p] * out[j, p]
            if i > j:
                out[i, j] = total / out[j, j]
                continue
            if not total > 0.0:
                return 0.0
            least = min(least, total / size)
            out[i, i] = math.sqrt(total)
    return least


@njit(cache=True, error_model="numpy")
def _step(
    p: Floats, normal: Floats, gradient: Floats, damping: float, held: Floats, factor: Floats, out: Floats
) -> float:
    """Fill `out` with the projected step's end; return the decrease of the cost that is predicted there."""
    for i in range(N):
        below, above = p[i] <= _LOWER[i] and gradient[i] > 0.0, p[i] >= _UPPER[i] and gradient[i] < 0.0
        held[i] = 1.0 if below or above or not normal[i, i] > 0.0 else 0.0
    if not _factorised(normal, damping, held, factor) > 0.0:
        return -1.0
    for i in range(N):
        total = gradient[i] if held[i] == 0.0 else 0.0
        for j in range(i):
            total -= factor[i, j] * out[j]
        out[i] = total / factor[i, i]
    for i in range(N - 1, -1, -1):
        for j in range(i + 1, N):
            out[i] -= factor[j, i] * out[j]
        out[i] /= factor[i, i]
    predicted = 0.0
    for i in range(N):
        out[i] = min(max(p[i] - out[i], _LOWER[i]), _UPPER[i])
    for i in range(N):
        predicted -= (out[i] - p[i]) * gradient[i]
        for j in range(N):
            slope = normal[i, j] if i >= j else normal[j, i]
            predicted -= 0.5 * (out[i] - p[i]) * slope * (out[j] - p[j])
    return predicted


@njit(cache=True, error_model="numpy")
def _descend(
    r: Floats, n: int, p: Floats, held: Floats, normal: Floats, counts: Floats
) -> tuple[float, bool]:
    """Move `p` to a local minimum by Levenberg-Marquardt steps projected into the box.

    Damping after K. Madsen, H. Nielsen, O. Tingleff (2004), "Methods for non-linear least squares problems",
    algorithm 3.16.
    """
    gradient, trial, factor = np.empty(N), np.empty(N), np.empty((N, N))
    new_normal, new_gradient = np.empty((N, N)), np.empty(N)
    cost = _sums(r, n, p, normal, gradient)
    counts[1] += 1.0
    damping, growth = 1e-3, 2.0
    for _ in range(_MOST_STEPS):
        counts[0] += 1.0
        predicted = _step(p, normal, gradient, damping, held, factor, trial)
        if 0.0 <= predicted <= _TOLERANCE * cost or cost == 0.0:
            return cost, True
        new = math.inf
        if predicted > 0.0:
            new = _sums(r, n, trial, new_normal, new_gradient)
            counts[1] += 1.0
        if new < cost:
            gain = (cost - new) / predicted
            damping *= max(1.0 / 9.0, 1.0 - (2.0 * gain - 1.0) ** 3)
            growth, cost = 2.0, new
            p[:], gradient[:], normal[:] = trial, new_gradient, new_normal
        else:
            damping *= growth
            growth *= 2.0
            if not damping <= 1e12:
                return cost, cost < math.inf
    return cost, False


@njit(cache=True, error_model="numpy")
def _guess(r: Floats, n: int, beta: float, p: Floats) -> None:
    """Fill the point whose level, slope and curvature at the money are those of a parabola through the vols.

    References
    ----------
    P. Hagan, D. Kumar, A. Lesniewski, D. Woodward (2002), eq. 3.1a.
    """
    s0, s1, s2, s3, s4, v0, v1, v2, power = 1e-12, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    for i in range(n):
        y, q, v = -r[_LOG, i], r[_WEIGHT, i], r[_VOL, i]
        s0, s1, s2, s3, s4 = s0 + q, s1 + q * y, s2 + q * y * y, s3 + q * y**3, s4 + q * y**4
        v0, v1, v2 = v0 + q * v, v1 + q * y * v, v2 + q * y * y * v
        power += q * r[_POWER, i] * math.exp(0.5 * (1.0 - beta) * r[_LOG, i])
    c11, c12, c22 = s2 - s1 * s1 / s0, s3 - s1 * s2 / s0, s4 - s2 * s2 / s0
    d1, d2 = v1 - s1 * v0 / s0, v2 - s2 * v0 / s0
    det = c11 * c22 - c12 * c12
    bend = (c11 * d2 - c12 * d1) / det
    slope = (c22 * d1 - c12 * d2) / det
    level = (v0 - slope * s1 - bend * s2) / s0
    if not level > 0.1 * v0 / s0:
        slope, bend, level = 0.0, 0.0, v0 / s0
    lean = 2.0 * slope / level + 1.0 - beta
    square = 0.5 * (12.0 * bend / level - (1.0 - beta) ** 2 + 3.0 * lean * lean)
    ratio = math.sqrt(max(square, 1.3 * lean * lean, 0.01))
    p[0], p[1] = level * power / s0, min(max(lean / ratio, -_STEEPEST_GUESS), _STEEPEST_GUESS)
    p[2] = ratio * level
    for i in range(N):
        p[i] = min(max(p[i], _LOWER[i]), _UPPER[i])


@njit(cache=True, error_model="numpy")
def _errors(normal: Floats, held: Floats, noise: float, out: Floats) -> bool:
    """Fill one-sigma errors of alpha, rho and nu into their places; False if they are not identified."""
    factor, column = np.empty((N, N)), np.empty(N)
    held[:] = 0.0
    if not _factorised(normal, 0.0, held, factor) > _SMALLEST_PIVOT:
        return False
    for j in range(N):
        total = 0.0
        for i in range(j, N):
            right = 1.0 if i == j else 0.0
            for p in range(j, i):
                right -= factor[i, p] * column[p]
            column[i] = right / factor[i, i]
            total += column[i] * column[i]
        out[j + (1 if j > 0 else 0)] = math.sqrt(noise * total)
    return True


@njit(cache=True, error_model="numpy")
def _search(r: Floats, n: int, beta: float, best: Floats, out: Floats) -> float:
    """Fill `best` and the rest of the row but for residuals; return half the sum of squares."""
    p, held, normal, counts = np.empty(N), np.empty(N), np.empty((N, N)), np.zeros(2)
    best_normal, least, scale, fitted, done = np.zeros((N, N)), math.inf, 0.0, False, False
    for i in range(n):
        scale += r[_WEIGHT, i] * r[_VOL, i] * r[_VOL, i]
    for i in range(1 + len(_STARTS)):
        _guess(r, n, beta, p)
        if i > 0:
            p[1], p[2] = _STARTS[i - 1]
        cost, done = _descend(r, n, p, held, normal, counts)
        if cost < least:
            least, fitted = cost, done
            best[:], best_normal[:] = p, normal
            out[STATUS] = _OK if _inside(p) else _BOUND
        if least <= 0.5 * _GOOD * _GOOD * scale and fitted and out[STATUS] == _OK:
            break
    out[ITERATIONS], out[EVALUATIONS] = counts[0], counts[1]
    identified = _errors(best_normal, held, 2.0 * least / (n - N) if n > N else math.nan, out[STDERR:])
    if not fitted:
        out[STATUS] = _FAILED
    elif out[STATUS] == _OK and not identified:
        out[STATUS] = _FLAT
    return least


@njit(cache=True, error_model="numpy")
def _fit_one(
    forward: Floats,
    strike: Floats,
    tau: Floats,
    vol: Floats,
    weight: Floats,
    beta: float,
    shift: float,
    rows: Floats,
    out: Floats,
    residuals: Floats,
) -> None:
    out[:], residuals[:] = math.nan, math.nan
    out[ITERATIONS], out[EVALUATIONS], out[STATUS] = 0.0, 0.0, _FEW
    n = _prepare(forward, strike, tau, vol, weight, beta, shift, rows)
    if n == 0:
        return
    p = np.empty(N)
    if not _search(rows, n, beta, p, out) < math.inf:
        out[STATUS] = _FAILED
        return
    out[0], out[1], out[2], out[3], out[4] = p[0], beta, p[1], p[2], shift
    by_forward, by_tau = min(forward.size - 1, 1), min(tau.size - 1, 1)
    total, greatest, j = 0.0, 0.0, 0
    for i in range(strike.size):
        f, x, t = forward[by_forward * i] + shift, strike[i] + shift, tau[by_tau * i]
        if _known(f, x, t, vol[i], weight[i]):
            e = _misfit(rows, j, p)
            residuals[i] = e
            total += e * e
            greatest = max(greatest, abs(e))
            j += 1
    out[RMSE], out[MAX_ERROR] = math.sqrt(total / n), greatest


@njit(cache=True, error_model="numpy")
def fit_slices(
    forward: Floats,
    strike: Floats,
    tau: Floats,
    vol: Floats,
    weight: Floats,
    offsets: Ints,
    beta: float,
    shift: float,
    out: Floats,
    residuals: Floats,
) -> None:
    """Fit each slice by itself.

    Parameters
    ----------
    forward, tau : ndarray, shape (n,) or (1,)
    strike, vol, weight : ndarray, shape (n,)
        Slice after slice; unusable quotes among them.
    offsets : ndarray of int64, shape (n_slices + 1,)
        Where each slice begins, and the end.
    beta, shift : float
    out : ndarray, shape (n_slices, N_OUT)
        Filled; see the module's constants.
    residuals : ndarray, shape (n,)
        Filled with model minus market.
    """
    longest = 0
    for i in range(offsets.size - 1):
        longest = max(longest, offsets[i + 1] - offsets[i])
    rows = np.empty((8, longest))
    for i in range(offsets.size - 1):
        b, e = offsets[i], offsets[i + 1]
        f = forward[b:e] if forward.size > 1 else forward
        t = tau[b:e] if tau.size > 1 else tau
        _fit_one(f, strike[b:e], t, vol[b:e], weight[b:e], beta, shift, rows, out[i], residuals[b:e])


@njit(cache=True, error_model="numpy")
def fit_alone(
    forward: float,
    strike: Floats,
    tau: float,
    vol: Floats,
    weight: Floats,
    beta: float,
    shift: float,
    out: Floats,
) -> None:
    """Fit one slice of one forward and expiry; `out`, shape (N_OUT + n,), is its row, then the residuals."""
    f, t, rows = np.empty(1), np.empty(1), np.empty((8, strike.size))
    f[0], t[0] = forward, tau
    _fit_one(f, strike, t, vol, weight, beta, shift, rows, out[:N_OUT], out[N_OUT:])
