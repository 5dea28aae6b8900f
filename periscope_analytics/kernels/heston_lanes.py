"""Heston prices and their parameter gradient by a rule that is fixed in advance, on vector registers.

What belongs here: the ordinary case of ``kernels.heston``, whose notation and contours these are, with
strikes and nodes in lanes; a bound on the trapezoidal rule's error, from sums over the edges of the strip in
which the integrand is analytic, gives the step that a tolerance needs. What does not: maturities for which
bound or rounding ask too much; they are marked, and ``heston`` does them. Callers and callees stay in this
one file, because numba's cache does not see edits in another one.

The rule: nodes ``xi = i c + b sinh(j h + i omega)``; the integrand is analytic for ``|Im y| < d``, and the
error is at most ``(H(d) + H(-d)) / (exp(2 pi d / h) - 1)`` with ``H(a)`` the integral of its modulus along
``Im y = a`` (L. Trefethen, J. Weideman (2014), "The exponentially convergent trapezoidal rule", SIAM Review
56(3), theorem 5.1).
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

from periscope_analytics.kernels.fused import fused

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Pair = tuple[float, float]
Three = tuple[float, float, float]

_LOG2_E, _TWO_OVER_PI = 1.4426950408889634, 0.6366197723675814
_LN2_HIGH, _LN2_LOW = 0.6931471803691238, 1.9082149292705877e-10
_QUARTER_HIGH, _QUARTER_LOW = 1.5707963267341256, 6.077100506506192e-11
_ROUNDER = 6755399441055744.0
_TAN_EIGHTH = 0.41421356237309503
_LARGEST_PHASE = 1e6
FORGOTTEN, NOTHING = 60.0, -300.0
"""Exponents beyond which exp(-a) is nothing beside 1, and nothing at all; products stay normal numbers."""

LANES, EDGE_NODES, FIRST_NODES, MORE_NODES, MOST_NODES = 8, 16, 16, 8, 88
_ROW = MOST_NODES
_X, _Y, _SLOPE_X, _SLOPE_Y, _D_X, _D_Y, _E_X, _E_Y, _S_X, _S_Y, _Q_X, _Q_Y, _SIZE, _LOG_X, _LOG_Y = (
    _ROW * j for j in range(15)
)
_WEIGHT, _V0, _KAPPA, _THETA, _SIGMA, _RHO = (_ROW * (15 + 2 * j) for j in range(6))
_OUTPUTS, _BLOCK = 6, 64
_K = 27 * _ROW
_OUT = _K + _BLOCK
_SCRATCH = _OUT + _OUTPUTS * _BLOCK

REACH, RETREAT, NARROW = 12.0, 0.85, 0.6
EDGE_STEP, EDGE_SHARE, SLACK = 0.5, 0.95, 0.5
CONE, CONE_PER_POWER, DIP, NARROWER, ATTEMPTS = 0.54 * math.pi, 0.15 * math.pi, 0.15 * math.pi, 0.6, 4
OCTAVE, DIFFERENCE = 2.2, 1e-3
HIGH, FADED, SMALLEST_STEP = 1e6, 1e-3, 0.02
ROUNDING, SMALLEST_TOLERANCE, STRICT = 2e-16, 1e-13, 1e-11


@njit(cache=True, error_model="numpy")
def exp_parts_lane(a: float) -> Pair:
    """Return 2^n and expm1(r) with exp(a) = 2^n exp(r), |a| <= 700 (own fit, as in ``black_lanes``)."""
    shifted = np.float64(fused(a, _LOG2_E, _ROUNDER))
    n = shifted - _ROUNDER
    r = fused(-n, _LN2_LOW, fused(-n, _LN2_HIGH, a))
    rr = r * r
    even = fused(fused(2.7620201591031547e-07, rr, 2.4801521057868204e-05), rr, 0.0013888888917367081)
    even = fused(fused(even, rr, 0.041666666666623824), rr, 0.5000000000000001)
    odd = fused(fused(2.5100472505694996e-08, rr, 2.7557268276905696e-06), rr, 0.00019841269863171557)
    odd = fused(fused(odd, rr, 0.008333333333330039), rr, 0.16666666666666669)
    power = np.int64((shifted.view(np.int64) << 52) + 0x3FF0000000000000).view(np.float64)
    return power, fused(rr, fused(r, odd, even), r)


@njit(cache=True, error_model="numpy")
def exp_lane(a: float) -> float:
    """Return exp(a) for |a| <= 700 to 2e-16 relative."""
    power, rest = exp_parts_lane(a)
    return fused(power, rest, power)


@njit(cache=True, error_model="numpy")
def circle_lane(a: float) -> Pair:
    """Return cos(a) and sin(a) for |a| <= 1e6 to 2e-16 (own fits on +-pi/4)."""
    shifted = np.float64(fused(a, _TWO_OVER_PI, _ROUNDER))
    n = shifted - _ROUNDER
    quarters = shifted.view(np.int64)
    r = fused(-n, _QUARTER_LOW, fused(-n, _QUARTER_HIGH, a))
    rr = r * r
    sin = fused(fused(1.591810123027412e-10, rr, -2.5051131455427946e-08), rr, 2.755731610068303e-06)
    sin = fused(fused(sin, rr, -0.0001984126983675497), rr, 0.008333333333330946)
    sin = fused(r * rr, fused(sin, rr, -0.16666666666666666), r)
    cos = fused(fused(-1.1382614868556325e-11, rr, 2.0876146024689747e-09), rr, -2.7557317270560326e-07)
    cos = fused(fused(cos, rr, 2.4801587298763433e-05), rr, -0.0013888888888887395)
    cos = fused(-rr, fused(-rr, fused(cos, rr, 0.041666666666666664), 0.5), 1.0)
    odd = (quarters & 1) != 0
    x, y = (sin if odd else cos), (cos if odd else sin)
    x_bits = np.float64(x).view(np.int64) ^ (((quarters + 1) & 2) << 62)
    y_bits = np.float64(y).view(np.int64) ^ ((quarters & 2) << 62)
    return np.int64(x_bits).view(np.float64), np.int64(y_bits).view(np.float64)


@njit(cache=True, error_model="numpy")
def log1p_lane(a: float) -> float:
    """Return ln(1 + a) for a > -1 to 3e-16 relative (fit of ``black_lanes``)."""
    power = ((np.float64(1.0 + a).view(np.int64) - 0x3FF0000000000000 + 0x4008000000000000) >> 52) - 1024
    near = np.int64(0x3FF0000000000000 + (power << 52)).view(np.float64)
    n = np.int64(power + 0x4338000000000000).view(np.float64) - _ROUNDER
    u = (a - (near - 1.0)) / (a + (near + 1.0))
    uu = u * u
    u4 = uu * uu
    even = fused(fused(0.06604511131021838, u4, 0.0909086837528748), u4, 0.14285714284604362)
    odd = fused(fused(0.06807145374967508, u4, 0.07694451367989198), u4, 0.11111111529763278)
    even, odd = fused(even, u4, 0.3333333333333333), fused(odd, u4, 0.20000000000004045)
    p = fused(uu, odd, even)
    return fused(n, _LN2_HIGH, fused(2.0, u, fused(2.0 * u * uu, p, n * _LN2_LOW)))


@njit(cache=True, error_model="numpy")
def angle_lane(x: float, y: float) -> float:
    """Return atan2(y, x) to 4e-16 (own fit on the eighth of a turn around each half of a right angle)."""
    a, b = abs(x), abs(y)
    steep, flat = b * _TAN_EIGHTH > a, b < a * _TAN_EIGHTH
    top = -a if steep else (b if flat else b - a)
    low = b if steep else (a if flat else a + b)
    base = 1.5707963267948966 if steep else (0.0 if flat else 0.7853981633974483)
    t = top / low
    z = t * t
    p = fused(fused(-0.01917688711906226, z, 0.03923165829558719), z, -0.0508544973794026)
    p = fused(fused(p, z, 0.0585814891280221), z, -0.06664511447381948)
    p = fused(fused(p, z, 0.07692183190826087), z, -0.09090904578123903)
    p = fused(fused(p, z, 0.11111111015256361), z, -0.14285714284666542)
    p = fused(fused(p, z, 0.1999999999999552), z, -0.3333333333333333)
    angle = base + fused(t * z, p, t)
    angle = 3.141592653589793 - angle if x < 0.0 else angle
    return -angle if y < 0.0 else angle


@njit(cache=True, error_model="numpy")
def _times(a: float, b: float, c: float, d: float) -> Pair:
    """Return the parts of (a + ib) (c + id)."""
    return fused(a, c, -b * d), fused(a, d, b * c)


@njit(cache=True, error_model="numpy")
def _characteristic(w: Floats, m: int, tau: float, p: Floats) -> None:
    """Write log phi at the nodes, and what its gradient is made of, as in ``heston._log_cf``."""
    v0, kappa, theta, sigma, rho = p[0], p[1], p[2], p[3], p[4]
    lean, square = rho * sigma, sigma * sigma
    per_square, half_square = 1.0 / square, 0.5 * square
    for i in range(m):
        x, y = w[_X + i], w[_Y + i]
        eta_x, eta_y = fused(x, x, -y * (y + 1.0)), x * fused(2.0, y, 1.0)
        beta_x, beta_y = fused(lean, y, kappa), -lean * x
        z_x = fused(square, eta_x, fused(beta_x, beta_x, -beta_y * beta_y))
        z_y = fused(square, eta_y, 2.0 * beta_x * beta_y)
        large = np.sqrt(0.5 * (np.sqrt(fused(z_x, z_x, z_y * z_y)) + abs(z_x)))
        small = 0.5 * z_y / large
        d_x = large if z_x >= 0.0 else abs(small)
        d_y = small if z_x >= 0.0 else (-large if z_y < 0.0 else large)
        half = 0.5 * tau * d_y
        power, rest = exp_parts_lane(-min(tau * d_x, FORGOTTEN))
        cos, sin = circle_lane(half)
        less, kept = 2.0 * sin * sin, fused(power, rest, power)
        cos_all, sin_all = 1.0 - less, 2.0 * sin * cos
        lost = (1.0 - power) - power * rest
        one_x, one_y = fused(lost, cos_all, less), kept * sin_all
        plus_x, plus_y, minus_x, minus_y = beta_x + d_x, beta_y + d_y, beta_x - d_x, beta_y - d_y
        plus, d = fused(plus_x, plus_x, plus_y * plus_y), fused(d_x, d_x, d_y * d_y)
        both = 1.0 / (plus * d)
        per_d, per_plus = both * plus, -both * d
        s_x, s_y = fused(one_x, d_x, one_y * d_y) * per_d, fused(one_y, d_x, -one_x * d_y) * per_d
        near = plus < fused(minus_x, minus_x, minus_y * minus_y)
        m_x, m_y = _times(eta_x, eta_y, plus_x * per_plus, -plus_y * per_plus)
        m_x, m_y = (minus_x * per_square if near else m_x), (minus_y * per_square if near else m_y)
        x_x, x_y = _times(half_square * m_x, half_square * m_y, s_x, s_y)
        over = 1.0 / fused(1.0 + x_x, 1.0 + x_x, x_y * x_y)
        q_x, q_y = (1.0 + x_x) * (0.5 * over), -x_y * (0.5 * over)
        g_x, g_y = _times(eta_x, eta_y, s_x, s_y)
        g_x, g_y = _times(-g_x, -g_y, q_x, q_y)
        log_x = 0.5 * log1p_lane(fused(x_x, 2.0 + x_x, x_y * x_y))
        log_y = angle_lane(1.0 + x_x, x_y)
        t_x = kappa * fused(m_x, tau, -2.0 * per_square * log_x)
        t_y = kappa * fused(m_y, tau, -2.0 * per_square * log_y)
        w[_D_X + i], w[_D_Y + i] = d_x, d_y
        w[_E_X + i], w[_E_Y + i] = kept * cos_all, -kept * sin_all
        w[_S_X + i], w[_S_Y + i], w[_Q_X + i], w[_Q_Y + i] = s_x, s_y, q_x, q_y
        w[_V0 + i], w[_V0 + _ROW + i] = g_x, g_y
        w[_THETA + i], w[_THETA + _ROW + i] = t_x, t_y
        w[_LOG_X + i] = fused(v0, g_x, theta * t_x) if abs(half) < _LARGEST_PHASE else np.nan
        w[_LOG_Y + i] = fused(v0, g_y, theta * t_y)


@njit(cache=True, error_model="numpy")
def _get(w: Floats, row: int, i: int) -> complex:
    return complex(w[row + i], w[row + _ROW + i])


@njit(cache=True, error_model="numpy")
def _put(w: Floats, row: int, i: int, z: complex) -> None:
    w[row + i], w[row + _ROW + i] = z.real, z.imag


@njit(cache=True, error_model="numpy")
def _gradient(w: Floats, m: int, tau: float, p: Floats) -> None:
    """Write the derivatives of the integrand: those of log phi times the weights.

    phi knows rho, and most of kappa and sigma, by ``beta = kappa - i rho sigma xi``: one derivative by beta
    and one by the sigma beside it serve all three (after Cui, del Bano Rollin, Germano 2017, section 3).
    """
    v0, kappa, theta, sigma, rho = p[0], p[1], p[2], p[3], p[4]
    per_variance = theta * kappa / (sigma * sigma)
    for i in range(m):
        x, y, d, s, q = w[_X + i], w[_Y + i], _get(w, _D_X, i), _get(w, _S_X, i), _get(w, _Q_X, i)
        value, by_v0, by_theta = _get(w, _WEIGHT, i), _get(w, _V0, i), _get(w, _THETA, i)
        eta = complex(fused(x, x, -y * (y + 1.0)), x * fused(2.0, y, 1.0))
        beta = complex(fused(rho * sigma, y, kappa), -rho * sigma * x)
        per_d = 1.0 / fused(d.real, d.real, d.imag * d.imag)
        r, fall, spread = complex(d.real * per_d, -d.imag * per_d), tau * _get(w, _E_X, i), v0 * eta * q
        s_d = (fall - s) * r
        g, d_d = beta * s_d - fall, beta * r
        d_q = (g * d_d + s) * q
        h = per_variance * (tau * (1.0 - d_d) - 2.0 * d_q) - spread * (s_d * d_d - s * d_q)
        d_d = sigma * eta * r
        d_q = g * d_d * q
        bend = per_variance * (-tau * d_d - 2.0 * d_q) - spread * (s_d * d_d - s * d_q)
        u = h * complex(y, -x)
        _put(w, _V0, i, by_v0 * value)
        _put(w, _KAPPA, i, (h + theta / kappa * by_theta) * value)
        _put(w, _THETA, i, by_theta * value)
        _put(w, _SIGMA, i, (bend + rho * u - 2.0 * theta / sigma * by_theta) * value)
        _put(w, _RHO, i, sigma * u * value)


@njit(cache=True, error_model="numpy")
def _points(w: Floats, m: int, first: float, step: float, curve: Pair, angle: float) -> None:
    """Write m nodes of a contour from ``step * first`` on, and its derivative there."""
    centre, b = curve
    cos, sin = math.cos(angle), math.sin(angle)
    for i in range(m):
        grown = exp_lane(step * (first + np.float64(i)))
        sinh, cosh = 0.5 * b * (grown - 1.0 / grown), 0.5 * b * (grown + 1.0 / grown)
        w[_X + i], w[_Y + i] = sinh * cos, fused(cosh, sin, centre)
        w[_SLOPE_X + i], w[_SLOPE_Y + i] = cosh * cos, sinh * sin


@njit(cache=True, error_model="numpy")
def _weights(w: Floats, m: int, worst: float) -> None:
    """Write the integrand at the log-moneyness `worst`, and its modulus; NaN where a phase is too large."""
    for i in range(m):
        x, y = w[_X + i], w[_Y + i]
        phase = fused(-x, worst, w[_LOG_Y + i])
        size = exp_lane(max(min(fused(y, worst, w[_LOG_X + i]), 700.0), NOTHING))
        size = size if (abs(phase) < _LARGEST_PHASE) & (w[_LOG_X + i] < 1e3) else np.nan
        cos, sin = circle_lane(phase)
        eta_x, eta_y = fused(x, x, -y * (y + 1.0)), x * fused(2.0, y, 1.0)
        scale = size / fused(eta_x, eta_x, eta_y * eta_y)
        a, b = _times(w[_SLOPE_X + i], w[_SLOPE_Y + i], eta_x * scale, -eta_y * scale)
        v_x, v_y = _times(a, b, cos, sin)
        w[_WEIGHT + i], w[_WEIGHT + _ROW + i] = v_x, v_y
        w[_SIZE + i] = np.sqrt(fused(v_x, v_x, v_y * v_y))


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
def _fading(w: Floats, tau: float, p: Floats, deviation: float, tolerance: float) -> Three:
    """Return how phi fades on Im xi = -1/2: as exp(i split xi - rate xi), by exp(-xi^power) until there."""
    u = 1.0 / deviation
    for i in range(LANES):
        w[_X + i], w[_Y + i] = u, -0.5
        w[_X + LANES + i], w[_Y + LANES + i] = (1.0 + DIFFERENCE) * u, -0.5
        u *= OCTAVE
    _characteristic(w, 2 * LANES, tau, p)
    i, enough = 0, math.log(tolerance)
    while i < LANES - 1 and w[_LOG_X + i] > enough:
        i += 1
    step = DIFFERENCE * w[_X + i]
    rate = -(w[_LOG_X + LANES + i] - w[_LOG_X + i]) / step
    split = (w[_LOG_Y + LANES + i] - w[_LOG_Y + i]) / step
    return split, rate, min(max(-rate * w[_X + i] / w[_LOG_X + i], 1.0), 2.0)


@njit(cache=True, error_model="numpy")
def _strip(w: Floats, is_put: bool, tau: float, p: Floats, deviation: float) -> tuple[float, float, bool]:
    """Return between which heights a contour may cross the imaginary axis, and whether that is (-1, 0)."""
    base, side = (0.0, 1.0) if is_put else (1.0, -1.0)
    width = math.sqrt(0.25 + REACH / (deviation * deviation)) - 0.5
    while width > NARROW and _explosion_time(base - side * width, p) <= tau:
        width *= RETREAT
    part = width
    for i in range(LANES):
        w[_X + i], w[_Y + i] = 0.0, part if is_put else -1.0 - part
        part *= RETREAT
    _characteristic(w, LANES, tau, p)
    for i in range(LANES):
        width *= RETREAT if not w[_LOG_X + i] < 0.6 * REACH else 1.0
    if width < NARROW:
        return -1.0, 0.0, True
    return (0.0, width, False) if is_put else (-1.0 - width, -1.0, False)


@njit(cache=True, error_model="numpy")
def _edges(
    w: Floats, curve: Pair, low: float, high: float, near: float, far: float, tau: float, p: Floats
) -> float:
    """Return the bound's H(d) + H(-d) over pi at both ends of a group; infinite or NaN if it is none."""
    _points(w, EDGE_NODES, 0.0, EDGE_STEP, curve, low)
    _points(w[EDGE_NODES:], EDGE_NODES, 0.0, EDGE_STEP, curve, high)
    _characteristic(w, 2 * EDGE_NODES, tau, p)
    for i in range(2 * EDGE_NODES):
        x, y, log_x = w[_X + i], w[_Y + i], w[_LOG_X + i]
        eta_x, eta_y = fused(x, x, -y * (y + 1.0)), x * fused(2.0, y, 1.0)
        slope = fused(w[_SLOPE_X + i], w[_SLOPE_X + i], w[_SLOPE_Y + i] * w[_SLOPE_Y + i])
        scale = np.sqrt(slope / fused(eta_x, eta_x, eta_y * eta_y))
        scale = scale if log_x < 1e3 else np.nan
        w[_SIZE + i] = scale * exp_lane(max(min(fused(y, near, log_x + near), 700.0), NOTHING))
        w[_D_X + i] = scale * exp_lane(max(min(fused(y, far, log_x + far), 700.0), NOTHING))
    at_near, at_far, tail = 0.0, 0.0, 0.0
    for first in (0, EDGE_NODES):
        last = first + EDGE_NODES - 1
        tail = max(tail, max(w[_SIZE + last], w[_D_X + last]))
        at_near -= 0.5 * w[_SIZE + first]
        at_far -= 0.5 * w[_D_X + first]
        for i in range(EDGE_NODES):
            at_near += w[_SIZE + first + i]
            at_far += w[_D_X + first + i]
    if not tail < FADED:
        return math.inf
    return 2.0 * EDGE_STEP / math.pi * max(at_near, at_far)


@njit(cache=True, error_model="numpy")
def _fill(
    w: Floats, curve: Pair, angle: float, step: float, worst: float, floor: float, tau: float, p: Floats
) -> int:
    """Write nodes and weights until they fade below `floor`; return how many, 0 if they do not."""
    begin, end = 0, FIRST_NODES
    while end <= MOST_NODES:
        part, m = w[begin:], end - begin
        _points(part, m, np.float64(begin), step, curve, angle)
        _characteristic(part, m, tau, p)
        _weights(part, m, worst)
        if max(w[_SIZE + end - 1], w[_SIZE + end - 2]) < floor:
            while end > 2 and max(w[_SIZE + end - 1], w[_SIZE + end - 2]) < floor:
                end -= 1
            return end
        begin, end = end, end + MORE_NODES
    return 0


@njit(cache=True, error_model="numpy")
def _sum(w: Floats, n: int, m: int, with_gradient: bool) -> None:
    """Write the weighted sums over n nodes of m strikes, which are relative to that of the weights."""
    for j in range(_OUTPUTS * _BLOCK if with_gradient else m):
        w[_OUT + j] = 0.0
    for i in range(n):
        x, y, a, b = w[_X + i], w[_Y + i], w[_WEIGHT + i], w[_WEIGHT + _ROW + i]
        if not with_gradient:
            for j in range(m):
                cos, sin = circle_lane(x * w[_K + j])
                size = exp_lane(max(y * w[_K + j], NOTHING))
                w[_OUT + j] = fused(size, fused(a, cos, b * sin), w[_OUT + j])
            continue
        a1, b1, a2, b2 = w[_V0 + i], w[_V0 + _ROW + i], w[_KAPPA + i], w[_KAPPA + _ROW + i]
        a3, b3, a4, b4 = w[_THETA + i], w[_THETA + _ROW + i], w[_SIGMA + i], w[_SIGMA + _ROW + i]
        a5, b5 = w[_RHO + i], w[_RHO + _ROW + i]
        for j in range(m):
            cos, sin = circle_lane(x * w[_K + j])
            size = exp_lane(max(y * w[_K + j], NOTHING))
            cos, sin = size * cos, size * sin
            w[_OUT + j] += fused(a, cos, b * sin)
            w[_OUT + _BLOCK + j] += fused(a1, cos, b1 * sin)
            w[_OUT + 2 * _BLOCK + j] += fused(a2, cos, b2 * sin)
            w[_OUT + 3 * _BLOCK + j] += fused(a3, cos, b3 * sin)
            w[_OUT + 4 * _BLOCK + j] += fused(a4, cos, b4 * sin)
            w[_OUT + 5 * _BLOCK + j] += fused(a5, cos, b5 * sin)


@njit(cache=True, error_model="numpy")
def _nodes(
    w: Floats, least: float, most: float, is_put: bool, fading: Three, tau: float,
    p: Floats, deviation: float, tolerance: float, with_gradient: bool,
) -> tuple[int, float, float, bool]:  # fmt: skip
    """Write nodes and weights for strikes between two log-moneynesses.

    Returns their number, 0 if they may not be trusted; the step; the weights' log-moneyness; whether covered.
    """
    split, rate, power = fading
    low, high, covered = _strip(w, is_put, tau, p, deviation)
    side = 1.0 if (split >= most or (is_put and split > least)) else -1.0
    near, far = (most, least) if side > 0.0 else (least, most)
    top = CONE - CONE_PER_POWER * power
    dip = min(DIP, 0.5 * math.atan2(rate, abs(far - split)))
    for _ in range(ATTEMPTS):
        b = (high - low) / (math.sin(top) + math.sin(dip))
        curve = ((low if side > 0.0 else high) + side * b * math.sin(dip), b)
        angle, half = 0.5 * side * (top - dip), 0.5 * EDGE_SHARE * (top + dip)
        height = _edges(w, curve, angle - half, angle + half, near, far, tau, p)
        if height < HIGH:
            break
        top, dip = NARROWER * top, NARROWER * dip
    step = 2.0 * math.pi * half / math.log(2.0 + height / (SLACK * tolerance))
    if not step > SMALLEST_STEP:
        return 0, step, near, covered
    floor = 0.1 * tolerance * math.exp(-near) * (0.01 if with_gradient else 1.0)
    n = _fill(w, curve, angle, step, near, floor, tau, p)
    sizes = 0.0
    for i in range(n):
        sizes += w[_SIZE + i]
    precise = sizes * step * math.exp(near) * ROUNDING < max(0.1 * tolerance, SMALLEST_TOLERANCE)
    if not (n > 0 and precise and w[_X + n - 1] * abs(far - near) < _LARGEST_PHASE):
        return 0, step, near, covered
    w[_WEIGHT] *= 0.5
    w[_WEIGHT + _ROW] *= 0.5
    if with_gradient:
        _gradient(w, n, tau, p)
    return n, step, near, covered


@njit(cache=True, error_model="numpy")
def _place(
    w: Floats, chosen: Integers, scale: float, near: float, is_put: bool, covered: bool,
    call: Floats, put: Floats, gradient: Floats,
) -> None:  # fmt: skip
    """Write the values of a block of strikes from its sums."""
    for j in range(chosen.size):
        at = chosen[j]
        ratio = exp_lane(w[_K + j] + near)
        value = -scale * ratio * w[_OUT + j]
        call[at] = 1.0 + value if covered else (value + 1.0 - ratio if is_put else value)
        put[at] = ratio + value if covered else (value if is_put else value - 1.0 + ratio)
        for i in range(gradient.shape[0]):
            gradient[i, at] = -scale * ratio * w[_OUT + (i + 1) * _BLOCK + j]


@njit(cache=True, error_model="numpy")
def _slice(
    w: Floats, k: Floats, chosen: Integers, tau: float, p: Floats, deviation: float, tolerance: float,
    call: Floats, put: Floats, gradient: Floats,
) -> bool:  # fmt: skip
    """Fill one maturity; return whether it may be trusted."""
    fading = _fading(w, tau, p, deviation, tolerance)
    shift = (1.5 if tolerance > STRICT else 0.5) * deviation
    border = min(max(fading[0], -shift), shift)
    with_gradient = gradient.shape[0] > 0
    for is_put in (True, False):
        count, least, most = 0, math.inf, -math.inf
        for j in range(k.size):
            if (k[j] <= border) == is_put:
                chosen[count] = j
                least, most, count = min(least, k[j]), max(most, k[j]), count + 1
        if count == 0:
            continue
        n, step, near, covered = _nodes(
            w, least, most, is_put, fading, tau, p, deviation, tolerance, with_gradient
        )
        if n == 0:
            return False
        for start in range(0, count, _BLOCK):
            part = chosen[start : min(start + _BLOCK, count)]
            m = (part.size + LANES - 1) // LANES * LANES
            for j in range(m):
                w[_K + j] = k[part[min(j, part.size - 1)]] - near
            _sum(w, n, m, with_gradient)
            _place(w, part, step / math.pi, near, is_put, covered, call, put, gradient)
    return True


@njit(cache=True, error_model="numpy", nogil=True)
def prices_lanes(
    k: Floats, edges: Integers, tau: Floats, p: Floats, tolerance: float,
    call: Floats, put: Floats, gradient: Floats, rare: NDArray[np.bool_],
) -> int:  # fmt: skip
    """Fill what ``heston.prices`` does; mark and count the maturities that are left to it in `rare`."""
    w, chosen, n_rare = np.empty(_SCRATCH), np.empty(k.size, dtype=np.int64), 0
    for i in range(tau.size):
        a, b = edges[i], edges[i + 1]
        decay = -math.expm1(-p[1] * tau[i]) / p[1]
        deviation = math.sqrt(max(p[2] * (tau[i] - decay) + p[0] * decay, 0.0))
        rare[i] = True
        if 1e-4 < deviation < 10.0 and 1e-3 < p[3] < 20.0 and abs(p[4]) < 1.0:
            rare[i] = not _slice(
                w, k[a:b], chosen, tau[i], p, deviation, tolerance, call[a:b], put[a:b], gradient[:, a:b]
            )
        n_rare += 1 if rare[i] else 0
    return n_rare
