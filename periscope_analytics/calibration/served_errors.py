"""Errors of the served surface, chained through the expiries.

What belongs here: how the errors of one slice's fit, and of its forward, reach the prices of all later
slices, and what they are as vols. What does not: the fits (``calibration.slice``).

A slice's prices err because its own values do, because its forward does, and because the slice before it
did. The last part goes through the implicit step and is then partly taken back: a fit to given quotes answers
an error below it with the opposite one. A forward too high by a share e makes an undiscounted put dearer by
e E[S; S < K] in units of the forward at its strike's log-moneyness and a call cheaper by e E[S; S > K]; the
fit answers as it would to quotes so moved.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from periscope_analytics.arguments import floats
from periscope_analytics.calibration.served import ServedCalibration, SliceQuotes
from periscope_analytics.calibration.slice import SliceCalibration, SliceSettings
from periscope_analytics.calibration.tangents import at_strikes, basis, tangents
from periscope_analytics.slice import SliceParams
from periscope_analytics.smiles import Smiles
from periscope_analytics.vol_errors import Z_NODES

Floats = NDArray[np.float64]

_PUBLISHED = 10
_MOST = 24
"""Columns that a factor is cut to; the next ones are far below one percent of the first."""


def chained_errors(
    quotes: Sequence[SliceQuotes],
    fit: ServedCalibration,
    settings: SliceSettings | None = None,
    forward_stderr: Sequence[float] | None = None,
) -> tuple[Floats | None, ...]:
    """Return, for each expiry, a factor of the covariance of its prices' control points.

    Parameters
    ----------
    quotes : sequence of SliceQuotes
        As they were fitted.
    fit : ServedCalibration
    settings : SliceSettings, optional
        As in the fit.
    forward_stderr : sequence of float, optional
        One-sigma errors of the forwards, as shares of them, independent of each other.

    Returns
    -------
    tuple of ndarray of shape (grid points, r), or None
        The covariance is factor times its transpose; None where an expiry has no slice.
    """
    chosen = settings or SliceSettings()
    factors: list[Floats | None] = []
    before: Floats | None = None
    shifts = [0.0] * len(quotes) if forward_stderr is None else list(forward_stderr)
    for one, shift in zip(fit.slices, shifts, strict=True):
        if one.params is None:
            factors.append(None)
            continue
        before = _factor(one, one.params, before, chosen, shift)
        factors.append(before)
    return tuple(factors)


@np.errstate(all="ignore")
def vol_stderr(params: SliceParams, factor: Floats, k: ArrayLike) -> Floats:
    """Return one-sigma errors of a slice's implied vols, decimals.

    Parameters
    ----------
    params : SliceParams
    factor : ndarray, shape (grid points, r)
        Of :func:`chained_errors`.
    k : array_like
        Log-moneyness.
    """
    at = floats("k", k)
    return np.asarray(np.sqrt(np.sum(_vols(params, factor, at.ravel()) ** 2, axis=1)).reshape(at.shape))


def vol_factor(params: SliceParams, factor: Floats) -> Floats:
    """Return the factor of a slice's vols at ``vol_errors.Z_NODES``, shape (len(Z_NODES), r)."""
    k = np.array(Z_NODES) * np.sqrt(params.atm_total_variance)
    return _narrowed(_vols(params, factor, k), _PUBLISHED)


@np.errstate(all="ignore")
def vols_with_errors(
    smiles: Smiles, factors: Sequence[Floats], row: NDArray[np.intp], k: Floats
) -> tuple[Floats, Floats]:
    """Return vols of points of many slices, decimals, and their one-sigma errors as :func:`vol_stderr`.

    Parameters
    ----------
    smiles : Smiles
    factors : sequence of ndarray
        Of :func:`chained_errors`, one for each smile.
    row, k : ndarray, shape (m,)
        Which smile, and log-moneyness.
    """
    w = smiles.total_variance(row, k)
    parts = _by_price(smiles, factors, row, k) / _vegas(smiles.taus[row], w, k)[:, None]
    return np.sqrt(w / smiles.taus[row]), np.sqrt(np.einsum("ir,ir->i", parts, parts))


@np.errstate(all="ignore")
def vol_factors(smiles: Smiles, factors: Sequence[Floats]) -> list[Floats]:
    """Return :func:`vol_factor` of each slice."""
    n = len(Z_NODES)
    row = np.repeat(np.arange(len(smiles)), n)
    k = np.tile(Z_NODES, len(smiles)) * np.sqrt(smiles.atm_total_variance)[row]
    w = smiles.total_variance(row, k)
    vols = _by_price(smiles, factors, row, k) / _vegas(smiles.taus[row], w, k)[:, None]
    return [
        _narrowed(vols[i * n : (i + 1) * n, : each.shape[1]], _PUBLISHED) for i, each in enumerate(factors)
    ]


def _by_price(smiles: Smiles, factors: Sequence[Floats], row: NDArray[np.intp], k: Floats) -> Floats:
    """Return rows of the factors of prices, zeros added to columns that one lacks."""
    table = np.zeros((len(factors), factors[0].shape[0], max(each.shape[1] for each in factors)))
    for plane, each in zip(table, factors, strict=True):
        plane[:, : each.shape[1]] = each
    return smiles.blended(table, row, k)


def _vegas(tau: Floats | float, w: Floats, k: Floats) -> Floats:
    return np.asarray(np.exp(-((0.5 * w - k) ** 2) / (2.0 * w)) * np.sqrt(tau / (2.0 * np.pi)))


def _vols(params: SliceParams, factor: Floats, k: Floats) -> Floats:
    """Return the factor of vols at k, shape (n, r)."""
    w = params.total_variance(k)
    return np.asarray(at_strikes(params, factor, k) / _vegas(params.tau, w, k)[:, None])


def _factor(
    fit: SliceCalibration,
    params: SliceParams,
    before: Floats | None,
    settings: SliceSettings,
    shift: float,
) -> Floats:
    moved, used = tangents(params), fit.quotes
    located = basis(params, used.k)
    price = np.exp(used.mid + used.half * fit.residuals[used.used])
    unit = (1.0 / (price * used.half * settings.noise))[:, None]
    toward = fit.covariance @ (unit * located.of(moved.by_values)).T
    columns = [moved.by_values @ np.linalg.cholesky(fit.covariance)]
    if shift > 0.0:
        below, above = params.shares(used.k)
        lifted = shift * np.where(used.k < 0.0, below, -above)[:, None]
        columns.append(moved.by_values @ (toward @ (unit * lifted)))
    if before is not None:
        carried = moved.carried(before)
        answer = toward @ (unit * located.of(carried))
        columns.insert(0, carried - moved.by_values @ answer)
    return _narrowed(np.hstack(columns), _MOST)


def _narrowed(factor: Floats, most: int) -> Floats:
    """Return a factor of almost the same covariance with at most `most` columns."""
    if factor.shape[1] <= most:
        return factor
    _, axes = np.linalg.eigh(factor.T @ factor)
    kept = factor @ axes[:, -most:]
    # Axes have no sign of their own; with one given, equal inputs to rounding give equal factors to rounding.
    return np.asarray(np.where(kept.sum(axis=0) < 0.0, -kept, kept))
