"""SABR: its parameters for each expiry, published because desks quote smiles by them.

What belongs here: which quotes a fit sees, with what weight, and how it becomes rows. What does not: the
formula and the fit (``periscope_analytics``).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from periscope_analytics.calibration import fit_sabr
from periscope_analytics.errors import Status
from periscope_assets.transforms.frames import counts, finite, numbers
from periscope_assets.transforms.stage import Input, Snapshot, Stage, StageResult
from periscope_assets.transforms.surfaces.slices import SURFACE_ROWS, SURFACE_SLICES
from periscope_assets.transforms.surfaces.vols import IMPLIED_VOLS, liquid

TABLE = "sabr_calibrations"
SABR_FIT = Input("sabr_fit")
BETA = 1.0
"""Elasticity: at 1 the backbone is lognormal, as equity and coin underlyings are quoted."""

_MAX_DEVIATIONS = 2.5
_ERROR_FLOOR = 5e-4
_FREE = ("alpha", "rho", "nu")
_NAMED = ("expiry_at", "expiry", "root", "tau_years", "forward")


def compute(snapshot: Snapshot) -> StageResult:
    """Fit SABR with beta 1 to the out-of-the-money mids of each expiry.

    Quotes lie within 2.5 standard deviations of the forward, where Hagan's expansion holds; each weighs by
    its own error with a floor of 5 vol bps.
    """
    slices = snapshot.inputs["vol_surface"][SURFACE_SLICES].sort_values("expiry_at", ignore_index=True)
    vols = liquid(snapshot.inputs["implied_vols"]["implied_vols"])
    groups = dict(iter(vols.groupby("expiry_at")))
    rows = [_row(row, groups.get(row["expiry_at"], vols.iloc[:0])) for row in slices.to_dict("records")]
    frame = pd.DataFrame(rows, columns=_COLUMNS)
    fitted = frame[frame["rmse_bps"].notna()]
    quality = {
        "n_slices": len(fitted),
        **counts(frame["status"], "n_status"),
        "median_rmse_bps": finite(fitted["rmse_bps"].median()),
    }
    return StageResult({TABLE: frame}, quality)


def _row(expiry: dict[Any, Any], quotes: pd.DataFrame) -> dict[str, Any]:
    row: dict[str, Any] = dict.fromkeys(_COLUMNS, np.nan) | {name: expiry[name] for name in _NAMED}
    row |= {"beta": BETA, "n_quotes": 0}
    if not np.isfinite(expiry["atm_iv"]):
        return row | {"status": expiry["status"]}
    reach = _MAX_DEVIATIONS * expiry["atm_iv"] * np.sqrt(expiry["tau_years"])
    near = quotes[quotes["log_moneyness"].abs() <= reach]
    error = numbers(near, "iv_stderr")
    forward, strike, tau, iv = (numbers(near, name) for name in ("forward", "strike", "tau_years", "mid_iv"))
    fit = fit_sabr(forward, strike, tau, iv, BETA, weights=1.0 / (error**2 + _ERROR_FLOOR**2))
    row |= {"n_quotes": int(np.isfinite(fit.residuals).sum()), "status": fit.status.label}
    if fit.params is None:
        return row
    alpha, _, rho, nu = fit.stderr.tolist()
    vol = fit.params.implied_vol(expiry["forward"], expiry["forward"], expiry["tau_years"])
    return row | {
        **{name: getattr(fit.params, name) for name in _FREE},
        **{f"{name}_stderr": value for name, value in zip(_FREE, (alpha, rho, nu), strict=True)},
        "atm_iv": float(vol),
        "rmse_bps": 1e4 * fit.rmse,
        "max_error_bps": 1e4 * fit.max_error,
        "status": fit.status.label if np.isfinite(vol) else Status.DEGENERATE.label,
    }


_COLUMNS = [
    *(*_NAMED, *_FREE, *(f"{name}_stderr" for name in _FREE)),
    *("beta", "atm_iv", "rmse_bps", "max_error_bps", "n_quotes", "status"),
]
STAGE = Stage("sabr_fit", (IMPLIED_VOLS, SURFACE_ROWS), "1", compute)
