"""Slices: raw SVI for each expiry, and the no-arbitrage certificate of all of them together.

What belongs here: ``vol_surface``: which quotes a slice is fitted to, with what weight, and how well it
serves them. What does not: the fit and the certificate's conditions (``periscope_analytics``).
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from periscope_analytics.calibration import fit_svi
from periscope_analytics.errors import Status
from periscope_analytics.svi import SVIParams
from periscope_assets.transforms.forwards import FORWARDS
from periscope_assets.transforms.frames import counts, finite, numbers
from periscope_assets.transforms.stage import Input, Snapshot, Stage, StageResult
from periscope_assets.transforms.surfaces.vols import IMPLIED_VOLS, liquid

SLICES, CERTIFICATES = "svi_slices", "surface_certificates"
VOL_SURFACE = Input("vol_surface")
PARAMETERS = ("a", "b", "rho", "m", "sigma")

USABLE = ("ok", "at_bound")
"""Statuses of a slice that serves: its parameters are the optimum, inside the bounds or on one."""

_FIT_COLUMNS = ("log_moneyness", "mid_iv", "tau_years", "vega", "iv_stderr")
_MIN_QUOTES = 5
_ERROR_FLOOR = 5e-4
_GRID_POINTS = 201
_WING = 0.5


def compute(snapshot: Snapshot) -> StageResult:
    """Fit raw SVI to the out-of-the-money mids of each expiry and certify the slices together.

    Each vol weighs by its vega over the square of its error, with a floor of 5 bps. The slices are fitted
    alone and without conditions, so that they show what raw SVI can say of the quotes: free of butterfly
    arbitrage by force, it would leave half as many of them inside their spread. The certificate reports and
    does not reject.
    """
    forwards = snapshot.inputs["forward_curve"]["forwards"]
    quotes = liquid(snapshot.inputs["implied_vols"]["implied_vols"])
    groups = dict(iter(quotes.groupby("expiry_at")))
    rows = [_slice(row, groups.get(row["expiry_at"], quotes.iloc[:0])) for row in forwards.to_dict("records")]
    frame = pd.DataFrame(rows, columns=_COLUMNS)
    certificate = _certificate(frame)
    return StageResult(
        {SLICES: frame, CERTIFICATES: pd.DataFrame([certificate])}, _quality(frame, certificate)
    )


def read_slices(slices: pd.DataFrame) -> list[tuple[pd.Series, SVIParams]]:
    """Return each fitted row of ``svi_slices`` with its parameters, by time to settlement."""
    fitted = slices[slices["status"].isin(USABLE)].sort_values("tau_years")
    return [(row, SVIParams(*(float(row[name]) for name in PARAMETERS))) for _, row in fitted.iterrows()]


def _slice(forward: Mapping[Hashable, Any], quotes: pd.DataFrame) -> dict[str, object]:
    named = ("expiry_at", "expiry", "root", "tau_years", "forward", "discount")
    empty = dict.fromkeys(_COLUMNS, np.nan) | {"n_quotes": len(quotes), "n_used": 0}
    row = empty | {name: forward[name] for name in named} | {"status": forward["status"]}
    if forward["status"] != "ok":
        return row
    if len(quotes) < _MIN_QUOTES:
        return row | {"status": Status.TOO_FEW_STRIKES.label}
    k, iv, tau, vega, error = (numbers(quotes, name) for name in _FIT_COLUMNS)
    weights = vega / (2.0 * iv * tau * (error + _ERROR_FLOOR)) ** 2
    fit = fit_svi(k, iv**2 * tau, weights=weights / weights.mean(), arbitrage_free=False)
    row |= {"status": fit.status.label, "k_min": float(k.min()), "k_max": float(k.max()), "n_used": len(k)}
    return row if fit.params is None else row | _fitted(fit.params, quotes)


def _fitted(params: SVIParams, quotes: pd.DataFrame) -> dict[str, object]:
    k, tau, vega = (numbers(quotes, name) for name in ("log_moneyness", "tau_years", "vega"))
    model = params.iv(k, tau)
    error = (model - numbers(quotes, "mid_iv")) * 1e4
    inside = (model >= numbers(quotes, "bid_iv")) & (model <= numbers(quotes, "ask_iv"))
    grid = np.linspace(k.min() - _WING * np.ptp(k), k.max() + _WING * np.ptp(k), _GRID_POINTS)
    return {
        **{name: float(getattr(params, name)) for name in PARAMETERS},
        "atm_iv": float(params.iv(0.0, tau[0])),
        "rmse_bps": float(np.sqrt(np.average(error**2, weights=vega))),
        "max_error_bps": float(np.abs(error).max()),
        "inside_share": float(np.average(inside, weights=vega)),
        "min_g": float(np.min(params.g(grid))),
    }


def _quality(
    frame: pd.DataFrame, certificate: dict[str, object]
) -> dict[str, float | int | str | bool | None]:
    fitted = frame[frame["status"].isin(USABLE)]
    return {
        "n_slices": len(fitted),
        **counts(frame["status"], "n_status"),
        "median_rmse_bps": finite(fitted["rmse_bps"].median()),
        "median_inside_share": finite(fitted["inside_share"].median()),
        "is_free": bool(certificate["is_free"]),
        "n_butterfly": int(str(certificate["n_butterfly"])),
        "n_calendar": int(str(certificate["n_calendar"])),
    }


_COLUMNS = [
    *("expiry_at", "expiry", "root", "tau_years", "forward", "discount", *PARAMETERS),
    *("atm_iv", "rmse_bps", "max_error_bps", "inside_share", "min_g", "k_min", "k_max"),
    *("n_quotes", "n_used", "status"),
]
STAGE = Stage("vol_surface", (IMPLIED_VOLS, FORWARDS), "1", compute)
