"""OU: how the level and shape of smiles revert to a mean, from what was published session by session.

What belongs here: which series are fitted, and what they say of today's value. What does not: the process and
its estimator (``periscope_analytics``).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from periscope_analytics.calibration import fit_ou
from periscope_analytics.errors import Status
from periscope_analytics.ou import OUParams
from periscope_assets.transforms.expiries import is_labelled
from periscope_assets.transforms.frames import Floats, finite, numbers
from periscope_assets.transforms.stage import FIGURES, Input, Snapshot, Stage, StageResult

TABLE = "ou_calibrations"
OU_FIT = Input("ou_fit", tables=(TABLE,))
SKEW = Input("skew_metrics", tables=("skew_metrics",))
HISTORY = Input("skew_metrics", optional=True, history_days=365)
SERIES = ("atm_iv", "rr_25", "bf_25")
"""Figures of ``skew_metrics`` at the constant maturity of TENOR_DAYS."""
TENOR_DAYS = 30

_LEAST = 30


def compute(snapshot: Snapshot) -> StageResult:
    """Fit an Ornstein-Uhlenbeck process to each series of the year before and this snapshot.

    One value a session, the last published. The unit of time is the session. Below 30 values the status is
    ``no_history``; where the path does not revert, ``unidentified``.
    """
    metrics = snapshot.inputs["skew_metrics"]["skew_metrics"]
    fixed = is_labelled(metrics["basis"], "constant_maturity")
    month = np.flatnonzero(fixed & (numbers(metrics, "tenor_days") == TENOR_DAYS))[:1]
    past = snapshot.inputs[HISTORY.key][FIGURES] if HISTORY.key in snapshot.inputs else pd.DataFrame()
    rows = [_row(name, metrics, month, past) for name in SERIES]
    frame = pd.DataFrame({name: [row[name] for row in rows] for name in _COLUMNS})
    scores = {f"{row['series']}_z": finite(row["z_score"]) for row in rows}
    quality = {
        "n_fitted": sum(row["status"] == Status.OK.label for row in rows),
        "n_observations": max(row["n_observations"] for row in rows),
        **scores,
    }
    return StageResult({TABLE: frame}, quality)


def _row(name: str, metrics: pd.DataFrame, month: NDArray[np.intp], past: pd.DataFrame) -> dict[str, Any]:
    """Return the row of a series whose value is in the row `month` of metrics, if there is one."""
    read = (numbers(metrics, each)[month] for each in (name, f"{name}_stderr"))
    now, error = (float(value[0]) if value.size else np.nan for value in read)
    figure = f"{name}_{TENOR_DAYS}d"
    before = pd.to_numeric(past[figure]).to_numpy(dtype=np.float64) if figure in past else np.empty(0)
    path = np.append(before, now)
    row: dict[str, Any] = dict.fromkeys(_COLUMNS, np.nan) | {
        "series": name,
        "value": now,
        "value_stderr": error,
        "n_observations": int(np.isfinite(path).sum()),
    }
    if not np.isfinite(now):
        return row | {"status": Status.OUT_OF_RANGE.label}
    if row["n_observations"] < _LEAST:
        return row | {"status": Status.NO_HISTORY.label}
    fit = fit_ou(path, 1.0)
    row["status"] = fit.status.label
    if fit.params is None or not fit.params.sigma > 0.0:
        return row
    return row | _reading(fit.params, fit.stderr, now, error)


def _reading(params: OUParams, stderr: Floats, now: float, error: float) -> dict[str, float]:
    names = ("kappa", "theta", "sigma")
    spread = params.stationary_deviation
    return {
        **{name: float(getattr(params, name)) for name in names},
        **{f"{name}_stderr": value for name, value in zip(names, stderr.tolist(), strict=True)},
        "half_life_sessions": params.half_life,
        "stationary_deviation": spread,
        "z_score": (now - params.theta) / spread,
        "z_stderr": float(np.hypot(error, stderr[1])) / spread,
    }


_COLUMNS = [
    *("series", "value", "value_stderr", "kappa", "theta", "sigma"),
    *("kappa_stderr", "theta_stderr", "sigma_stderr", "half_life_sessions", "stationary_deviation"),
    *("z_score", "z_stderr", "n_observations", "status"),
]
STAGE = Stage("ou_fit", (SKEW, HISTORY), "1", compute)
