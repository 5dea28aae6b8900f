"""Fit of the served surface: expiries in order of time, each above the one before.

What belongs here: the chain of fits and its result, and which neighbour lends a thin expiry its shape. What
does not: one expiry (``calibration.slice``, ``calibration.thin``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from periscope_analytics.calibration.result import Calibration
from periscope_analytics.calibration.slice import (
    Band,
    SliceCalibration,
    SliceSettings,
    absent,
    band,
    fit_band,
    grid_for,
)
from periscope_analytics.calibration.thin import fit_level, thin_scale
from periscope_analytics.errors import Status
from periscope_analytics.served import ServedSurface

_LEAST, _MOST = 1e-6, 20.0
"""Total vols between which an expiry of few strikes has a usable level."""


class SliceQuotes(NamedTuple):
    """Out-of-the-money quotes of one expiry: puts for k < 0, calls for k >= 0.

    Attributes
    ----------
    tau : float
        Years to expiry, ACT/365F.
    k : array_like, shape (n,)
        Log-moneyness ln(K / F).
    price_bid, price_ask : array_like, shape (n,)
        Undiscounted prices in units of the forward.
    """

    tau: float
    k: ArrayLike
    price_bid: ArrayLike
    price_ask: ArrayLike


@dataclass(frozen=True, slots=True, eq=False)
class ServedCalibration(Calibration[ServedSurface]):
    """A fitted surface; residuals and errors are those of its slices, one after the other.

    Attributes
    ----------
    slices : tuple of SliceCalibration
        One for each expiry of the input; those without parameters are not part of the surface.
    """

    slices: tuple[SliceCalibration, ...]


def fit_surface(quotes: Sequence[SliceQuotes], settings: SliceSettings | None = None) -> ServedCalibration:
    """Fit a surface free of butterfly and calendar arbitrage to the bids and asks of several expiries.

    Parameters
    ----------
    quotes : sequence of SliceQuotes
        In order of tau; of two settlements on one date the earlier comes first.
    settings : SliceSettings, optional

    Returns
    -------
    ServedCalibration
        Status OK; TOO_FEW_STRIKES when no expiry could be fitted; NOT_CONVERGED when one of the fits did not
        converge. Each slice says its own status: an expiry with one or two usable strikes takes the shape of
        its neighbour and fits the level (BORROWED_SHAPE).

    Raises
    ------
    ValueError
        If tau is not positive and increasing, or the arrays of an expiry differ in length.
    """
    chosen = settings or SliceSettings()
    taus = np.array([each.tau for each in quotes], dtype=np.float64)
    if not (np.all(taus > 0.0) and np.all(np.diff(taus) > 0.0) and np.all(np.isfinite(taus))):
        raise ValueError("quotes: tau must be positive and increase")
    bands = [_scaled(band(each.k, each.price_bid, each.price_ask, chosen)) for each in quotes]
    full = [i for i, each in enumerate(bands) if each.status is Status.OK]
    if not full:
        return _collected(tuple(absent(each, each.status) for each in bands))
    grid = grid_for([each for each in bands if each.scale > 0.0], chosen)
    lender = fit_band(bands[full[0]], None, float(taus[full[0]]), grid, chosen).params if full[0] else None
    fits: list[SliceCalibration] = []
    previous = None
    for each, tau in zip(bands, taus.tolist(), strict=True):
        like = previous or lender
        if each.status is Status.TOO_FEW_STRIKES and each.scale > 0.0 and like is not None:
            fits.append(fit_level(each, like, previous, tau, chosen))
        else:
            fits.append(fit_band(each, previous, tau, grid, chosen))
        previous = fits[-1].params or previous
    return _collected(tuple(fits))


def _scaled(quotes: Band) -> Band:
    """Return the quotes with the total vol that too few strikes tell, so that the grid suits them too."""
    if quotes.status is not Status.TOO_FEW_STRIKES:
        return quotes
    scale = thin_scale(quotes)
    return quotes._replace(scale=scale) if _LEAST < scale < _MOST else quotes


def _collected(fits: tuple[SliceCalibration, ...]) -> ServedCalibration:
    slices = tuple(each.params for each in fits if each.params is not None)
    residuals = np.concatenate([each.residuals for each in fits]) if fits else np.empty(0)
    known = residuals[np.isfinite(residuals)]
    converged = all(each.status is not Status.NOT_CONVERGED for each in fits)
    return ServedCalibration(
        params=ServedSurface(slices) if slices else None,
        status=(Status.OK if converged else Status.NOT_CONVERGED) if slices else Status.TOO_FEW_STRIKES,
        rmse=float(np.sqrt(np.mean(known**2))) if known.size else np.nan,
        max_error=float(np.max(np.abs(known))) if known.size else np.nan,
        residuals=residuals,
        stderr=np.concatenate([each.stderr for each in fits]) if fits else np.empty(0),
        n_iterations=sum(each.n_iterations for each in fits),
        n_evaluations=sum(each.n_evaluations for each in fits),
        slices=fits,
    )
