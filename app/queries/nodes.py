"""The served surface laid out for comparison: at common coordinates, against another, beside the model.

What belongs here: choosing the points, calling the analytics. What does not: smile formulas, reading the
store, figures.
"""

from __future__ import annotations

from datetime import datetime

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from app.queries.surface import call_delta
from periscope_analytics.slice import SliceParams
from periscope_assets.transforms.surfaces.grid import Surface
from periscope_assets.transforms.surfaces.served import errors_of, fitted_rows, served_of

LEAST_DELTA = 0.02
_FINE = 401
_EXPIRY = ["expiry_at", "expiry", "root", "tau_years"]

Floats = NDArray[np.float64]


def heat(slices: pd.DataFrame, coordinate: str, *, of: str = "iv", points: int = 61) -> pd.DataFrame:
    """Return the surface, or its local vol, with all expiries at the same values of one coordinate.

    Parameters
    ----------
    slices : DataFrame
        Rows of ``surface_slices``.
    coordinate : {'log_moneyness', 'strike', 'delta'}
    of : {'iv', 'local_vol'}
    points : int

    Returns
    -------
    DataFrame
        A row for each expiry and value, expiries by time: expiry_at, expiry, root, tau_years, log_moneyness,
        strike, delta, `of`. Values beyond the quotes of an expiry are absent.
    """
    fitted = fitted_rows(slices)
    if fitted.empty:
        return pd.DataFrame(columns=[*_EXPIRY, "log_moneyness", "strike", "delta", of])
    served = served_of(fitted).slices
    ends, forwards = fitted[["k_min", "k_max"]].to_numpy(np.float64), fitted["forward"].to_numpy(np.float64)
    values = _common(ends, forwards, coordinate, points)
    parts = [
        _row(each, forward, (low, high), coordinate, values, of)
        for each, forward, (low, high) in zip(served, forwards, ends, strict=True)
    ]
    frame = fitted.iloc[np.repeat(np.arange(len(fitted)), points)][_EXPIRY].reset_index(drop=True)
    columns = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    return frame.assign(**columns)


def _common(ends: Floats, forwards: Floats, coordinate: str, points: int) -> Floats:
    """Return values that span what most expiries quote: the outer tenth at either end is left out."""
    if coordinate == "delta":
        return np.linspace(1.0 - LEAST_DELTA, LEAST_DELTA, points)
    low, high = float(np.quantile(ends[:, 0], 0.1)), float(np.quantile(ends[:, 1], 0.9))
    if coordinate == "log_moneyness":
        return np.linspace(low, high, points)
    middle = float(np.median(forwards))
    return np.linspace(middle * np.exp(low), middle * np.exp(high), points)


def _row(
    params: SliceParams,
    forward: float,
    ends: tuple[float, float],
    coordinate: str,
    values: Floats,
    of: str,
) -> dict[str, Floats]:
    k = moneyness_at(params, forward, ends, coordinate, values)
    known = np.isfinite(k)
    at = np.where(known, k, 0.0)
    vols = params.iv(at)
    value = vols if of == "iv" else params.local_vol(at)
    return {
        "log_moneyness": values if coordinate == "log_moneyness" else k,
        "strike": values if coordinate == "strike" else forward * np.exp(k),
        "delta": values
        if coordinate == "delta"
        else np.where(known, call_delta(vols, at, params.tau), np.nan),
        of: np.where(known, value, np.nan),
    }


def moneyness_at(
    params: SliceParams, forward: float, ends: tuple[float, float], coordinate: str, values: Floats
) -> Floats:
    """Return the log-moneyness of values of a coordinate; absent outside `ends`."""
    if coordinate == "delta":
        fine = np.linspace(*ends, _FINE)
        delta = call_delta(params.iv(fine), fine, params.tau)
        falling = np.concatenate(([True], delta[1:] < np.minimum.accumulate(delta)[:-1]))
        found = np.interp(-values, -delta[falling], fine[falling], left=np.nan, right=np.nan)
        return np.asarray(found, dtype=np.float64)
    k = values if coordinate == "log_moneyness" else np.log(values / forward)
    return np.asarray(np.where((k >= ends[0]) & (k <= ends[1]), k, np.nan), dtype=np.float64)


def difference(grid: pd.DataFrame, other: pd.DataFrame, coordinate: str) -> Floats:
    """Return vols of a grid less those of another surface at equal time to expiry and coordinate.

    Parameters
    ----------
    grid : DataFrame
        Of ``surface_grid_points`` or :func:`heat`, with tau_years, iv and the coordinate.
    other : DataFrame
        Rows of ``surface_slices`` of the other surface.
    coordinate : {'log_moneyness', 'strike', 'delta'}

    Returns
    -------
    ndarray
        Decimals, a number for each row; absent where the other surface has no quotes.
    """
    out = np.full(len(grid), np.nan)
    if fitted_rows(other).empty:
        return out
    surface = Surface(other)
    for tau, rows in grid.groupby("tau_years").indices.items():
        tenor = surface.tenor(float(np.asarray(tau)))
        if tenor is None:
            continue
        spread = float(np.sqrt(tenor.params.atm_total_variance))
        low, high = (spread * end for end in tenor.quoted)
        values = grid[coordinate].to_numpy(np.float64)[rows]
        k = moneyness_at(tenor.params, tenor.forward, (low, high), coordinate, values)
        known = np.isfinite(k)
        vols = tenor.params.iv(np.where(known, k, 0.0))
        out[rows] = np.where(known, grid["iv"].to_numpy(np.float64)[rows] - vols, np.nan)
    return out


def beside_model(grid: pd.DataFrame, mispricings: pd.DataFrame) -> Floats:
    """Return the published market minus model vols at the points of a grid, linear between contracts.

    Parameters
    ----------
    grid : DataFrame
        expiry_at and strike of each point.
    mispricings : DataFrame
        Rows of ``mispricings``.

    Returns
    -------
    ndarray
        Decimals; absent beyond an expiry's outermost contracts.
    """
    out = np.full(len(grid), np.nan)
    good = mispricings[mispricings["status"] == "ok"]
    means = good.groupby(["expiry_at", "strike"], as_index=False)["difference"].mean()
    places, strikes = grid.groupby("expiry_at").indices, grid["strike"].to_numpy(np.float64)
    for moment, mine in means.groupby("expiry_at"):
        rows = places.get(moment)
        if rows is not None:
            known = mine["strike"].to_numpy(np.float64), mine["difference"].to_numpy(np.float64)
            out[rows] = np.interp(strikes[rows], *known, left=np.nan, right=np.nan)
    return out


def density(slices: pd.DataFrame, expiry_at: datetime, *, points: int = 241) -> pd.DataFrame:
    """Return the risk-neutral density of one expiry inside four deviations, beside the lognormal one.

    Returns
    -------
    DataFrame
        log_moneyness, strike, density and lognormal (of ln(S/F), per 1.00), cumulative; empty without a fit.
    """
    fitted = fitted_rows(slices)
    found = np.flatnonzero(fitted["expiry_at"] == expiry_at)
    if not len(found):
        return pd.DataFrame(columns=["log_moneyness", "strike", "density", "lognormal", "cumulative"])
    params, forward = served_of(fitted).slices[found[0]], float(fitted["forward"].iloc[found[0]])
    variance = params.atm_total_variance
    spread = float(np.sqrt(variance))
    k = np.linspace(-6.0 * spread, 4.0 * spread, points)
    height = np.asarray(params.density(k), dtype=np.float64)
    steps = np.concatenate(([0.0], np.cumsum((height[1:] + height[:-1]) / 2.0 * np.diff(k))))
    return pd.DataFrame(
        {
            "log_moneyness": k,
            "strike": forward * np.exp(k),
            "density": height,
            "lognormal": np.exp(-((k + variance / 2.0) ** 2) / (2.0 * variance))
            / np.sqrt(2.0 * np.pi * variance),
            "cumulative": steps,
        }
    )


def curve_errors(slices: pd.DataFrame, curve: pd.DataFrame) -> Floats:
    """Return one-sigma errors of the vols of points of one expiry, decimals; absent where none is published.

    Parameters
    ----------
    slices : DataFrame
        Rows of ``surface_slices``.
    curve : DataFrame
        tau_years, log_moneyness of points of one expiry.
    """
    fitted = fitted_rows(slices)
    if curve.empty or fitted["errors"].isna().any():
        return np.full(len(curve), np.nan)
    tau = float(curve["tau_years"].iloc[0])
    row = int((fitted["tau_years"] - tau).abs().to_numpy().argmin())
    spread = float(fitted["atm_iv"].iloc[row]) * np.sqrt(tau)
    z = curve["log_moneyness"].to_numpy(np.float64) / spread
    return errors_of(fitted).stderr(z, tau)
