"""Heston: its parameters for a surface, their errors, and how good a fit it is.

What belongs here: which quotes a calibration sees, with what weight, and how its result becomes rows. What
does not: the model and its optimiser (``periscope_analytics``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import astuple, fields, replace
from typing import Any

import numpy as np
import pandas as pd

from periscope_analytics.calibration import fit_heston
from periscope_analytics.calibration.result import Calibration
from periscope_analytics.errors import Status
from periscope_analytics.heston import HestonParams
from periscope_assets.transforms.expiries import by_time, instants, places
from periscope_assets.transforms.frames import MAD_TO_SIGMA, Floats, finite, numbers
from periscope_assets.transforms.stage import Input, Snapshot, Stage, StageResult
from periscope_assets.transforms.surfaces.slices import SURFACE_ROWS, SURFACE_SLICES
from periscope_assets.transforms.surfaces.vols import IMPLIED_VOLS, liquid

TABLE = "heston_calibrations"
HESTON_FIT = Input("heston_fit")
HISTORY = Input("heston_fit", optional=True, tables=(TABLE,), history_days=7)
PARAMETERS = tuple(field.name for field in fields(HestonParams))
FITTED = ("ok", "at_bound")
"""Statuses of a fit whose parameters are the optimum, inside the bounds or on one."""
MIN_TAU = 7.0 / 365.0
"""Least time to settlement that the model is fitted to and compared with: a diffusion has no jumps."""

_MAX_QUOTES, _MAX_EXPIRIES, _MIN_QUOTES = 400, 40, 10
_MAX_DEVIATIONS = 2.5
_ERROR_FLOOR = 2e-3
_RELATIVE_STEP = 1e-4
_OUTLYING, _LEAST_SCALE = 4.0, 1e-4
_GRADES = {"a": 50.0, "b": 150.0, "c": 300.0}


def compute(snapshot: Snapshot) -> StageResult:
    """Fit Heston to the mid vols of a surface, one calibration for all expiries.

    Quotes are out of the money, within 2.5 standard deviations of the forward at the surface's vol at the
    money, at least a week from settlement and thinned to about 400, evenly by expiry and strike; each weighs
    by its own error with a floor of 20 vol bps. The last good fit of the week before is one of the starts.
    Quotes further from the fit than four robust deviations count less and the fit is made again (Huber 1964):
    the model is not to follow the very quotes that it is held against.

    The grade is ``a`` up to 50 bps of error, ``b`` up to 150, ``c`` up to 300, else ``d``; a parameter on its
    bound, or more uncertain than it is large, makes it one worse.
    """
    chosen = select(
        liquid(snapshot.inputs["implied_vols"]["implied_vols"]),
        snapshot.inputs["vol_surface"][SURFACE_SLICES],
    )
    before = _last_good(snapshot.inputs.get(HISTORY.key))
    if len(chosen) < _MIN_QUOTES:
        return _result(None, Status.TOO_FEW_STRIKES, chosen, before, np.empty((0, 0)))
    weights = 1.0 / (numbers(chosen, "iv_stderr") ** 2 + _ERROR_FLOOR**2)
    forward, strike, tau, iv = (
        numbers(chosen, name) for name in ("forward", "strike", "tau_years", "mid_iv")
    )
    weights /= weights.mean()
    fit = fit_heston(forward, strike, tau, iv, weights=weights, initial=params_of(before))
    less = _trust(fit.residuals)
    if fit.params is not None and np.any(less < 1.0):
        weights *= less
        fit = fit_heston(forward, strike, tau, iv, weights=weights, initial=fit.params)
    covariance = _covariance(fit, forward, strike, tau, weights)
    return _result(fit, fit.status, chosen, before, covariance)


def params_of(row: Mapping[Any, Any] | None) -> HestonParams | None:
    """Return the parameters of a row of ``heston_calibrations``, None where it has none."""
    if row is None or row["status"] not in FITTED:
        return None
    return HestonParams(**{name: float(row[name]) for name in PARAMETERS})


def slopes(params: HestonParams, forward: Floats, strike: Floats, tau: Floats) -> tuple[Floats, Floats]:
    """Return the model's vols, shape (n,), and their derivatives by its parameters, shape (n, 5)."""
    vols = params.implied_vol(forward, strike, tau)
    columns = []
    for name, value in zip(PARAMETERS, astuple(params), strict=True):
        # Toward zero, so that no step leaves the range of a parameter.
        step = -np.sign(value or 1.0) * max(abs(value), 1e-6) * _RELATIVE_STEP
        moved = replace(params, **{name: value + step}).implied_vol(forward, strike, tau)
        columns.append((moved - vols) / step)
    return vols, np.stack(columns, axis=1)


def select(vols: pd.DataFrame, slices: pd.DataFrame) -> pd.DataFrame:
    """Return the quotes that a calibration sees, from liquid ones, by expiry and strike, and their slices."""
    at, ordered = instants(vols["expiry_at"]), by_time(slices)
    level = numbers(ordered, "atm_iv")[places(vols, ordered)]
    tau, k = numbers(vols, "tau_years"), numbers(vols, "log_moneyness")
    near = np.flatnonzero((np.abs(k) <= _MAX_DEVIATIONS * np.sqrt(tau) * level) & (tau >= MIN_TAU))
    expiries = _evenly(np.unique(at[near]), _MAX_EXPIRIES)
    each = max(_MAX_QUOTES // max(len(expiries), 1), 5)
    first, last = (np.searchsorted(at[near], expiries, side) for side in ("left", "right"))
    spans = zip(first.tolist(), last.tolist(), strict=True)
    parts = [near[_evenly(np.arange(begin, end), each)] for begin, end in spans]
    return vols.iloc[np.concatenate(parts) if parts else near]


def _evenly(values: np.ndarray, n: int) -> np.ndarray:
    """Return at most `n` values at even distances in their order, the first and the last among them."""
    if len(values) <= n:
        return values
    return values[np.unique(np.round(np.linspace(0, len(values) - 1, n)).astype(np.intp))]


def _trust(residuals: Floats) -> Floats:
    """Return weights in (0, 1] that lessen the pull of residuals beyond four robust deviations."""
    size = np.abs(residuals)
    known = size[np.isfinite(size)]
    scale = max(MAD_TO_SIGMA * float(np.median(known)), _LEAST_SCALE) if len(known) else _LEAST_SCALE
    return np.where(size > _OUTLYING * scale, _OUTLYING * scale / size, 1.0)


def _last_good(history: Mapping[str, pd.DataFrame] | None) -> dict[str, Any] | None:
    if not history:
        return None
    good = history[TABLE][history[TABLE]["status"].isin(FITTED)]
    return dict(good.iloc[-1]) if len(good) else None


def _covariance(
    fit: Calibration[HestonParams], forward: Floats, strike: Floats, tau: Floats, weights: Floats
) -> Floats:
    """Return the parameters' covariance, shape (5, 5), zero for one whose error the fit does not know."""
    known = np.isfinite(fit.stderr)
    whole = np.zeros((len(PARAMETERS), len(PARAMETERS)))
    if fit.params is None or not known.any():
        return whole
    _, by = slopes(fit.params, forward, strike, tau)
    used = np.isfinite(fit.residuals) & np.isfinite(by).all(axis=1)
    root = np.sqrt(weights[used])
    scaled = root[:, None] * by[used][:, known]
    noise = float(np.sum((root * fit.residuals[used]) ** 2)) / max(int(used.sum()) - int(known.sum()), 1)
    whole[np.ix_(known, known)] = noise * np.linalg.pinv(scaled.T @ scaled, hermitian=True)
    return whole


def _result(
    fit: Calibration[HestonParams] | None,
    status: Status,
    chosen: pd.DataFrame,
    before: dict[str, Any] | None,
    covariance: Floats,
) -> StageResult:
    lower = [row[: i + 1] for i, row in enumerate(covariance.tolist())]
    row = {
        **_parameters(fit),
        "covariance": {"lower": lower} if fit and fit.params else None,
        **_errors_bps(fit),
        "is_warm": before is not None,
        "n_quotes": len(chosen),
        "n_iterations": fit.n_iterations if fit else 0,
        "n_evaluations": fit.n_evaluations if fit else 0,
        "status": status.label,
    }
    row |= {"grade": _grade(row), "drift": _drift(row, before)}
    figures = ("n_quotes", "rmse_bps", "max_error_bps", "drift", *PARAMETERS)
    quality = {
        **{name: finite(row[name]) for name in figures},
        **{name: row[name] for name in ("status", "grade", "feller_satisfied")},
    }
    return StageResult({TABLE: pd.DataFrame({name: [each] for name, each in row.items()})}, quality)


def _parameters(fit: Calibration[HestonParams] | None) -> dict[str, Any]:
    if fit is None or fit.params is None:
        names = (*PARAMETERS, *(f"{name}_stderr" for name in PARAMETERS))
        return {**dict.fromkeys(names, np.nan), "feller_satisfied": None}
    errors = {f"{name}_stderr": error for name, error in zip(PARAMETERS, fit.stderr.tolist(), strict=True)}
    values = dict(zip(PARAMETERS, astuple(fit.params), strict=True))
    return {**values, **errors, "feller_satisfied": fit.params.feller_satisfied}


def _errors_bps(fit: Calibration[HestonParams] | None) -> dict[str, float]:
    """Return root mean square and greatest error over the quotes used, each counted alike, in vol bps."""
    residuals = np.array([]) if fit is None else fit.residuals[np.isfinite(fit.residuals)] * 1e4
    if not len(residuals):
        return {"rmse_bps": np.nan, "max_error_bps": np.nan}
    return {
        "rmse_bps": float(np.sqrt(np.mean(residuals**2))),
        "max_error_bps": float(np.max(np.abs(residuals))),
    }


def _grade(row: Mapping[str, Any]) -> str:
    if not np.isfinite(row["rmse_bps"]):
        return "none"
    place = next((i for i, most in enumerate(_GRADES.values()) if row["rmse_bps"] <= most), len(_GRADES))
    vague = [not row[f"{name}_stderr"] < abs(row[name]) for name in PARAMETERS]
    return "abcd"[min(place + any(vague), len(_GRADES))]


def _drift(row: Mapping[str, Any], before: Mapping[str, Any] | None) -> float:
    """Return the largest move in errors of both fits joined, NaN without two fits.

    Of all parameters but v0, which is the market's state and moves with it.
    """
    if before is None:
        return np.nan
    moves = [
        abs(row[name] - before[name]) / np.hypot(row[f"{name}_stderr"], before[f"{name}_stderr"])
        for name in PARAMETERS[1:]
    ]
    known = [move for move in moves if np.isfinite(move)]
    return float(max(known)) if known else np.nan


STAGE = Stage("heston_fit", (IMPLIED_VOLS, SURFACE_ROWS, HISTORY), "2", compute)
