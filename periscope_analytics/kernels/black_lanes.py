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

from periscope_analytics.kernels.fused import fused

Floats = NDArray[np.float64]
Marks = NDArray[np.bool_]

_INV_SQRT_2PI = 0.3989422804014327
_LN2_HIGH = 0.6931471803691238
_LN2_LOW = 1.9082149292705877e-10
_LOG2_E = 1.4426950408889634
_ROUNDER = 6755399441055744.0
BLOCK = 128
_T, _V, _D, _SIGN, _LEAST, _GAIN, _S, _D1, _D2, _DENSITY, _TAIL, _OTHER, _PER_S, _PER_F, _WORTH = (
    BLOCK * j for j in range(15)
)
_SIZE = BLOCK * 15


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
def near_lane(a: float, b: float) -> tuple[float, float]:
    """Return n and 2^n b, which is within a factor 1.51 of a; both are positive and normal."""
    b_bits = np.float64(b).view(np.int64)
    power = ((np.float64(a).view(np.int64) - b_bits + 0x4008000000000000) >> 52) - 1024
    near = np.int64(b_bits + (power << 52)).view(np.float64)
    return np.int64(power + 0x4338000000000000).view(np.float64) - _ROUNDER, near


@njit(cache=True, error_model="numpy")
def log_lane(n: float, u: float) -> float:
    """Return n ln 2 + 2 artanh u for |u| <= 0.204, to 2e-16 relative (own fit)."""
    uu = u * u
    u4 = uu * uu
    even = fused(0.06604511131021838, u4, 0.0909086837528748)
    even = fused(even, u4, 0.14285714283604362)
    even = fused(even, u4, 0.3333333333333333)
    odd = fused(0.06807145374967508, u4, 0.07694451367989198)
    odd = fused(odd, u4, 0.11111111529763278)
    odd = fused(odd, u4, 0.20000000000004045)
    p = fused(uu, odd, even)
    return fused(n, _LN2_HIGH, fused(2.0, u, fused(2.0 * u * uu, p, n * _LN2_LOW)))


@njit(cache=True, error_model="numpy")
def log_ratio_lane(a: float, b: float) -> float:
    """Return ln(a/b) of positive normal numbers less than 2^1000 apart, to 2e-16 relative.

    b is scaled by a power of two to within a factor 1.51 of a; their difference is then exact.
    """
    n, near = near_lane(a, b)
    return float(log_lane(n, (a - near) / (a + near)))


@njit(cache=True, error_model="numpy")
def mills_lane(z: float) -> tuple[float, float]:
    """Return p and r with R(z) = p / (p z + r) for 0 <= z <= 1e10: the function of ``black.mills``."""
    zz = z * z
    even = fused(zz + 404.0756200146355573, zz, 23977.497832545601072)
    even = fused(fused(even, zz, 403021.09658302079987), zz, 1900437.7427466346783)
    even = fused(even, zz, 1276904.416449728825)
    odd = fused(28.453368467435098428, zz, 3701.5045433370577085)
    odd = fused(fused(odd, zz, 114112.21419934144733), zz, 1043226.5814130812163)
    odd = fused(odd, zz, 2216969.7402495622343)
    p = fused(z, odd, even)
    even = fused(28.453368469813520572, zz, 3644.5978205901891938)
    even = fused(fused(even, zz, 106993.75582394543118), zz, 849918.23821184747194)
    even = fused(even, zz, 1018822.3195062308433)
    odd = fused(0.99999999998918867287, zz, 402.07561977803117973)
    odd = fused(fused(odd, zz, 23179.346015182990424), zz, 359032.47747019825924)
    odd = fused(odd, zz, 1304884.1099979431167)
    return p, fused(z, odd, even)


@njit(cache=True, error_model="numpy")
def series_lane(h: float, t: float, first: float) -> float:
    """Return R(-h-t) - R(t-h), t <= 0.5, |2ht| <= 8, by its Taylor series, from `first` = 1 + h R(-h).

    The odd moments of ``black.mills_difference``, m(n) = M(2n+1) / (2n+1)!, obey a recurrence of their own:
    (2n+2) (2n+3) m(n+1) = (h^2 + 4n + 3) m(n) - m(n-1), with m(-1) = 1.
    """
    hh = h * h
    tt = t * t
    m1 = fused(hh + 3.0, first, -1.0) * (1.0 / 6.0)
    m2 = fused(hh + 7.0, m1, -first) * (1.0 / 20.0)
    m3 = fused(hh + 11.0, m2, -m1) * (1.0 / 42.0)
    m4 = fused(hh + 15.0, m3, -m2) * (1.0 / 72.0)
    m5 = fused(hh + 19.0, m4, -m3) * (1.0 / 110.0)
    m6 = fused(hh + 23.0, m5, -m4) * (1.0 / 156.0)
    m7 = fused(hh + 27.0, m6, -m5) * (1.0 / 210.0)
    m8 = fused(hh + 31.0, m7, -m6) * (1.0 / 272.0)
    m9 = fused(hh + 35.0, m8, -m7) * (1.0 / 342.0)
    t4 = tt * tt
    low = fused(t4, fused(tt, m4, m3), fused(tt, m2, m1))
    high = fused(t4, fused(tt, m8, m7), fused(tt, m6, m5))
    t8 = t4 * t4
    return 2.0 * t * fused(tt, fused(t8, fused(t8, m9, high), low), first)


@njit(cache=True, error_model="numpy")
def _scales(w: Floats, forward: Floats, strike: Floats, tau: Floats, vol: Floats) -> None:
    """Write tau, vol, s, 1/s, 1/F and the arguments of ``log_lane`` for ln(F/K).

    One division serves all quotients; what it rounds away of the one that is amplified is put back.
    """
    for i in range(forward.size):
        f, k, t, v = forward[i], strike[i], tau[i], vol[i]
        s = v * np.sqrt(t)
        n, near = near_lane(f, k)
        over, under, fs = f - near, f + near, f * s
        inverse = 1.0 / (under * fs)
        per_under, per_fs = inverse * fs, inverse * under
        u = over * per_under
        w[_T + i] = t
        w[_V + i] = v
        w[_S + i] = s
        w[_PER_S + i] = per_fs * f
        w[_PER_F + i] = per_fs * s
        w[_D1 + i] = n
        w[_D2 + i] = fused(fused(-u, under, over), per_under, u)


@njit(cache=True, error_model="numpy")
def _bounds(w: Floats, forward: Floats, strike: Floats, discount: Floats, is_call: Marks) -> int:
    """Write discount, sign, d min(F, K) and the intrinsic value; return how many are out of range."""
    n_out = 0
    for i in range(forward.size):
        f, k, d = forward[i], strike[i], discount[i]
        low = min(f, k)
        sign = 1.0 if is_call[i] else -1.0
        w[_D + i] = d
        w[_SIGN + i] = sign
        w[_LEAST + i] = d * low
        w[_GAIN + i] = d * max(sign * (f - k), 0.0)
        n_out += 0 if (low > 1e-50) & (f + k < 1e50) & (d > 1e-50) & (d < 1e50) else 1
    return n_out


@njit(cache=True, error_model="numpy")
def _place(w: Floats, m: int) -> int:
    """Write d1 and d2; return how many are out of range."""
    n_out = 0
    for i in range(m):
        s, per_s, tau = w[_S + i], w[_PER_S + i], w[_T + i]
        x = log_lane(w[_D1 + i], w[_D2 + i])
        h = x * per_s
        h = fused(fused(-h, s, x), per_s, h)
        t = 0.5 * s
        a = fused(h, h, t * t)
        w[_D1 + i] = h + t
        w[_D2 + i] = h - t
        sound = (tau > 1e-12) & (tau < 1e6) & (s > 1e-8) & (s < 30.0) & ((a <= 1400.0) | (a > 1490.4))
        n_out += 0 if sound else 1
    return n_out


@njit(cache=True, error_model="numpy")
def _mark(w: Floats, forward: Floats, strike: Floats, rare: Marks) -> int:
    """Mark the lanes left to the scalar kernel; return their number."""
    n_rare = 0
    for i in range(rare.size):
        f, k, tau, d = forward[i], strike[i], w[_T + i], w[_D + i]
        s, h, t = w[_S + i], 0.5 * (w[_D1 + i] + w[_D2 + i]), 0.5 * w[_S + i]
        a = fused(h, h, t * t)
        sound = min(f, k) > 1e-50 and f + k < 1e50 and 1e-50 < d < 1e50
        sound = sound and 1e-12 < tau < 1e6 and 1e-8 < s < 30.0 and (a < 1399.9 or a > 1490.5)
        rare[i] = not sound
        n_rare += 0 if sound else 1
    return n_rare


@njit(cache=True, error_model="numpy")
def _densities(w: Floats, m: int) -> None:
    """Write d F phi(d1) = d K phi(d2), by the smaller of |d1| and |d2|; zero where it underflows."""
    for i in range(m):
        least, d1, d2 = w[_LEAST + i], w[_D1 + i], w[_D2 + i]
        z = min(abs(d1), abs(d2))
        e = least * (_INV_SQRT_2PI * exp_lane(max(-0.5 * z * z, -700.0)))
        w[_DENSITY + i] = 0.0 if fused(d1, d1, d2 * d2) > 2890.0 else e


@njit(cache=True, error_model="numpy")
def _is_short(s: float, d1: float, d2: float) -> bool:
    """Return whether the series in t holds: t <= 0.5 and |x| <= 8."""
    return (s <= 1.0) & (s * abs(d1 + d2) <= 16.0)


@njit(cache=True, error_model="numpy")
def _tails(w: Floats, m: int) -> None:
    """Write R(|d1|), and 1 - |h| R(|h|) where the series holds, R(|d2|) elsewhere."""
    for i in range(m):
        d1, d2 = w[_D1 + i], w[_D2 + i]
        short = _is_short(w[_S + i], d1, d2)
        z1 = abs(d1)
        z2 = abs(0.5 * (d1 + d2)) if short else abs(d2)
        p1, r1 = mills_lane(z1)
        p2, r2 = mills_lane(z2)
        q1, q2 = fused(p1, z1, r1), fused(p2, z2, r2)
        inverse = 1.0 / (q1 * q2)
        w[_TAIL + i] = p1 * (inverse * q2)
        w[_OTHER + i] = (r2 if short else p2) * (inverse * q1)


@njit(cache=True, error_model="numpy")
def _prices(w: Floats, price: Floats) -> None:
    """Write the price: the value out of the money by series, difference or distance from its bound."""
    for i in range(price.size):
        s, d1, d2, least = w[_S + i], w[_D1 + i], w[_D2 + i], w[_LEAST + i]
        tail, other, density = w[_TAIL + i], w[_OTHER + i], w[_DENSITY + i]
        x = d1 + d2
        short = _is_short(s, d1, d2)
        gap = tail - other if x < 0.0 else other - tail
        value = density * (series_lane(-0.5 * abs(x), 0.5 * s, other) if short else gap)
        past = (s > abs(x)) & (not short)
        value = least - density * (tail + other) if past else value
        total = w[_GAIN + i] + min(max(value, 0.0), least)
        w[_WORTH + i] = total
        price[i] = total


@njit(cache=True, error_model="numpy")
def _slopes(w: Floats, delta: Floats, gamma: Floats, vega: Floats) -> None:
    """Write delta, gamma and vega."""
    for i in range(delta.size):
        d, d1, density, per_s, per_f = w[_D + i], w[_D1 + i], w[_DENSITY + i], w[_PER_S + i], w[_PER_F + i]
        per_f_density = per_f * density
        tail = per_f_density * w[_TAIL + i]
        near = tail if d1 < 0.0 else d - tail
        far = d - tail if d1 < 0.0 else tail
        delta[i] = near if w[_SIGN + i] > 0.0 else -far
        gamma[i] = per_f_density * per_f * per_s
        vega[i] = density * (w[_T + i] * (w[_V + i] * per_s))


@njit(cache=True, error_model="numpy")
def _decays(w: Floats, theta: Floats, rho: Floats) -> None:
    """Write theta, by the rate -ln(discount) / tau, and rho."""
    for i in range(theta.size):
        v, price = w[_V + i], w[_WORTH + i]
        per_root = v * w[_PER_S + i]
        rate = -log_ratio_lane(w[_D + i], 1.0) * (per_root * per_root)
        theta[i] = fused(rate, price, -0.5 * w[_DENSITY + i] * v * per_root) * (1.0 / 365.0)
        rho[i] = -w[_T + i] * price


@njit(cache=True, error_model="numpy")
def _rated_decays(w: Floats, rate: Floats, theta: Floats, rho: Floats) -> None:
    """Write theta, by the rate given, and rho."""
    for i in range(theta.size):
        v, price = w[_V + i], w[_WORTH + i]
        loss = -0.5 * w[_DENSITY + i] * v * (v * w[_PER_S + i])
        theta[i] = fused(rate[i], price, loss) * (1.0 / 365.0)
        rho[i] = -w[_T + i] * price


@njit(cache=True, error_model="numpy")
def _bends(w: Floats, vanna: Floats, volga: Floats) -> None:
    """Write vanna and volga."""
    for i in range(vanna.size):
        density, per_s = w[_DENSITY + i], w[_PER_S + i]
        root = w[_T + i] * (w[_V + i] * per_s)
        by_vol = w[_D2 + i] * (root * per_s)
        vanna[i] = -density * w[_PER_F + i] * by_vol
        volga[i] = density * root * w[_D1 + i] * by_vol


@njit(cache=True, error_model="numpy")
def _part(column: Floats, start: int, stop: int) -> Floats:
    """Return the block of a column, or the beginning of one that repeats a single number."""
    return column[start:stop] if stop <= column.size else column[: stop - start]


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
    for start in range(begin, end, BLOCK):
        stop = min(start + BLOCK, end)
        m = stop - start
        f, k = _part(forward, start, stop), _part(strike, start, stop)
        _scales(w, f, k, _part(tau, start, stop), _part(vol, start, stop))
        n_out = _bounds(w, f, k, _part(discount, start, stop), is_call[start:stop])
        if _place(w, m) + n_out > 0:
            total += _mark(w, f, k, rare[start:stop])
        _densities(w, m)
        _tails(w, m)
        _prices(w, out[0, start:stop])
        if out.shape[0] > 1:
            _slopes(w, out[1, start:stop], out[2, start:stop], out[3, start:stop])
            if rate.size > 0:
                _rated_decays(w, _part(rate, start, stop), out[4, start:stop], out[5, start:stop])
            else:
                _decays(w, out[4, start:stop], out[5, start:stop])
        if out.shape[0] > 6:
            _bends(w, out[6, start:stop], out[7, start:stop])
    return total
