"""The served surface: fitted to the bands of a chain, its errors, and read back from published rows.

What belongs here: from contracts to a fitted surface as arrays, and from rows of ``surface_slices`` to an
object that evaluates. What does not: fits and errors themselves (``periscope_analytics``), rows of tables
(``slices``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from periscope_analytics.calibration.served import fit_surface
from periscope_analytics.calibration.served_errors import chained_errors, vol_factors, vols_with_errors
from periscope_analytics.calibration.slice import SliceCalibration
from periscope_analytics.calibration.slice import SliceSettings as Settings
from periscope_analytics.errors import Status
from periscope_analytics.event_time import Passage
from periscope_analytics.served import ServedSurface
from periscope_analytics.slice import SliceParams
from periscope_analytics.smiles import Smiles
from periscope_analytics.vol_errors import MISFIT, VolErrors
from periscope_assets.transforms.frames import Bools, Floats, numbers
from periscope_assets.transforms.surfaces.bands import Codes, Contracts, slice_quotes
from periscope_assets.transforms.surfaces.event_time import passage_of

FITTED = (Status.OK, Status.BORROWED_SHAPE, Status.NOT_CONVERGED)
"""Statuses of expiries that have a slice of their own."""

_FITTED_LABELS = frozenset(each.label for each in FITTED)
_CHOSEN = Settings()


class Fitted(NamedTuple):
    """A surface fitted to a chain.

    Attributes
    ----------
    surface : ServedSurface or None
        None where no expiry has three usable strikes.
    errors : VolErrors or None
    slices : list of SliceCalibration or None
        By expiry of the chain; None without a forward.
    status : list of Status
        By expiry of the chain: which rung of the ladder.
    iv, iv_stderr : ndarray
        By contract: the surface's vol and its error; NaN where it has none.
    used : ndarray of bool
        By contract: the fit has seen it.
    contract_status : ndarray
        By contract: OK where used, else why not.
    """

    surface: ServedSurface | None
    errors: VolErrors | None
    slices: list[SliceCalibration | None]
    status: list[Status]
    iv: Floats
    iv_stderr: Floats
    used: Bools
    contract_status: Codes


def fit(contracts: Contracts, forwards: pd.DataFrame) -> Fitted:
    """Fit the served surface to a chain; vols of ``interpolated`` expiries are left to :func:`in_time`.

    The rungs by expiry: ``ok``; ``not_converged``; ``borrowed_shape`` with one or two usable strikes, whose
    level is fitted to the shape of the expiry before (of the next, for the first); ``interpolated`` with none
    but fitted expiries on both sides; ``too_few_strikes`` otherwise. Without a forward the status is the
    forward's.
    """
    tau, has_forward = numbers(forwards, "tau_years"), (forwards["status"] == "ok").to_numpy()
    relative = numbers(forwards, "forward_stderr") / numbers(forwards, "forward")
    places = [(i, each) for i, each in enumerate(contracts.expiries()) if has_forward[i]]
    bands = slice_quotes(contracts, [where for _, where in places], [float(tau[i]) for i, _ in places])
    quotes = [each for _, each in bands]
    found = fit_surface(quotes, _CHOSEN)
    slices: list[SliceCalibration | None] = [None] * len(tau)
    for (i, _), one in zip(places, found.slices, strict=True):
        slices[i] = one
    status = _rungs(slices, [Status[label.upper()] for label in forwards["status"]])
    n = len(contracts.k)
    empty = Fitted(
        None, None, slices, status, np.full(n, np.nan), np.full(n, np.nan), np.zeros(n, np.bool_),
        _refused(contracts, status, [used for used, _ in bands], found.slices),
    )  # fmt: skip
    if found.params is None:
        return empty
    shares = np.where(np.isfinite(relative), relative, 0.0)[[i for i, _ in places]]
    factors = chained_errors(quotes, found, _CHOSEN, shares.tolist())
    return _evaluated(empty._replace(surface=found.params), contracts, places, factors)


def in_time(fitted: Fitted, contracts: Contracts, tau: Floats, passage: Passage) -> Fitted:
    """Return a fit between whose expiries variance comes as `passage` says, those without a quote evaluated.

    Parameters
    ----------
    fitted : Fitted
    contracts : Contracts
    tau : ndarray
        Years to each expiry of the chain.
    passage : Passage
    """
    if fitted.surface is None or fitted.errors is None:
        return fitted
    surface, errors = fitted.surface.in_time(passage), replace(fitted.errors, passage=passage)
    iv, iv_stderr = fitted.iv.copy(), fitted.iv_stderr.copy()
    for at, where, status in zip(tau.tolist(), contracts.expiries(), fitted.status, strict=True):
        if status is Status.INTERPOLATED:
            part, k = surface.slice_at(at), contracts.k[where]
            iv[where] = part.iv(k)
            iv_stderr[where] = errors.stderr(k / np.sqrt(part.atm_total_variance), at)
    return fitted._replace(surface=surface, errors=errors, iv=iv, iv_stderr=iv_stderr)


def served_of(slices: pd.DataFrame) -> ServedSurface:
    """Return the surface of published rows of ``surface_slices``, equal to the last bit.

    Raises
    ------
    ValueError
        If no row has parameters.
    """
    return read_fitted(fitted_rows(slices))[0]


def errors_of(slices: pd.DataFrame) -> VolErrors:
    """Return the errors of the vols of published rows of ``surface_slices``."""
    return read_fitted(fitted_rows(slices))[1]


def read_fitted(rows: pd.DataFrame) -> tuple[ServedSurface, VolErrors]:
    """Return surface and errors of the rows that :func:`fitted_rows` gives, in the time that these tell."""
    factors = [np.array(each["factor"], dtype=np.float64) for each in rows["errors"].tolist()]
    taus, vols, passage = (
        numbers(rows, "tau_years").tolist(),
        numbers(rows, "atm_iv").tolist(),
        passage_of(rows),
    )
    surface = ServedSurface.from_dict({"slices": rows["params"].tolist()})
    return surface.in_time(passage), VolErrors(taus, vols, factors, passage)


def fitted_rows(slices: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of ``surface_slices`` that have parameters, by time to settlement."""
    kept = np.array([status in _FITTED_LABELS for status in slices["status"].tolist()], dtype=np.bool_)
    rows = np.flatnonzero(kept)
    order = rows[np.argsort(numbers(slices, "tau_years")[rows], kind="stable")]
    if len(order) == len(slices) and np.all(order[1:] > order[:-1]):
        return slices.reset_index(drop=True)
    return slices.take(order).reset_index(drop=True)


def _rungs(slices: Sequence[SliceCalibration | None], forwards: Sequence[Status]) -> list[Status]:
    have = [i for i, each in enumerate(slices) if each is not None and each.params is not None]
    out = []
    for i, (each, forward) in enumerate(zip(slices, forwards, strict=True)):
        if each is None:
            out.append(forward)
        elif each.params is not None:
            out.append(each.status)
        else:
            enclosed = bool(have) and have[0] < i < have[-1]
            out.append(Status.INTERPOLATED if enclosed else each.status)
    return out


def _refused(
    contracts: Contracts,
    status: Sequence[Status],
    seen: Sequence[NDArray[np.intp]],
    fits: Sequence[SliceCalibration],
) -> Codes:
    code = contracts.status.copy()
    for where, rung in zip(contracts.expiries(), status, strict=True):
        if rung not in FITTED:
            mine = code[where]
            mine[mine == Status.OK] = rung
    for used, one in zip(seen, fits, strict=True):
        if used.size and code[used[0]] == Status.OK:
            code[used[~one.quotes.used]] = Status.ABOVE_MAXIMUM
    return code


def _evaluated(
    fitted: Fitted,
    contracts: Contracts,
    places: Sequence[tuple[int, slice]],
    factors: Sequence[Floats | None],
) -> Fitted:
    params: list[SliceParams] = []
    own: list[Floats] = []
    wheres: list[slice] = []
    for (i, where), factor in zip(places, factors, strict=True):
        one = fitted.slices[i]
        if one is not None and one.params is not None and factor is not None:
            params.append(one.params)
            own.append(factor)
            wheres.append(where)
    smiles = Smiles(params)
    row = np.repeat(np.arange(len(params)), [each.stop - each.start for each in wheres])
    at = np.concatenate([np.arange(each.start, each.stop) for each in wheres])
    atm = np.sqrt(smiles.atm_total_variance / smiles.taus)
    fitted.iv[at], stderr = vols_with_errors(smiles, own, row, contracts.k[at])
    fitted.iv_stderr[at] = np.hypot(stderr, MISFIT * atm[row])
    errors = VolErrors(smiles.taus.tolist(), atm.tolist(), vol_factors(smiles, own))
    return fitted._replace(errors=errors, used=fitted.contract_status == Status.OK)
