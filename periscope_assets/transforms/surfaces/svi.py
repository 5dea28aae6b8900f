"""SVI: raw SVI parameters of each expiry, published beside the served surface because people exchange them.

What belongs here: which quotes a slice is fitted to, with what weight, and how well it serves them. What does
not: the fit (``periscope_analytics``), the surface that is served (``served``).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from periscope_analytics.calibration import fit_svi
from periscope_analytics.errors import Status
from periscope_analytics.svi import SVIParams
from periscope_assets.transforms.surfaces.bands import Contracts

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
    statuses = forwards["status"].tolist()
    fits = [
        _row(contracts, where, status) for where, status in zip(contracts.expiries(), statuses, strict=True)
    ]
    named = {name: forwards[name].array for name in _NAMED}
    return pd.DataFrame({**named, **{name: [fit[name] for fit in fits] for name in _FITTED}})


def params_of(row: pd.Series) -> SVIParams:
    """Return the parameters of one fitted row."""
    return SVIParams(*(float(row[name]) for name in PARAMETERS))


def _row(contracts: Contracts, where: slice, status: str) -> dict[str, Any]:
    good = (contracts.status[where] == Status.OK) & (contracts.stderr[where] > 0.0)
    used = where.start + np.flatnonzero(good)
    row: dict[str, Any] = dict.fromkeys(_FITTED, np.nan) | {"n_quotes": len(used), "n_used": 0}
    if status != "ok":
        return row | {"status": status}
    if len(used) < _MIN_QUOTES:
        return row | {"status": Status.TOO_FEW_STRIKES.label}
    k = contracts.k[used]
    found = {"k_min": float(k.min()), "k_max": float(k.max()), "n_used": len(used)}
    return row | found | _fit(contracts, used)


def _fit(contracts: Contracts, used: np.ndarray) -> dict[str, Any]:
    k, iv, tau, vega, error = (
        column[used]
        for column in (contracts.k, contracts.mid_iv, contracts.tau, contracts.vega, contracts.stderr)
    )
    weights = vega / (2.0 * iv * tau * (error + _ERROR_FLOOR)) ** 2
    fit = fit_svi(k, iv**2 * tau, weights=weights / weights.mean())
    model = fit.params.iv(k, tau) if fit.params else np.full(len(k), np.nan)
    if fit.params is None or not np.isfinite(model).all():
        status = Status.DEGENERATE if fit.params else fit.status
        return {"inside_share": 0.0, "status": status.label}
    miss = (model - iv) * 1e4
    inside = (model >= contracts.bid_iv[used]) & (model <= contracts.ask_iv[used])
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


_NAMED = ("expiry_at", "expiry", "root", "tau_years", "forward", "discount")
_FITTED = (
    *PARAMETERS,
    *("atm_iv", "rmse_bps", "max_error_bps", "inside_share", "min_g", "k_min", "k_max"),
    *("n_quotes", "n_used", "status"),
)
