"""Model-free variance: what a strip of options says the log contract is worth.

What belongs here: the fair variance of an expiry from quotes and from a smile. What does not: realised
variance (``realized``), constant-maturity interpolation of indices.

References
----------
P. Carr, D. Madan (1998), "Towards a theory of volatility trading"; Cboe (2019), "Cboe Volatility Index"
white paper.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

from periscope_analytics import black
from periscope_analytics.arguments import floats
from periscope_analytics.errors import Status
from periscope_analytics.surface import Slice

Floats = NDArray[np.float64]

NODES = 160
FURTHEST = 60.0
LEAST_STRIKES = 3


@dataclass(frozen=True, slots=True)
class ModelFree:
    """Fair variance of one expiry.

    Attributes
    ----------
    variance : float
        Per year: ``-2 E[ln(S/F)] / tau``; NaN unless `status` is OK.
    n_used : int
        Strikes in the sum; 0 for the integral over a smile.
    k_min, k_max : float
        Log-moneyness between which prices were taken.
    status : Status
        OK, EXPIRED, INVALID_VALUE, TOO_FEW_STRIKES, OUT_OF_RANGE for a sum that overflows, or DEGENERATE for
        a smile whose total variance is not positive.
    """

    variance: float
    n_used: int
    k_min: float
    k_max: float
    status: Status

    @property
    def iv(self) -> float:
        """Square root of `variance`, decimal; NaN where that is absent or negative."""
        return float(np.sqrt(self.variance)) if self.variance >= 0.0 else np.nan


@np.errstate(all="ignore")
def model_free(
    strike: ArrayLike,
    call_bid: ArrayLike,
    call_ask: ArrayLike,
    put_bid: ArrayLike,
    put_ask: ArrayLike,
    forward: float,
    tau: float,
    discount: float = 1.0,
) -> ModelFree:
    """Return the fair variance of one expiry's quotes by the rules of the Cboe's index.

    ``2/tau sum dK/K^2 Q(K)/D - (F/K0 - 1)^2 / tau``, with K0 the last strike at or below the forward, Q the
    mid of the out-of-the-money side (both sides' mean at K0). Walking out from K0, strikes without a bid are
    passed over and two in succession end the strip.

    Parameters
    ----------
    strike : array_like, shape (n,)
        Any order, distinct; what is not finite and positive is left out.
    call_bid, call_ask, put_bid, put_ask : array_like, shape (n,)
        Discounted prices in the units of the strikes; NaN where there is no quote.
    forward, tau, discount : float
        Forward, years and discount factor of the expiry.

    Returns
    -------
    ModelFree

    Raises
    ------
    ValueError
        If shapes differ, `strike` is not one-dimensional or not distinct, or tau is negative.
    """
    named = {
        "strike": strike,
        "call_bid": call_bid,
        "call_ask": call_ask,
        "put_bid": put_bid,
        "put_ask": put_ask,
    }
    columns = [floats(name, value) for name, value in named.items()]
    if columns[0].ndim != 1 or any(column.shape != columns[0].shape for column in columns):
        raise ValueError(f"strike, quotes: expected one length, got {[column.shape for column in columns]}")
    usable = (columns[0] > 0.0) & np.isfinite(columns[0])
    columns = [column[usable] for column in columns]
    if np.unique(columns[0]).size < columns[0].size:
        raise ValueError("strike: must be distinct")
    if tau < 0.0:
        raise ValueError(f"tau: must not be negative, got {tau}")
    if not all(np.isfinite(x) and x > 0.0 for x in (forward, discount)) or not np.isfinite(tau):
        return _absent(Status.INVALID_VALUE)
    if tau == 0.0:
        return _absent(Status.EXPIRED)
    order = np.argsort(columns[0])
    return _strip([column[order] for column in columns], forward, tau, discount)


@np.errstate(all="ignore")
def from_slice(smile: Slice) -> ModelFree:
    """Return the fair variance of a smile: the integral of its out-of-the-money prices over all strikes.

    Parameters
    ----------
    smile : Slice

    Returns
    -------
    ModelFree
    """
    scale = float(np.sqrt(np.maximum(smile.total_variance(0.0), 0.0)))
    if not (np.isfinite(scale) and scale > 0.0):
        return _absent(Status.DEGENERATE)
    nodes, weights = rule()
    most = float(np.arcsinh(FURTHEST / scale))
    u, du = 0.5 * most * (nodes + 1.0), 0.5 * most * weights
    total = 0.0
    for side in (-1.0, 1.0):
        k = side * scale * np.sinh(u)
        w = smile.total_variance(k)
        if not np.all(w > 0.0):
            return _absent(Status.DEGENERATE)
        price = black.price(1.0, np.exp(k), 1.0, np.sqrt(w), side > 0.0)
        total += float(np.sum(du * scale * np.cosh(u) * price * np.exp(-k)))
    if not np.isfinite(total / smile.tau):
        return _absent(Status.OUT_OF_RANGE)
    return ModelFree(2.0 * total / smile.tau, 0, -FURTHEST, FURTHEST, Status.OK)


@cache
def rule() -> tuple[Floats, Floats]:
    """Return nodes and weights of the quadrature, on [-1, 1]."""
    nodes, weights = np.polynomial.legendre.leggauss(NODES)
    return nodes, weights


def _absent(status: Status) -> ModelFree:
    return ModelFree(np.nan, 0, np.nan, np.nan, status)


def _strip(columns: list[Floats], forward: float, tau: float, discount: float) -> ModelFree:
    strike, call_bid, call_ask, put_bid, put_ask = columns
    centre = int(np.searchsorted(strike, forward, side="right")) - 1
    if centre < 0:
        return _absent(Status.TOO_FEW_STRIKES)
    call, put = 0.5 * (call_bid + call_ask), 0.5 * (put_bid + put_ask)
    chosen = [*_walk(put_bid, put_ask, centre, -1)[::-1], *_walk(call_bid, call_ask, centre, 1)]
    price = np.where(strike < strike[centre], put, call)
    at_centre = float(call[centre] + put[centre]) / 2.0
    if math.isfinite(at_centre):
        price[centre] = at_centre
        chosen = sorted([*chosen, centre])
    if len(chosen) < LEAST_STRIKES:
        return _absent(Status.TOO_FEW_STRIKES)
    x, q = strike[chosen], price[chosen] / discount
    gap = np.concatenate([x[1:2] - x[:1], (x[2:] - x[:-2]) / 2.0, x[-1:] - x[-2:-1]])
    total = 2.0 * float(np.sum(gap * q / x**2)) - (forward / strike[centre] - 1.0) ** 2
    ends, variance = np.log(x[[0, -1]] / forward), total / tau
    if not np.isfinite([variance, *ends]).all():
        return _absent(Status.OUT_OF_RANGE)
    return ModelFree(variance, len(chosen), float(ends[0]), float(ends[1]), Status.OK)


def _walk(bid: Floats, ask: Floats, centre: int, step: int) -> list[int]:
    """Return the strikes used on one side, walking out: none without a bid, and none after two of those."""
    quoted = ((bid > 0.0) & (ask >= bid)).tolist()
    used: list[int] = []
    missing, at = 0, centre + step
    while 0 <= at < len(quoted) and missing < 2:
        if quoted[at]:
            used.append(at)
            missing = 0
        else:
            missing += 1
        at += step
    return used
