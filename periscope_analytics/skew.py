"""Smile metrics: strikes by delta, risk reversals, butterflies, slope, curvature, and their term structure.

What belongs here: numbers that describe a slice or a surface. What does not: evaluation of slices.

Deltas are forward and undiscounted, given by magnitude: N(d1) for a call, N(-d1) for a put, at the smile's
own vol of the strike.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtri

from periscope_analytics.arguments import flags, floats, together
from periscope_analytics.bracket import chandrupatla
from periscope_analytics.surface import Slice, derivatives, iv

Floats = NDArray[np.float64]

FURTHEST = 50.0
"""Log-moneyness beyond which a delta counts as not reached."""
TOLERANCE = 1e-14


class Surface(Protocol):
    """Anything made of slices by increasing tau."""

    @property
    def slices(self) -> Sequence[Slice]:
        """Slices by increasing tau."""


@dataclass(frozen=True, slots=True, eq=False)
class TermStructure:
    """Smile metrics by expiry, arrays of one length.

    Attributes
    ----------
    tau : ndarray
        Years.
    atm_iv : ndarray
        Vol at k = 0, decimal.
    risk_reversal, butterfly : ndarray
        At the delta asked for, decimals; NaN where the smile does not reach it.
    slope, curvature : ndarray
        First and second derivative of vol by k at k = 0.
    forward_iv : ndarray
        Vol at the money from the expiry before (now, for the first) to this one; NaN where total variance
        falls.
    """

    tau: Floats
    atm_iv: Floats
    risk_reversal: Floats
    butterfly: Floats
    slope: Floats
    curvature: Floats
    forward_iv: Floats


@np.errstate(all="ignore")
def strike_for_delta(smile: Slice, delta: ArrayLike, is_call: ArrayLike) -> Floats:
    """Return the log-moneyness k = ln(K/F) at which an option has a delta.

    Parameters
    ----------
    smile : Slice
    delta : array_like
        Magnitude of the forward, undiscounted delta, between 0 and 1.
    is_call : array_like of bool

    Returns
    -------
    ndarray
        Log-moneyness, of the broadcast shape: the strike is ``F exp(k)``. NaN where the smile does not reach
        the delta within ``|k| <= 50``.

    Raises
    ------
    ValueError
        If a delta is not between 0 and 1, or `is_call` is not boolean.
    """
    size, side = together(delta=delta, is_call=flags("is_call", is_call))
    call = side > 0.0
    if not np.all((size > 0.0) & (size < 1.0)):
        raise ValueError("delta: must lie between 0 and 1")
    target = np.where(call, ndtri(size), -ndtri(size)).ravel()
    scale = float(np.sqrt(np.maximum(smile.total_variance(0.0), 0.0)))
    if not scale > 0.0:
        return np.full(size.shape, np.nan)
    low, high = _bracket(smile, target, scale)
    k, _ = chandrupatla(
        lambda at, rows: _d1(smile, at) - target[rows],
        low, high, _d1(smile, low) - target, _d1(smile, high) - target, TOLERANCE,
    )  # fmt: skip
    return k.reshape(size.shape)


@np.errstate(all="ignore")
def delta_gain(smile: Slice, k: ArrayLike) -> Floats:
    """Return how much the vol at the fixed delta of `k` moves when the smile there moves by one.

    The strike of a delta moves with the vol: ``1 / (1 - s (sigma tau - d1 sqrt tau))``, s the slope of vol by
    log-moneyness.
    """
    at = floats("k", k)
    vol = iv(smile, at)
    root = vol * np.sqrt(smile.tau)
    d1 = -at / root + 0.5 * root
    return np.asarray(1.0 / (1.0 - slope(smile, at) * np.sqrt(smile.tau) * (root - d1)))


@np.errstate(all="ignore")
def risk_reversal(smile: Slice, delta: ArrayLike) -> Floats:
    """Return the vol of the call minus that of the put at a delta's magnitude, decimal."""
    call, put = _pair(smile, delta)
    return call - put


@np.errstate(all="ignore")
def butterfly(smile: Slice, delta: ArrayLike) -> Floats:
    """Return the mean of the vols of call and put at a delta's magnitude, minus the vol at k = 0, decimal."""
    call, put = _pair(smile, delta)
    return 0.5 * (call + put) - iv(smile, 0.0)


@np.errstate(all="ignore")
def slope(smile: Slice, k: ArrayLike = 0.0) -> Floats:
    """Return the derivative of vol by log-moneyness, at the money by default."""
    first, _ = derivatives(smile, k)
    return np.asarray(first / (2.0 * iv(smile, k) * smile.tau))


@np.errstate(all="ignore")
def curvature(smile: Slice, k: ArrayLike = 0.0) -> Floats:
    """Return the second derivative of vol by log-moneyness, at the money by default."""
    _, second = derivatives(smile, k)
    vol = iv(smile, k)
    return np.asarray((0.5 * second / smile.tau - slope(smile, k) ** 2) / vol)


@np.errstate(all="ignore")
def term_structure(surface: Surface, delta: float = 0.25) -> TermStructure:
    """Return the metrics of each of a surface's slices.

    Parameters
    ----------
    surface : Surface
        Anything that has `slices`.
    delta : float
        Magnitude of the delta of risk reversal and butterfly.
    """
    slices = tuple(surface.slices)
    tau = np.array([each.tau for each in slices])
    variance = np.array([float(each.total_variance(0.0)) for each in slices])
    call, put = np.array([_pair(each, delta) for each in slices]).reshape(-1, 2).T
    atm_iv = np.sqrt(np.where(variance >= 0.0, variance, np.nan) / tau)
    rise = np.diff(variance, prepend=0.0) / np.diff(tau, prepend=0.0)
    return TermStructure(
        tau=tau,
        atm_iv=atm_iv,
        risk_reversal=call - put,
        butterfly=0.5 * (call + put) - atm_iv,
        slope=_column(float(slope(each)) for each in slices),
        curvature=_column(float(curvature(each)) for each in slices),
        forward_iv=np.sqrt(np.where(rise >= 0.0, rise, np.nan)),
    )


def _column(values: Iterable[float]) -> Floats:
    return np.fromiter(values, dtype=np.float64)


def _pair(smile: Slice, delta: ArrayLike) -> tuple[Floats, Floats]:
    """Return the vols of the call and of the put of a delta."""
    is_call = np.array([True, False]).reshape(2, *(1,) * np.ndim(delta))
    call, put = iv(smile, strike_for_delta(smile, delta, is_call))
    return call, put


def _d1(smile: Slice, k: Floats) -> Floats:
    w = smile.total_variance(k)
    root = np.sqrt(np.where(w > 0.0, w, np.nan))
    return np.asarray(-k / root + 0.5 * root)


def _bracket(smile: Slice, target: Floats, scale: float) -> tuple[Floats, Floats]:
    """Return log-moneyness on both sides of each target, stepping out from the money by doubling."""
    low, high = np.full(target.shape, -scale), np.full(target.shape, scale)
    while True:
        short_left = (_d1(smile, low) < target) & (low > -FURTHEST)
        short_right = (_d1(smile, high) > target) & (high < FURTHEST)
        if not (short_left.any() or short_right.any()):
            return low, high
        low = np.where(short_left, np.maximum(2.0 * low, -FURTHEST), low)
        high = np.where(short_right, np.minimum(2.0 * high, FURTHEST), high)
