"""Heston prices and their parameter gradient on sinh-deformed contours, one maturity at a time.

What belongs here: the characteristic function, the choice of contour, and the sums over nodes; arrays in,
arrays out. What does not: broadcasting, argument checks, discounting, Black vols (see
:mod:`periscope_analytics.heston`).

With ``x = ln(S_T / F)``, ``phi(xi) = E[exp(i xi x)]`` and ``k = ln(K / F)``, the integral

    I(k) = exp(k) / (2 pi) * integral phi(xi) exp(-i xi k) / (xi (xi + i)) d xi

is minus the put over F on a contour that crosses the imaginary axis above 0, minus the call over F below -i,
and the covered call ``E[min(e^x, e^k)]`` in between (Lewis 2001). The contour ``xi = i c + b sinh(y +- i
omega)`` (Boyarchenko, Levendorskii 2019, "Sinh-acceleration") bends towards the side on which the integrand
decays. All singularities of phi lie on the imaginary axis (del Bano Rollin, Ferreiro-Castilla, Utzet 2009),
beyond the moments that have exploded (Andersen, Piterbarg 2007, proposition 3.1), so a contour is admissible
when its crossing is.
"""

from __future__ import annotations

import cmath
import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Complexes = NDArray[np.complex128]
Integers = NDArray[np.int64]
Contour = tuple[float, float, float, float, float]
"""Side (+1 bends up, -1 down), centre, room beyond it, angle of the cone that the contour halves, and the
log-moneyness at which its nodes weigh most."""

MAX_REACH = 90.0
STEP_PER_CONE = 0.458
QUIET_NODES = 2
MAX_HALVINGS = 6
FALLBACK_CONE = 0.25 * math.pi
CONE, WIDE_CONE, WIDEST_CONE = 0.2 * math.pi, 0.33 * math.pi, 0.4 * math.pi
TAILS_FOR_WIDE, TAILS_FOR_WIDEST = 4.0, 1.0
ROUNDING = 2e-16
SMALLEST_TOLERANCE = 1e-13
LOOSEST_FALLBACK = 1.01e-8
NARROW = 0.6
SMALLEST_CONE = 0.01
STRICT = 1e-11
MAX_RETREATS, RETREAT, MOST_DOUBLINGS = 12, 0.8, 70
MOST_WORK, MOST_WORK_PER_STRIKE = 100_000, 10_000
"""Nodes, and nodes times strikes, after which a maturity is given up."""
REACH = 12.0
"""Furthest crossing: where the moment of a lognormal of equal variance is exp(REACH / 2)."""


@njit(cache=True, error_model="numpy")
def _inverse(z: complex) -> complex:
    """Return 1 / z, not finite at zero: the library's division raises there."""
    size = z.real * z.real + z.imag * z.imag
    return complex(z.real / size, -z.imag / size)


@njit(cache=True, error_model="numpy")
def _log1p_over(z: complex) -> complex:
    """Return log(1 + z) / z."""
    if abs(z.real) + abs(z.imag) < 1e-5:
        return 1.0 - z * (0.5 - z * (1.0 / 3.0))
    modulus = z.real * (2.0 + z.real) + z.imag * z.imag
    value: complex = complex(0.5 * math.log1p(modulus), math.atan2(z.imag, 1.0 + z.real)) * _inverse(z)
    return value


@njit(cache=True, error_model="numpy")
def _log_cf(xi: complex, tau: float, p: Floats, gradient: Complexes) -> complex:
    """Return log phi(xi); fill `gradient` with its derivatives if that has five elements.

    Written in ``E = exp(-d tau)`` and ``S = (1 - E) / d`` with ``Re d >= 0`` (Albrecher, Mayer, Schoutens,
    Tistaert 2007; Lord, Kahl 2010), arranged so that sigma -> 0 and d tau -> 0 lose no digits.
    """
    v0, kappa, theta, sigma, rho = p[0], p[1], p[2], p[3], p[4]
    eta = xi * (xi + 1j)
    beta = kappa - 1j * rho * sigma * xi
    d = cmath.sqrt(beta * beta + sigma * sigma * eta)
    dt = d * tau
    if abs(dt.real) + abs(dt.imag) < 1e-5:
        e = 1.0 - dt * (1.0 - 0.5 * dt)
        s = tau * (1.0 - dt * (0.5 - dt * (1.0 / 6.0)))
        s_d = -tau * tau * (0.5 - dt * (1.0 / 3.0))
    else:
        e = cmath.exp(-dt)
        over_d = _inverse(d)
        s = (1.0 - e) * over_d
        s_d = (tau * e - s) * over_d
    plus, minus = beta + d, beta - d
    m = -eta * _inverse(plus)
    if abs(plus) < abs(minus):
        m = minus * (1.0 / (sigma * sigma))
    x = 0.5 * sigma * sigma * m * s
    by_v0 = -0.5 * eta * s * _inverse(1.0 + x)
    by_theta = kappa * m * (tau - s * _log1p_over(x))
    if gradient.size == 5:
        _log_cf_gradient(xi, tau, p, beta, d, e, s, s_d, x, by_v0, by_theta, gradient)
    log_phi: complex = v0 * by_v0 + theta * by_theta
    return log_phi


@njit(cache=True, error_model="numpy")
def _log_cf_gradient(
    xi: complex,
    tau: float,
    p: Floats,
    beta: complex,
    d: complex,
    e: complex,
    s: complex,
    s_d: complex,
    x: complex,
    by_v0: complex,
    by_theta: complex,
    out: Complexes,
) -> None:
    """Fill `out` with the derivatives of log phi (after Cui, del Bano Rollin, Germano 2017, section 3)."""
    v0, kappa, theta, sigma, rho = p[0], p[1], p[2], p[3], p[4]
    eta = xi * (xi + 1j)
    q = 2.0 * (1.0 + x)
    over_d, over_q = _inverse(d), _inverse(q)
    per_variance = kappa / (sigma * sigma)
    out[0], out[2] = by_v0, by_theta
    for i in range(3):
        d_beta, d_square = 1.0 + 0.0j, beta
        if i == 1:
            d_beta = -1j * rho * xi
            d_square = beta * d_beta + sigma * eta
        elif i == 2:
            d_beta = -1j * sigma * xi
            d_square = beta * d_beta
        d_d = d_square * over_d
        d_s = s_d * d_d
        d_q = -tau * e * d_d + s * d_beta + beta * d_s
        d_by_v0 = -eta * (d_s - s * d_q * over_q) * over_q
        d_by_theta = per_variance * ((d_beta - d_d) * tau - 2.0 * d_q * over_q)
        if i == 0:
            d_by_theta += by_theta * (1.0 / kappa)
        elif i == 1:
            d_by_theta -= by_theta * (2.0 / sigma)
        out[1 if i == 0 else i + 2] = v0 * d_by_v0 + theta * d_by_theta


@njit(cache=True, error_model="numpy")
def _explosion_time(moment: float, p: Floats) -> float:
    """Return when ``E[exp(moment x)]`` becomes infinite (Andersen, Piterbarg 2007, proposition 3.1)."""
    kappa, sigma, rho = p[1], p[3], p[4]
    b = rho * sigma * moment - kappa
    disc = b * b - sigma * sigma * moment * (moment - 1.0)
    if disc >= 0.0:
        if b <= 0.0:
            return math.inf
        root = math.sqrt(disc)
        if root < 1e-9 * b:
            return float(2.0 / b)
        return math.log((b + root) / (b - root)) / root
    root = math.sqrt(-disc)
    return 2.0 * math.atan2(root, b) / root


@njit(cache=True, error_model="numpy")
def _strip(side: float, tau: float, p: Floats, deviation: float) -> float:
    """Return how far beyond 0 (side +1, puts) or -i (side -1, calls) a contour may cross the axis."""
    base = 0.0 if side > 0.0 else 1.0
    width = math.sqrt(0.25 + REACH / (deviation * deviation)) - 0.5
    if _explosion_time(base - side * width, p) <= tau:
        low, high = 0.0, width
        for _ in range(20):
            middle = 0.5 * (low + high)
            if _explosion_time(base - side * middle, p) > tau:
                low = middle
            else:
                high = middle
        width = 0.97 * low
    none = np.empty(0, dtype=np.complex128)
    for _ in range(MAX_RETREATS):
        if _log_cf(complex(0.0, -1.0 - width if side < 0.0 else width), tau, p, none).real < 0.6 * REACH:
            break
        width *= RETREAT
    return width


@njit(cache=True, error_model="numpy")
def _split(tau: float, p: Floats, deviation: float, tolerance: float) -> float:
    """Return the log-moneyness at which the fading integrand neither gains nor loses by bending."""
    none = np.empty(0, dtype=np.complex128)
    floor = math.log(1e-5 * tolerance)
    u = 1.0 / deviation
    for _ in range(MOST_DOUBLINGS):
        value = _log_cf(complex(u, -0.5), tau, p, none)
        if value.real - math.log(u) < floor:
            break
        u *= 2.0
    step = 1e-3 * u
    rise = _log_cf(complex(u + step, -0.5), tau, p, none) - _log_cf(complex(u - step, -0.5), tau, p, none)
    phase_slope: float = 0.5 * rise.imag / step
    return phase_slope


@njit(cache=True, error_model="numpy")
def _node(y: float, contour: Contour, tau: float, p: Floats, weight: Complexes) -> complex:
    """Return the contour's point at `y`; fill `weight` with the integrand there and its gradient."""
    side, centre, width, cone, worst = contour
    b = width / math.sin(cone)
    grown = 0.5 * math.exp(y)
    sinh, cosh = grown - 0.25 / grown, grown + 0.25 / grown
    sin, cos = side * math.sin(0.5 * cone), math.cos(0.5 * cone)
    xi = complex(b * sinh * cos, centre + b * cosh * sin)
    slope = complex(b * cosh * cos, b * sinh * sin)
    value = cmath.exp(_log_cf(xi, tau, p, weight[1:]) - 1j * xi * worst) * slope * _inverse(xi * (xi + 1j))
    weight[0] = value
    for i in range(1, weight.size):
        weight[i] *= value
    return xi


@njit(cache=True, error_model="numpy")
def _add(xi: complex, weight: Complexes, scale: float, k: Floats, total: Floats) -> None:
    """Add one node's contribution to the sums of all strikes.

    `k` is relative to the contour's worst strike; `total` has shape (n_outputs + 2, n_strikes), its last two
    rows are scratch.
    """
    n_outputs = weight.size
    cos, sin = total[n_outputs], total[n_outputs + 1]
    up, across = xi.imag, xi.real
    for j in range(k.size):
        size = scale * math.exp(up * k[j])
        cos[j], sin[j] = size * math.cos(across * k[j]), size * math.sin(across * k[j])
    for i in range(n_outputs):
        a, b, row = weight[i].real, weight[i].imag, total[i]
        for j in range(k.size):
            row[j] += a * cos[j] + b * sin[j]


@njit(cache=True, error_model="numpy")
def _first_pass(
    offset: Floats,
    contour: Contour,
    step: float,
    tau: float,
    p: Floats,
    tolerance: float,
    weight: Complexes,
    total: Floats,
    left: Integers,
) -> int:
    """Add nodes at the first step until they fade out; return how many, 0 if they do not or are too large."""
    worst = contour[4]
    floor = 0.01 * tolerance * math.exp(-worst)
    last, quiet, size_of_all = 0, 0, 0.0
    while quiet < QUIET_NODES:
        y = step * last
        left[0] -= 1 + offset.size
        if y > MAX_REACH or left[0] < 0:
            return 0
        xi = _node(y, contour, tau, p, weight)
        size = abs(weight[0])
        size_of_all += size
        quiet = quiet + 1 if size < floor else 0
        _add(xi, weight, 0.5 if last == 0 else 1.0, offset, total)
        last += 1
    rounding = size_of_all * step * math.exp(worst) * ROUNDING
    return 0 if rounding > max(0.1 * tolerance, SMALLEST_TOLERANCE) else last


@njit(cache=True, error_model="numpy")
def _integrate(
    k: Floats, contour: Contour, tau: float, p: Floats, tolerance: float, total: Floats, left: Integers
) -> bool:
    """Fill `total` with ``exp(-k) pi I(k)`` by the trapezoidal rule, halving the step until it has converged.

    The rule's error is squared by a halving, so the last difference may be the root of the error that is
    asked for. Returns False when the terms are so large that their rounding would spoil the sum, or the step
    does not suffice. The last two rows of `total` are scratch.
    """
    n_outputs = total.shape[0] - 2
    weight, previous, offset = np.empty(n_outputs, dtype=np.complex128), np.empty(k.size), k - contour[4]
    ratio = np.exp(k)
    total[:] = 0.0
    step = STEP_PER_CONE * contour[3]
    end = step * (_first_pass(offset, contour, step, tau, p, tolerance, weight, total, left) - 1)
    if end < 0.0:
        return False
    for _ in range(MAX_HALVINGS):
        previous[:] = total[0] * step
        left[0] -= int(end / step + 0.5) * (1 + k.size)
        if left[0] < 0:
            return False
        for j in range(int(end / step + 0.5)):
            xi = _node(step * (j + 0.5), contour, tau, p, weight)
            _add(xi, weight, 1.0, offset, total)
        step *= 0.5
        change, value = 0.0, 0.0
        for j in range(k.size):
            change = max(change, abs(total[0, j] * step - previous[j]) * ratio[j])
            value = max(value, abs(total[0, j] * step) * ratio[j])
        if change < SMALLEST_TOLERANCE or change * change < 0.3 * tolerance * max(value, tolerance):
            total[:n_outputs] *= step
            return True
    return False


@njit(cache=True, error_model="numpy")
def _alone(
    k: Floats,
    bend: float,
    low: float,
    width: float,
    tau: float,
    p: Floats,
    tolerance: float,
    total: Floats,
    left: Integers,
) -> bool:
    """Integrate one strike that its group's contour did not suit: other cones, and the other bend."""
    cone = FALLBACK_CONE
    while cone > SMALLEST_CONE:
        for sign in (bend, -bend):
            centre = low if sign > 0.0 else low + width
            if _integrate(k, (sign, centre, width, cone, k[0]), tau, p, tolerance, total, left):
                return True
        cone *= 0.25
    return False


@njit(cache=True, error_model="numpy")
def _cone(tau: float, p: Floats, deviation: float) -> float:
    """Return a cone in which phi decays as soon as it may: the Gaussian does in a narrow one.

    phi is Gaussian up to about 1 / deviation and decays like ``exp(-rate |xi|)`` beyond; which of them the
    integral sees depends on the ratio.
    """
    rate = (p[0] + p[1] * p[2] * tau) * math.sqrt(max(1.0 - p[4] * p[4], 0.0))
    if rate > TAILS_FOR_WIDE * deviation * p[3] or abs(p[4]) == 1.0:
        return CONE
    return WIDE_CONE if rate > TAILS_FOR_WIDEST * deviation * p[3] else WIDEST_CONE


@njit(cache=True, error_model="numpy")
def _group(
    k: Floats,
    bend: float,
    is_put: bool,
    tau: float,
    p: Floats,
    deviation: float,
    tolerance: float,
    total: Floats,
    left: Integers,
) -> tuple[bool, bool]:
    """Integrate strikes of one contour; return whether it converged, and whether to the covered call."""
    width = _strip(1.0 if is_put else -1.0, tau, p, deviation)
    covered = width < NARROW
    low = 0.0 if is_put else -1.0 - width
    if covered:
        low, width = -1.0, 1.0
    centre = low if bend > 0.0 else low + width
    worst = k.max() if bend > 0.0 else k.min()
    cone = _cone(tau, p, deviation)
    done = _integrate(k, (bend, centre, width, cone, worst), tau, p, tolerance, total, left)
    if not done:
        done = True
        one = np.empty((total.shape[0], 1))
        for j in range(k.size):
            done &= _alone(k[j : j + 1], bend, low, width, tau, p, tolerance, one, left)
            for i in range(total.shape[0]):
                total[i, j] = one[i, 0]
    return done, covered


@njit(cache=True, error_model="numpy")
def _place(value: float, ratio: float, is_put: bool, covered: bool) -> tuple[float, float]:
    """Return call and put over the forward from minus the integral; `ratio` is strike over forward."""
    if covered:
        return 1.0 + value, ratio + value
    if is_put:
        return value + 1.0 - ratio, value
    return value, value - 1.0 + ratio


@njit(cache=True, error_model="numpy")
def _slice(
    k: Floats,
    tau: float,
    p: Floats,
    deviation: float,
    tolerance: float,
    call: Floats,
    put: Floats,
    gradient: Floats,
    left: Integers,
) -> bool:
    """Fill one maturity; return whether all of its strikes converged."""
    split = _split(tau, p, deviation, tolerance)
    shift = (1.5 if tolerance > STRICT else 0.5) * deviation
    nearer = min(max(split, -shift), shift)
    converged, chosen, inner = True, np.empty(k.size, dtype=np.int64), np.empty(k.size)
    for bend in (1.0, -1.0):
        for is_put in (True, False):
            n = 0
            for j in range(k.size):
                if (k[j] <= split) == (bend > 0.0) and (k[j] <= nearer) == is_put:
                    chosen[n], inner[n] = j, k[j]
                    n += 1
            if n == 0:
                continue
            total = np.empty((3 + gradient.shape[0], n))
            done, covered = _group(inner[:n], bend, is_put, tau, p, deviation, tolerance, total, left)
            converged &= done
            for j in range(n):
                at, ratio = chosen[j], math.exp(inner[j])
                scale = -ratio / math.pi
                call[at], put[at] = _place(scale * total[0, j], ratio, is_put, covered)
                for i in range(gradient.shape[0]):
                    gradient[i, at] = scale * total[i + 1, j]
    return converged


@njit(cache=True, error_model="numpy")
def _vanishes(k: Floats, tau: float, p: Floats, tolerance: float) -> bool:
    """Return whether the forward is as good as lost or boundless: ``E[min(e^x, e^k)]`` within the tolerance.

    That is at most ``exp(k / 2) E[exp(x / 2)]``.
    """
    half = _log_cf(complex(0.0, -0.5), tau, p, np.empty(0, dtype=np.complex128)).real
    return bool(half + 0.5 * k.max() < math.log(0.1 * tolerance))


@njit(cache=True, error_model="numpy")
def _possible(k: Floats, call: Floats, put: Floats, tolerance: float) -> bool:
    """Return whether all values are within their bounds, give or take the tolerance."""
    for j in range(k.size):
        ratio = math.exp(k[j])
        slack = 10.0 * tolerance * max(1.0, ratio)
        if not (-slack <= call[j] <= 1.0 + slack and -slack <= put[j] <= ratio + slack):
            return False
    return True


@njit(cache=True, error_model="numpy")
def prices(
    k: Floats,
    edges: Integers,
    tau: Floats,
    p: Floats,
    tolerance: float,
    call: Floats,
    put: Floats,
    gradient: Floats,
) -> None:
    """Fill call and put values over the forward, and their common gradient if that has rows.

    Parameters
    ----------
    k : ndarray, shape (n,)
        ln(strike / forward), maturity by maturity.
    edges : ndarray of int, shape (m + 1,)
        Where each maturity's strikes begin and end.
    tau : ndarray, shape (m,)
        Years, not negative.
    p : ndarray, shape (5,)
        v0, kappa, theta, sigma, rho.
    tolerance : float
        Absolute error that is aimed at, as a share of the forward; 1e-8 where rounding forbids it.
    call, put : ndarray, shape (n,)
        Values over the forward; NaN for a maturity that did not converge within the work allowed.
    gradient : ndarray, shape (5, n) or (0, n)
        Derivatives of either by the parameters in the order of `p`.
    """
    for i in range(tau.size):
        a, b = edges[i], edges[i + 1]
        decay = -math.expm1(-p[1] * tau[i]) / p[1]
        deviation = math.sqrt(max(p[2] * (tau[i] - decay) + p[0] * decay, 0.0))
        call[a:b] = put[a:b] = math.nan
        if deviation < 0.1 * tolerance or _vanishes(k[a:b], tau[i], p, tolerance):
            for j in range(a, b):
                ratio = math.exp(k[j])
                small = deviation < 0.1 * tolerance
                call[j], put[j] = (max(1.0 - ratio, 0.0), max(ratio - 1.0, 0.0)) if small else (1.0, ratio)
            gradient[:, a:b] = 0.0
            continue
        done, aim = not deviation < math.inf, tolerance
        left = np.array([MOST_WORK + MOST_WORK_PER_STRIKE * (b - a)])
        while not done and aim <= max(tolerance, LOOSEST_FALLBACK):
            done = _slice(k[a:b], tau[i], p, deviation, aim, call[a:b], put[a:b], gradient[:, a:b], left)
            done = done and _possible(k[a:b], call[a:b], put[a:b], aim)
            if not done:
                call[a:b] = put[a:b] = math.nan
            aim *= 100.0
