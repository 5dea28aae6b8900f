"""SVI: raw SVI parameters of each expiry, published beside the served surface because people exchange them.

What belongs here: which quotes a slice is fitted to, with what weight, and how well it serves them. What does
not: the fit (``periscope_analytics``), the surface that is served (``served``).
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from periscope_analytics.calibration import fit_svi_slices
from periscope_analytics.errors import Status, labels
from periscope_analytics.surface import density_factor
from periscope_analytics.svi import SVIParams, total_variances
from periscope_assets.transforms.frames import Bools, Floats
from periscope_assets.transforms.surfaces.bands import Codes, Contracts

TABLE = "svi_slices"
PARAMETERS = ("a", "b", "rho", "m", "sigma")

_MIN_QUOTES = 5
_ERROR_FLOOR = 5e-4
_GRID_POINTS = 201
_WING = 0.5


def rows(contracts: Contracts, forwards: pd.DataFrame) -> pd.DataFrame:
    """Fit raw SVI to the out-of-the-money mids of each expiry, one by one.

    Each vol weighs by its vega over the square of its error, with a floor of 5 bps. Every slice is free of
    butterfly arbitrage; nothing keeps total variance from falling from one expiry to the next.
    A slice's status is ``ok`` when its parameters give a vol at every quote: raw SVI has directions in which
    the quotes hardly tell parameters apart, so that resting on a bound of the search says little about the
    smile.
    """
    usable = _usable(contracts)
    count = np.diff(np.append(0, np.cumsum(usable))[contracts.start])
    statuses = np.array(forwards["status"].tolist(), dtype=object)
    has_forward = statuses == "ok"
    statuses[has_forward & (count < _MIN_QUOTES)] = Status.TOO_FEW_STRIKES.label
    fitted = has_forward & (count >= _MIN_QUOTES)
    columns = {name: np.full(len(forwards), np.nan) for name in _MEASURED}
    if fitted.any():
        used = np.flatnonzero(usable & np.repeat(fitted, np.diff(contracts.start)))
        found, codes = _fits(contracts, used, count[fitted])
        for name, column in found.items():
            columns[name][fitted] = column
        statuses[fitted] = labels(codes)
    return pd.DataFrame(
        {
            **{name: forwards[name].array for name in _NAMED},
            **columns,
            "n_quotes": count,
            "n_used": np.where(fitted, count, 0),
            "status": statuses,
        }
    )


def params_of(row: pd.Series) -> SVIParams:
    """Return the parameters of one fitted row."""
    return SVIParams(*(float(row[name]) for name in PARAMETERS))


def _usable(contracts: Contracts) -> Bools:
    return np.asarray((contracts.status == Status.OK) & (contracts.stderr > 0.0))


def _fits(
    contracts: Contracts, used: NDArray[np.intp], count: NDArray[np.intp]
) -> tuple[dict[str, Floats], Codes]:
    """Return the columns `_MEASURED` of fits to the contracts `used`, as many for each slice as `count`."""
    k, iv, tau, vega, error, bid, ask = (
        column[used]
        for column in (
            *(contracts.k, contracts.mid_iv, contracts.tau, contracts.vega, contracts.stderr),
            *(contracts.bid_iv, contracts.ask_iv),
        )
    )
    row, ends = np.repeat(np.arange(count.size), count), np.append(0, np.cumsum(count))
    start = ends[:-1]

    def total(column: Floats) -> Floats:
        return np.add.reduceat(column, start)

    weights = vega / (2.0 * iv * tau * (error + _ERROR_FLOOR)) ** 2
    fits = fit_svi_slices(k, iv**2 * tau, ends, weights / (total(weights) / count)[row])
    parameters = fits.parameters.T
    model = _vol(total_variances(parameters[:, row], k)[0], tau)
    miss, heavy = (model - iv) * 1e4, vega / total(vega)[row]
    low, high = np.minimum.reduceat(k, start), np.maximum.reduceat(k, start)
    found = {
        **dict(zip(PARAMETERS, parameters, strict=True)),
        "atm_iv": _vol(total_variances(parameters, np.zeros(count.size))[0], tau[start]),
        "rmse_bps": np.sqrt(total(heavy * miss**2)),
        "max_error_bps": np.maximum.reduceat(np.abs(miss), start),
        "inside_share": total(heavy * ((model >= bid) & (model <= ask))),
        "min_g": _least_g(parameters, low, high),
    }
    codes = np.where(np.isfinite(total(model)), Status.OK, Status.DEGENERATE)
    codes = np.where(np.isnan(parameters[0]), fits.status, codes).astype(np.int8)
    for name, column in found.items():
        column[codes != Status.OK] = 0.0 if name == "inside_share" else np.nan
    return found | {"k_min": low, "k_max": high}, codes


def _least_g(parameters: Floats, low: Floats, high: Floats) -> Floats:
    """Return the least g of each slice, half as far again on either side as its quotes reach."""
    reach = _WING * (high - low)
    grid = np.linspace(low - reach, high + reach, _GRID_POINTS)
    g = density_factor(grid, *total_variances(parameters[:, None, :], grid))
    return np.asarray(np.fmin.reduce(g, axis=0))


def _vol(w: Floats, tau: Floats) -> Floats:
    return np.asarray(np.sqrt(np.where(w >= 0.0, w, np.nan) / tau))


_NAMED = ("expiry_at", "expiry", "root", "tau_years", "forward", "discount")
_MEASURED = (
    *PARAMETERS,
    *("atm_iv", "rmse_bps", "max_error_bps", "inside_share", "min_g", "k_min", "k_max"),
)
