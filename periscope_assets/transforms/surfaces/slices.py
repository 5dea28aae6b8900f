"""Slices: the served surface by expiry, SVI beside it, and the certificate that decides what is published.

What belongs here: ``vol_surface``: its rows, and that a surface with arbitrage is rejected. What does not:
which quotes a fit sees (``bands``), the fits (``served``, ``svi``), the certificate's conditions
(``periscope_analytics``).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from periscope_analytics.arbitrage import LARGEST_SLOPE
from periscope_analytics.certificate import UNIT_TOLERANCE, ServedCertificate, certify_served
from periscope_analytics.errors import Status, labels
from periscope_analytics.event_time import EVEN
from periscope_analytics.slice import SliceParams
from periscope_analytics.vol_errors import MISFIT, Z_NODES
from periscope_assets.transforms.expiries import by_time, is_labelled
from periscope_assets.transforms.forwards import FORWARDS, median
from periscope_assets.transforms.frames import Bools, Floats, finite, numbers
from periscope_assets.transforms.stage import Input, Snapshot, Stage, StageResult
from periscope_assets.transforms.surfaces import bands, event_time, served, svi
from periscope_assets.transforms.surfaces.bands import Contracts
from periscope_assets.transforms.surfaces.event_time import Calendar
from periscope_assets.transforms.surfaces.served import Fitted
from periscope_assets.transforms.surfaces.vols import IMPLIED_VOLS

SURFACE_SLICES, SURFACE_QUOTES, CERTIFICATES = "surface_slices", "surface_quotes", "surface_certificates"
VOL_SURFACE = Input("vol_surface")
SURFACE_ROWS = Input("vol_surface", tables=(SURFACE_SLICES,))

_GRID_POINTS = 201


def compute(snapshot: Snapshot) -> StageResult:
    """Fit the served surface to the bids and asks of all expiries, certify it, and fit SVI beside it.

    Rejected where no expiry could be fitted, or where the certificate finds arbitrage.
    """
    forwards = by_time(snapshot.inputs["forward_curve"]["forwards"])
    vols = snapshot.inputs["implied_vols"]["implied_vols"]
    contracts = bands.read(vols, forwards)
    fitted = served.fit(contracts, forwards)
    certificate = certify_served(fitted.surface) if fitted.surface else None
    calendar = event_time.calendar_of(snapshot.settings.get(event_time.SETTING), snapshot.as_of)
    slices, fitted = _slices(contracts, fitted, forwards, certificate, calendar)
    quotes = _quotes(contracts, fitted, vols)
    curves = svi.rows(contracts, forwards)
    frames = {
        SURFACE_SLICES: slices,
        SURFACE_QUOTES: quotes,
        CERTIFICATES: pd.DataFrame({name: [each] for name, each in _certificate(certificate).items()}),
        svi.TABLE: curves,
    }
    why = _criterion(certificate)
    quality = _quality(contracts, fitted, slices, certificate) | {
        "median_svi_rmse_bps": _median(numbers(curves, "rmse_bps"))
    }
    if why is None:
        return StageResult(frames, quality)
    return StageResult(frames, {**quality, "rejected_by": why}, "rejected")


def usable(slices: pd.DataFrame) -> pd.DataFrame:
    """Return the rows with status ok of ``surface_slices`` or ``svi_slices``, by time to settlement."""
    rows = np.flatnonzero(is_labelled(slices["status"], "ok"))
    order = rows[np.argsort(numbers(slices, "tau_years")[rows], kind="stable")]
    return slices.take(order).reset_index(drop=True)


def curve_of(slices: pd.DataFrame, row: pd.Series) -> pd.DataFrame:
    """Return one fitted row of ``surface_slices`` as points between its outermost quotes.

    Parameters
    ----------
    slices : DataFrame
        All rows of the surface: a slice rests on those before it.
    row : Series
        One of them.
    """
    params = served.served_of(slices).slice_at(float(row["tau_years"]))
    k = np.linspace(float(row["k_min"]), float(row["k_max"]), _GRID_POINTS)
    strike = float(row["forward"]) * np.exp(k)
    return pd.DataFrame({"log_moneyness": k, "strike": strike, "iv": params.iv(k)})


def _slices(
    contracts: Contracts,
    fitted: Fitted,
    forwards: pd.DataFrame,
    certificate: ServedCertificate | None,
    calendar: Calendar | None,
) -> tuple[pd.DataFrame, Fitted]:
    """Return the rows, and the fit in the time that they tell."""
    vega, inside = np.nan_to_num(contracts.vega), _is_inside(contracts, fitted)
    wheres = enumerate(contracts.expiries())
    rows = [_slice(contracts, fitted, i, where, vega[where], inside[where]) for i, where in wheres]
    own, taus = [row["params"] is not None for row in rows], numbers(forwards, "tau_years")
    level = {name: [row[name] for row in rows] for name in ("params", "atm_iv", "atm_iv_stderr")}
    ahead = event_time.columns(taus, level, calendar)
    passage = EVEN
    if calendar is not None:
        told = pd.DataFrame({"tau_years": taus, "atm_iv": level["atm_iv"], **ahead})
        passage = event_time.passage_of(told[own])
    fitted = served.in_time(fitted, contracts, taus, passage)
    for row, tau, status in zip(rows, taus.tolist(), fitted.status, strict=True):
        row |= _between(fitted, tau) if status is Status.INTERPOLATED else {}
    named = {name: forwards[name].array for name in _NAMED}
    found = {name: [row[name] for row in rows] for name in _FITTED}
    min_g = np.full(len(rows), np.nan)
    if certificate is not None:
        min_g[own] = certificate.g_by_slice
    return pd.DataFrame({**named, **found, "min_g": min_g, **ahead}), fitted


def _slice(
    contracts: Contracts, fitted: Fitted, i: int, where: slice, vega: Floats, inside: Bools
) -> dict[str, Any]:
    """Return the columns `_FITTED` of an expiry, of whose contracts vega and inside are given."""
    one, status = fitted.slices[i], fitted.status[i]
    quoted, used = contracts.is_quoted[where], fitted.used[where]
    row: dict[str, Any] = dict.fromkeys(_FITTED, np.nan) | {
        "params": None,
        "covariance": None,
        "errors": None,
        "n_quotes": int(quoted.sum()),
        "n_used": int(used.sum()),
        "inside_share": _share(np.where(quoted, vega, 0.0), used & inside),
        "status": status.label,
    }
    if one is not None and one.params is not None:
        lower = [each[: j + 1] for j, each in enumerate(one.covariance.tolist())]
        row |= {
            "params": one.params.to_dict(),
            "covariance": {"lower": lower},
            "second_mode": one.second_mode,
        }
        row |= _errors(fitted, one.params)
    if used.any():
        k, weight = contracts.k[where][used], vega[used]
        miss = 1e4 * (fitted.iv[where] - contracts.mid_iv[where])[used]
        row |= {"k_min": float(k.min()), "k_max": float(k.max()), "max_error_bps": float(np.abs(miss).max())}
        row["rmse_bps"] = float(np.sqrt(np.average(miss**2, weights=weight))) if weight.any() else np.nan
    return row


def _between(fitted: Fitted, tau: float) -> dict[str, Any]:
    """Return the level at the money of an expiry without a quote."""
    if fitted.surface is None or fitted.errors is None:
        return {}
    atm_iv = float(fitted.surface.slice_at(tau).iv(0.0))
    return {"atm_iv": atm_iv, "atm_iv_stderr": float(fitted.errors.stderr([0.0], tau)[0])}


def _errors(fitted: Fitted, params: SliceParams) -> dict[str, Any]:
    if fitted.errors is None:
        return {}
    i = fitted.errors.taus.index(params.tau)
    at_money = fitted.errors.factors[i][Z_NODES.index(0.0)]
    atm_iv = fitted.errors.atm_ivs[i]
    return {
        "errors": {"factor": fitted.errors.factors[i].tolist()},
        "atm_iv": atm_iv,
        "atm_iv_stderr": math.sqrt(float(at_money @ at_money) + (MISFIT * atm_iv) ** 2),
    }


def _share(vega: Floats, hit: Bools) -> float:
    """Return the share of vega that is hit; NaN without any."""
    total = float(vega.sum())
    return float(vega[hit].sum()) / total if total > 0.0 else np.nan


def _is_inside(contracts: Contracts, fitted: Fitted) -> Bools:
    return np.asarray((fitted.iv >= contracts.bid_iv) & (fitted.iv <= contracts.ask_iv))


def _quotes(contracts: Contracts, fitted: Fitted, vols: pd.DataFrame) -> pd.DataFrame:
    weight = np.where(fitted.used, np.nan_to_num(contracts.vega), 0.0)
    for where in contracts.expiries():
        weight[where] /= float(weight[where].sum()) or 1.0
    named = {name: vols[name].to_numpy()[contracts.row] for name in ("contract", "strike", "is_call")}
    inside = _is_inside(contracts, fitted)
    told = inside.astype(object)
    told[~np.isfinite(fitted.iv + contracts.bid_iv + contracts.ask_iv)] = None
    return pd.DataFrame(
        {
            **named,
            "expiry_at": vols["expiry_at"].array[contracts.row],
            "log_moneyness": contracts.k,
            "surface_iv": fitted.iv,
            "surface_iv_stderr": fitted.iv_stderr,
            "residual_bps": 1e4 * (contracts.mid_iv - fitted.iv),
            "is_inside": told,
            "weight": weight,
            "status": labels(fitted.contract_status),
        }
    )


def _criterion(found: ServedCertificate | None) -> str | None:
    """Return the first criterion that rejects a surface, with its number; None where it is free."""
    if found is None:
        return f"{Status.TOO_FEW_STRIKES.label}: no expiry could be fitted"
    if found.is_free:
        return None
    if found.n_butterfly:
        return f"butterfly: {found.n_butterfly} negative probabilities, 0 allowed"
    if found.n_calendar:
        return f"calendar: {found.n_calendar} prices fall with time, 0 allowed"
    worst = max(found.mass_error, found.mean_error)
    if worst > UNIT_TOLERANCE:
        return f"mass: a density or its mean is off one by {worst:.1e}, {UNIT_TOLERANCE:.0e} allowed"
    slope = max(found.left_wing, found.right_wing)
    if slope > LARGEST_SLOPE:
        return f"wings: total variance rises by {slope:.3f} per log-moneyness, {LARGEST_SLOPE:g} allowed"
    return f"density: least g {found.min_g:.1e}, 0 allowed"


def _certificate(found: ServedCertificate | None) -> dict[str, Any]:
    if found is None:
        absent = dict.fromkeys((*_CERTIFIED, *_GRID_ENDS), np.nan) | dict.fromkeys((*_COUNTED, *_GRID), 0)
        return absent | {"is_free": False, "status": Status.TOO_FEW_STRIKES.label}
    ends = (found.grid[0], found.grid[-1], found.tenors[0], found.tenors[-1])
    return {
        "is_free": found.is_free,
        **{name: getattr(found, name) for name in (*_CERTIFIED, *_COUNTED)},
        **dict(zip(_GRID_ENDS, map(float, ends), strict=True)),
        **dict(zip(_GRID, (len(found.grid), len(found.tenors)), strict=True)),
        "status": Status.OK.label,
    }


def _quality(
    contracts: Contracts, fitted: Fitted, slices: pd.DataFrame, certificate: ServedCertificate | None
) -> dict[str, float | int | str | bool | None]:
    quoted = np.where(contracts.is_quoted, np.nan_to_num(contracts.vega), 0.0)
    inside = numbers(slices, "inside_share")
    of_ten = inside[(numbers(slices, "n_quotes") >= _MANY) & np.isfinite(inside)]
    return {
        "n_slices": sum(each in served.FITTED for each in fitted.status),
        **_counted([int(each) for each in fitted.status], "n_status"),
        "n_quotes": int(contracts.is_quoted.sum()),
        "n_used": int(fitted.used.sum()),
        **_counted(fitted.contract_status[contracts.is_quoted & ~fitted.used].tolist(), "n_refused"),
        "inside_share": finite(_share(quoted, fitted.used & _is_inside(contracts, fitted))),
        "worst_inside_share": float(of_ten.min()) if of_ten.size else None,
        "median_rmse_bps": _median(numbers(slices, "rmse_bps")),
        "median_inside_share": _median(inside),
        "is_free": certificate is not None and certificate.is_free,
        "n_butterfly": certificate.n_butterfly if certificate else 0,
        "n_calendar": certificate.n_calendar if certificate else 0,
        "min_g": finite(certificate.min_g) if certificate else None,
        "second_mode": certificate.second_mode if certificate else None,
    }


def _median(values: Floats) -> float | None:
    return median(values[np.isfinite(values)])


def _counted(codes: Sequence[int], prefix: str) -> dict[str, int]:
    """Return how often each status occurs, by label in alphabetical order."""
    found = {Status(code).label: n for code, n in Counter(codes).items()}
    return {f"{prefix}_{label}": found[label] for label in sorted(found)}


_MANY = 10
_NAMED = ("expiry_at", "expiry", "root", "tau_years", "forward", "discount")
_FITTED = (
    *("params", "covariance", "errors", "atm_iv", "atm_iv_stderr", "rmse_bps", "max_error_bps"),
    *("inside_share", "second_mode", "k_min", "k_max", "n_quotes", "n_used", "status"),
)
_CERTIFIED = (
    *("min_g", "min_calendar", "left_wing", "right_wing"),
    *("mass_error", "mean_error", "second_mode"),
)
_COUNTED = ("n_slices", "n_butterfly", "n_calendar")
_GRID_ENDS = ("grid_k_min", "grid_k_max", "grid_tau_min", "grid_tau_max")
_GRID = ("grid_n_k", "grid_n_tau")
STAGE = Stage("vol_surface", (IMPLIED_VOLS, FORWARDS), "4", compute, settings=(event_time.SETTING,))
