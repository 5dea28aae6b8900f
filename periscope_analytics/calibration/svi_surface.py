"""Fit of a surface of raw SVI slices: each free of butterfly arbitrage and none above the next.

What belongs here: the order in which expiries are fitted, and the proof that one smile lies above another.
What does not: the search inside the conditions (``kernels.svi_bound``), SSVI (``calibration.essvi``), the
served surface (``calibration.served``).
"""

from __future__ import annotations

from dataclasses import astuple, dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from periscope_analytics.calibration.objective import quote_columns
from periscope_analytics.calibration.result import Calibration
from periscope_analytics.calibration.svi import NO_OTHERS, fit_within, optima
from periscope_analytics.errors import Status
from periscope_analytics.kernels import svi_bound, svi_check
from periscope_analytics.surface import Smile, VolSurface
from periscope_analytics.svi import SVIParams

Floats = NDArray[np.float64]

_HALVINGS = 40


@dataclass(frozen=True, slots=True, eq=False)
class SVISurfaceCalibration(Calibration[VolSurface]):
    """A fitted surface; residuals are in the order of the quotes, errors five for each fitted slice.

    Attributes
    ----------
    taus : tuple of float
        Expiries of the quotes, increasing.
    slices : tuple of Calibration of SVIParams
        One for each of `taus`; those without parameters are not part of the surface.
    """

    taus: tuple[float, ...]
    slices: tuple[Calibration[SVIParams], ...]


def fit_svi_surface(
    k: ArrayLike,
    tau: ArrayLike,
    iv: ArrayLike,
    weights: ArrayLike | None = None,
    forwards: ArrayLike = 1.0,
) -> SVISurfaceCalibration:
    """Fit raw SVI to each expiry, free of butterfly and of calendar arbitrage, by least squares in variance.

    From the last expiry to the first, because a shorter one's quotes span fewer strikes: its unquoted wings
    give way to quoted ones, not they to it. A slice that crosses the next is fitted anew with crossings
    penalised (Gatheral, Jacquier 2014, section 5.2), until none is left. Every result is proven, not sampled:
    ``kernels.svi_check`` decides both conditions at all real strikes. A slice that fails is flattened and
    lowered, or drawn towards the next, itself free of both arbitrages, by as little as the proof asks.

    Parameters
    ----------
    k : array_like, shape (n,)
        Log-moneyness ln(K / F) with the forward of the quote's expiry.
    tau : array_like, shape (n,)
        Years; quotes of equal tau make one slice, in any order.
    iv : array_like, shape (n,)
        Black vols as decimals. Quotes with a value that is not finite and positive are left out, and those
        that :func:`~periscope_analytics.calibration.fit_svi` leaves out: residual NaN.
    weights : array_like, shape (n,), optional
        Weight of each squared residual of total variance; equal by default, zero leaves a quote out.
    forwards : array_like, shape () or (n_expiries,)
        Forwards of the surface, by increasing tau of all expiries in `tau`; one by default.

    Returns
    -------
    SVISurfaceCalibration
        Residuals are model vol minus market vol. Status TOO_FEW_STRIKES when no expiry has five distinct
        strikes, NOT_CONVERGED when one of the fits did not converge, else OK. Each slice says its own status,
        with residuals in total variance; one that the conditions hold back is OK.

    Raises
    ------
    ValueError
        If shapes do not broadcast to one dimension, a weight is negative, or `forwards` is neither one number
        nor one for each expiry.
    """
    (x, years, vol), weight = quote_columns(weights, k=k, tau=tau, iv=iv)
    with np.errstate(all="ignore"):
        w = np.where((vol > 0.0) & (years > 0.0) & np.isfinite(years), vol * vol * years, np.nan)
    taus = np.unique(years[np.isfinite(years) & (years > 0.0)])
    try:
        each = np.broadcast_to(np.asarray(forwards, dtype=np.float64), taus.shape)
    except ValueError as error:
        raise ValueError(f"forwards: expected one or {taus.size}, got {np.shape(forwards)}") from error
    fits: list[Calibration[SVIParams]] = []
    later: SVIParams | None = None
    residuals = np.full(x.size, np.nan)
    for one in taus[::-1].tolist():
        here = np.flatnonzero(years == one)
        fits.append(_below(x[here], w[here], weight[here], later))
        with np.errstate(all="ignore"):
            residuals[here] = np.sqrt((w[here] + fits[-1].residuals) / one) - vol[here]
        later = fits[-1].params or later
    return _collected(tuple(taus.tolist()), tuple(fits[::-1]), residuals, each)


def _below(k: Floats, w: Floats, weight: Floats, later: SVIParams | None) -> Calibration[SVIParams]:
    """Return the best slice that is not above `later` anywhere."""
    fit, free = optima(k, w, weight)
    if fit.params is None or later is None or _in_order(fit.params, later):
        return fit
    others = NO_OTHERS.copy()
    others[1] = astuple(later)
    bound = fit_within(k, w, weight, free, others)
    if bound.params is None or _in_order(bound.params, later):
        return bound
    params = _drawn(bound.params, later)
    misfit = np.where(np.isfinite(bound.residuals), params.total_variance(k) - w, np.nan)
    used = misfit[np.isfinite(misfit)]
    return replace(
        bound,
        params=params,
        residuals=misfit,
        rmse=float(np.sqrt(np.mean(used * used))),
        max_error=float(np.abs(used).max()),
    )


def _in_order(params: SVIParams, later: SVIParams) -> bool:
    return bool(svi_check.lies_above(np.array(astuple(later)), np.array(astuple(params))))


def _drawn(params: SVIParams, later: SVIParams) -> SVIParams:
    """Return a smile near `params` that is not above `later` and free of arbitrage.

    First flattened and lowered a little; else on the way to `later`, which itself meets both conditions.
    """
    target, start = np.array(astuple(later)), np.array(astuple(params))
    tried = start.copy()
    for share in 10.0 ** np.arange(-8.0, 0.0):
        svi_bound.flatten(start, share, tried)
        tried[0] -= share * float(params.total_variance(0.0))
        if svi_check.is_free(tried) and svi_check.lies_above(target, tried):
            return SVIParams(*tried.tolist())
    low, high = 0.0, 1.0
    for _ in range(_HALVINGS):
        middle = 0.5 * (low + high)
        tried = target + middle * (start - target)
        if svi_check.is_free(tried) and svi_check.lies_above(target, tried):
            low = middle
        else:
            high = middle
    return SVIParams(*(target + low * (start - target)).tolist())


def _collected(
    taus: tuple[float, ...], fits: tuple[Calibration[SVIParams], ...], residuals: Floats, forwards: Floats
) -> SVISurfaceCalibration:
    fitted = [i for i, each in enumerate(fits) if each.params is not None]
    smiles = [Smile(params, taus[i]) for i in fitted if (params := fits[i].params) is not None]
    known = residuals[np.isfinite(residuals)]
    converged = all(each.status is not Status.NOT_CONVERGED for each in fits)
    return SVISurfaceCalibration(
        params=VolSurface(smiles, forwards[fitted].tolist()) if smiles else None,
        status=(Status.OK if converged else Status.NOT_CONVERGED) if smiles else Status.TOO_FEW_STRIKES,
        rmse=float(np.sqrt(np.mean(known**2))) if known.size else np.nan,
        max_error=float(np.max(np.abs(known))) if known.size else np.nan,
        residuals=residuals,
        stderr=np.concatenate([fits[i].stderr for i in fitted]) if fitted else np.empty(0),
        n_iterations=sum(each.n_iterations for each in fits),
        n_evaluations=sum(each.n_evaluations for each in fits),
        taus=taus,
        slices=fits,
    )
