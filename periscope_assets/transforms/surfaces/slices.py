"""Slices: raw SVI for each expiry, and the no-arbitrage certificate of all of them together.

What belongs here: ``vol_surface``: which quotes a slice is fitted to, with what weight, and how well it
serves them. What does not: the fit and the certificate's conditions (``periscope_analytics``).
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from periscope_analytics.arbitrage import certify
from periscope_analytics.calibration import fit_svi
from periscope_analytics.errors import Status
from periscope_analytics.surface import Smile, VolSurface
from periscope_analytics.svi import SVIParams
from periscope_assets.transforms.forwards import FORWARDS
from periscope_assets.transforms.frames import counts, finite, numbers
from periscope_assets.transforms.stage import Input, Snapshot, Stage, StageResult
from periscope_assets.transforms.surfaces.vols import IMPLIED_VOLS, liquid

SLICES, CERTIFICATES = "svi_slices", "surface_certificates"
VOL_SURFACE = Input("vol_surface")
PARAMETERS = ("a", "b", "rho", "m", "sigma")

_FIT_COLUMNS = ("log_moneyness", "mid_iv", "tau_years", "vega", "iv_stderr")
_MIN_QUOTES = 5
_ERROR_FLOOR = 5e-4
_GRID_POINTS = 201
_WING = 0.5


def compute(snapshot: Snapshot) -> StageResult:
    """Fit raw SVI to the out-of-the-money mids of each expiry and certify the slices together.

    Each vol weighs by its vega over the square of its error, with a floor of 5 bps. Every slice is free of
    butterfly arbitrage; slices are fitted one by one, so that total variance may fall from one expiry to the
    next. The certificate reports that and does not reject.
    A slice's status is ``ok`` when its parameters give a vol at every quote: raw SVI has directions in which
    the quotes hardly tell parameters apart, so that resting on a bound of the search says little about the
    smile.
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


def usable(slices: pd.DataFrame) -> pd.DataFrame:
    """Return the fitted rows of ``svi_slices``, by time to settlement."""
    return slices[slices["status"] == "ok"].sort_values("tau_years", ignore_index=True)


def curve_of(row: pd.Series) -> pd.DataFrame:
    """Return a fitted row of ``svi_slices`` as points between its outermost quotes."""
    params = SVIParams(*(float(row[name]) for name in PARAMETERS))
    k = np.linspace(float(row["k_min"]), float(row["k_max"]), _GRID_POINTS)
    iv = params.iv(k, float(row["tau_years"]))
    return pd.DataFrame({"log_moneyness": k, "strike": float(row["forward"]) * np.exp(k), "iv": iv})


def surface_of(fitted: pd.DataFrame) -> VolSurface:
    """Return the surface of rows that :func:`usable` gave, at least one."""
    smiles = [
        Smile(SVIParams(*(float(row[name]) for name in PARAMETERS)), float(row["tau_years"]))
        for row in fitted.to_dict("records")
    ]
    return VolSurface(smiles, fitted["forward"].tolist())


def _slice(forward: Mapping[Hashable, Any], quotes: pd.DataFrame) -> dict[str, object]:
    named = ("expiry_at", "expiry", "root", "tau_years", "forward", "discount")
    empty = dict.fromkeys(_COLUMNS, np.nan) | {"n_quotes": len(quotes), "n_used": 0}
    row = empty | {name: forward[name] for name in named} | {"status": forward["status"]}
    if forward["status"] != "ok":
        return row
    if len(quotes) < _MIN_QUOTES:
        return row | {"status": Status.TOO_FEW_STRIKES.label}
    k = numbers(quotes, "log_moneyness")
    row |= {"k_min": float(k.min()), "k_max": float(k.max()), "n_used": len(k)}
    return row | _fit(quotes)


def _fit(quotes: pd.DataFrame) -> dict[str, Any]:
    k, iv, tau, vega, error = (numbers(quotes, name) for name in _FIT_COLUMNS)
    weights = vega / (2.0 * iv * tau * (error + _ERROR_FLOOR)) ** 2
    fit = fit_svi(k, iv**2 * tau, weights=weights / weights.mean())
    model = fit.params.iv(k, tau) if fit.params else np.full(len(k), np.nan)
    if fit.params is None or not np.isfinite(model).all():
        status = Status.DEGENERATE if fit.params else fit.status
        return {"inside_share": 0.0, "status": status.label}
    miss = (model - iv) * 1e4
    inside = (model >= numbers(quotes, "bid_iv")) & (model <= numbers(quotes, "ask_iv"))
    grid = np.linspace(k.min() - _WING * np.ptp(k), k.max() + _WING * np.ptp(k), _GRID_POINTS)
    return {
        **{name: float(getattr(fit.params, name)) for name in PARAMETERS},
        "atm_iv": float(fit.params.iv(0.0, tau[0])),
        "rmse_bps": float(np.sqrt(np.average(miss**2, weights=vega))),
        "max_error_bps": float(np.abs(miss).max()),
        "inside_share": float(np.average(inside, weights=vega)),
        "min_g": float(np.nanmin(fit.params.g(grid))),
        "status": Status.OK.label,
    }


def _certificate(frame: pd.DataFrame) -> dict[str, Any]:
    fitted = usable(frame)
    if fitted.empty:
        absent = dict.fromkeys(_CERTIFIED, np.nan) | dict.fromkeys(_COUNTED, 0) | {"grid_n_k": 0}
        return absent | {"is_free": False, "status": Status.TOO_FEW_STRIKES.label}
    found = certify(surface_of(fitted))
    return {
        "is_free": found.is_free,
        **{name: getattr(found, name) for name in (*_CERTIFIED[:4], *_COUNTED)},
        "grid_k_min": float(found.grid[0]),
        "grid_k_max": float(found.grid[-1]),
        "grid_n_k": len(found.grid),
        "status": Status.OK.label,
    }


def _quality(frame: pd.DataFrame, certificate: dict[str, Any]) -> dict[str, float | int | str | bool | None]:
    fitted = usable(frame)
    return {
        "n_slices": len(fitted),
        **counts(frame["status"], "n_status"),
        "median_rmse_bps": finite(fitted["rmse_bps"].median()),
        "median_inside_share": finite(fitted["inside_share"].median()),
        "is_free": bool(certificate["is_free"]),
        "n_butterfly": certificate["n_butterfly"],
        "n_calendar": certificate["n_calendar"],
    }


_CERTIFIED = ("min_g", "min_calendar", "left_wing", "right_wing", "grid_k_min", "grid_k_max")
_COUNTED = ("n_slices", "n_butterfly", "n_calendar")
_COLUMNS = [
    *("expiry_at", "expiry", "root", "tau_years", "forward", "discount", *PARAMETERS),
    *("atm_iv", "rmse_bps", "max_error_bps", "inside_share", "min_g", "k_min", "k_max"),
    *("n_quotes", "n_used", "status"),
]
STAGE = Stage("vol_surface", (IMPLIED_VOLS, FORWARDS), "1", compute)
