"""One expiry of the served surface: a law of the underlying, re-evaluated from a few published numbers.

What belongs here: the grid rule, :class:`SliceParams` and its evaluation (prices, total variance, density,
local vol). What does not: fitting (``calibration.slice``), interpolation between expiries (``served``).

The first slice takes a lognormal law as its base, every later one the slice before it; each then takes one
implicit step of Andreasen and Huge (2011) with local variance v, 1/v = exp(-l(k/scale)) / scale^2 + 1/ceiling
and l a cubic spline with flat ends. Whatever the numbers are, the density is positive, has mass and mean one,
and call prices rise from slice to slice at every strike.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from functools import cached_property, lru_cache
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtr

from periscope_analytics.arguments import floats, together
from periscope_analytics.implied_vol import implied_vol
from periscope_analytics.kernels import slice as kernel
from periscope_analytics.kernels.slice_law import atm_variance, bspline, controls, density, tilted

Floats = NDArray[np.float64]

WING = 0.8
CHORD = 1.0 / 3.0
"""Part of prices between expiries that is linear between the expiries' own."""

_INV_SQRT_2PI = 1.0 / math.sqrt(2.0 * math.pi)
_FLOOR, _DECAY = 1e-30, 5.0
QUANTILE_POINTS = 2000


@dataclass(frozen=True, slots=True)
class GridRule:
    """Where the law's points lie: ln K = width sinh(u), u uniform, shared by all slices of a surface.

    Attributes
    ----------
    width : float
        Log-moneyness within which the points are evenly spread; about the least total vol of the surface.
    k_min, k_max : float
        Ends of the grid in log-moneyness, k_min < 0 < k_max.
    ceiling : float
        Greatest local variance of one step, approached smoothly: it keeps mass away from zero.
    n : int
        Number of spline knots.
    """

    width: float
    k_min: float
    k_max: float
    ceiling: float
    n: int = 400

    def __post_init__(self) -> None:
        if not (self.width > 0.0 and self.k_min < 0.0 < self.k_max and self.ceiling > 0.0 and self.n >= 16):
            raise ValueError(f"grid: expected width, ceiling > 0, k_min < 0 < k_max and n >= 16, got {self}")


class Geometry(NamedTuple):
    """Arrays that follow from a grid rule; read-only.

    Attributes
    ----------
    knots : ndarray, shape (n + 6,)
        Clamped cubic knots in K.
    x : ndarray, shape (n + 2,)
        Log of the Greville points.
    grid : tuple of ndarray
        Greville points, 1 / their spacings, xi^2 / (2 cell width), ceiling.
    floor : ndarray, shape (n + 2,)
        A law of exponential tails, of which every slice has a share of 1e-30.
    """

    knots: Floats
    x: Floats
    grid: kernel.Grid
    floor: Floats


@lru_cache(maxsize=64)
def geometry(rule: GridRule) -> Geometry:
    """Return the arrays of a grid rule."""
    ends = np.arcsinh(np.array([rule.k_min, rule.k_max]) / rule.width)
    distinct = np.exp(rule.width * np.sinh(np.linspace(ends[0], ends[1], rule.n)))
    knots = np.concatenate([[distinct[0]] * 3, distinct, [distinct[-1]] * 3])
    xi = (knots[1:-3] + knots[2:-2] + knots[3:-1]) / 3.0
    link, cell = 1.0 / np.diff(xi), np.zeros(xi.size)
    cell[1:-1] = xi[1:-1] ** 2 / (xi[2:] - xi[:-2])
    floor = np.empty_like(xi)
    tilted(xi, math.inf, _DECAY, floor)
    made = Geometry(knots, np.log(xi), (xi, link, cell, rule.ceiling), floor)
    for array in (knots, made.x, *made.grid[:3], floor):
        array.flags.writeable = False
    return made


class Law(NamedTuple):
    """A law on the grid, and the control points of its prices; all of shape (n + 2,).

    Attributes
    ----------
    mass : ndarray
        Probability of each Greville point.
    put, call : ndarray
        Control points of undiscounted prices in units of the forward.
    inverse, gain : ndarray
        1/b of the share of a step that led here, 0 at both ends of the grid, and its gain in price over the
        law before.
    """

    mass: Floats
    put: Floats
    call: Floats
    inverse: Floats
    gain: Floats


@dataclass(frozen=True, eq=False)
class SliceParams:
    """Published parameters of one expiry, and what follows from them.

    Attributes
    ----------
    tau : float
        Years to expiry, ACT/365F.
    scale : float
        Total vol that scales z = k / scale and the local variance.
    knots, values : tuple of float
        Knots in z, increasing, and l at them; l is constant outside.
    grid : GridRule
        The same for all slices of a surface.
    base_variance : float
        Total variance of the lognormal law under the first slice; read only where `previous` is None.
    previous : SliceParams or None
        The slice of the expiry before.
    fraction : float
        Share of the step that is taken: 1 at a fitted expiry, other values between expiries. The first slice
        also takes this share of `base_variance`. Between two expiries prices are two parts those of the share
        and one part on the chord between the expiries' own, at the same price at the forward: wings of the
        share alone lie below what models say, those of the chord above, by about twice as much.
    pace : float
        Variance at the forward per year just before `tau`, events left out, over its mean since `previous`.
    """

    tau: float
    scale: float
    knots: tuple[float, ...]
    values: tuple[float, ...]
    grid: GridRule
    base_variance: float
    previous: SliceParams | None = None
    fraction: float = 1.0
    pace: float = 1.0

    def __post_init__(self) -> None:
        numbers = (self.tau, self.scale, self.base_variance, self.fraction, self.pace)
        if not all(0.0 < x < math.inf for x in numbers):
            raise ValueError(f"tau, scale, base_variance, fraction, pace: must be positive, got {numbers}")
        rising = all(low < high for low, high in pairwise(self.knots))
        if not (len(self.knots) == len(self.values) >= 2 and rising):
            raise ValueError("knots: expected at least two, increasing, one for each of `values`")
        if self.previous is not None and self.previous.grid != self.grid:
            raise ValueError("previous: its grid differs")

    @cached_property
    def law(self) -> Law:
        """The law of the underlying over its forward."""
        before, put, call = self.base()
        mass, inverse, gain = self._step
        rise = gain
        if self.previous is not None and self.fraction < 1.0:
            whole_mass, _, whole = replace(self, fraction=1.0)._step
            share = self._at_forward(gain) / self._at_forward(whole)
            rise = (1.0 - CHORD) * gain + CHORD * share * whole
            mass = (1.0 - CHORD) * mass + CHORD * ((1.0 - share) * before + share * whole_mass)
        return Law(mass, put + rise, call + rise, inverse, gain)

    @cached_property
    def _step(self) -> tuple[Floats, Floats, Floats]:
        """Mass after the share of the step alone, 1/b of it, and its gain in price."""
        shape = geometry(self.grid)
        before = self.base()[0]
        mass, inverse, gain = np.empty_like(before), np.zeros_like(before), np.empty_like(before)
        kernel.take_step(
            shape.grid, np.array(self.knots), np.array(self.values), shape.x / self.scale,
            self.scale**2, self.fraction, before, inverse, gain, mass,
        )  # fmt: skip
        return mass, inverse, gain

    def base(self) -> tuple[Floats, Floats, Floats]:
        """Return mass and control points of puts and calls of the law that the step starts from."""
        return self._base

    @cached_property
    def _base(self) -> tuple[Floats, Floats, Floats]:
        if self.previous is not None:
            return self.previous.law[:3]
        shape = geometry(self.grid)
        xi = shape.grid[0]
        mass, put, call = self._lognormal() + _FLOOR * shape.floor, np.empty_like(xi), np.empty_like(xi)
        controls(xi, mass, put, call)
        return mass, put, call

    def _lognormal(self) -> Floats:
        mass = np.empty(self.grid.n + 2)
        tilted(geometry(self.grid).grid[0], self.fraction * self.base_variance, 0.0, mass)
        return mass

    def _spline(self, k: Floats, control: Floats) -> Floats:
        first, weight, out = np.empty(k.size, np.int64), np.empty((k.size, 4)), np.empty(k.size)
        bspline(geometry(self.grid).knots, np.exp(k), first, weight)
        kernel.blend(first, weight, control, out)
        return out

    @np.errstate(all="ignore")
    def otm_price(self, k: ArrayLike) -> Floats:
        """Return undiscounted out-of-the-money prices in units of the forward: puts for k < 0, else calls.

        Parameters
        ----------
        k : array_like
            Log-moneyness ln(K / F), inside the grid.

        Returns
        -------
        ndarray
            Same shape as `k`; NaN outside the grid.
        """
        at = floats("k", k)
        flat = at.ravel()
        price = np.where(flat < 0.0, self._spline(flat, self.law.put), self._spline(flat, self.law.call))
        price[~((flat >= self.grid.k_min) & (flat <= self.grid.k_max))] = np.nan
        return price.reshape(at.shape)

    @cached_property
    def atm_total_variance(self) -> float:
        """Total variance at k = 0."""
        return float(atm_variance(self._at_forward(self.base()[2] + self._step[2])))

    def _at_forward(self, control: Floats) -> float:
        return float(self._spline(np.zeros(1), control)[0])

    @cached_property
    def wings(self) -> tuple[tuple[float, float], tuple[float, float]]:
        """Where the grid ends to be trusted, left and right: k, and total variance over abs(k) there."""
        ends = WING * np.array([self.grid.k_min, self.grid.k_max])
        slopes = self._inner_variance(ends) / np.abs(ends)
        return (float(ends[0]), float(slopes[0])), (float(ends[1]), float(slopes[1]))

    def _inner_variance(self, k: Floats) -> Floats:
        return np.asarray(implied_vol(self.otm_price(k), 1.0, np.exp(k), 1.0, k >= 0.0).sigma) ** 2

    @np.errstate(all="ignore")
    def total_variance(self, k: ArrayLike) -> Floats:
        """Return Black total variance at each log-moneyness; proportional to abs(k) beyond `wings`.

        Parameters
        ----------
        k : array_like
            Log-moneyness ln(K / F).

        Returns
        -------
        ndarray
            Same shape as `k`.
        """
        at = floats("k", k)
        left, right = self.wings
        inside = np.clip(at, left[0], right[0])
        beyond = np.where(at < 0.0, left[1], right[1]) * np.abs(at)
        return np.asarray(np.where(inside == at, self._inner_variance(inside), beyond))

    @np.errstate(all="ignore")
    def derivatives(self, k: ArrayLike) -> tuple[Floats, Floats]:
        """Return the first and second derivative of total variance in `k`, from probabilities and density."""
        at = floats("k", k)
        left, right = self.wings
        inside = np.clip(at, left[0], right[0])
        w = self.total_variance(at)
        root = np.sqrt(w)
        d2 = -at / root - 0.5 * root
        weight = 2.0 * root / (_INV_SQRT_2PI * np.exp(-0.5 * d2**2))
        below, above = self._probabilities(inside)
        first = weight * np.where(at < 0.0, below - ndtr(-d2), ndtr(d2) - above)
        first = np.where(inside == at, first, np.where(at < 0.0, -left[1], right[1]))
        lean = (1.0 - 0.5 * at * first / w) ** 2 - 0.25 * first**2 * (1.0 / w + 0.25)
        g = self._inner_density(inside) * gaussian_inverse(inside, w)
        return first, np.where(inside == at, 2.0 * (g - lean), 0.0)

    def _probabilities(self, k: Floats) -> tuple[Floats, Floats]:
        """Return the probabilities that ln(S / F) ends below and above k, each relatively accurate."""
        first, weight = np.empty(k.size, np.int64), np.empty((k.size, 3))
        bspline(geometry(self.grid).knots, np.exp(k.ravel()), first, weight)
        mass, columns = self.law.mass, first[:, None] + np.arange(3)
        below, above = np.cumsum(mass)[columns], np.cumsum(mass[::-1])[::-1][columns + 1]
        return np.sum(weight * below, 1).reshape(k.shape), np.sum(weight * above, 1).reshape(k.shape)

    @np.errstate(all="ignore")
    def quantile(self, p: ArrayLike) -> Floats:
        """Return the quantiles of S / F of probabilities `p`, linear in k between 2,000 points."""
        ends = np.arcsinh(np.array([self.wings[0][0], self.wings[1][0]]) / self.scale)
        k = self.scale * np.sinh(np.linspace(ends[0], ends[1], QUANTILE_POINTS))
        return np.asarray(np.exp(np.interp(floats("p", p), self._probabilities(k)[0], k)))

    @np.errstate(all="ignore")
    def shares(self, k: ArrayLike) -> tuple[Floats, Floats]:
        """Return E[S; S < K] and E[S; S > K] in units of the forward, K = F exp(k); they add up to one."""
        at = floats("k", k)
        flat = at.ravel()
        below, above = self._probabilities(flat)
        put, call = self._spline(flat, self.law.put), self._spline(flat, self.law.call)
        strike = np.exp(flat)
        return (strike * below - put).reshape(at.shape), (strike * above + call).reshape(at.shape)

    @property
    def left_slope(self) -> float:
        """Slope of total variance as k goes to minus infinity, by magnitude."""
        return self.wings[0][1]

    @property
    def right_slope(self) -> float:
        """Slope of total variance as k goes to infinity."""
        return self.wings[1][1]

    @np.errstate(all="ignore")
    def iv(self, k: ArrayLike, tau: ArrayLike | None = None) -> Floats:
        """Return implied vols, decimals, with `tau` years to expiry (default: the slice's own)."""
        at, years = together(k=k, tau=self.tau if tau is None else tau)
        return np.asarray(np.sqrt(self.total_variance(at) / years))

    @np.errstate(all="ignore")
    def density(self, k: ArrayLike) -> Floats:
        """Return the density of ln(S / F) at k; it integrates to one, and exp(k) against it to one."""
        at = floats("k", k)
        left, right = self.wings
        inside = np.clip(at, left[0], right[0])
        inner = self._inner_density(inside)
        if np.all(inside == at):
            return inner
        return np.where(inside == at, inner, self.g(at) / gaussian_inverse(at, self.total_variance(at)))

    def _inner_density(self, k: Floats) -> Floats:
        strike = np.exp(k.ravel())
        out = np.empty(strike.size)
        density(geometry(self.grid).knots, self.law.mass, strike, out)
        return (out * strike).reshape(k.shape)

    @np.errstate(all="ignore")
    def g(self, k: ArrayLike) -> Floats:
        """Return g of Gatheral and Jacquier (2014), eq. 2.1: density over Gaussian weight, never negative."""
        at = floats("k", k)
        left, right = self.wings
        inside, w = np.clip(at, left[0], right[0]), self.total_variance(at)
        beyond = 0.25 - 0.25 * np.where(at < 0.0, left[1], right[1]) ** 2 * (1.0 / w + 0.25)
        return np.where(inside == at, self._inner_density(inside) * gaussian_inverse(inside, w), beyond)

    @np.errstate(all="ignore")
    def local_vol(self, k: ArrayLike) -> Floats:
        """Return Dupire's local vol just before `tau`, decimals; constant beyond `wings`.

        Between expiries total variance at the forward is linear in time, so the share of the step taken, and
        with it the time derivative of prices, is known: Dupire (1994), sigma^2 = 2 C_T / (K^2 C_KK). An event
        is a jump of total variance at its instant, which no diffusion brings: the local vol is that of the
        rest, at the `pace` at which it comes just before `tau`.
        """
        at = floats("k", k)
        left, right = self.wings
        flat = np.clip(at, left[0], right[0]).ravel()
        drift = self._drift()
        ends = (0.0, 0.0) if self.previous is None else (self.previous.tau, self.previous.atm_total_variance)
        pace = self.pace * (self.atm_total_variance - ends[1]) / (self.tau - ends[0])
        w = self.atm_total_variance
        atm_vega = np.exp(-w / 8.0) / (2.0 * np.sqrt(2.0 * np.pi * w))
        rate = pace * atm_vega / self._spline(np.zeros(1), drift)[0]
        variance = 2.0 * rate * self._spline(flat, drift) / (np.exp(flat) * self.density(flat))
        return np.asarray(np.sqrt(variance)).reshape(at.shape)

    def _drift(self) -> Floats:
        """Control points of the derivative of prices by the share of the step."""
        shape, law = geometry(self.grid), self.law
        right = law.gain / self.fraction
        if self.previous is None:
            right = right + _base_drift(shape, self._lognormal(), self.fraction, self.base_variance)
        drift, pivot = np.empty_like(right), np.empty_like(right)
        kernel.solve(shape.grid[1], law.inverse, right * law.inverse, drift, pivot)
        if self.previous is None or self.fraction > 1.0:
            return drift
        whole = replace(self, fraction=1.0)._step[2]
        chord = self._at_forward(drift) / self._at_forward(whole) * whole
        return np.asarray((1.0 - CHORD) * drift + CHORD * chord)

    def log_shape(self, z: Floats) -> Floats:
        """Return l(z) - l(0): the shape of the step's local variance."""
        knots, rows = (
            np.array(self.knots),
            np.empty((-(-len(self.knots) // kernel.LANES), z.size + 1, kernel.LANES)),
        )
        kernel.spline_rows(knots, kernel.curvatures(knots), np.append(z, 0.0), rows)
        out = np.empty(z.size + 1)
        kernel.level(rows, np.array(self.values), out)
        return np.asarray(out[:-1] - out[-1])

    def at(self, fraction: float, tau: float, pace: float = 1.0) -> SliceParams:
        """Return the slice after that share of the step, `tau` years from now."""
        return replace(self, fraction=fraction, tau=tau, pace=pace)

    def to_dict(self) -> dict[str, Any]:
        """Return plain numbers, without `previous` and `pace`: JSON keeps them to the last bit."""
        plain = {name: getattr(self, name) for name in ("tau", "scale", "base_variance", "fraction")}
        return plain | {"knots": list(self.knots), "values": list(self.values), "grid": asdict(self.grid)}

    @classmethod
    def from_dict(cls, numbers: Mapping[str, Any], previous: SliceParams | None = None) -> SliceParams:
        """Return the slice of :meth:`to_dict`'s numbers; its law has the same bits."""
        own = {name: float(numbers[name]) for name in ("tau", "scale", "base_variance", "fraction")}
        knots, values = tuple(map(float, numbers["knots"])), tuple(map(float, numbers["values"]))
        return cls(knots=knots, values=values, grid=GridRule(**numbers["grid"]), previous=previous, **own)


def gaussian_inverse(k: Floats, w: Floats) -> Floats:
    """Return one over Black's density of ln(S / F) at k with total variance w."""
    with np.errstate(over="ignore"):
        return np.asarray(np.sqrt(2.0 * np.pi * w) * np.exp((k + 0.5 * w) ** 2 / (2.0 * w)))


def _base_drift(shape: Geometry, mass: Floats, fraction: float, variance: float) -> Floats:
    """Return the derivative by `fraction` of the lognormal base law's prices at the Greville points."""
    x, xi = shape.x, shape.grid[0]
    bend = x**2 / (2.0 * fraction**2 * variance)
    tilt = (mass @ bend - mass @ (xi * bend)) / (mass @ (xi * x) - mass @ x)
    change = mass * (bend - mass @ bend + tilt * (x - mass @ x))
    gap = np.diff(xi)
    below = np.concatenate([[0.0], np.cumsum(np.cumsum(change)[:-1] * gap)])
    above = np.concatenate([np.cumsum(np.cumsum(change[::-1])[:-1] * gap[::-1])[::-1], [0.0]])
    return np.where(x < 0.0, below, above)
