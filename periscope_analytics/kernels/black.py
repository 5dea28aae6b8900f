"""Scalar and array kernels of the Black function and its inverse.

What belongs here: floats in, floats out. The normal tail enters only as the Mills ratio R(z) = (1 - Phi(z))
/ phi(z), so that prices keep their relative accuracy down to the smallest double. What does not: checks of
arguments, broadcasting, objects. Callers and callees stay in this one file, because numba's cache does not
see edits in another one.

Notation: x = -|ln(F/K)|, s = vol sqrt(tau), h = x/s, t = s/2, e = phi(h) exp(-t^2/2), and b = the out-of-
the-money value over sqrt(F K), b = e (R(-h-t) - R(t-h)), whose least upper bound is exp(x/2).
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

from periscope_analytics.errors import Status

Floats = NDArray[np.float64]

_OK = int(Status.OK)
_BELOW = int(Status.BELOW_INTRINSIC)
_AT = int(Status.AT_EXERCISE)
_ABOVE = int(Status.ABOVE_MAXIMUM)
_EXPIRED = int(Status.EXPIRED)
_INVALID = int(Status.INVALID_VALUE)
_FAILED = int(Status.NOT_CONVERGED)

_INV_SQRT_2PI = 0.3989422804014327
_SERIES_T = 0.5
_SERIES_X = -8.0
_MAX_STEPS = 60


@njit(cache=True, error_model="numpy")
def mills(z: float) -> tuple[float, float]:
    """Return R(z) and 1 - z R(z) for z >= 0, both to 1.2e-16 relative plus rounding on [0, 40].

    One rational function of degree 10 over 11 with positive coefficients, fitted to both at once (own fit,
    60 digits).
    """
    z = min(z, 1e25)
    p = z + 28.453368467435098428
    p = p * z + 404.0756200146355573
    p = p * z + 3701.5045433370577085
    p = p * z + 23977.497832545601072
    p = p * z + 114112.21419934144733
    p = p * z + 403021.09658302079987
    p = p * z + 1043226.5814130812163
    p = p * z + 1900437.7427466346783
    p = p * z + 2216969.7402495622343
    p = p * z + 1276904.416449728825
    r = 0.99999999998918867287 * z + 28.453368469813520572
    r = r * z + 402.07561977803117973
    r = r * z + 3644.5978205901891938
    r = r * z + 23179.346015182990424
    r = r * z + 106993.75582394543118
    r = r * z + 359032.47747019825924
    r = r * z + 849918.23821184747194
    r = r * z + 1304884.1099979431167
    r = r * z + 1018822.3195062308433
    q = p * z + r
    return p / q, r / q


@njit(cache=True, error_model="numpy")
def mills_difference(h: float, t: float) -> float:
    """Return R(-h-t) - R(t-h) for h <= 0, t <= 0.5, |2ht| <= 8, by its Taylor series in t.

    The odd derivatives of R follow from M(n+1) = h M(n) + n M(n-1), M(n) = int u^n exp(hu - u^2/2) du over
    u > 0.
    """
    even, odd = mills(-h)
    tt = t * t
    scale = 1.0
    total = odd
    for n in range(1, 11):
        even = h * odd + (2 * n - 1) * even
        odd = h * even + 2 * n * odd
        scale *= tt / (2 * n * (2 * n + 1))
        total += scale * odd
    return float(2.0 * t * total)


@njit(cache=True, error_model="numpy")
def log_ratio(forward: float, strike: float) -> float:
    """Return ln(F/K), without the rounding of F/K when the two are close and without its overflow."""
    if 0.5 * strike <= forward <= 2.0 * strike:
        return math.log1p((forward - strike) / strike)
    ratio = forward / strike
    if 1e-300 < ratio < 1e300:
        return math.log(ratio)
    return math.log(forward) - math.log(strike)


@njit(cache=True, error_model="numpy")
def normalised(x: float, s: float) -> tuple[float, float]:
    """Return b and e for x <= 0, s > 0."""
    h = x / s
    t = 0.5 * s
    e = _INV_SQRT_2PI * math.exp(-0.5 * (h * h + t * t))
    if t <= _SERIES_T and x >= _SERIES_X:
        return (e * mills_difference(h, t) if e > 0.0 else 0.0), e
    upper, _ = mills(t - h)
    lower, _ = mills(abs(h + t))
    if h + t <= 0.0:
        return e * (lower - upper), e
    return math.exp(0.5 * x) - e * (lower + upper), e


@njit(cache=True, error_model="numpy")
def total_vol(vol: float, tau: float) -> float:
    """Return vol sqrt(tau), NaN where either is out of range; beyond 1e150 every price is its bound."""
    if not (0.0 <= vol < math.inf and 0.0 <= tau < math.inf):
        return math.nan
    return min(vol * math.sqrt(tau), 1e150)


@njit(cache=True, error_model="numpy")
def price_one(forward: float, strike: float, s: float, is_call: bool, discount: float) -> float:
    """Return the discounted price for a total vol s; NaN where an input is not finite or not in range."""
    finite = math.isfinite(forward) and math.isfinite(strike) and math.isfinite(discount)
    if not (finite and forward > 0.0 and strike > 0.0 and discount > 0.0 and s >= 0.0):
        return math.nan
    gain = forward - strike if is_call else strike - forward
    intrinsic = discount * gain if gain > 0.0 else 0.0
    if s == 0.0:
        return intrinsic
    b, _ = normalised(-abs(log_ratio(forward, strike)), s)
    time_value = min(math.sqrt(forward) * math.sqrt(strike) * b, forward, strike)
    return float(intrinsic + discount * time_value)


@njit(cache=True, error_model="numpy")
def _limit_greeks(
    forward: float, strike: float, tau: float, vol: float, is_call: bool, discount: float, rate: float
) -> tuple[float, float, float, float, float, float, float, float]:
    """Return the eight numbers at zero total vol: the limits where they exist, signed infinities at F = K."""
    price: float = price_one(forward, strike, 0.0, is_call, discount)
    above = 1.0 if forward > strike else (0.5 if forward == strike else 0.0)
    delta = discount * (above if is_call else above - 1.0)
    theta = rate * price / 365.0
    if forward != strike:
        return price, delta, 0.0, 0.0, theta, -tau * price, 0.0, 0.0
    vega = discount * forward * _INV_SQRT_2PI * math.sqrt(tau)
    if tau == 0.0 and vol > 0.0:
        theta = -math.inf
    return price, delta, math.inf, vega, theta, -tau * price, 0.5 * vega / forward, 0.0


@njit(cache=True, error_model="numpy")
def greeks_one(
    forward: float, strike: float, tau: float, vol: float, is_call: bool, discount: float, rate: float
) -> tuple[float, float, float, float, float, float, float, float]:
    """Return price, delta, gamma, vega, theta, rho, vanna, volga with F held and the rate fixed."""
    root = math.sqrt(tau)
    s = total_vol(vol, tau)
    price = price_one(forward, strike, s, is_call, discount)
    if math.isnan(price):
        return price, price, price, price, price, price, price, price
    if s == 0.0:
        limits: tuple[float, float, float, float, float, float, float, float]
        limits = _limit_greeks(forward, strike, tau, vol, is_call, discount, rate)
        return limits
    x = log_ratio(forward, strike)
    h = x / s
    t = 0.5 * s
    e = _INV_SQRT_2PI * math.exp(-0.5 * (h * h + t * t))
    d1 = h + t
    tail = 0.0
    if e > 0.0:
        tail = _INV_SQRT_2PI * math.exp(-0.5 * d1 * d1) * mills(abs(d1))[0]
    near = tail if d1 < 0.0 else 1.0 - tail
    far = 1.0 - tail if d1 < 0.0 else tail
    delta = discount * (near if is_call else -far)
    density = discount * math.sqrt(forward) * math.sqrt(strike) * e
    if density == 0.0:
        return price, delta, 0.0, 0.0, rate * price / 365.0, -tau * price, 0.0, 0.0
    vega = density * root
    theta = (rate * price - 0.5 * density * vol / root) / 365.0
    gamma = density / forward / forward / s
    vanna = -density / forward * (h - t) / vol
    volga = vega * (h + t) * (h - t) / vol
    return price, delta, gamma, vega, theta, -tau * price, vanna, volga


@njit(cache=True, error_model="numpy")
def greeks_many(
    forward: Floats,
    strike: Floats,
    tau: Floats,
    vol: Floats,
    is_call: NDArray[np.bool_],
    discount: Floats,
    rate: Floats,
    out: Floats,
) -> None:
    """Fill the rows of `out`, shape (8, n), with the eight numbers of each option."""
    for i in range(out.shape[1]):
        values = greeks_one(forward[i], strike[i], tau[i], vol[i], is_call[i], discount[i], rate[i])
        for j in range(8):
            out[j, i] = values[j]


@njit(cache=True, error_model="numpy")
def _guess_small(lb: float, x: float) -> float:
    """Return the s with s phi(h) (1 - |h| R(|h|)) = b, the limit of small s, to 5e-4 (own rational fit)."""
    depth = math.log(-x) - lb
    if depth < -1.95:
        return -x * (math.exp(-depth) + 0.5) / _INV_SQRT_2PI
    q = math.sqrt(3.0 + depth)
    top = 0.068355053689464193 * q - 0.35603465315603067
    top = ((top * q + 0.7900561325781752) * q - 0.88503159272175425) * q + 0.50468032061979406
    top = top * q - 0.10253225236230339
    low = 0.048081137151655601 * q - 0.23749331892019884
    low = ((low * q + 0.66179824083374472) * q - 1.0873744654811119) * q + 1.0
    return -x * low / top


@njit(cache=True, error_model="numpy")
def _guess_large(b: float, c: float, x: float) -> float:
    """Return the s at which Polya's approximation of Phi gives b.

    The explicit formula of Stefanica and Radoicic (2017), with c = exp(x/2) - b. With G = exp(-2 (h^2 +
    t^2) / pi) the pricing equation is a quadratic in G; written here without cancellation.
    """
    if x == 0.0:
        return math.sqrt(-2.0 * math.pi * math.log1p(-b * b))
    kappa = 1.0 - 2.0 / math.pi
    half = math.sinh(-0.5 * x)
    w = 4.0 * b * (b + 2.0 * half)
    q_a = 4.0 * math.sinh(kappa * x) ** 2
    q_b = 4.0 * w * math.cosh(kappa * x) + 16.0 * half * math.sinh((0.5 - 2.0 / math.pi) * x)
    q_c = w * 4.0 * c * (2.0 * math.cosh(0.5 * x) - c)
    g = 2.0 * q_c / (q_b + math.sqrt(q_b * q_b + 4.0 * q_a * q_c))
    radius = -0.5 * math.pi * math.log(g)
    outer = math.sqrt(radius - x)
    inner = math.sqrt(max(radius + x, 0.0))
    if w - 2.0 + 2.0 * g * math.cosh(kappa * x) > 0.0:
        return outer + inner
    return -2.0 * x / (outer + inner)


@njit(cache=True, error_model="numpy")
def _guess(b: float, lb: float, c: float, x: float) -> float:
    s = _guess_small(lb, x) if x < 0.0 and lb < -0.5 else math.inf
    if s < 0.6:
        return s
    if x > -100.0:
        s = _guess_large(b, c, x)
    if 0.0 < s < math.inf:
        return s
    return math.sqrt(-2.0 * x) if x < 0.0 else 1.0


@njit(cache=True, error_model="numpy")
def _ratios(x: float, s: float) -> tuple[float, float]:
    """Return b / e and (exp(x/2) - b) / e; the latter only where it does not overflow."""
    h = x / s
    t = 0.5 * s
    upper, _ = mills(t - h)
    lower, _ = mills(abs(h + t))
    whole = math.exp(min(0.5 * (x + h * h + t * t), 700.0)) / _INV_SQRT_2PI
    if h + t > 0.0:
        above = lower + upper
        below = whole - above
    else:
        below = lower - upper
        above = whole - below
    if t <= _SERIES_T and x >= _SERIES_X:
        below = mills_difference(h, t)
    return below, above


@njit(cache=True, error_model="numpy")
def _residual(s: float, b: float, lb: float, c: float, x: float) -> tuple[float, float, float, float]:
    """Return the Newton step, f2/f1 and f3/f1 of an objective f, and a number with the sign of b(s) - b.

    Far below the maximum f = (-ln b)^(-1/2), nearly straight in s; near it f = ln(exp(x/2) - b); in between
    f = b.
    """
    h = x / s
    t = 0.5 * s
    log_e = -0.5 * (h * h + t * t) - 0.9189385332046727
    below, above = _ratios(x, s)
    eta = (h - t) * (h + t) / s
    third = eta * eta - 3.0 * h * h / (s * s) - 0.25
    if lb < -1.5 + 0.5 * x:
        value = log_e + math.log(below)
        slope = 1.0 / below
        gap = (value - lb) / lb
        step = -2.0 * value / slope * gap / (1.0 + math.sqrt(1.0 + gap))
        first = eta - slope
        second = third - 3.0 * slope * eta + 2.0 * slope * slope
        bend = -slope / value
        return step, first + 1.5 * bend, second + 4.5 * bend * first + 3.75 * bend * bend, value - lb
    e = math.exp(log_e)
    if c < 0.4 * math.exp(0.5 * x):
        gap = log_e + math.log(above) - math.log(c)
        slope = -1.0 / above
        return -gap / slope, eta - slope, third - 3.0 * slope * eta + 2.0 * slope * slope, -gap
    return b / e - below, eta, third, below - b / e


@njit(cache=True, error_model="numpy")
def solve_normalised(b: float, lb: float, c: float, x: float) -> tuple[float, int]:
    """Return the total vol with normalised value b for x <= 0, and the steps taken; zero steps mean failure.

    lb = ln b and c = exp(x/2) - b are given, as they may be known better than from b.
    Householder steps of order four from a rational guess, kept inside a bracket that every evaluation
    tightens. Zero steps mean failure.
    """
    s = _guess(b, lb, c, x)
    low, high = 0.0, math.inf
    for n in range(1, _MAX_STEPS):
        newton, first, second, sign = _residual(s, b, lb, c, x)
        if sign > 0.0:
            high = min(high, s)
        elif sign < 0.0:
            low = max(low, s)
        step = newton * (1.0 + 0.5 * first * newton) / (1.0 + newton * (first + second * newton / 6.0))
        if not low <= s + step <= high:
            step = (2.0 * s if high == math.inf else 0.5 * (low + high)) - s
        s += step
        if abs(step) <= 1e-5 * s:
            return s, n
    return s, 0


@njit(cache=True, error_model="numpy")
def implied_one(
    price: float, forward: float, strike: float, tau: float, is_call: bool, discount: float
) -> tuple[float, int]:
    """Return the vol and its status; the vol is NaN unless the status is OK."""
    finite = (
        math.isfinite(forward) and math.isfinite(strike) and math.isfinite(discount) and math.isfinite(tau)
    )
    if not (finite and forward > 0.0 and strike > 0.0 and discount > 0.0 and math.isfinite(price)):
        return math.nan, _INVALID
    if tau == 0.0:
        return math.nan, _EXPIRED
    gain = forward - strike if is_call else strike - forward
    time_value = price - discount * gain if gain > 0.0 else price
    if time_value <= 0.0:
        return math.nan, (_AT if time_value == 0.0 else _BELOW)
    x = -abs(log_ratio(forward, strike))
    scale = math.sqrt(forward) * math.sqrt(strike)
    b = time_value / discount / scale
    c = math.exp(0.5 * x) - b
    if price >= discount * (forward if is_call else strike) or c <= 0.0:
        return math.nan, _ABOVE
    lb = math.log(b) if b > 1e-290 else math.log(time_value) - math.log(discount) - math.log(scale)
    s, n_steps = solve_normalised(b, lb, c, x)
    vol = s / math.sqrt(tau)
    if n_steps == 0 or not 0.0 < vol < math.inf:
        return math.nan, _FAILED
    return vol, _OK


@njit(cache=True, error_model="numpy")
def implied_many(
    price: Floats,
    forward: Floats,
    strike: Floats,
    tau: Floats,
    is_call: NDArray[np.bool_],
    discount: Floats,
    sigma: Floats,
    status: NDArray[np.int8],
) -> None:
    """Fill `sigma` and `status`; all arrays one-dimensional and of one length."""
    for i in range(sigma.size):
        sigma[i], status[i] = implied_one(price[i], forward[i], strike[i], tau[i], is_call[i], discount[i])
