"""The served surface: slices in order of expiry, and every maturity between and around them.

What belongs here: interpolation in time of the arbitrage-free slices, and the surface's published form. What
does not: one expiry (``slice``), fitting (``calibration.served``), SVI surfaces (``surface``).

Between two expiries the later one's implicit step is taken in part, blended with the chord between the two
(``slice.CHORD``), such that total variance at the forward is linear in time, or comes as events and a clock
say (``event_time.Passage``); before the first, its lognormal base and its step shrink together; after the
last, the shape of its step is taken again at constant vol at the forward. Each of these families rises in
time at every strike.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import brentq

from periscope_analytics.arguments import together
from periscope_analytics.event_time import EVEN, Passage
from periscope_analytics.kernels import slice as kernel
from periscope_analytics.kernels.slice_law import bspline
from periscope_analytics.slice import SliceParams, geometry

Floats = NDArray[np.float64]

_FLAT = 1e-12
_MOST_STEPS, _CLOSE = 100, 1e-13


_LONGEST = 100.0


@dataclass(frozen=True, slots=True)
class ServedSurface:
    """Slices of one underlying, each the `previous` of the next.

    Attributes
    ----------
    slices : tuple of SliceParams
        In order of tau.
    passage : Passage
        How total variance at the forward comes between expiries; see :meth:`in_time`.
    """

    slices: tuple[SliceParams, ...]
    passage: Passage = EVEN

    def __post_init__(self) -> None:
        if not self.slices:
            raise ValueError("slices: expected at least one")
        chain = (None, *self.slices)
        if any(new.previous is not old for old, new in zip(chain, self.slices, strict=False)):
            raise ValueError("slices: each must be the `previous` of the next, the first have none")
        if np.any(np.diff([each.tau for each in self.slices]) <= 0.0):
            raise ValueError("slices: tau must increase")

    def slice_at(self, tau: float) -> SliceParams:
        """Return the slice `tau` years from now.

        Raises
        ------
        ValueError
            If `tau` is not positive, or beyond a hundred years.
        """
        if not 0.0 < tau <= _LONGEST:
            raise ValueError(f"tau: expected years between 0 and {_LONGEST:g}, got {tau}")
        expiries = np.array([each.tau for each in self.slices])
        i = int(np.searchsorted(expiries, tau))
        if i == len(self.slices):
            return _after(self.slices[-1], tau)
        if expiries[i] == tau:
            return self.slices[i]
        even, pace = (of(tau, expiries) for of in (self.passage.even, self.passage.pace))
        return _within(self.slices[i], tau, float(even), float(pace))

    def in_time(self, passage: Passage) -> ServedSurface:
        """Return the surface of the same expiries, between which total variance comes as `passage` says.

        Maturities are relabelled, no more: the laws are those of this surface at another share of the step.
        """
        if passage is self.passage:
            return self
        taus = [each.tau for each in self.slices]
        made: list[SliceParams] = []
        for each, pace in zip(self.slices, passage.pace(taus, taus).tolist(), strict=True):
            made.append(replace(each, previous=made[-1] if made else None, pace=pace))
        return ServedSurface(tuple(made), passage)

    def total_variance(self, k: ArrayLike, tau: ArrayLike) -> Floats:
        """Return Black total variance; `k` = ln(K / F(tau)) and `tau` broadcast."""
        return self._each(k, tau, SliceParams.total_variance)

    def iv(self, k: ArrayLike, tau: ArrayLike) -> Floats:
        """Return implied vols, decimals; `k` = ln(K / F(tau)) and `tau` broadcast."""
        return self._each(k, tau, SliceParams.iv)

    def density(self, k: ArrayLike, tau: ArrayLike) -> Floats:
        """Return the density of ln(S / F) at k; `k` and `tau` broadcast."""
        return self._each(k, tau, SliceParams.density)

    def g(self, k: ArrayLike, tau: ArrayLike) -> Floats:
        """Return Gatheral and Jacquier's g; `k` and `tau` broadcast."""
        return self._each(k, tau, SliceParams.g)

    def local_vol(self, k: ArrayLike, tau: ArrayLike) -> Floats:
        """Return Dupire's local vol, decimals; `k` and `tau` broadcast.

        Just before `tau`, and without the events since the expiry before: see :meth:`SliceParams.local_vol`.
        """
        return self._each(k, tau, SliceParams.local_vol)

    def _each(self, k: ArrayLike, tau: ArrayLike, of: Callable[[SliceParams, Floats], Floats]) -> Floats:
        at, years = together(k=k, tau=tau)
        out = np.empty(at.shape)
        for one in np.unique(years):
            here = years == one
            out[here] = of(self.slice_at(float(one)), at[here])
        return out

    def to_dict(self) -> dict[str, Any]:
        """Return plain numbers from which anybody can evaluate the surface again, without `passage`."""
        return {"slices": [each.to_dict() for each in self.slices]}

    @classmethod
    def from_dict(cls, numbers: Mapping[str, Any]) -> ServedSurface:
        """Return the surface of :meth:`to_dict`'s numbers, equal to the last bit."""
        slices: list[SliceParams] = []
        for each in numbers["slices"]:
            slices.append(SliceParams.from_dict(each, slices[-1] if slices else None))
        return cls(tuple(slices))


def taus_of(fractions: Floats, variances: Floats, step: SliceParams) -> Floats:
    """Return the maturities of shares of a step: total variance at the forward is linear in time.

    Parameters
    ----------
    fractions, variances : ndarray
        Shares of the step, and total variance at the forward after each.
    step : SliceParams
        A fitted slice, or what :func:`onward` gives.
    """
    start, floor = _start(step)
    if step.tau <= start:
        return start * variances / floor
    rise = step.atm_total_variance - floor
    flat = rise <= _FLAT * step.atm_total_variance
    share = fractions if flat else (variances - floor) / rise
    return start + share * (step.tau - start)


def onward(last: SliceParams) -> SliceParams:
    """Return the last step taken once more after the last slice; its tau is that slice's."""
    return replace(last, previous=last, fraction=1.0)


def _start(step: SliceParams) -> tuple[float, float]:
    """Return tau and total variance at the forward where a step begins."""
    before = step.previous
    return (before.tau, before.atm_total_variance) if before else (0.0, 0.0)


def _within(end: SliceParams, tau: float, even: float, pace: float) -> SliceParams:
    """Return the slice between the expiry before `end` and `end`, as far as `even` would be in even time.

    `pace` is relative to the mean of the whole interval, the slice's own to that since the expiry before.
    """
    start, floor = _start(end)
    share = (even - start) / (end.tau - start)
    own = pace * ((tau - start) / (even - start))
    rise = end.atm_total_variance - floor
    if rise <= _FLAT * end.atm_total_variance:
        return end.at(share, tau, own)
    return _solved(end, tau, floor + share * rise, (share, 1.0), floor, own)


def _after(last: SliceParams, tau: float) -> SliceParams:
    """Return a slice beyond the last expiry, of the same vol at the forward."""
    step = onward(last)
    floor = last.atm_total_variance
    target = floor * tau / last.tau
    most = 1.0
    while step.at(most, tau).atm_total_variance < target:
        most *= 2.0
    return _solved(step, tau, target, (tau / last.tau - 1.0, most), floor)


def _solved(
    whole: SliceParams, tau: float, target: float, ends: tuple[float, float], floor: float, pace: float = 1.0
) -> SliceParams:
    """Return the share of the step `whole` with total variance `target` at the forward, and that pace.

    `ends` are the share that is taken where rounding hides how the variance rises, and the greatest one.
    """
    flat, most = ends

    def variance(share: float) -> float:
        return whole.at(share, tau).atm_total_variance

    share = 0.0
    if floor < target < variance(most):
        if whole.previous is None:
            excess = lambda x: (variance(x) if x > 0.0 else floor) - target  # noqa: E731
            share = float(brentq(excess, 0.0, most, xtol=1e-14, rtol=1e-13))
        else:
            share = _reached(whole, target, flat, most)
    return whole.at(share if share > 0.0 else flat, tau, pace)


def _reached(whole: SliceParams, target: float, guess: float, most: float) -> float:
    """Return the share of a step above another slice at which total variance at the forward is `target`.

    Newton's method inside a bracket, on the price at the forward, whose derivative by the share follows from
    one more solve of the step's system.
    """
    shape = geometry(whole.grid)
    before, _, call = whole.base()
    first, weight = np.empty(1, np.int64), np.empty((1, 4))
    bspline(shape.knots, np.ones(1), first, weight)
    near, blend = slice(int(first[0]), int(first[0]) + 4), weight[0]
    wanted = math.erf(math.sqrt(target / 8.0)) - float(blend @ call[near])
    gain, slope, pivot = np.empty_like(before), np.empty_like(before), np.empty_like(before)
    low, high, share = 0.0, most, guess
    for _ in range(_MOST_STEPS):
        inverse = whole.law.inverse / share
        kernel.solve(shape.grid[1], inverse, before, gain, pivot)
        kernel.solve(shape.grid[1], inverse, inverse * gain / share, slope, pivot)
        off = float(blend @ gain[near]) - wanted
        low, high = (share, high) if off < 0.0 else (low, share)
        move = off / float(blend @ slope[near])
        if abs(move) <= _CLOSE * share:
            return share - move
        share = share - move if low < share - move < high else 0.5 * (low + high)
    return share
