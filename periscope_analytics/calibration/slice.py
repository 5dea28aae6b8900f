"""Fit of one expiry of the served surface to bids and asks.

What belongs here: choice of grid, knots and start, the refit ladder, the result with its errors. What does
not: the minimiser (``kernels.slice``), evaluation (``slice``), the chain of expiries
(``calibration.served``).

The loss is nearly flat inside the band of each quote and Huber outside it; a penalty on the third derivative
of the log local variance and a weak ridge toward the shape of the expiry before carry what quotes do not
say.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from periscope_analytics.arguments import floats
from periscope_analytics.calibration.result import Calibration
from periscope_analytics.errors import Status
from periscope_analytics.kernels import slice as kernel
from periscope_analytics.kernels.slice_law import bspline
from periscope_analytics.kernels.slice_quotes import atm_spread, quote_vegas
from periscope_analytics.slice import GridRule, SliceParams, geometry

Floats = NDArray[np.float64]

_LEFT, _RIGHT = -20.0, 8.0
_LEFT_SPREADS, _RIGHT_SPREADS = -80.0, 18.0
"""Ends of the grid in total vols: tails of large steps fall slowly, and the density must hold them."""
_FURTHEST_LEFT = -130.0
"""Log-moneyness beyond which prices are too small to have a vol in doubles."""
_RELATIVE_FALL = 1e-4
_FARTHEST = 40.0
_FINER, _STIFFER = 0.6, 100.0


@dataclass(frozen=True, slots=True)
class SliceSettings:
    """Choices of the fit, part of the method's version.

    Attributes
    ----------
    spacing : float
        Distance of knots in asinh(z).
    reach : float
        How far the end knots stand outside the quotes, in asinh(z).
    stiffness : float
        Weight of the integral of l'''^2 over z.
    ridge : float
        Weight of the pull toward the local variance shape of the expiry before.
    target : float
        Vega-weighted share inside the band below which the stiffness is cut tenfold, twice at most, and then
        the knots are set closer.
    bump : float
        Greatest second mode of the density, as a share of its peak, for which quotes are followed.
    base_share : float
        Share of the first expiry's total variance that its lognormal base has.
    noise : float
        Standard error of a quote in half-widths of its band, for stated errors. Where truths lie anywhere in
        their bands 0.44 makes errors cover as they should: the ends of bands tell more than their middles.
    band_floor : float
        Least half-width of a log band: finer quotes count as this wide.
    ceiling : float
        Greatest local variance of one step, where no expiry has a fourth of it.
    grid_points : int
        Spline knots of the grid.
    """

    spacing: float = 0.5
    reach: float = 0.2
    stiffness: float = 0.005
    ridge: float = 0.03
    target: float = 0.98
    bump: float = 0.005
    noise: float = 0.44
    base_share: float = 0.5
    band_floor: float = 1e-6
    ceiling: float = 0.3
    grid_points: int = 400


@dataclass(frozen=True, slots=True, eq=False)
class SliceCalibration(Calibration[SliceParams]):
    """A fitted slice; residuals are log price minus the middle of the log band, in half-widths of the band.

    Attributes
    ----------
    inside : float
        Share of the used quotes, weighted by vega, that the slice prices inside their bid and ask.
    second_mode : float
        Greatest rise of the density of k away from its peak, as a share of the peak.
    quotes : Band
        What the fit saw.
    covariance : ndarray, shape (m, m)
        Of `params.values`: the inverse of J'J/(noise h)^2 + penalty + ridge, J by log price and h the
        half-widths, the slice before held fixed.
    """

    inside: float
    second_mode: float
    covariance: Floats
    quotes: Band


class Band(NamedTuple):
    """Usable quotes: where they were in the input, log bands, vegas, total vol near the forward, status."""

    used: NDArray[np.bool_]
    k: Floats
    mid: Floats
    half: Floats
    vega: Floats
    scale: float
    status: Status


def band(k: ArrayLike, price_bid: ArrayLike, price_ask: ArrayLike, settings: SliceSettings) -> Band:
    """Return the usable quotes: abs(k) < 40, 0 < bid < ask, and a geometric mid below the price's bound.

    Raises
    ------
    ValueError
        If the arrays are not of one length.
    """
    at, bid, ask = floats("k", k), floats("price_bid", price_bid), floats("price_ask", price_ask)
    if not (at.ndim == 1 and at.shape == bid.shape == ask.shape):
        raise ValueError(
            f"k, price_bid, price_ask: expected one length, got {at.shape}, {bid.shape}, {ask.shape}"
        )
    with np.errstate(invalid="ignore", over="ignore"):
        used = (np.abs(at) < _FARTHEST) & np.isfinite(ask) & (bid > 0.0) & (ask > bid)
        used &= np.sqrt(np.where(used, bid * ask, np.nan)) < np.exp(np.minimum(at, 0.0))
    at, low, high = at[used], np.log(bid[used]), np.log(ask[used])
    mid, half = 0.5 * (low + high), np.maximum(0.5 * (high - low), settings.band_floor)
    price, vega = np.exp(mid), np.empty(at.size)
    if not at.size or not np.any((at > at.min()) & (at < at.max())):
        return Band(used, at, mid, half, vega, np.nan, Status.TOO_FEW_STRIKES)
    quote_vegas(at, price, vega)
    scale = atm_spread(at, price)
    sound = 1e-6 < scale < 20.0 and vega.sum() > 0.0
    return Band(used, at, mid, half, vega, scale, Status.OK if sound else Status.DEGENERATE)


def grid_for(bands: list[Band], settings: SliceSettings) -> GridRule:
    """Return one grid for these expiries: fine enough for the narrowest, wide enough for the widest."""
    spreads = [b.scale for b in bands]
    right = max(_RIGHT, _RIGHT_SPREADS * max(spreads), 1.8 * max(float(b.k.max()) for b in bands))
    reach = max(_LEFT_SPREADS * max(spreads), _FURTHEST_LEFT)
    left = min(_LEFT, reach, 1.8 * min(float(b.k.min()) for b in bands))
    ceiling = max(settings.ceiling, 4.0 * max(spreads) ** 2)
    return GridRule(0.6 * min(spreads), left, right, ceiling, settings.grid_points)


def fit_slice(
    k: ArrayLike,
    price_bid: ArrayLike,
    price_ask: ArrayLike,
    previous: SliceParams | None = None,
    *,
    tau: float | None = None,
    grid: GridRule | None = None,
    settings: SliceSettings | None = None,
) -> SliceCalibration:
    """Fit one expiry to out-of-the-money bids and asks, above the expiry before it.

    Parameters
    ----------
    k : array_like, shape (n,)
        Log-moneyness ln(K / F): puts are quoted for k < 0, calls for k >= 0.
    price_bid, price_ask : array_like, shape (n,)
        Undiscounted prices in units of the forward.
    previous : SliceParams, optional
        The slice of the expiry before; call prices never fall below its own.
    tau : float, optional
        Years to expiry. Default: total variance at the forward, so that vols are in units of the ATM vol.
    grid : GridRule, optional
        Default: the previous slice's, or one made for these quotes.
    settings : SliceSettings, optional

    Returns
    -------
    SliceCalibration
        Status OK; TOO_FEW_STRIKES (fewer than three usable strikes); DEGENERATE (no finite vol near the
        forward); OUT_OF_RANGE (a quote outside the grid); NOT_CONVERGED, with parameters.

    Raises
    ------
    ValueError
        If the arrays differ in length, or `tau` is not above the previous slice's.

    Notes
    -----
    Andreasen, Huge (2011), "Volatility interpolation", Risk 24(3), for the step; Fengler (2009) for the use
    of bands.
    """
    chosen = settings or SliceSettings()
    if tau is not None and not tau > (previous.tau if previous else 0.0):
        raise ValueError(f"tau: expected more than the previous slice's, got {tau}")
    return fit_band(band(k, price_bid, price_ask, chosen), previous, tau, grid, chosen)


def fit_band(
    quotes: Band,
    previous: SliceParams | None,
    tau: float | None,
    grid: GridRule | None,
    settings: SliceSettings,
) -> SliceCalibration:
    """Fit one expiry to quotes that were checked by `band`; see `fit_slice`."""
    if quotes.status is not Status.OK:
        return absent(quotes, quotes.status)
    rule = grid or (previous.grid if previous else grid_for([quotes], settings))
    if quotes.k.min() <= rule.k_min or quotes.k.max() >= rule.k_max:
        return absent(quotes, Status.OUT_OF_RANGE)
    start = _start(quotes, previous, tau, rule, settings)
    fitted = _fitted(quotes, start, settings)
    if fitted.inside < settings.target:
        finer = replace(settings, spacing=_FINER * settings.spacing)
        fitted = _better(fitted, _fitted(quotes, _start(quotes, previous, tau, rule, finer), finer), settings)
    if fitted.second_mode > settings.bump:
        stiffer = replace(settings, stiffness=_STIFFER * settings.stiffness)
        fitted = _better(fitted, _fitted(quotes, start, stiffer), settings)
    return fitted


def _better(first: SliceCalibration, second: SliceCalibration, settings: SliceSettings) -> SliceCalibration:
    """Return the fit with no more than a small second mode, of two such the one with more inside the band."""

    def rank(fit: SliceCalibration) -> tuple[float, float]:
        return -max(fit.second_mode, settings.bump), fit.inside

    return max(first, second, key=rank)


def _knots(quotes: Band, settings: SliceSettings) -> Floats:
    """Return knots uniform in asinh(z) over the quotes, at least over |z| <= 1."""
    low = np.arcsinh(min(float(quotes.k.min()) / quotes.scale, -1.0)) - settings.reach
    high = np.arcsinh(max(float(quotes.k.max()) / quotes.scale, 1.0)) + settings.reach
    most = 4 + max(quotes.k.size / 3.0, 1.0)
    number = int(min(max(round((high - low) / settings.spacing) + 1, 5), most))
    return np.asarray(np.sinh(low + (high - low) / (number - 1) * np.arange(number)))


def _start(
    quotes: Band,
    previous: SliceParams | None,
    tau: float | None,
    rule: GridRule,
    settings: SliceSettings,
) -> SliceParams:
    """Return the slice that the ridge pulls to: the shape of the step before at the ATM forward variance."""
    scale, knots = quotes.scale, _knots(quotes, settings)
    years = scale**2 if tau is None else tau
    base = settings.base_share * scale**2
    if previous is None:
        values = np.full(knots.size, np.log1p(-settings.base_share))
    else:
        years = max(years, previous.tau * (1.0 + 1e-9)) if tau is None else years
        gain = max(scale**2 - previous.atm_total_variance, 1e-3 * scale**2)
        values = previous.log_shape(knots) + np.log(gain / scale**2)
    return SliceParams(years, scale, tuple(knots.tolist()), tuple(values.tolist()), rule, base, previous)


def _fitted(quotes: Band, start: SliceParams, settings: SliceSettings) -> SliceCalibration:
    shape, n = geometry(start.grid), quotes.k.size
    before, put, call = start.base()
    first, weight, below, above = np.empty(n, np.int64), np.empty((n, 4)), np.empty(n), np.empty(n)
    bspline(shape.knots, np.exp(quotes.k), first, weight)
    kernel.blend(first, weight, put, below)
    kernel.blend(first, weight, call, above)
    located = (first, weight, np.where(quotes.k < 0.0, below, above), quotes.mid, quotes.half)
    values, residual, covariance, inside, bump, fell, steps, evaluations = kernel.fit_ladder(
        shape.grid, before, shape.x / start.scale, start.scale**2, located, quotes.vega,
        np.array(start.knots), np.array(start.values),
        settings.stiffness, settings.ridge, settings.target, settings.bump,
        settings.noise**-2,
    )  # fmt: skip
    finite = bool(np.isfinite(residual).all())
    residuals = np.full(quotes.used.size, np.nan)
    residuals[quotes.used] = residual
    return SliceCalibration(
        params=replace(start, values=tuple(values.tolist())) if finite else None,
        status=Status.OK if finite and fell <= _RELATIVE_FALL else Status.NOT_CONVERGED,
        rmse=math.sqrt(residual @ residual / n),
        max_error=float(np.abs(residual).max()),
        residuals=residuals,
        stderr=np.sqrt(np.diagonal(covariance)),
        n_iterations=steps,
        n_evaluations=evaluations,
        inside=inside,
        second_mode=bump,
        covariance=covariance,
        quotes=quotes,
    )


def absent(quotes: Band, status: Status) -> SliceCalibration:
    """Return the result of an expiry without a slice, and why."""
    empty = np.empty(0)
    residuals = np.full(quotes.used.size, np.nan)
    return SliceCalibration(
        None,
        status,
        np.nan,
        np.nan,
        residuals,
        empty,
        0,
        0,
        inside=np.nan,
        second_mode=np.nan,
        covariance=np.empty((0, 0)),
        quotes=quotes,
    )
