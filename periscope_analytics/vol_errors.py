"""Errors of a served surface's vols, at and between its expiries.

What belongs here: the published form of the errors, from which anybody gets the error of a vol, or of a
difference of vols of one maturity. What does not: how they follow from quotes
(``calibration.served_errors``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from periscope_analytics.arguments import floats
from periscope_analytics.event_time import EVEN, Passage

Floats = NDArray[np.float64]

Z_NODES = (-12.0, -8.0, -5.0, -4.0, -3.0, -2.0, -1.5, -1.0, -0.5, 0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0)
"""Log-moneyness in total vols at the money at which an expiry's errors are published."""


MISFIT, MISFIT_BETWEEN = 8e-4, 14e-4
"""One-sigma error, as a share of the vol at the money, of smiles that no slice follows entirely, and the
greatest of what maturities between expiries don't follow; both measured on simulated markets."""


@dataclass(frozen=True, slots=True, eq=False)
class VolErrors:
    """Errors of vols by expiry.

    Attributes
    ----------
    taus, atm_ivs : sequence of float
        Years and vol at the money of each expiry, by increasing tau.
    factors : sequence of ndarray, shape (len(Z_NODES), r)
        At Z_NODES: the covariance of an expiry's vols is its factor times the factor's transpose.
    passage : Passage
        How total variance comes between expiries, as the surface's own; evenly if not given.
    """

    taus: Sequence[float]
    atm_ivs: Sequence[float]
    factors: Sequence[Floats]
    passage: Passage = EVEN

    def __post_init__(self) -> None:
        if not len(self.taus) == len(self.atm_ivs) == len(self.factors) > 0:
            raise ValueError("taus, atm_ivs, factors: expected as many of each, at least one")

    @np.errstate(all="ignore")
    def factor(self, z: ArrayLike, tau: float) -> Floats:
        """Return a factor of the covariance of vols of one maturity.

        Between expiries total variance is close to linear in time, or comes as `passage` says, and the errors
        of neighbouring expiries are taken as independent: fits answer errors below them, so that little is
        handed on (correlations measured at equal `z` are 0.02). Outside, the errors are those of the nearest
        expiry, as shares of the vol. Each strike has an independent misfit besides.

        Parameters
        ----------
        z : array_like, shape (n,)
            ln(K/F) over total vol at the money.
        tau : float
            Years.

        Returns
        -------
        ndarray, shape (n, r)
            NaN beyond Z_NODES.
        """
        where = floats("z", z)
        if where.ndim != 1:
            raise ValueError(f"z: expected one dimension, got shape {where.shape}")
        i = int(np.searchsorted(self.taus, tau))
        even = self.passage.even(tau, self.taus)
        if i == 0 or i == len(self.taus) or self.taus[i] == tau:
            nearest = min(i, len(self.taus) - 1)
            own = np.diag(np.full(where.size, MISFIT * self.atm_ivs[nearest]))
            return np.hstack([_rows(self.factors[nearest], where), own]) * _faded(even, tau)
        (t0, t1), (v0, v1) = self.taus[i - 1 : i + 1], self.atm_ivs[i - 1 : i + 1]
        share = float((even - t0) / (t1 - t0))
        w = (1.0 - share) * v0 * v0 * t0 + share * v1 * v1 * t1
        scale = np.sqrt(w * tau)
        near = _rows(self.factors[i - 1], where) * ((1.0 - share) * t0 * v0 / scale)
        misfit = np.hypot(MISFIT, 2.0 * np.sqrt(share * (1.0 - share)) * MISFIT_BETWEEN) * np.sqrt(w / tau)
        far = _rows(self.factors[i], where) * (share * t1 * v1 / scale)
        return np.hstack([near, far, np.diag(np.full(where.size, misfit))])

    @np.errstate(all="ignore")
    def factors_at(self, z: Floats, taus: Floats) -> Floats:
        """Return what :meth:`factor` gives for many maturities, zeros added to columns that one lacks.

        Parameters
        ----------
        z : ndarray, shape (m, n)
            A row for each maturity.
        taus : ndarray, shape (m,)
            Years.

        Returns
        -------
        ndarray, shape (m, n, r)
        """
        known, vols, m = np.array(self.taus), np.array(self.atm_ivs), taus.size
        after = np.searchsorted(known, taus)
        far = np.minimum(after, known.size - 1)
        near = np.where((after == far) & (known[far] != taus), np.maximum(far - 1, 0), far)
        apart = near < far
        t0, t1, v0, v1 = known[near], known[far], vols[near], vols[far]
        even = self.passage.even(taus, known)
        share = np.where(apart, (even - t0) / np.where(apart, t1 - t0, 1.0), 1.0)
        w = (1.0 - share) * v0 * v0 * t0 + share * v1 * v1 * t1
        tau = np.where(apart, taus, t1)
        scale = np.sqrt(w * tau)
        wide = 2.0 * np.sqrt(share * (1.0 - share)) * MISFIT_BETWEEN
        misfit = np.hypot(MISFIT, wide) * np.sqrt(w / tau)
        table = self._table()
        own = misfit[:, None, None] * np.eye(z.shape[1])
        parts = [
            _table_rows(table[which], z) * (weight / scale)[:, None, None]
            for which, weight in ((near, (1.0 - share) * t0 * v0), (far, share * t1 * v1))
        ]
        joined = np.concatenate([*parts, np.broadcast_to(own, (m, *own.shape[1:]))], axis=2)
        return np.asarray(joined * np.where(apart, 1.0, _faded(even, taus))[:, None, None])

    def _table(self) -> Floats:
        out = np.zeros((len(self.taus), len(Z_NODES), max(each.shape[1] for each in self.factors)))
        for row, factor in zip(out, self.factors, strict=True):
            row[:, : factor.shape[1]] = factor
        return out

    @np.errstate(all="ignore")
    def stderr(self, z: ArrayLike, tau: float) -> Floats:
        """Return one-sigma errors of vols, decimals, at `z` = ln(K/F) over total vol at the money."""
        return np.asarray(np.sqrt(np.sum(self.factor(z, tau) ** 2, axis=1)))


def _faded(even: Floats, tau: Floats | float) -> Floats:
    """Return the vol at the money before the first expiry as a share of the expiry's; 1 elsewhere."""
    return np.where((even < tau) | (even > tau), np.sqrt(even / tau), 1.0)


def _table_rows(factors: Floats, z: Floats) -> Floats:
    """Return each factor's rows at its row of z, linear between nodes."""
    i, share = _located(z)
    row = np.arange(z.shape[0])[:, None]
    return np.asarray((1.0 - share) * factors[row, i] + share * factors[row, i + 1])


def _rows(factor: Floats, z: Floats) -> Floats:
    """Return the factor's rows at z, linear between nodes."""
    i, share = _located(z)
    return np.asarray((1.0 - share) * factor[i] + share * factor[i + 1])


def _located(z: Floats) -> tuple[NDArray[np.intp], Floats]:
    """Return the node before each z, and the share of the way to the next; NaN beyond the nodes."""
    last = len(Z_NODES) - 1
    at = np.interp(z, Z_NODES, np.arange(last + 1.0), np.nan, np.nan)
    known = np.isfinite(at)
    i = np.minimum(np.where(known, at, 0.0).astype(np.intp), last - 1)
    return i, (at - i)[..., None]
