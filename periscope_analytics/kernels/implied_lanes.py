"""Implied vols of many options at once, written so that the compiler uses vector registers.

What belongs here: the method of ``black.solve_normalised`` without branches or calls, on scratch blocks in
which option i sits in lane i. What does not: the exact treatment of extremes; a lane out of range, or whose
second step is not small, is only marked, and ``black.implied_many`` does it. The objective is ln b, or
ln(exp(x/2) - b) in the upper half of the prices. The elementary functions are those of ``black_lanes``, word
for word: callers and callees stay in one file, because numba's cache does not see edits in another one.
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
_KAPPA = 0.3633802276324187
BLOCK = 128
_X, _B, _EDGE, _PER_EDGE, _TARGET, _SIDE, _S, _PER_S, _H, _TAIL, _OTHER, _RATIO, _STEP, _RARE = (
    BLOCK * j for j in range(14)
)
_SIZE = BLOCK * 14


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
def exp_rough_lane(a: float) -> tuple[float, float]:
    """Return exp(a) and exp(-a) for -700 <= a <= 700 to 1e-7 relative (Taylor)."""
    shifted = np.float64(fused(a, _LOG2_E, _ROUNDER))
    r = fused(_ROUNDER - shifted, _LN2_HIGH, a)
    rr = r * r
    even = fused(fused(fused(1.0 / 720.0, rr, 1.0 / 24.0), rr, 0.5), rr, 1.0)
    odd = r * fused(fused(1.0 / 120.0, rr, 1.0 / 6.0), rr, 1.0)
    scale = shifted.view(np.int64) << 52
    up, down = np.float64(even + odd), np.float64(even - odd)
    up_bits, down_bits = np.int64(up.view(np.int64) + scale), np.int64(down.view(np.int64) - scale)
    return up_bits.view(np.float64), down_bits.view(np.float64)


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
def _normalise(
    w: Floats, price: Floats, forward: Floats, strike: Floats, discount: Floats, is_call: Marks
) -> None:
    """Write b, exp(x/2) and its inverse, the arguments of ``log_lane`` for x, and marks."""
    for i in range(price.size):
        f, k, d = forward[i], strike[i], discount[i]
        low, high, root = min(f, k), max(f, k), np.sqrt(f * k)
        n, near = near_lane(f, k)
        over, under, dr = f - near, f + near, d * root
        inverse = 1.0 / (under * dr)
        per_under, per_dr = inverse * dr, inverse * under
        u = over * per_under
        gain = d * max((1.0 if is_call[i] else -1.0) * (f - k), 0.0)
        b, per_root = (price[i] - gain) * per_dr, per_dr * d
        edge = low * per_root
        w[_B + i] = b
        w[_EDGE + i] = edge
        w[_PER_EDGE + i] = high * per_root
        w[_X + i] = n
        w[_H + i] = fused(fused(-u, under, over), per_under, u)
        sound = (low > 1e-50) & (f + k < 1e50) & (d > 1e-50) & (d < 1e50)
        w[_RARE + i] = 0.0 if sound & (b > 1e-280) & (b < (1.0 - 1e-12) * edge) else 1.0


@njit(cache=True, error_model="numpy")
def _targets(w: Floats, m: int) -> None:
    """Write x and what to solve for: ln b, or ln(exp(x/2) - b) in the upper half."""
    for i in range(m):
        x = -abs(log_lane(w[_X + i], w[_H + i]))
        b, edge = w[_B + i], w[_EDGE + i]
        upper = b > 0.5 * edge
        w[_X + i] = x
        w[_SIDE + i] = -1.0 if upper else 1.0
        w[_TARGET + i] = log_ratio_lane(edge - b if upper else b, 1.0)
        w[_RARE + i] = w[_RARE + i] if x > -100.0 else 1.0


@njit(cache=True, error_model="numpy")
def _small_guesses(w: Floats, m: int) -> int:
    """Write the s of the limit of small s, as ``black._guess_small``; return for how many it is too large."""
    n_large = 0
    for i in range(m):
        x, b, target = w[_X + i], w[_B + i], w[_TARGET + i]
        q = np.sqrt(3.0 + log_ratio_lane(-x, b))
        top = fused(fused(0.068355053689464193, q, -0.35603465315603067), q, 0.7900561325781752)
        top = fused(
            fused(fused(top, q, -0.88503159272175425), q, 0.50468032061979406), q, -0.10253225236230339
        )
        low = fused(fused(0.048081137151655601, q, -0.23749331892019884), q, 0.66179824083374472)
        low = fused(fused(low, q, -1.0873744654811119), q, 1.0)
        at_money = (b - 0.5 * x) * (1.0 / _INV_SQRT_2PI)
        s = at_money if -x < 0.1422740715865136 * b else -x * low / top
        fits = (s < 0.6) & (target < -0.5) & (w[_SIDE + i] > 0.0)
        w[_S + i] = s if fits else 0.0
        n_large += 0 if fits else 1
    return n_large


@njit(cache=True, error_model="numpy")
def _large_guesses(w: Floats, m: int) -> None:
    """Write Stefanica and Radoicic's s, as ``black._guess_large``, where there is none yet."""
    for i in range(m):
        x, b, edge, per_edge, small = w[_X + i], w[_B + i], w[_EDGE + i], w[_PER_EDGE + i], w[_S + i]
        c = edge - b
        grown, shrunk = exp_rough_lane(_KAPPA * max(x, -100.0))
        u = 4.0 * b * (b + per_edge - edge)
        q_a = (grown - shrunk) * (grown - shrunk)
        q_b = fused(2.0 * u, grown + shrunk, 4.0 * (per_edge - edge) * (grown * per_edge - shrunk * edge))
        q_c = u * 4.0 * c * (edge + per_edge - c)
        low = q_b + np.sqrt(fused(q_b, q_b, 4.0 * q_a * q_c))
        radius = -0.5 * np.pi * log_ratio_lane(2.0 * q_c, low)
        both = np.sqrt(radius - x) + np.sqrt(max(radius + x, 0.0))
        outer = fused(u - 2.0, low, 2.0 * q_c * (grown + shrunk)) > 0.0
        large = both if outer else -2.0 * x / both
        w[_S + i] = small if small > 0.0 else large


@njit(cache=True, error_model="numpy")
def _tail_ratios(w: Floats, m: int) -> None:
    """Write h, 1/s, R(t-h), and 1 + h R(-h) where the series holds, R(|h+t|) elsewhere."""
    for i in range(m):
        x, s = w[_X + i], w[_S + i]
        per_s = 1.0 / s
        h = x * per_s
        h = fused(fused(-h, s, x), per_s, h)
        short = (s <= 1.0) & (x >= -8.0)
        z1 = fused(0.5, s, -h)
        z2 = -h if short else abs(fused(0.5, s, h))
        p1, r1 = mills_lane(z1)
        p2, r2 = mills_lane(z2)
        q1, q2 = fused(p1, z1, r1), fused(p2, z2, r2)
        inverse = 1.0 / (q1 * q2)
        w[_H + i] = h
        w[_PER_S + i] = per_s
        w[_TAIL + i] = p1 * (inverse * q2)
        w[_OTHER + i] = (r2 if short else p2) * (inverse * q1)


@njit(cache=True, error_model="numpy")
def _value_ratios(w: Floats, m: int) -> None:
    """Write b / e, or (exp(x/2) - b) / e in the upper half."""
    for i in range(m):
        x, s, h, tail, other = w[_X + i], w[_S + i], w[_H + i], w[_TAIL + i], w[_OTHER + i]
        t = 0.5 * s
        whole = w[_EDGE + i] * exp_lane(min(0.5 * fused(h, h, t * t), 700.0)) * (1.0 / _INV_SQRT_2PI)
        short = (s <= 1.0) & (x >= -8.0)
        past = (h + t > 0.0) & (not short)
        near = series_lane(h, t, other) if short else other - tail
        near = other + tail if past else near
        far = whole - near
        w[_RATIO + i] = far if past == (w[_SIDE + i] > 0.0) else near


@njit(cache=True, error_model="numpy")
def _improve(w: Floats, m: int) -> None:
    """Take one Householder step of order four in every lane."""
    for i in range(m):
        s, h, per_s, ratio, side = w[_S + i], w[_H + i], w[_PER_S + i], w[_RATIO + i], w[_SIDE + i]
        t = 0.5 * s
        n, near = near_lane(ratio, 1.0)
        over, under = ratio - near, ratio + near
        inverse = 1.0 / (under * ratio)
        value = log_lane(n, over * (inverse * ratio)) - fused(0.5, fused(h, h, t * t), 0.9189385332046727)
        slope = side * (inverse * under)
        eta = (h - t) * (h + t) * per_s
        tilt = h * per_s
        third = fused(eta, eta, fused(-3.0 * tilt, tilt, -0.25))
        newton = side * ratio * (w[_TARGET + i] - value)
        first = eta - slope
        second = fused(slope, fused(2.0, slope, -3.0 * eta), third)
        low = fused(newton, fused(second * (1.0 / 6.0), newton, first), 1.0)
        step = newton * fused(0.5 * first, newton, 1.0) / low
        w[_STEP + i] = step
        w[_S + i] = s + step


@njit(cache=True, error_model="numpy")
def _settle(w: Floats, tau: Floats, sigma: Floats) -> int:
    """Write the vol, and mark the lanes whose last step was not small; return the number of marked lanes."""
    n_rare = 0
    for i in range(sigma.size):
        s, t = w[_S + i], tau[i]
        sound = (t > 1e-12) & (t < 1e6) & (w[_RARE + i] == 0.0)
        sound = sound & (abs(w[_STEP + i]) <= 1e-5 * s) & (s < 30.0)
        sigma[i] = s / np.sqrt(t)
        w[_RARE + i] = 0.0 if sound else 1.0
        n_rare += 0 if sound else 1
    return n_rare


@njit(cache=True, error_model="numpy")
def _part(column: Floats, start: int, stop: int) -> Floats:
    """Return the block of a column, or the beginning of one that repeats a single number."""
    return column[start:stop] if stop <= column.size else column[: stop - start]


@njit(cache=True, error_model="numpy", nogil=True)
def implied_lanes(
    price: Floats,
    forward: Floats,
    strike: Floats,
    tau: Floats,
    is_call: Marks,
    discount: Floats,
    sigma: Floats,
    rare: Marks,
    begin: int,
    end: int,
) -> int:
    """Fill elements begin to end - 1 of `sigma`; mark and count those left to the scalar solver in `rare`."""
    w = np.empty(_SIZE)
    total = 0
    for start in range(begin, end, BLOCK):
        stop = min(start + BLOCK, end)
        m = stop - start
        _normalise(
            w, _part(price, start, stop), _part(forward, start, stop), _part(strike, start, stop),
            _part(discount, start, stop), is_call[start:stop],
        )  # fmt: skip
        _targets(w, m)
        if _small_guesses(w, m) > 0:
            _large_guesses(w, m)
        for _ in range(2):
            _tail_ratios(w, m)
            _value_ratios(w, m)
            _improve(w, m)
        n_rare = _settle(w, _part(tau, start, stop), sigma[start:stop])
        if n_rare > 0:
            total += n_rare
            for i in range(m):
                rare[start + i] = w[_RARE + i] > 0.0
    return total
