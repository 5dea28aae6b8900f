"""Option strategies: legs in, value, greeks, payoff, break-evens, scenarios and odds out.

What belongs here: sums over legs, and what follows from the sum. What does not: prices of single options
(``black``), surfaces (``surface``, ``served``), signals and the choice of strategies.

Legs are European. A leg's quantity is signed, its `entry` is the price paid per unit, and profit is value
less entries; interest on entries is not counted. An underlying leg is the asset itself. Where legs expire at
different times the horizon is the earliest expiry, and later legs are worth their model value there.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Literal, NamedTuple, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import brentq
from scipy.special import ndtr

from periscope_analytics import black
from periscope_analytics.arguments import floats, together
from periscope_analytics.market import ForwardCurve
from periscope_analytics.surface import Slice, derivatives

Floats = NDArray[np.float64]
Dynamics = Literal["sticky_strike", "sticky_moneyness"]

DEVIATIONS = 8.0
POINTS = 801
FLAT = 1e-9
_INV_SQRT_2PI = 1.0 / np.sqrt(2.0 * np.pi)


class VarianceSurface(Protocol):
    """What a strategy asks of a surface, such as ``VolSurface`` or ``ServedSurface``."""

    def total_variance(self, k: ArrayLike, tau: ArrayLike) -> Floats:
        """Return total variance at log-moneyness `k` and maturity `tau`."""

    def slice_at(self, tau: float) -> Slice:
        """Return the smile of maturity `tau`."""


@dataclass(frozen=True, slots=True)
class Leg:
    """A position in one option, or in the underlying where `is_call` is None.

    Attributes
    ----------
    quantity : float
        Signed units of the underlying: contracts times multiplier.
    strike : float
        Positive; not read for the underlying.
    tau : float
        Years to expiry, positive; not read for the underlying.
    is_call : bool or None
    entry : float
        Price paid per unit.

    Raises
    ------
    ValueError
        If a number is not finite, or the strike or expiry of an option not positive, naming it.
    """

    quantity: float
    strike: float = 0.0
    tau: float = 0.0
    is_call: bool | None = None
    entry: float = 0.0

    def __post_init__(self) -> None:
        for name in ("quantity", "strike", "tau", "entry"):
            if not np.isfinite(getattr(self, name)):
                raise ValueError(f"{name}: must be finite, got {getattr(self, name)}")
        if self.is_call is not None and not (self.strike > 0.0 and self.tau > 0.0):
            raise ValueError(f"strike, tau: an option's must be positive, got {self.strike}, {self.tau}")


@dataclass(frozen=True, slots=True, eq=False)
class Market:
    """What legs are valued with.

    Attributes
    ----------
    spot : float
        Positive.
    curve : ForwardCurve
        Forwards and discounts by time. Before its first node the forward is log-linear from the spot; all
        forwards move in proportion to the spot.
    surface : VarianceSurface

    Raises
    ------
    ValueError
        If `spot` is not finite and positive.
    """

    spot: float
    curve: ForwardCurve
    surface: VarianceSurface

    def __post_init__(self) -> None:
        if not 0.0 < self.spot < np.inf:
            raise ValueError(f"spot: must be finite and positive, got {self.spot}")

    @np.errstate(all="ignore")
    def forward(self, tau: ArrayLike) -> Floats:
        """Return the forward at each time; the spot for tau = 0."""
        years, first = floats("tau", tau), float(self.curve.tau[0])
        drift = np.log(self.curve.forward[0] / self.spot) / first
        early = self.spot * np.exp(drift * np.minimum(years, first))
        return np.asarray(np.where(years < first, early, self.curve.forward_at(np.maximum(years, first))))

    @np.errstate(all="ignore")
    def vol(self, k: ArrayLike, tau: ArrayLike) -> Floats:
        """Return the surface's vols, decimals; NaN where total variance is not positive."""
        at, years = together(k=k, tau=tau)
        w = self.surface.total_variance(at, years)
        return np.asarray(np.sqrt(np.where(w > 0.0, w, np.nan) / years))


class Outcome(NamedTuple):
    """What a strategy can end in at its horizon, per :meth:`Strategy.outcome`.

    Attributes
    ----------
    horizon : float
        Years.
    break_evens : ndarray, shape (n,)
        Spots at which profit changes its sign, increasing.
    max_profit, max_loss : float
        Greatest and least profit over all spots; infinite where there is no bound.
    probability_of_profit : float
        Probability of a positive profit under the surface's density at the horizon.
    """

    horizon: float
    break_evens: Floats
    max_profit: float
    max_loss: float
    probability_of_profit: float


class _Options(NamedTuple):
    quantity: Floats
    strike: Floats
    tau: Floats
    is_call: NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Strategy:
    """Legs held together.

    Attributes
    ----------
    legs : tuple of Leg
        At least one.
    """

    legs: tuple[Leg, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "legs", tuple(self.legs))
        if not self.legs:
            raise ValueError("legs: expected at least one")

    @property
    def entry(self) -> float:
        """What was paid for the legs; negative for a credit."""
        return float(sum(each.quantity * each.entry for each in self.legs))

    @property
    def horizon(self) -> float:
        """Years to the earliest expiry; infinite without options."""
        return min((each.tau for each in self.legs if each.is_call is not None), default=np.inf)

    @property
    def has_one_expiry(self) -> bool:
        """Whether all options expire together."""
        return len({each.tau for each in self.legs if each.is_call is not None}) <= 1

    @property
    def _shares(self) -> float:
        return float(sum(each.quantity for each in self.legs if each.is_call is None))

    @property
    def _options(self) -> _Options:
        legs = [each for each in self.legs if each.is_call is not None]
        return _Options(
            np.array([x.quantity for x in legs]),
            np.array([x.strike for x in legs]),
            np.array([x.tau for x in legs]),
            np.array([x.is_call for x in legs], dtype=np.bool_),
        )

    @np.errstate(all="ignore")
    def payoff(self, spot: ArrayLike) -> Floats:
        """Return what the legs pay if all expire at `spot`, of its shape; entries are not deducted."""
        at, legs = floats("spot", spot), self._options
        sign = np.where(legs.is_call, 1.0, -1.0)
        inner = np.maximum(sign * (at[..., None] - legs.strike), 0.0)
        return np.asarray(inner @ legs.quantity + self._shares * at)

    def value(self, market: Market) -> float:
        """Return what the legs are worth now."""
        return float(self.scenarios(market, market.spot))

    @np.errstate(all="ignore")
    def greeks(self, market: Market) -> black.Greeks:
        """Return the sum of the legs' spot greeks, scalars: Black-Scholes-Merton at each leg's own vol.

        Theta is per calendar day, vega and rho per 1.00, vols held at fixed strikes.
        """
        legs = self._options
        forward, discount = market.forward(legs.tau), market.curve.discount_at(legs.tau)
        vol = market.vol(np.log(legs.strike / forward), legs.tau)
        rate = -np.log(discount) / legs.tau
        dividend_yield = rate - np.log(forward / market.spot) / legs.tau
        each = black.bsm_greeks(market.spot, legs.strike, legs.tau, rate, dividend_yield, vol, legs.is_call)
        total = {f.name: np.asarray(legs.quantity @ getattr(each, f.name)) for f in fields(each)}
        total["price"] = np.asarray(total["price"] + self._shares * market.spot)
        total["delta"] = np.asarray(total["delta"] + self._shares)
        return black.Greeks(**total)

    @np.errstate(all="ignore")
    def scenarios(
        self,
        market: Market,
        spot: ArrayLike,
        vol_shift: ArrayLike = 0.0,
        elapsed: ArrayLike = 0.0,
        dynamics: Dynamics = "sticky_strike",
    ) -> Floats:
        """Return the legs' value after a move of spot, vol and time; the three broadcast.

        Parameters
        ----------
        market : Market
        spot : array_like
            New spots, positive; shape (n, 1, 1) against (m, 1) and (l,) makes a grid.
        vol_shift : array_like
            Added to every vol, decimal.
        elapsed : array_like
            Years that have passed, not negative and at most `horizon`.
        dynamics : {'sticky_strike', 'sticky_moneyness'}
            Each option keeps the vol that its strike and expiry have now; or the surface keeps its vol by
            log-moneyness and time to expiry, its events their distance too, and options slide along it.

        Returns
        -------
        ndarray
            Of the broadcast shape. NaN where a spot is not positive, or a shift leaves no positive vol of an
            option that has time left.

        Raises
        ------
        ValueError
            If shapes do not broadcast, `elapsed` is out of range, or `dynamics` is unknown.
        """
        if dynamics not in ("sticky_strike", "sticky_moneyness"):
            raise ValueError(f"dynamics: expected sticky_strike or sticky_moneyness, got {dynamics!r}")
        s, shift, passed = together(spot=spot, vol_shift=vol_shift, elapsed=elapsed)
        if not np.all((passed >= 0.0) & (passed <= self.horizon)):
            raise ValueError(f"elapsed: must lie in [0, {self.horizon}], the earliest expiry")
        at = np.where(s > 0.0, s, np.nan)
        total = self._shares * at
        for leg in self.legs:
            if leg.is_call is not None:
                total = total + leg.quantity * _moved(leg, market, at, shift, passed, dynamics)
        return np.asarray(total)

    @np.errstate(all="ignore")
    def outcome(self, market: Market, dynamics: Dynamics = "sticky_strike") -> Outcome:
        """Return break-evens, extremes and the odds at the earliest expiry.

        With one expiry break-evens and extremes are exact, from the corners of the payoff. Otherwise profit
        is sampled over eight deviations of the spot's logarithm to either side and at all strikes, and its
        zeros between samples are refined.

        Raises
        ------
        ValueError
            If there is no option, so no horizon, or `dynamics` is unknown.
        """
        if not np.isfinite(self.horizon):
            raise ValueError("legs: without an option there is no horizon")
        profit = _Profit(self, market, dynamics)
        corners = self._corners() if self.has_one_expiry else profit.samples()
        value = profit(corners)
        slope = self._far_slope(market)
        zeros = _zeros(profit, corners, value, slope, exact=self.has_one_expiry)
        most, least = float(value.max()), float(value.min())
        return Outcome(
            self.horizon,
            zeros,
            np.inf if slope > 0.0 else most,
            -np.inf if slope < 0.0 else least,
            _probability(profit, market, zeros, self.horizon),
        )

    def _corners(self) -> Floats:
        return np.unique(np.concatenate([[0.0], self._options.strike]))

    def _far_slope(self, market: Market) -> float:
        """Return the slope of value in spot at the horizon as spot goes to infinity."""
        legs = self._options
        ahead = market.forward(legs.tau) / market.forward(self.horizon)
        ahead = ahead * market.curve.discount_at(legs.tau) / market.curve.discount_at(self.horizon)
        slope = self._shares + float(np.sum(legs.quantity * np.where(legs.is_call, ahead, 0.0)))
        size = abs(self._shares) + float(np.sum(np.abs(legs.quantity)))
        return slope if abs(slope) > FLAT * size else 0.0


@dataclass(frozen=True, slots=True, eq=False)
class _Profit:
    """Profit at a strategy's horizon as a function of the spot there."""

    strategy: Strategy
    market: Market
    dynamics: Dynamics

    def __call__(self, spot: Floats) -> Floats:
        held = self.strategy
        if held.has_one_expiry:
            return np.asarray(held.payoff(spot) - held.entry)
        return held.scenarios(self.market, spot, 0.0, held.horizon, self.dynamics) - held.entry

    def samples(self) -> Floats:
        """Return spots from far below to far above, with all strikes among them."""
        last = float(self.strategy._options.tau.max())
        deviation = float(self.market.vol(0.0, last)) * np.sqrt(last)
        around = float(self.market.forward(self.strategy.horizon))
        spread = around * np.exp(np.linspace(-DEVIATIONS, DEVIATIONS, POINTS) * deviation)
        return np.unique(np.concatenate([spread, self.strategy._options.strike]))


def _moved(
    leg: Leg, market: Market, spot: Floats, shift: Floats, passed: Floats, dynamics: Dynamics
) -> Floats:
    """Return one option's value after the move."""
    left, today = np.maximum(leg.tau - passed, 0.0), market.forward(leg.tau)
    forward = spot * (today / market.forward(passed))
    discount = market.curve.discount_at(leg.tau) / market.curve.discount_at(passed)
    if dynamics == "sticky_strike":
        k, years = np.log(leg.strike / today), np.asarray(leg.tau)
    else:
        k, years = np.log(leg.strike / forward), np.where(left > 0.0, left, leg.tau)
    vol = market.vol(k, years) + shift
    call = np.full(spot.shape, leg.is_call)
    alive = black.price(forward, leg.strike, left, np.where(vol > 0.0, vol, np.nan), call, discount)
    inner = np.maximum(np.where(call, spot - leg.strike, leg.strike - spot), 0.0)
    return np.where(left > 0.0, alive, inner)


def _zeros(profit: _Profit, at: Floats, value: Floats, slope: float, exact: bool) -> Floats:
    """Return where profit crosses zero between and beyond the points `at`, increasing."""
    found = [float(x) for x, y in zip(at, value, strict=True) if y == 0.0 and x > 0.0]
    for i in np.flatnonzero(value[:-1] * value[1:] < 0.0):
        low, high = float(at[i]), float(at[i + 1])
        if exact:
            found.append(low + (high - low) * float(value[i] / (value[i] - value[i + 1])))
        else:
            found.append(float(brentq(lambda x: float(profit(np.asarray(x))), low, high, xtol=1e-12 * high)))
    if value[-1] * slope < 0.0:
        found.append(float(at[-1] - value[-1] / slope))
    return np.array(sorted(x for x in found if _changes(profit, x)))


def _changes(profit: _Profit, spot: float) -> bool:
    """Return whether profit is positive on exactly one side of a zero."""
    below, above = profit(spot * np.array([1.0 - 1e-7, 1.0 + 1e-7])) > 0.0
    return bool(below != above)


def _probability(profit: _Profit, market: Market, zeros: Floats, horizon: float) -> float:
    """Return the probability of the intervals between zeros in which profit is positive."""
    smile, forward = market.surface.slice_at(horizon), float(market.forward(horizon))
    inside = np.sqrt(zeros[:-1] * zeros[1:])
    middles = [zeros[0] * 0.5, *inside, zeros[-1] * 2.0] if zeros.size else [forward]
    below = np.concatenate([[0.0], probability_below(smile, zeros / forward), [1.0]])
    return float(np.sum(np.diff(below)[profit(np.array(middles)) > 0.0]))


@np.errstate(all="ignore")
def probability_below(smile: Slice, ratio: ArrayLike) -> Floats:
    """Return the probability that S / F ends below `ratio`, from the smile's level and slope.

    Parameters
    ----------
    smile : Slice
    ratio : array_like
        Positive.

    Returns
    -------
    ndarray
        The integral of the smile's density: ``N(-d2) + n(d2) d sqrt(w) / dk``.
    """
    k = np.log(floats("ratio", ratio))
    root = np.sqrt(smile.total_variance(k))
    first, _ = derivatives(smile, k)
    d2 = -k / root - 0.5 * root
    return np.asarray(ndtr(-d2) + _INV_SQRT_2PI * np.exp(-0.5 * d2**2) * first / (2.0 * root))
