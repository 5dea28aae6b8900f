"""A volatility surface: smiles in order of expiry, and every strike and maturity between and around them.

What belongs here: the slice protocol, interpolation, density, local vol. What does not: certificates
(``arbitrage``), delta-space metrics (``skew``), fits (``calibration``), the served surface's own
interpolation (``served``).

Between expiries total variance is linear in tau at constant log-moneyness k = ln(K / F(tau)), which keeps
the calendar order of the slices (Gatheral, Jacquier 2014, lemma 2.1). Before the first and after the last
expiry the vol at constant k is that of the nearest slice, so total variance is proportional to tau there.
Where events and a clock say how variance comes (``event_time.Passage``), this tau is the time that is even.
Forwards are log-linear in tau between expiries and constant outside.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from periscope_analytics.arguments import floats, together
from periscope_analytics.event_time import EVEN, Passage

Floats = NDArray[np.float64]

_LEAST_STEP = 1e-9
_STEP = 1e-3
"""Step of numerical differentiation, as a share of total vol at the money."""


class Params(Protocol):
    """Smile parameters that do not know their expiry, such as :class:`~periscope_analytics.svi.SVIParams`."""

    def total_variance(self, k: ArrayLike) -> Floats:
        """Return total variance at log-moneyness `k`."""

    def derivatives(self, k: ArrayLike) -> tuple[Floats, Floats]:
        """Return the first and second derivative of total variance in `k`."""


class Slice(Protocol):
    """The smile of one expiry."""

    @property
    def tau(self) -> float:
        """Years to expiry."""

    def total_variance(self, k: ArrayLike) -> Floats:
        """Return total variance at log-moneyness `k`."""


@runtime_checkable
class Differentiable(Protocol):
    """A slice that knows the derivatives of its total variance."""

    def derivatives(self, k: ArrayLike) -> tuple[Floats, Floats]:
        """Return the first and second derivative of total variance in `k`."""


@runtime_checkable
class Winged(Protocol):
    """A slice that knows the slopes of its total variance far out, by magnitude."""

    @property
    def left_slope(self) -> float:
        """Slope as k goes to minus infinity."""

    @property
    def right_slope(self) -> float:
        """Slope as k goes to infinity."""


@dataclass(frozen=True, slots=True)
class Smile:
    """Smile parameters and the expiry that they belong to.

    Attributes
    ----------
    params : Params
    tau : float
        Years to expiry, positive.

    Raises
    ------
    ValueError
        If `tau` is not finite and positive.
    """

    params: Params
    tau: float

    def __post_init__(self) -> None:
        if not 0.0 < self.tau < np.inf:
            raise ValueError(f"tau: must be finite and positive, got {self.tau}")

    def total_variance(self, k: ArrayLike) -> Floats:
        """Return total variance at log-moneyness `k`."""
        return self.params.total_variance(k)

    def derivatives(self, k: ArrayLike) -> tuple[Floats, Floats]:
        """Return the first and second derivative of total variance in `k`."""
        return self.params.derivatives(k)

    @property
    def left_slope(self) -> float:
        """Slope of total variance as k goes to minus infinity, by magnitude."""
        return self.params.left_slope if isinstance(self.params, Winged) else far_slope(self.params, -1.0)

    @property
    def right_slope(self) -> float:
        """Slope of total variance as k goes to infinity."""
        return self.params.right_slope if isinstance(self.params, Winged) else far_slope(self.params, 1.0)


class _HasVariance(Protocol):
    def total_variance(self, k: ArrayLike) -> Floats: ...


@np.errstate(all="ignore")
def far_slope(smile: _HasVariance, side: float, k: float = 50.0) -> float:
    """Return the secant slope of total variance between ``side * k`` and twice that."""
    near, far = smile.total_variance(np.array([side * k, 2.0 * side * k]))
    return float((far - near) / k)


def wing_slopes(smile: Slice) -> tuple[float, float]:
    """Return the slopes of total variance far left and far right, by magnitude."""
    if isinstance(smile, Winged):
        return smile.left_slope, smile.right_slope
    return far_slope(smile, -1.0), far_slope(smile, 1.0)


@np.errstate(all="ignore")
def derivatives(smile: Slice, k: ArrayLike) -> tuple[Floats, Floats]:
    """Return the first and second derivative of total variance in `k`, by differences if need be."""
    if isinstance(smile, Differentiable):
        return smile.derivatives(k)
    at = floats("k", k)
    h = _STEP * float(np.sqrt(np.abs(smile.total_variance(0.0)))) + _LEAST_STEP
    up, here, down = smile.total_variance(at + h), smile.total_variance(at), smile.total_variance(at - h)
    return (up - down) / (2.0 * h), (up - 2.0 * here + down) / h**2


@np.errstate(all="ignore")
def iv(smile: Slice, k: ArrayLike) -> Floats:
    """Return a slice's implied vols, decimals; NaN where total variance is negative."""
    w = smile.total_variance(k)
    return np.asarray(np.sqrt(np.where(w >= 0.0, w, np.nan) / smile.tau))


@np.errstate(all="ignore")
def density_factor(k: ArrayLike, w: Floats, first: Floats, second: Floats) -> Floats:
    """Return g of Gatheral and Jacquier (2014), eq. 2.1; NaN where total variance is not positive."""
    at, w, first, second = together(k=k, w=w, first=first, second=second)
    positive = np.where(w > 0.0, w, np.nan)
    lean = 1.0 - 0.5 * at * first / positive
    return np.asarray(lean**2 - 0.25 * first**2 * (1.0 / positive + 0.25) + 0.5 * second)


class _Local(NamedTuple):
    """Total variance and its derivatives: by k, twice by k, by tau."""

    w: Floats
    first: Floats
    second: Floats
    by_tau: Floats


@dataclass(frozen=True, slots=True)
class VolSurface:
    """Slices of one underlying by expiry.

    Attributes
    ----------
    slices : sequence of Slice
        By increasing tau. Two expiries of one date (AM and PM settlement) differ in tau.
    forwards : sequence of float
        Forward of each slice's expiry.
    passage : Passage
        How total variance comes up to the last expiry, at every k alike; evenly if not given.

    Raises
    ------
    ValueError
        If there is no slice, lengths differ, taus do not increase, or a forward is not finite and positive.
    """

    slices: Sequence[Slice]
    forwards: Sequence[float]
    passage: Passage = EVEN
    _taus: Floats = field(init=False, repr=False, compare=False)
    _log_forwards: Floats = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        taus = np.array([each.tau for each in self.slices], dtype=np.float64)
        forwards = np.array(self.forwards, dtype=np.float64)
        if not taus.size or taus.shape != forwards.shape:
            raise ValueError(f"slices, forwards: expected as many of each, got {taus.size}, {forwards.size}")
        if not np.all(taus > 0.0) or np.any(np.diff(taus) <= 0.0):
            raise ValueError("slices: tau must be positive and increase")
        if not np.all((forwards > 0.0) & np.isfinite(forwards)):
            raise ValueError("forwards: must be finite and positive")
        object.__setattr__(self, "slices", tuple(self.slices))
        object.__setattr__(self, "forwards", tuple(forwards.tolist()))
        object.__setattr__(self, "_taus", taus)
        object.__setattr__(self, "_log_forwards", np.log(forwards))

    @property
    def taus(self) -> Floats:
        """Years to each expiry, shape (n,)."""
        return self._taus.copy()

    @np.errstate(all="ignore")
    def forward(self, tau: ArrayLike) -> Floats:
        """Return the forward for maturity `tau`."""
        return np.asarray(np.exp(np.interp(floats("tau", tau), self._taus, self._log_forwards)))

    @np.errstate(all="ignore")
    def iv(self, strike: ArrayLike, tau: ArrayLike) -> Floats:
        """Return implied vols.

        Parameters
        ----------
        strike : array_like
            In the units of the forwards.
        tau : array_like
            Years, positive.

        Returns
        -------
        ndarray
            Decimal, of the broadcast shape; NaN where total variance is negative or the strike is not
            positive.

        Raises
        ------
        ValueError
            If `tau` is not positive or shapes do not broadcast.
        """
        at, years = together(strike=strike, tau=tau)
        with np.errstate(all="ignore"):
            k = np.log(np.where(at > 0.0, at, np.nan) / self.forward(years))
        w = self.total_variance(k, years)
        return np.asarray(np.sqrt(np.where(w >= 0.0, w, np.nan) / years))

    @np.errstate(all="ignore")
    def total_variance(self, k: ArrayLike, tau: ArrayLike) -> Floats:
        """Return total variance at log-moneyness `k` = ln(K / F(tau)) and maturity `tau`; both broadcast."""
        return self._local(k, tau, 1).w

    @np.errstate(all="ignore")
    def g(self, k: ArrayLike, tau: ArrayLike) -> Floats:
        """Return Gatheral and Jacquier's g, of the density's sign."""
        local = self._local(k, tau, 3)
        return density_factor(k, local.w, local.first, local.second)

    @np.errstate(all="ignore")
    def density(self, k: ArrayLike, tau: ArrayLike) -> Floats:
        """Return the density of ln(S / F) at `k`: it integrates to one, and exp(k) against it to one.

        References
        ----------
        J. Gatheral, A. Jacquier (2014), eq. 2.2.
        """
        at, local = floats("k", k), self._local(k, tau, 3)
        g = density_factor(at, local.w, local.first, local.second)
        w = np.where(local.w > 0.0, local.w, np.nan)
        return np.asarray(
            g * np.exp(-0.5 * (at / np.sqrt(w) + 0.5 * np.sqrt(w)) ** 2) / np.sqrt(2.0 * np.pi * w)
        )

    @np.errstate(all="ignore")
    def local_vol(self, k: ArrayLike, tau: ArrayLike) -> Floats:
        """Return Dupire's local vol, decimals; NaN where the surface has calendar or butterfly arbitrage.

        At an expiry it is that of the interval which ends there. An event is a jump of total variance at its
        instant, which no diffusion brings: the local vol between the expiries around it is that of the rest.

        References
        ----------
        J. Gatheral (2006), "The Volatility Surface", eq. 1.10.
        """
        local = self._local(k, tau, 3)
        g = density_factor(k, local.w, local.first, local.second)
        good = (local.by_tau >= 0.0) & (g > 0.0)
        return np.asarray(np.sqrt(np.where(good, local.by_tau, np.nan) / np.where(good, g, np.nan)))

    def slice_at(self, tau: float) -> SurfaceSlice:
        """Return the smile of maturity `tau`."""
        return SurfaceSlice(self, tau)

    def _local(self, k: ArrayLike, tau: ArrayLike, orders: int) -> _Local:
        """Return total variance and, for `orders` = 3, its derivatives by k."""
        at, years = together(k=k, tau=tau)
        if not np.all((years > 0.0) | np.isnan(years)):
            raise ValueError("tau: must be positive")
        out = np.full((4, at.size), np.nan)
        flat, when = at.ravel(), years.ravel()
        before = np.searchsorted(self._taus, when) - 1
        for i in np.unique(before[np.isfinite(when)]):
            here = np.flatnonzero((before == i) & np.isfinite(when))
            out[:, here] = self._between(int(i), flat[here], when[here], orders)
        return _Local(*(row.reshape(at.shape) for row in out))

    def _between(self, i: int, k: Floats, tau: Floats, orders: int) -> Floats:
        """Return total variance, its k-derivatives and tau-derivative between expiries `i` and `i` + 1."""
        last = len(self.slices) - 1
        even, pace = (of(tau, self._taus) for of in (self.passage.even, self.passage.pace))
        upper = _stacked(self.slices[min(i + 1, last)], k, orders)
        if i < 0 or i == last:
            end = self._taus[min(i + 1, last)]
            return np.concatenate([upper * (even / end), pace * (upper[:1] / end)])
        lower = _stacked(self.slices[i], k, orders)
        gap = self._taus[i + 1] - self._taus[i]
        share = (even - self._taus[i]) / gap
        return np.concatenate([lower + share * (upper - lower), pace * ((upper - lower)[:1] / gap)])


def _stacked(smile: Slice, k: Floats, orders: int) -> Floats:
    w = smile.total_variance(k)
    if orders == 1:
        return np.stack([w, np.full_like(w, np.nan), np.full_like(w, np.nan)])
    return np.stack([w, *derivatives(smile, k)])


@dataclass(frozen=True, slots=True)
class SurfaceSlice:
    """The smile of a surface at one maturity, itself a :class:`Slice`.

    Attributes
    ----------
    surface : VolSurface
    tau : float
        Years.
    """

    surface: VolSurface
    tau: float

    def total_variance(self, k: ArrayLike) -> Floats:
        """Return total variance at log-moneyness `k`."""
        return self.surface.total_variance(k, self.tau)

    @np.errstate(all="ignore")
    def derivatives(self, k: ArrayLike) -> tuple[Floats, Floats]:
        """Return the first and second derivative of total variance in `k`."""
        local = self.surface._local(k, self.tau, 3)
        return local.first, local.second
