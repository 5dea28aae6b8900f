"""Models: Heston parameters of a surface.

What belongs here: which quotes a calibration sees, with what weight, and how its result becomes rows. What
does not: the model and its optimiser (``periscope_analytics``).
"""

from __future__ import annotations

from dataclasses import astuple, fields
from typing import Any

import numpy as np
import pandas as pd

from periscope_analytics.calibration import fit_heston
from periscope_analytics.calibration.result import Calibration
from periscope_analytics.errors import Status
from periscope_analytics.heston import HestonParams
from periscope_assets.transforms.frames import finite, numbers
from periscope_assets.transforms.stage import Input, Snapshot, Stage, StageResult
from periscope_assets.transforms.surfaces.slices import VOL_SURFACE, usable
from periscope_assets.transforms.surfaces.vols import IMPLIED_VOLS, liquid

TABLE = "heston_calibrations"
HESTON_FIT = Input("heston_fit")
PARAMETERS = tuple(field.name for field in fields(HestonParams))

_MAX_QUOTES = 400
_MAX_EXPIRIES = 40
_MIN_QUOTES = 10
FITTED = ("ok", "at_bound")
"""Statuses of a fit whose parameters are the optimum, inside the bounds or on one."""

MIN_TAU = 7.0 / 365.0
"""Least time to settlement that the model is fitted to and compared with: a diffusion has no jumps."""

_MAX_DEVIATIONS = 3.0
_ERROR_FLOOR = 2e-3


def compute(snapshot: Snapshot) -> StageResult:
    """Fit Heston to the mid vols of a surface, one calibration for all expiries.

    Quotes are out of the money, within three standard deviations of the forward, each by its own vol, at
    least a week from settlement and thinned to about 400, evenly by expiry and strike; each weighs by its
    own error with a floor of 20 vol bps.
    """
    fitted = usable(snapshot.inputs["vol_surface"]["svi_slices"])["expiry_at"]
    vols = snapshot.inputs["implied_vols"]["implied_vols"]
    chosen = select(liquid(vols[vols["expiry_at"].isin(fitted)]))
    if len(chosen) < _MIN_QUOTES:
        return _result(None, Status.TOO_FEW_STRIKES, chosen)
    weights = 1.0 / (numbers(chosen, "iv_stderr") ** 2 + _ERROR_FLOOR**2)
    forward, strike, tau, iv = (
        numbers(chosen, name) for name in ("forward", "strike", "tau_years", "mid_iv")
    )
    fit = fit_heston(forward, strike, tau, iv, weights=weights / weights.mean())
    return _result(fit, fit.status, chosen)


def select(vols: pd.DataFrame) -> pd.DataFrame:
    """Return the quotes that a calibration sees, from liquid ones."""
    own = np.sqrt(vols["tau_years"]) * vols["mid_iv"]
    near = vols[(vols["log_moneyness"].abs() <= _MAX_DEVIATIONS * own) & (vols["tau_years"] >= MIN_TAU)]
    expiries = _evenly(np.sort(near["expiry_at"].unique()), _MAX_EXPIRIES)
    each = max(_MAX_QUOTES // max(len(expiries), 1), 5)
    parts = [_thin(near[near["expiry_at"] == expiry], each) for expiry in expiries]
    return pd.concat(parts, ignore_index=True) if parts else near.iloc[:0]


def _thin(quotes: pd.DataFrame, n: int) -> pd.DataFrame:
    ordered = quotes.sort_values("strike", ignore_index=True)
    return ordered.iloc[_evenly(np.arange(len(ordered)), n)]


def _evenly(values: np.ndarray, n: int) -> np.ndarray:
    """Return at most `n` values at even distances in their order, the first and the last among them."""
    if len(values) <= n:
        return values
    return values[np.unique(np.round(np.linspace(0, len(values) - 1, n)).astype(np.intp))]


def _result(fit: Calibration[HestonParams] | None, status: Status, chosen: pd.DataFrame) -> StageResult:
    row = {
        **_parameters(fit),
        **_errors_bps(fit),
        "n_quotes": len(chosen),
        "n_iterations": fit.n_iterations if fit else 0,
        "n_evaluations": fit.n_evaluations if fit else 0,
        "status": status.label,
    }
    figures = ("n_quotes", "rmse_bps", "max_error_bps", *PARAMETERS)
    quality = {name: finite(row[name]) for name in figures}
    return StageResult({TABLE: pd.DataFrame([row])}, {**quality, "status": status.label})


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


STAGE = Stage("heston_fit", (IMPLIED_VOLS, VOL_SURFACE), "1", compute)
