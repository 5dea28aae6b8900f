"""Heston prices and their parameter gradient by a rule that is fixed in advance, on vector registers.

What belongs here: the ordinary case of ``kernels.heston``, whose notation and contours these are. Strikes and
nodes sit in lanes, without branches or calls; a bound of the trapezoidal rule's error, from sums over the
edges of the strip in which the integrand is analytic, gives the step that a tolerance needs before any price
is summed. What does not: maturities for which the bound or rounding asks too much; they are only marked, and
the patient kernels of ``heston`` do them. Callers and callees stay in this one file, because numba's cache
does not see edits in another one.

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
Curve = tuple[float, float]
"""Centre c and scale b of a contour."""

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
_WEIGHT = 15 * _ROW
_SCRATCH = _WEIGHT + 12 * _ROW

REACH = 12.0
"""Furthest crossing: where the moment of a lognormal of equal variance is exp(REACH / 2)."""
RETREAT, NARROW = 0.85, 0.6
EDGE_STEP, EDGE_SHARE = 0.5, 0.95
SLACK = 0.5
"""Estimated bound as a share of the tolerance: its edges are only sampled."""
CONE, CONE_PER_POWER, DIP = 0.54 * math.pi, 0.15 * math.pi, 0.15 * math.pi
NARROWER, ATTEMPTS = 0.6, 4
OCTAVE, DIFFERENCE = 2.2, 1e-3
HIGH, FADED = 1e6, 1e-3
ROUNDING, SMALLEST_TOLERANCE, STRICT = 2e-16, 1e-13, 1e-11


@njit(cache=True, error_model="numpy")
def exp_parts_lane(a: float) -> tuple[float, float]:
    """Return 2^n and expm1(r) with exp(a) = 2^n exp(r), |a| <= 700 (own fit, as in ``black_lanes``)."""
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
    power = np.int64((shifted.view(np.int64) << 52) + 0x3FF0000000000000).view(np.float64)
    return power, fused(rr, fused(r, odd, even), r)


@njit(cache=True, error_model="numpy")
def exp_lane(a: float) -> float:
    """Return exp(a) for |a| <= 700 to 2e-16 relative."""
    power, rest = exp_parts_lane(a)
    return fused(power, rest, power)


@njit(cache=True, error_model="numpy")
def circle_lane(a: float) -> tuple[float, float]:
    """Return cos(a) and sin(a) for |a| <= 1e6 to 2e-16 (own fits on +-pi/4)."""
    shifted = np.float64(fused(a, _TWO_OVER_PI, _ROUNDER))
    n = shifted - _ROUNDER
    quarters = shifted.view(np.int64)
    r = fused(-n, _QUARTER_LOW, fused(-n, _QUARTER_HIGH, a))
    rr = r * r
    sin = fused(1.591810123027412e-10, rr, -2.5051131455427946e-08)
    sin = fused(sin, rr, 2.755731610068303e-06)
    sin = fused(sin, rr, -0.0001984126983675497)
    sin = fused(sin, rr, 0.008333333333330946)
    sin = fused(r * rr, fused(sin, rr, -0.16666666666666666), r)
    cos = fused(-1.1382614868556325e-11, rr, 2.0876146024689747e-09)
    cos = fused(cos, rr, -2.7557317270560326e-07)
    cos = fused(cos, rr, 2.4801587298763433e-05)
    cos = fused(cos, rr, -0.0013888888888887395)
    cos = fused(cos, rr, 0.041666666666666664)
    cos = fused(-rr, fused(-rr, cos, 0.5), 1.0)
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
    even = fused(0.06604511131021838, u4, 0.0909086837528748)
    even = fused(even, u4, 0.14285714284604362)
    even = fused(even, u4, 0.3333333333333333)
    odd = fused(0.06807145374967508, u4, 0.07694451367989198)
    odd = fused(odd, u4, 0.11111111529763278)
    odd = fused(odd, u4, 0.20000000000004045)
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
    p = fused(-0.01917688711906226, z, 0.03923165829558719)
    p = fused(p, z, -0.0508544973794026)
    p = fused(p, z, 0.0585814891280221)
    p = fused(p, z, -0.06664511447381948)
    p = fused(p, z, 0.07692183190826087)
    p = fused(p, z, -0.09090904578123903)
    p = fused(p, z, 0.11111111015256361)
    p = fused(p, z, -0.14285714284666542)
    p = fused(p, z, 0.1999999999999552)
    p = fused(p, z, -0.3333333333333333)
    angle = base + fused(t * z, p, t)
    angle = 3.141592653589793 - angle if x < 0.0 else angle
    return -angle if y < 0.0 else angle


@njit(cache=True, error_model="numpy")
def _times(a: float, b: float, c: float, d: float) -> tuple[float, float]:
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
        per_d = 1.0 / fused(d_x, d_x, d_y * d_y)
        s_x, s_y = fused(one_x, d_x, one_y * d_y) * per_d, fused(one_y, d_x, -one_x * d_y) * per_d
        plus_x, plus_y, minus_x, minus_y = beta_x + d_x, beta_y + d_y, beta_x - d_x, beta_y - d_y
        plus = fused(plus_x, plus_x, plus_y * plus_y)
        near = plus < fused(minus_x, minus_x, minus_y * minus_y)
        per_plus = -1.0 / plus
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
        w[_WEIGHT + 2 * _ROW + i], w[_WEIGHT + 3 * _ROW + i] = g_x, g_y
        w[_WEIGHT + 6 * _ROW + i], w[_WEIGHT + 7 * _ROW + i] = t_x, t_y
        w[_LOG_X + i] = fused(v0, g_x, theta * t_x) if abs(half) < _LARGEST_PHASE else np.nan
        w[_LOG_Y + i] = fused(v0, g_y, theta * t_y)


@njit(cache=True, error_model="numpy")
def _gradient(w: Floats, m: int, tau: float, p: Floats) -> None:
    """Write the derivatives of log phi, as in ``heston._log_cf_gradient``, for kappa, sigma and rho."""
    v0, kappa, theta, sigma, rho = p[0], p[1], p[2], p[3], p[4]
    per_variance = kappa / (sigma * sigma)
    for which in range(3):
        by_xi = 0.0 if which == 0 else (rho if which == 1 else sigma)
        by_one, by_eta = (1.0 if which == 0 else 0.0), (sigma if which == 1 else 0.0)
        again = 1.0 / kappa if which == 0 else (-2.0 / sigma if which == 1 else 0.0)
        row = _WEIGHT + 2 * _ROW * (2 if which == 0 else which + 3)
        for i in range(m):
            x, y = w[_X + i], w[_Y + i]
            eta_x, eta_y = fused(x, x, -y * (y + 1.0)), x * fused(2.0, y, 1.0)
            beta_x, beta_y = fused(rho * sigma, y, kappa), -rho * sigma * x
            d_x, d_y, e_x, e_y = w[_D_X + i], w[_D_Y + i], w[_E_X + i], w[_E_Y + i]
            s_x, s_y, q_x, q_y = w[_S_X + i], w[_S_Y + i], w[_Q_X + i], w[_Q_Y + i]
            per_d = 1.0 / fused(d_x, d_x, d_y * d_y)
            r_x, r_y = d_x * per_d, -d_y * per_d
            db_x, db_y = fused(by_xi, y, by_one), -by_xi * x
            a_x, a_y = _times(beta_x, beta_y, db_x, db_y)
            dd_x, dd_y = _times(fused(by_eta, eta_x, a_x), fused(by_eta, eta_y, a_y), r_x, r_y)
            sd_x, sd_y = _times(fused(tau, e_x, -s_x), fused(tau, e_y, -s_y), r_x, r_y)
            ds_x, ds_y = _times(sd_x, sd_y, dd_x, dd_y)
            u_x, u_y = _times(e_x, e_y, dd_x, dd_y)
            a_x, a_y = _times(s_x, s_y, db_x, db_y)
            b_x, b_y = _times(beta_x, beta_y, ds_x, ds_y)
            dq_x, dq_y = _times(fused(-tau, u_x, a_x + b_x), fused(-tau, u_y, a_y + b_y), q_x, q_y)
            a_x, a_y = _times(s_x, s_y, dq_x, dq_y)
            a_x, a_y = _times(ds_x - a_x, ds_y - a_y, q_x, q_y)
            g_x, g_y = _times(-eta_x, -eta_y, a_x, a_y)
            t_x = per_variance * fused(db_x - dd_x, tau, -2.0 * dq_x)
            t_y = per_variance * fused(db_y - dd_y, tau, -2.0 * dq_y)
            t_x = fused(again, w[_WEIGHT + 6 * _ROW + i], t_x)
            t_y = fused(again, w[_WEIGHT + 7 * _ROW + i], t_y)
            w[row + i], w[row + _ROW + i] = fused(v0, g_x, theta * t_x), fused(v0, g_y, theta * t_y)


@njit(cache=True, error_model="numpy")
def _points(w: Floats, m: int, first: float, step: float, curve: Curve, angle: float) -> None:
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
def _fading(
    w: Floats, tau: float, p: Floats, deviation: float, tolerance: float
) -> tuple[float, float, float]:
    """Return how phi fades on the line Im xi = -1/2 where it is about as small as the tolerance.

    As ``exp(i split xi - rate |xi|)`` there, and as ``exp(-|xi|^power)`` until there.
    """
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
    w: Floats, curve: Curve, low: float, high: float, near: float, far: float, tau: float, p: Floats
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
    w: Floats, curve: Curve, angle: float, step: float, worst: float, floor: float, tau: float, p: Floats
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
def _sum(w: Floats, n: int, k: Floats, total: Floats) -> None:
    """Fill the first rows of `total` with the weighted sums over nodes; its last two rows are scratch."""
    n_outputs = total.shape[0] - 2
    total[:n_outputs] = 0.0
    cos, sin, first = total[n_outputs], total[n_outputs + 1], total[0]
    for i in range(n):
        x, y, a, b = w[_X + i], w[_Y + i], w[_WEIGHT + i], w[_WEIGHT + _ROW + i]
        if n_outputs == 1:
            for j in range(k.size):
                c, s = circle_lane(x * k[j])
                first[j] += exp_lane(max(y * k[j], NOTHING)) * fused(a, c, b * s)
            continue
        for j in range(k.size):
            c, s = circle_lane(x * k[j])
            size = exp_lane(max(y * k[j], NOTHING))
            cos[j], sin[j] = size * c, size * s
        for m in range(n_outputs):
            a, b = w[_WEIGHT + 2 * m * _ROW + i], w[_WEIGHT + (2 * m + 1) * _ROW + i]
            row = total[m]
            for j in range(k.size):
                row[j] += fused(a, cos[j], b * sin[j])


@njit(cache=True, error_model="numpy")
def _prepare_gradient(w: Floats, n: int, tau: float, p: Floats) -> None:
    """Turn the derivatives of log phi into those of the integrand."""
    _gradient(w, n, tau, p)
    for m in range(1, 6):
        row = _WEIGHT + 2 * m * _ROW
        for i in range(n):
            w[row + i], w[row + _ROW + i] = _times(
                w[row + i], w[row + _ROW + i], w[_WEIGHT + i], w[_WEIGHT + _ROW + i]
            )


@njit(cache=True, error_model="numpy")
def _group(
    w: Floats, k: Floats, is_put: bool, fading: tuple[float, float, float], tau: float, p: Floats,
    deviation: float, tolerance: float, total: Floats,
) -> tuple[bool, bool]:  # fmt: skip
    """Integrate one contour; return whether that may be trusted, and whether to the covered call."""
    split, rate, power = fading
    low, high, covered = _strip(w, is_put, tau, p, deviation)
    least, most = k.min(), k.max()
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
    if not step > 0.02:
        return False, covered
    floor = 0.1 * tolerance * math.exp(-near) * (1.0 if total.shape[0] == 3 else 0.01)
    n = _fill(w, curve, angle, step, near, floor, tau, p)
    sizes, furthest = 0.0, abs(far - near)
    for i in range(n):
        sizes += w[_SIZE + i]
    rounding = sizes * step * math.exp(near) * ROUNDING
    if not (n > 0 and rounding < max(0.1 * tolerance, SMALLEST_TOLERANCE)):
        return False, covered
    if not w[_X + n - 1] * furthest < _LARGEST_PHASE:
        return False, covered
    for i in range(0, 2):
        w[_WEIGHT + i * _ROW] *= 0.5
    if total.shape[0] > 3:
        _prepare_gradient(w, n, tau, p)
    k -= near
    _sum(w, n, k, total)
    total[: total.shape[0] - 2] *= step
    return True, covered


@njit(cache=True, error_model="numpy")
def _slice(
    w: Floats, k: Floats, tau: float, p: Floats, deviation: float, tolerance: float,
    call: Floats, put: Floats, gradient: Floats,
) -> bool:  # fmt: skip
    """Fill one maturity; return whether it may be trusted."""
    fading = _fading(w, tau, p, deviation, tolerance)
    shift = (1.5 if tolerance > STRICT else 0.5) * deviation
    border = min(max(fading[0], -shift), shift)
    chosen, inner = np.empty(k.size, dtype=np.int64), np.empty(k.size + LANES)
    for is_put in (True, False):
        n = 0
        for j in range(k.size):
            if (k[j] <= border) == is_put:
                chosen[n], inner[n] = j, k[j]
                n += 1
        if n == 0:
            continue
        padded = (n + LANES - 1) // LANES * LANES
        inner[n:padded] = inner[n - 1]
        total = np.empty((3 + gradient.shape[0], padded))
        sound, covered = _group(w, inner[:padded], is_put, fading, tau, p, deviation, tolerance, total)
        if not sound:
            return False
        for j in range(n):
            at = chosen[j]
            ratio = math.exp(k[at])
            value = -ratio / math.pi * total[0, j]
            call[at] = 1.0 + value if covered else (value + 1.0 - ratio if is_put else value)
            put[at] = ratio + value if covered else (value if is_put else value - 1.0 + ratio)
            for i in range(gradient.shape[0]):
                gradient[i, at] = -ratio / math.pi * total[i + 1, j]
    return True


@njit(cache=True, error_model="numpy", nogil=True)
def prices_lanes(
    k: Floats, edges: Integers, tau: Floats, p: Floats, tolerance: float,
    call: Floats, put: Floats, gradient: Floats, rare: NDArray[np.bool_],
) -> int:  # fmt: skip
    """Fill what ``heston.prices`` does; mark and count the maturities that are left to it in `rare`."""
    w, n_rare = np.empty(_SCRATCH), 0
    for i in range(tau.size):
        a, b = edges[i], edges[i + 1]
        decay = -math.expm1(-p[1] * tau[i]) / p[1]
        deviation = math.sqrt(max(p[2] * (tau[i] - decay) + p[0] * decay, 0.0))
        sound = 1e-4 < deviation < 10.0 and 1e-3 < p[3] < 20.0 and abs(p[4]) < 1.0
        rare[i] = not (
            sound
            and _slice(w, k[a:b], tau[i], p, deviation, tolerance, call[a:b], put[a:b], gradient[:, a:b])
        )
        n_rare += 1 if rare[i] else 0
    return n_rare
