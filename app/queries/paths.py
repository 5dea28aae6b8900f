"""Published figures over time: of each day the last snapshot served.

What belongs here: which columns and rows of derived tables make a path. What does not: quotes, of which there
are too many to read all.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import numpy as np
import pandas as pd

from periscope_assets.store.repository import Reader

DAY, INSTANT = timedelta(days=1), timedelta(microseconds=1)
YEAR = timedelta(days=365)
BANDS = {"p05": 0.05, "p25": 0.25, "p50": 0.5, "p75": 0.75, "p95": 0.95}
SKEW_FIGURES = (
    *("atm_iv", "atm_iv_stderr", "rr_25", "rr_25_stderr", "bf_25", "bf_25_stderr"),
    *("rr_10", "rr_10_stderr", "bf_10", "bf_10_stderr", "slope", "status"),
)
HESTON_FIGURES = (
    *("v0", "kappa", "theta", "sigma", "rho"),
    *("v0_stderr", "kappa_stderr", "theta_stderr", "sigma_stderr", "rho_stderr"),
    *("rmse_bps", "feller_satisfied", "grade", "drift", "status"),
)


def skew_path(
    reader: Reader,
    symbol: str,
    until: datetime,
    known_at: datetime,
    *,
    tenor_days: float = 30.0,
    columns: tuple[str, ...] = SKEW_FIGURES,
    length: timedelta = YEAR,
) -> pd.DataFrame:
    """Return figures of skew at a constant maturity up to `until`, decimals."""
    return reader.series(
        "skew_metrics",
        symbol,
        start=until - length,
        end=until + INSTANT,
        every=DAY,
        known_at=known_at,
        columns=columns,
        only={"basis": "constant_maturity", "tenor_days": tenor_days},
    )


def heston_path(
    reader: Reader, symbol: str, until: datetime, known_at: datetime, *, length: timedelta = YEAR
) -> pd.DataFrame:
    """Return Heston's parameters and their errors up to `until`."""
    return reader.series(
        "heston_calibrations",
        symbol,
        start=until - length,
        end=until + INSTANT,
        every=DAY,
        known_at=known_at,
        columns=HESTON_FIGURES,
    )


def bands(path: pd.Series) -> dict[str, float]:
    """Return percentiles of a path and the share of it below its last value; absent without values."""
    present = path.dropna().to_numpy(np.float64)
    if not len(present):
        return dict.fromkeys([*BANDS, "standing"], np.nan)
    levels = np.quantile(present, list(BANDS.values())).tolist()
    standing = float(np.mean(present[:-1] < present[-1])) if len(present) > 1 else np.nan
    return {**dict(zip(BANDS, levels, strict=True)), "standing": standing}
