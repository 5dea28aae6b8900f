"""SABR: its parameters for each expiry, published because desks quote smiles by them.

What belongs here: which quotes a fit sees, with what weight, and how it becomes rows. What does not: the
formula and the fit (``periscope_analytics``).
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from periscope_analytics.calibration import fit_sabr_slices
from periscope_analytics.calibration.slices import SliceFits
from periscope_analytics.errors import Status, labels
from periscope_analytics.sabr import SABRParams
from periscope_assets.transforms.expiries import by_time, places
from periscope_assets.transforms.frames import Floats, counts, finite, numbers
from periscope_assets.transforms.stage import Input, Snapshot, Stage, StageResult
from periscope_assets.transforms.surfaces.slices import SURFACE_ROWS, SURFACE_SLICES
from periscope_assets.transforms.surfaces.vols import IMPLIED_VOLS, liquid

TABLE = "sabr_calibrations"
SABR_FIT = Input("sabr_fit")
BETA = 1.0
"""Elasticity: at 1 the backbone is lognormal, as equity and coin underlyings are quoted."""

_MAX_DEVIATIONS = 2.5
_ERROR_FLOOR = 5e-4
_FREE = {0: "alpha", 2: "rho", 3: "nu"}
"""Fitted parameters by their place."""
_NAMED = ("expiry_at", "expiry", "root", "tau_years", "forward")


def compute(snapshot: Snapshot) -> StageResult:
    """Fit SABR with beta 1 to the out-of-the-money mids of each expiry.

    Quotes lie within 2.5 standard deviations of the forward, where Hagan's expansion holds; each weighs by
    its own error with a floor of 5 vol bps.
    """
    slices = by_time(snapshot.inputs["vol_surface"][SURFACE_SLICES])
    vols = liquid(snapshot.inputs["implied_vols"]["implied_vols"])
    expiry = places(vols, slices)
    reach = _MAX_DEVIATIONS * numbers(slices, "atm_iv") * np.sqrt(numbers(slices, "tau_years"))
    near = np.flatnonzero(np.abs(numbers(vols, "log_moneyness")) <= reach[expiry])
    forward, strike, tau, iv, error = (
        numbers(vols, name)[near] for name in ("forward", "strike", "tau_years", "mid_iv", "iv_stderr")
    )
    offsets = np.searchsorted(expiry[near], np.arange(len(slices) + 1))
    weights = 1.0 / (error**2 + _ERROR_FLOOR**2)
    fits = fit_sabr_slices(forward, strike, tau, iv, BETA, offsets, weights)
    frame = _frame(slices, fits)
    fitted = frame[frame["rmse_bps"].notna()]
    quality = {
        "n_slices": len(fitted),
        **counts(frame["status"], "n_status"),
        "median_rmse_bps": finite(fitted["rmse_bps"].median()),
    }
    return StageResult({TABLE: frame}, quality)


def _frame(slices: pd.DataFrame, fits: SliceFits[SABRParams]) -> pd.DataFrame:
    has_surface = np.isfinite(numbers(slices, "atm_iv"))
    used = np.add.reduceat(np.append(np.isfinite(fits.residuals), 0), fits.offsets)[:-1]
    used = np.where(np.diff(fits.offsets) > 0, used, 0)
    values = {name: fits.parameters[:, i] for i, name in _FREE.items()}
    errors = {f"{name}_stderr": fits.stderr[:, i] for i, name in _FREE.items()}
    at_money = _at_money(fits, numbers(slices, "forward"), numbers(slices, "tau_years"))
    told = np.where(np.isnan(at_money) & np.isfinite(values["alpha"]), Status.DEGENERATE, fits.status)
    return pd.DataFrame(
        {
            **{name: slices[name].array for name in _NAMED},
            **values,
            **errors,
            "beta": BETA,
            "atm_iv": at_money,
            "rmse_bps": 1e4 * fits.rmse,
            "max_error_bps": 1e4 * fits.max_error,
            "n_quotes": used,
            "status": np.where(has_surface, labels(told), slices["status"].to_numpy(dtype=object)),
        }
    )


def _at_money(fits: SliceFits[SABRParams], forward: Floats, tau: Floats) -> Floats:
    """Return each fit's vol at the money, NaN where there is no fit."""
    params = [fits[i].params for i in range(len(fits))]
    vols = [
        np.nan if each is None else float(each.implied_vol(at, at, years))
        for each, at, years in zip(params, forward.tolist(), tau.tolist(), strict=True)
    ]
    return np.array(vols, dtype=np.float64)


STAGE = Stage("sabr_fit", (IMPLIED_VOLS, SURFACE_ROWS), "1", compute)
