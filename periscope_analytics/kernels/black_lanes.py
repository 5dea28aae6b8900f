"""Black prices and greeks of many options at once, written so that the compiler uses vector registers.

What belongs here: arithmetic without branches or calls, on scratch blocks in which option i sits in lane i.
What does not: the exact treatment of extremes; a lane outside the ranges below is only marked, and the
scalar kernels of ``black`` do it. Notation and method are theirs; `exp` and `ln` are written out because the
library's are scalar. Callers and callees stay in this one file, because numba's cache does not see edits in
another one.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Marks = NDArray[np.bool_]

_INV_SQRT_2PI = 0.3989422804014327
_LN2_HIGH = 0.6931471803691238
_LN2_LOW = 1.9082149292705877e-10
_LOG2_E = 1.4426950408889634
_ROUNDER = 6755399441055744.0
_BLOCK = 128
_F, _K, _T, _V, _D, _R, _SIGN, _S, _D1, _D2, _DENSITY, _TAIL, _OTHER, _RARE, _OUT = (
    _BLOCK * j for j in range(15)
)
_SIZE = _OUT + _BLOCK * 8
_PRICE, _EDGE, _X, _B, _LOG_B, _STEP = _V, _R, _D1, _D2, _DENSITY, _OUT
_KAPPA = 0.3633802276324187


@njit(cache=True, error_model="numpy")
def exp_lane(a: float) -> float:
    """Return exp(a) for -700 <= a <= 700 to 1e-16 relative (own fit of degree 11)."""
    shifted = np.float64(a * _LOG2_E + _ROUNDER)
    n = shifted - _ROUNDER
    r = (a - n * _LN2_HIGH) - n * _LN2_LOW
    rr = r * r
    even = 2.7620201591031547e-07 * rr + 2.4801521057868204e-05
    even = even * rr + 0.0013888888917367081
    even = even * rr + 0.041666666666623824
    even = even * rr + 0.5000000000000001
    odd = 2.5100472505694996e-08 * rr + 2.7557268276905696e-06
    odd = odd * rr + 0.00019841269863171557
    odd = odd * rr + 0.008333333333330039
    odd = odd * rr + 0.16666666666666669
    p = np.float64(1.0 + (r + rr * (even + r * odd)))
    return np.int64(p.view(np.int64) + (shifted.view(np.int64) << 52)).view(np.float64)


@njit(cache=True, error_model="numpy")
def log_ratio_lane(a: float, b: float) -> float:
    """Return ln(a/b) of positive normal numbers less than 2^1000 apart, to 2e-16 relative (own fit).

    b is scaled by a power of two to within a factor 1.51 of a; their difference is then exact.
    """
    b_bits = np.float64(b).view(np.int64)
    power = ((np.float64(a).view(np.int64) - b_bits + 0x4008000000000000) >> 52) - 1024
    near = np.int64(b_bits + (power << 52)).view(np.float64)
    u = (a - near) / (a + near)
    uu = u * u
    u4 = uu * uu
    even = 0.06604511131021838 * u4 + 0.0909086837528748
    even = even * u4 + 0.14285714283604362
    even = even * u4 + 0.3333333333333333
    odd = 0.06807145374967508 * u4 + 0.07694451367989198
    odd = odd * u4 + 0.11111111529763278
    odd = odd * u4 + 0.20000000000004045
    p = even + uu * odd
    n = np.int64(power + 0x4338000000000000).view(np.float64) - _ROUNDER
    return n * _LN2_HIGH + (2.0 * u + (2.0 * u * uu * p + n * _LN2_LOW))


@njit(cache=True, error_model="numpy")
def mills_lane(z: float) -> tuple[float, float]:
    """Return p and r with R(z) = p / (p z + r) for 0 <= z <= 1e10: the function of ``black.mills``."""
    zz = z * z
    even = (zz + 404.0756200146355573) * zz + 23977.497832545601072
    even = ((even * zz + 403021.09658302079987) * zz + 1900437.7427466346783) * zz + 1276904.416449728825
    odd = (28.453368467435098428 * zz + 3701.5045433370577085) * zz + 114112.21419934144733
    odd = (odd * zz + 1043226.5814130812163) * zz + 2216969.7402495622343
    p = even + z * odd
    even = (28.453368469813520572 * zz + 3644.5978205901891938) * zz + 106993.75582394543118
    even = (even * zz + 849918.23821184747194) * zz + 1018822.3195062308433
    odd = (0.99999999998918867287 * zz + 402.07561977803117973) * zz + 23179.346015182990424
    odd = (odd * zz + 359032.47747019825924) * zz + 1304884.1099979431167
    r = even + z * odd
    return p, r


@njit(cache=True, error_model="numpy")
def series_lane(h: float, t: float, first: float) -> float:
    """Return R(-h-t) - R(t-h), t <= 0.5, |2ht| <= 8, by its Taylor series, from `first` = 1 + h R(-h).

    The odd moments of ``black.mills_difference``, m(n) = M(2n+1) / (2n+1)!, obey a recurrence of their own:
    (2n+2) (2n+3) m(n+1) = (h^2 + 4n + 3) m(n) - m(n-1), with m(-1) = 1.
    """
    hh = h * h
    tt = t * t
    m1 = ((hh + 3.0) * first - 1.0) * (1.0 / 6.0)
    m2 = ((hh + 7.0) * m1 - first) * (1.0 / 20.0)
    m3 = ((hh + 11.0) * m2 - m1) * (1.0 / 42.0)
    m4 = ((hh + 15.0) * m3 - m2) * (1.0 / 72.0)
    m5 = ((hh + 19.0) * m4 - m3) * (1.0 / 110.0)
    m6 = ((hh + 23.0) * m5 - m4) * (1.0 / 156.0)
    m7 = ((hh + 27.0) * m6 - m5) * (1.0 / 210.0)
    m8 = ((hh + 31.0) * m7 - m6) * (1.0 / 272.0)
    m9 = ((hh + 35.0) * m8 - m7) * (1.0 / 342.0)
    t4 = tt * tt
    low = (m1 + tt * m2) + t4 * (m3 + tt * m4)
    high = (m5 + tt * m6) + t4 * (m7 + tt * m8)
    t8 = t4 * t4
    return 2.0 * t * (first + tt * (low + t8 * (high + t8 * m9)))


@njit(cache=True, error_model="numpy")
def _place(w: Floats, m: int) -> int:
    """Write s, d1, d2, and the marks of the lanes left to the scalar kernel; return their number."""
    n_rare = 0
    for i in range(m):
        f, k, tau, v, d = w[_F + i], w[_K + i], w[_T + i], w[_V + i], w[_D + i]
        s = v * np.sqrt(tau)
        h = log_ratio_lane(f, k) / s
        t = 0.5 * s
        a = h * h + t * t
        w[_S + i] = s
        w[_D1 + i] = h + t
        w[_D2 + i] = h - t
        sound = (f > 1e-50) & (f < 1e50) & (k > 1e-50) & (k < 1e50) & (d > 1e-50) & (d < 1e50)
        sound = sound & (tau > 1e-12) & (tau < 1e6) & (v > 1e-9) & (v < 1e6) & (s > 1e-8) & (s < 30.0)
        sound = sound & ((a <= 1400.0) | (a > 1490.4))
        w[_RARE + i] = 0.0 if sound else 1.0
        n_rare += 0 if sound else 1
    return n_rare


@njit(cache=True, error_model="numpy")
def _densities(w: Floats, m: int) -> None:
    """Write d sqrt(F K) e, zero where e underflows."""
    for i in range(m):
        d1, d2 = w[_D1 + i], w[_D2 + i]
        a = -0.25 * (d1 * d1 + d2 * d2)
        e = 0.0 if a < -745.2 else _INV_SQRT_2PI * exp_lane(max(a, -700.0))
        w[_DENSITY + i] = w[_D + i] * (np.sqrt(w[_F + i] * w[_K + i]) * e)


@njit(cache=True, error_model="numpy")
def _is_short(s: float, d1: float, d2: float) -> bool:
    """Return whether the series in t holds: t <= 0.5 and |x| <= 8."""
    return (s <= 1.0) & (s * abs(d1 + d2) <= 16.0)


@njit(cache=True, error_model="numpy")
def _tails(w: Floats, m: int) -> None:
    """Write R(|d1|), and 1 - |h| R(|h|) where the series holds, R(|d2|) elsewhere."""
    for i in range(m):
        d1, d2 = w[_D1 + i], w[_D2 + i]
        z = abs(d1)
        p, r = mills_lane(z)
        w[_TAIL + i] = p / (p * z + r)
    for i in range(m):
        d1, d2 = w[_D1 + i], w[_D2 + i]
        short = _is_short(w[_S + i], d1, d2)
        z = abs(0.5 * (d1 + d2)) if short else abs(d2)
        p, r = mills_lane(z)
        w[_OTHER + i] = (r if short else p) / (p * z + r)


@njit(cache=True, error_model="numpy")
def _prices(w: Floats, m: int) -> None:
    """Write the price: the value out of the money by series, difference or distance from its bound."""
    for i in range(m):
        f, k, d, s, d1, d2 = w[_F + i], w[_K + i], w[_D + i], w[_S + i], w[_D1 + i], w[_D2 + i]
        tail, other, density = w[_TAIL + i], w[_OTHER + i], w[_DENSITY + i]
        x = d1 + d2
        short = _is_short(s, d1, d2)
        t = 0.5 * s
        gap = tail - other if x < 0.0 else other - tail
        value = density * (series_lane(-0.5 * abs(x), t, other) if short else gap)
        least = d * min(f, k)
        past = (t > 0.5 * abs(x)) & (not short)
        value = least - density * (tail + other) if past else value
        w[_OUT + i] = d * max(w[_SIGN + i] * (f - k), 0.0) + min(max(value, 0.0), least)


@njit(cache=True, error_model="numpy")
def _derivatives(w: Floats, m: int, with_rate: bool, second: bool) -> None:
    """Write delta, gamma, vega, theta and rho behind the price, and vanna and volga if asked."""
    for i in range(m):
        tau, d, s, d1, density = w[_T + i], w[_D + i], w[_S + i], w[_D1 + i], w[_DENSITY + i]
        inverse_f = 1.0 / w[_F + i]
        inverse_s = 1.0 / s
        inverse_root = w[_V + i] * inverse_s
        root = tau * inverse_root
        per_f = density * inverse_f
        tail = per_f * w[_TAIL + i]
        near = tail if d1 < 0.0 else d - tail
        far = d - tail if d1 < 0.0 else tail
        price = w[_OUT + i]
        rate = w[_R + i] if with_rate else -log_ratio_lane(d, 1.0) * (inverse_root * inverse_root)
        w[_OUT + _BLOCK + i] = near if w[_SIGN + i] > 0.0 else -far
        w[_OUT + 2 * _BLOCK + i] = per_f * inverse_f * inverse_s
        w[_OUT + 3 * _BLOCK + i] = density * root
        w[_OUT + 4 * _BLOCK + i] = (rate * price - 0.5 * density * w[_V + i] * inverse_root) * (1.0 / 365.0)
        w[_OUT + 5 * _BLOCK + i] = -tau * price
        if second:
            by_vol = w[_D2 + i] * (root * inverse_s)
            w[_OUT + 6 * _BLOCK + i] = -per_f * by_vol
            w[_OUT + 7 * _BLOCK + i] = density * root * d1 * by_vol


@njit(cache=True, error_model="numpy")
def _copy(source: Floats, i: int, target: Floats, j: int, m: int) -> None:
    """Copy m numbers from index i of one array to index j of another."""
    a = source[i : i + m]
    b = target[j : j + m]
    for n in range(m):
        b[n] = a[n]


@njit(cache=True, error_model="numpy", nogil=True)
def greeks_lanes(
    forward: Floats,
    strike: Floats,
    tau: Floats,
    vol: Floats,
    is_call: NDArray[np.bool_],
    discount: Floats,
    rate: Floats,
    out: Floats,
    rare: Marks,
    begin: int,
    end: int,
) -> int:
    """Fill columns begin to end - 1 of `out`; mark and count those left to the scalar kernel in `rare`.

    `out` has the first 1, 6 or 8 of price, delta, gamma, vega, theta, rho, vanna and volga as rows; an empty
    `rate` means -ln(discount) / tau.
    """
    w = np.empty(_SIZE)
    total = 0
    with_rate = rate.size > 0
    for start in range(begin, end, _BLOCK):
        m = min(_BLOCK, end - start)
        _copy(forward, start, w, _F, m)
        _copy(strike, start, w, _K, m)
        _copy(tau, start, w, _T, m)
        _copy(vol, start, w, _V, m)
        _copy(discount, start, w, _D, m)
        calls = is_call[start : start + m]
        for i in range(m):
            w[_SIGN + i] = 1.0 if calls[i] else -1.0
        n_rare = _place(w, m)
        _densities(w, m)
        _tails(w, m)
        _prices(w, m)
        if out.shape[0] > 1:
            if with_rate:
                _copy(rate, start, w, _R, m)
            _derivatives(w, m, with_rate, out.shape[0] > 6)
        for j in range(out.shape[0]):
            _copy(w, _OUT + j * _BLOCK, out[j], start, m)
        if n_rare > 0:
            total += n_rare
            for i in range(m):
                rare[start + i] = w[_RARE + i] > 0.0
    return total


@njit(cache=True, error_model="numpy")
def _normalise(w: Floats, m: int) -> None:
    """Write x, exp(x/2), b and ln b, and the marks of the lanes left to the scalar solver."""
    for i in range(m):
        f, k, tau, d, price = w[_F + i], w[_K + i], w[_T + i], w[_D + i], w[_PRICE + i]
        time_value = price - d * max(w[_SIGN + i] * (f - k), 0.0)
        x = -abs(log_ratio_lane(f, k))
        edge = np.sqrt(min(f, k) / max(f, k))
        b = time_value / d / np.sqrt(f * k)
        w[_X + i] = x
        w[_EDGE + i] = edge
        w[_B + i] = b
        w[_LOG_B + i] = log_ratio_lane(b, 1.0)
        sound = (f > 1e-50) & (f < 1e50) & (k > 1e-50) & (k < 1e50) & (d > 1e-50) & (d < 1e50)
        sound = sound & (tau > 1e-12) & (tau < 1e6) & (x > -100.0) & (b > 1e-280) & (b < 0.6 * edge)
        w[_RARE + i] = 0.0 if sound else 1.0


@njit(cache=True, error_model="numpy")
def _guesses(w: Floats, m: int) -> None:
    """Write a first s: the limit of small s where it is small, else Stefanica and Radoicic's formula.

    As ``black._guess_small`` and ``black._guess_large``.
    """
    for i in range(m):
        x, b, edge = w[_X + i], w[_B + i], w[_EDGE + i]
        q = np.sqrt(3.0 + log_ratio_lane(-x, b))
        top = 0.068355053689464193 * q - 0.35603465315603067
        top = ((top * q + 0.7900561325781752) * q - 0.88503159272175425) * q + 0.50468032061979406
        top = top * q - 0.10253225236230339
        low = 0.048081137151655601 * q - 0.23749331892019884
        low = ((low * q + 0.66179824083374472) * q - 1.0873744654811119) * q + 1.0
        at_money = (b - 0.5 * x) * (1.0 / _INV_SQRT_2PI)
        w[_STEP + i] = at_money if -x < 0.1422740715865136 * b else -x * low / top
    for i in range(m):
        x, b, edge, small = w[_X + i], w[_B + i], w[_EDGE + i], w[_STEP + i]
        c = edge - b
        grown = exp_lane(_KAPPA * max(x, -100.0))
        shrunk = 1.0 / grown
        inverse_edge = 1.0 / edge
        half = 0.5 * (inverse_edge - edge)
        ratio = grown * inverse_edge
        u = 4.0 * b * (b + 2.0 * half)
        q_a = (grown - shrunk) * (grown - shrunk)
        q_b = 2.0 * u * (grown + shrunk) + 8.0 * half * (ratio - 1.0 / ratio)
        q_c = u * 4.0 * c * (edge + inverse_edge - c)
        g = 2.0 * q_c / (q_b + np.sqrt(q_b * q_b + 4.0 * q_a * q_c))
        radius = -0.5 * np.pi * log_ratio_lane(g, 1.0)
        both = np.sqrt(radius - x) + np.sqrt(max(radius + x, 0.0))
        large = both if u - 2.0 + g * (grown + shrunk) > 0.0 else -2.0 * x / both
        w[_S + i] = small if (small < 0.6) & (w[_LOG_B + i] < -0.5) else large


@njit(cache=True, error_model="numpy")
def _improve(w: Floats, m: int) -> None:
    """Take one Householder step of order four in every lane, on the objectives of ``black._residual``."""
    for i in range(m):
        h, t = w[_X + i] / w[_S + i], 0.5 * w[_S + i]
        p, r = mills_lane(t - h)
        w[_TAIL + i] = p / (p * (t - h) + r)
    for i in range(m):
        h, t = w[_X + i] / w[_S + i], 0.5 * w[_S + i]
        short = (t <= 0.5) & (w[_X + i] >= -8.0)
        z = -h if short else abs(h + t)
        p, r = mills_lane(z)
        w[_OTHER + i] = (r if short else p) / (p * z + r)
    for i in range(m):
        x, s, tail, other = w[_X + i], w[_S + i], w[_TAIL + i], w[_OTHER + i]
        h, t = x / s, 0.5 * s
        a = 0.5 * (h * h + t * t)
        short = (t <= 0.5) & (x >= -8.0)
        per_e = exp_lane(min(a, 700.0)) * (1.0 / _INV_SQRT_2PI)
        gap = other - tail if h + t <= 0.0 else w[_EDGE + i] * per_e - (other + tail)
        below = series_lane(h, t, other) if short else gap
        w[_STEP + _BLOCK + i] = below
        w[_STEP + 2 * _BLOCK + i] = w[_B + i] * per_e - below
    for i in range(m):
        x, s, lb = w[_X + i], w[_S + i], w[_LOG_B + i]
        below, plain = w[_STEP + _BLOCK + i], w[_STEP + 2 * _BLOCK + i]
        inverse = 1.0 / s
        h, t = x * inverse, 0.5 * s
        value = log_ratio_lane(below, 1.0) - 0.5 * (h * h + t * t) - 0.9189385332046727
        slope = 1.0 / below
        eta = (h - t) * (h + t) * inverse
        third = eta * eta - 3.0 * h * h * inverse * inverse - 0.25
        miss = (value - lb) / lb
        bend = -slope / value
        deep = lb < -1.5 + 0.5 * x
        newton = -2.0 * value * below * miss / (1.0 + np.sqrt(1.0 + miss)) if deep else plain
        first = eta - slope + 1.5 * bend if deep else eta
        curved = third - 3.0 * slope * eta + 2.0 * slope * slope
        second = curved + 4.5 * bend * (eta - slope) + 3.75 * bend * bend if deep else third
        step = newton * (1.0 + 0.5 * first * newton) / (1.0 + newton * (first + second * newton / 6.0))
        w[_STEP + i] = step
        w[_S + i] = s + step


@njit(cache=True, error_model="numpy")
def _settle(w: Floats, m: int) -> int:
    """Write the vol, and mark the lanes whose last step was not small; return the number of marked lanes."""
    n_rare = 0
    for i in range(m):
        s, step = w[_S + i], w[_STEP + i]
        rare = (w[_RARE + i] > 0.0) | (not ((abs(step) <= 1e-5 * s) & (s < 30.0)))
        w[_STEP + i] = s / np.sqrt(w[_T + i])
        w[_RARE + i] = 1.0 if rare else 0.0
        n_rare += 1 if rare else 0
    return n_rare


@njit(cache=True, error_model="numpy", nogil=True)
def implied_lanes(
    price: Floats,
    forward: Floats,
    strike: Floats,
    tau: Floats,
    is_call: NDArray[np.bool_],
    discount: Floats,
    sigma: Floats,
    rare: Marks,
    begin: int,
    end: int,
) -> int:
    """Fill elements begin to end - 1 of `sigma`; mark and count those left to the scalar solver in `rare`."""
    w = np.empty(_SIZE)
    total = 0
    for start in range(begin, end, _BLOCK):
        m = min(_BLOCK, end - start)
        _copy(price, start, w, _PRICE, m)
        _copy(forward, start, w, _F, m)
        _copy(strike, start, w, _K, m)
        _copy(tau, start, w, _T, m)
        _copy(discount, start, w, _D, m)
        calls = is_call[start : start + m]
        for i in range(m):
            w[_SIGN + i] = 1.0 if calls[i] else -1.0
        _normalise(w, m)
        _guesses(w, m)
        _improve(w, m)
        _improve(w, m)
        n_rare = _settle(w, m)
        _copy(w, _STEP, sigma, start, m)
        if n_rare > 0:
            total += n_rare
            for i in range(m):
                rare[start + i] = w[_RARE + i] > 0.0
    return total
