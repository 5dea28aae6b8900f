"""Kernels of American options on a binomial tree, with escrowed cash dividends.

What belongs here: floats in, floats out. What does not: checks of arguments, broadcasting, objects. Callers
and callees stay in this one file, because numba's cache does not see edits in another one.

Escrowed dividends: the spot less the present value of the cash dividends due before expiry follows the
lognormal process; what is exercised at a time is that process plus the present value then of the dividends
still to come. A dividend's time is the last instant at which exercise still collects it.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_SQRT_HALF = math.sqrt(0.5)
_GREATEST_TOTAL_VOL = 20.0


@njit(cache=True, error_model="numpy")
def normal_cdf(z: float) -> float:
    """Return Phi(z)."""
    return 0.5 * math.erfc(-z * _SQRT_HALF)


@njit(cache=True, error_model="numpy")
def european(
    spot: float, strike: float, tau: float, rate: float, q: float, vol: float, is_call: bool
) -> float:
    """Return the Black-Scholes-Merton price for tau > 0 and vol > 0."""
    s = vol * math.sqrt(tau)
    d1 = (math.log(spot / strike) + (rate - q) * tau) / s + 0.5 * s
    asset, cash = spot * math.exp(-q * tau), strike * math.exp(-rate * tau)
    if is_call:
        return float(asset * normal_cdf(d1) - cash * normal_cdf(d1 - s))
    return float(cash * normal_cdf(s - d1) - asset * normal_cdf(-d1))


@njit(cache=True, error_model="numpy")
def escrow(start: float, tau: float, rate: float, amounts: Floats, times: Floats) -> float:
    """Return the value at `start` of the dividends due from then on and before expiry."""
    total = 0.0
    for i in range(times.size):
        if start <= times[i] < tau and times[i] > 0.0:
            total += amounts[i] * math.exp(-rate * (times[i] - start))
    return total


@njit(cache=True, error_model="numpy")
def _payoff_at(
    time: float,
    held: float,
    base: float,
    strike: float,
    rate: float,
    q: float,
    sign: float,
) -> float:
    """Return the value now of exercise on the forward path, with dividends worth `held` now still to come."""
    return sign * (base * math.exp(-q * time) + held - strike * math.exp(-rate * time))


@njit(cache=True, error_model="numpy")
def without_vol(
    spot: float,
    strike: float,
    tau: float,
    rate: float,
    q: float,
    is_call: bool,
    amounts: Floats,
    times: Floats,
) -> float:
    """Return the value at zero vol: the best exercise time on the forward path."""
    sign = 1.0 if is_call else -1.0
    base = spot - escrow(0.0, tau, rate, amounts, times)
    best = max(0.0, sign * (spot - strike), _payoff_at(tau, 0.0, base, strike, rate, q, sign))
    if rate != q and rate * q > 0.0:
        turn = math.log(q * base / (rate * strike)) / (q - rate)
        if 0.0 < turn < tau:
            held = escrow(turn, tau, rate, amounts, times) * math.exp(-rate * turn)
            best = max(best, _payoff_at(turn, held, base, strike, rate, q, sign))
    for i in range(times.size):
        if 0.0 < times[i] < tau:
            held = escrow(times[i], tau, rate, amounts, times) * math.exp(-rate * times[i])
            if not is_call:
                held -= amounts[i] * math.exp(-rate * times[i])
            best = max(best, _payoff_at(times[i], held, base, strike, rate, q, sign))
    return float(best)


@njit(cache=True, error_model="numpy")
def _peizer_pratt(z: float, n: int) -> tuple[float, float]:
    """Return the probability that inverts the binomial law and its complement (Leisen, Reimer 1996)."""
    a = z / (n + 1.0 / 3.0 + 0.1 / (n + 1.0))
    tail = math.exp(-a * a * (n + 1.0 / 6.0))
    small = 0.5 * tail / (1.0 + math.sqrt(1.0 - tail))
    return (1.0 - small, small) if z > 0.0 else (small, 1.0 - small)


@njit(cache=True, error_model="numpy")
def _moves(
    base: float, strike: float, tau: float, rate: float, q: float, vol: float, n: int
) -> tuple[float, float, float]:
    """Return up, down and probability: Leisen-Reimer, or a symmetric tree where that degenerates."""
    step = tau / n
    growth = math.exp((rate - q) * step)
    s = vol * math.sqrt(tau)
    d1 = (math.log(base / strike) + (rate - q) * tau) / s + 0.5 * s
    p, not_p = _peizer_pratt(d1 - s, n)
    p1, not_p1 = _peizer_pratt(d1, n)
    if min(p, not_p, p1, not_p1) > 1e-7:
        return growth * p1 / p, growth * not_p1 / not_p, p
    move = math.exp(vol * math.sqrt(step))
    return growth * move, growth / move, 1.0 / (1.0 + move)


@njit(cache=True, error_model="numpy")
def tree_premium(
    spot: float,
    strike: float,
    tau: float,
    rate: float,
    q: float,
    vol: float,
    is_call: bool,
    amounts: Floats,
    times: Floats,
    n: int,
) -> float:
    """Return the American minus the European value on one tree of n steps.

    A dividend between two levels may also be collected by deciding at the earlier one to exercise at its
    time, and avoided by deciding to exercise just after it.
    """
    sign = 1.0 if is_call else -1.0
    base = spot - escrow(0.0, tau, rate, amounts, times)
    up, down, p = _moves(base, strike, tau, rate, q, vol, n)
    step = tau / n
    discount = math.exp(-rate * step)
    p_up, p_down = discount * p, discount * (1.0 - p)
    level, american = np.empty(n + 1), np.empty(n + 1)
    level[0] = base * down**n
    for j in range(1, n + 1):
        level[j] = level[j - 1] * (up / down)
    for j in range(n + 1):
        american[j] = max(sign * (level[j] - strike), 0.0)
    plain = american.copy()
    back = 1.0 / down
    for i in range(n - 1, -1, -1):
        start = i * step
        net = strike - escrow(start, tau, rate, amounts, times)
        for j in range(i + 1):
            level[j] *= back
            plain[j] = p_up * plain[j + 1] + p_down * plain[j]
            american[j] = max(p_up * american[j + 1] + p_down * american[j], sign * (level[j] - net))
        for m in range(times.size):
            if start <= times[m] < start + step and 0.0 < times[m] < tau:
                wait = times[m] - start
                held = escrow(times[m], tau, rate, amounts, times) - (0.0 if is_call else amounts[m])
                cash = (strike - held) * math.exp(-rate * wait)
                share = math.exp(-q * wait)
                for j in range(i + 1):
                    american[j] = max(american[j], sign * (share * level[j] - cash))
    return float(american[0] - plain[0])


@njit(cache=True, error_model="numpy")
def bound(spot: float, strike: float, tau: float, rate: float, q: float, is_call: bool) -> float:
    """Return the value at infinite vol."""
    if is_call:
        return spot * max(1.0, math.exp(-q * tau))
    return strike * max(1.0, math.exp(-rate * tau))


@njit(cache=True, error_model="numpy")
def price_one(
    spot: float,
    strike: float,
    tau: float,
    rate: float,
    q: float,
    vol: float,
    is_call: bool,
    amounts: Floats,
    times: Floats,
    n: int,
) -> float:
    """Return the American price; the inputs are sound, the escrowed spot is positive."""
    exercise = max(spot - strike if is_call else strike - spot, 0.0)
    if tau == 0.0:
        return exercise
    s = vol * math.sqrt(tau)
    floor = without_vol(spot, strike, tau, rate, q, is_call, amounts, times)
    if s < 1e-8:
        return float(floor)
    if s > _GREATEST_TOTAL_VOL:
        return float(bound(spot, strike, tau, rate, q, is_call))
    base = spot - escrow(0.0, tau, rate, amounts, times)
    premium = tree_premium(spot, strike, tau, rate, q, vol, is_call, amounts, times, n)
    return float(max(european(base, strike, tau, rate, q, vol, is_call) + max(premium, 0.0), exercise))


@njit(cache=True, error_model="numpy")
def is_sound(
    spot: float, strike: float, tau: float, rate: float, q: float, amounts: Floats, times: Floats
) -> bool:
    """Tell whether the numbers are in range and the dividends leave a positive spot."""
    if not (0.0 < spot < 1e150 and 0.0 < strike < 1e150 and 1e-100 < spot / strike < 1e100):
        return False
    if not (0.0 <= tau < 1e3 and abs(rate) < 10.0 and abs(q) < 10.0 and max(abs(rate), abs(q)) * tau < 100.0):
        return False
    return bool(spot - escrow(0.0, tau, rate, amounts, times) > 1e-12 * spot)


@njit(cache=True, error_model="numpy")
def price_many(
    spot: Floats,
    strike: Floats,
    tau: Floats,
    rate: Floats,
    q: Floats,
    vol: Floats,
    is_call: NDArray[np.bool_],
    amounts: Floats,
    times: Floats,
    n: int,
    out: Floats,
) -> None:
    """Fill `out` with prices; the inputs are sound."""
    for i in range(out.size):
        out[i] = price_one(spot[i], strike[i], tau[i], rate[i], q[i], vol[i], is_call[i], amounts, times, n)


@njit(cache=True, error_model="numpy")
def limits_many(
    spot: Floats,
    strike: Floats,
    tau: Floats,
    rate: Floats,
    q: Floats,
    is_call: NDArray[np.bool_],
    amounts: Floats,
    times: Floats,
    out: Floats,
) -> None:
    """Fill the rows of `out`, shape (2, n), with the values at zero and infinite vol; NaN if not sound."""
    for i in range(out.shape[1]):
        out[0, i] = out[1, i] = math.nan
        if is_sound(spot[i], strike[i], tau[i], rate[i], q[i], amounts, times):
            out[0, i] = without_vol(spot[i], strike[i], tau[i], rate[i], q[i], is_call[i], amounts, times)
            out[1, i] = bound(spot[i], strike[i], tau[i], rate[i], q[i], is_call[i])
