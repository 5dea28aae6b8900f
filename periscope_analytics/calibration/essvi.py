"""Fit of an eSSVI surface: expiries in order of time, each inside the room that the one before leaves.

What belongs here: the box of free coordinates in which no arbitrage is possible, and the chain of fits. What
does not: evaluation and the conditions themselves (``ssvi``), one slice's search (``kernels.essvi``).

A slice after (theta', rho', psi') is searched in (rho, excess, share): ``psi = A + share (C - A)`` with ``A
= p psi'``, ``p = wing_ratio(rho', rho)`` and ``C`` the least of ``psi' theta / theta'`` and the butterfly
bound; ``theta`` is ``excess`` above ``p theta'``, or above what the butterfly bound asks at psi = A if that
is more; rho stays where the bound leaves room for A. Every point of the box is free of both arbitrages.

References
----------
J. Corbetta, P. Cohort, I. Laachir, C. Martini (2019), "Robust calibration and arbitrage-free interpolation
of SSVI slices", Decisions in Economics and Finance 42; A. Mingone (2022), "No arbitrage global
parametrization for the eSSVI volatility surface", Quantitative Finance 22(12) (the coordinates).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from periscope_analytics.calibration.objective import (
    Optimum,
    nothing_fitted,
    quote_columns,
    summarise,
)
from periscope_analytics.calibration.result import Calibration
from periscope_analytics.errors import Status
from periscope_analytics.kernels import essvi as kernel
from periscope_analytics.ssvi import ESSVI, SSVIParams
from periscope_analytics.surface import Smile

Floats = NDArray[np.float64]

N_PARAMS = kernel.N_PARAMS
LARGEST_RHO = 0.995
FURTHEST, SAME_STRIKE = 100.0, 1e-9
LEAST, GREATEST = 1e-12, 1e2
LEAST_SHARE = 1e-9
MOST_EXCESS = 50.0


@dataclass(frozen=True, slots=True, eq=False)
class ESSVICalibration(Calibration[ESSVI]):
    """A fitted surface; residuals are in the order of the quotes, errors three for each fitted slice.

    Attributes
    ----------
    taus : tuple of float
        Expiries of the quotes, increasing.
    slices : tuple of Calibration of SSVIParams
        One for each of `taus`; those without parameters are not part of the surface.
    """

    taus: tuple[float, ...]
    slices: tuple[Calibration[SSVIParams], ...]


@np.errstate(all="ignore")
def fit_essvi(
    k: ArrayLike, tau: ArrayLike, iv: ArrayLike, weights: ArrayLike | None = None
) -> ESSVICalibration:
    """Fit a surface free of butterfly and calendar arbitrage by weighted least squares in implied vol.

    Parameters
    ----------
    k : array_like, shape (n,)
        Log-moneyness ln(K / F) with the forward of the quote's expiry.
    tau : array_like, shape (n,)
        Years; quotes of equal tau make one slice, in any order.
    iv : array_like, shape (n,)
        Black vols as decimals. Quotes with a value that is not finite and positive, with ``|k| > 100`` or
        with total variance outside [1e-12, 100] are left out: residual NaN.
    weights : array_like, shape (n,), optional
        Weight of each squared residual; equal by default, zero leaves a quote out.

    Returns
    -------
    ESSVICalibration
        Residuals are model vol minus market vol. Status TOO_FEW_STRIKES when no expiry has three distinct
        strikes, NOT_CONVERGED when one of the fits did not converge, else OK. Each slice says its own status;
        one that the conditions against arbitrage hold back is OK. Errors are given the slice before.

    Raises
    ------
    ValueError
        If shapes do not broadcast to one dimension or a weight is negative.
    """
    (x, years, vol), weight = quote_columns(weights, k=k, tau=tau, iv=iv)
    with np.errstate(all="ignore"):
        w = vol * vol * years
    usable = (np.abs(x) <= FURTHEST) & (years > 0.0) & (vol > 0.0) & (weight > 0.0)
    usable &= (w >= LEAST) & (w <= GREATEST) & np.isfinite(years)
    taus = np.unique(years[np.isfinite(years) & (years > 0.0)])
    fits: list[Calibration[SSVIParams]] = []
    previous, residuals = None, np.full(x.size, np.nan)
    for one in taus.tolist():
        here = np.flatnonzero(usable & (years == one))
        fits.append(_fit_slice(x[here], vol[here], np.sqrt(weight[here]), one, previous))
        residuals[here] = fits[-1].residuals
        previous = fits[-1].params or previous
    return _collected(tuple(taus.tolist()), tuple(fits), residuals)


def _fit_slice(
    k: Floats, vol: Floats, root_weight: Floats, tau: float, previous: SSVIParams | None
) -> Calibration[SSVIParams]:
    """Return the best slice above `previous`."""
    if int(np.sum(np.diff(np.sort(k)) > SAME_STRIKE)) < N_PARAMS - 1:
        return nothing_fitted(Status.TOO_FEW_STRIKES, k.size, N_PARAMS)
    atm = float(vol[np.argmin(np.abs(k))] ** 2 * tau)
    floor = previous.theta if previous else 0.0
    scale = max(atm, floor)

    lower, upper = _box(previous)
    before = np.array([previous.theta, previous.rho, previous.psi]) if previous else np.zeros(N_PARAMS)
    tried = []
    for x in _starts(atm, scale, previous):
        found = kernel.fit(k, vol, root_weight, tau, scale, before, lower, upper, x)
        tried.append((x, *found))
    x, cost, converged, _, _ = min(tried, key=lambda each: each[1])
    steps, evaluations = sum(each[3] for each in tried), sum(each[4] for each in tried)
    params = _params(x, scale, before)
    model = params.iv(k, tau)
    slopes = root_weight[:, None] * params.by_parameters(k) / (2.0 * tau * model)[:, None]
    residuals = model - vol
    own = Optimum(x, root_weight * residuals, slopes, cost, converged, False, steps, evaluations)
    return summarise(params, own, residuals, steps, evaluations)


def _box(previous: SSVIParams | None) -> tuple[Floats, Floats]:
    """Return the least and the greatest point (rho, excess / scale, share)."""
    if previous is None:
        return np.array([-LARGEST_RHO, LEAST_SHARE, LEAST_SHARE]), np.array([LARGEST_RHO, MOST_EXCESS, 1.0])
    left, right = (max(2.0 / max(s, 1e-300), 1.0) for s in (previous.left_slope, previous.right_slope))
    low, high = -(1.0 - 2.0 / (right + 1.0)), 1.0 - 2.0 / (left + 1.0)
    return (
        np.array([max(low, -LARGEST_RHO), 0.0, 0.0]),
        np.array([min(high, LARGEST_RHO), MOST_EXCESS, 1.0]),
    )


def _starts(atm: float, scale: float, previous: SSVIParams | None) -> list[Floats]:
    """Return starting points (rho, excess / scale, share): the slice before, then leaning left and right."""
    floor = previous.theta if previous else 0.0
    excess = max(atm - floor, 0.02 * atm) / scale
    leans = (-0.6, 0.2) if previous is None else (previous.rho, max(-0.9, previous.rho - 0.15))
    return [np.array([rho, excess, share]) for rho, share in zip(leans, (0.3, 0.6), strict=True)]


def _params(x: Floats, scale: float, before: Floats) -> SSVIParams:
    """Return the slice at a point (rho, excess / scale, share) of the box."""
    out = np.empty(N_PARAMS)
    kernel.slice_at(x, scale, before, out)
    return SSVIParams(*out.tolist())


def _collected(
    taus: tuple[float, ...], fits: tuple[Calibration[SSVIParams], ...], residuals: Floats
) -> ESSVICalibration:
    pairs = [(each, one) for each, one in zip(fits, taus, strict=True) if each.params is not None]
    slices = tuple(Smile(each.params, one) for each, one in pairs if each.params is not None)
    known = residuals[np.isfinite(residuals)]
    converged = all(each.status is not Status.NOT_CONVERGED for each in fits)
    return ESSVICalibration(
        params=ESSVI(slices) if slices else None,
        status=(Status.OK if converged else Status.NOT_CONVERGED) if slices else Status.TOO_FEW_STRIKES,
        rmse=float(np.sqrt(np.mean(known**2))) if known.size else np.nan,
        max_error=float(np.max(np.abs(known))) if known.size else np.nan,
        residuals=residuals,
        stderr=np.concatenate([each.stderr for each, _ in pairs]) if pairs else np.empty(0),
        n_iterations=sum(each.n_iterations for each in fits),
        n_evaluations=sum(each.n_evaluations for each in fits),
        taus=taus,
        slices=fits,
    )
