"""How realised vol has been spread, by length of window.

What belongs here: windows and quantiles. What does not: estimators (``periscope_analytics.realized``).
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from periscope_analytics import realized

CONE_DAYS = (7, 14, 30, 60, 91, 182)
QUANTILES = {"least": 0.0, "q10": 0.1, "q25": 0.25, "median": 0.5, "q75": 0.75, "q90": 0.9, "greatest": 1.0}
_LEAST_WINDOW, _LEAST_ESTIMATES = 4, 20


def cone(bars: pd.DataFrame) -> pd.DataFrame:
    """Return quantiles of realised vol (Yang, Zhang 2000) over rolling windows of several lengths.

    Parameters
    ----------
    bars : DataFrame
        Rows of ``underlying_bars``.

    Returns
    -------
    DataFrame
        tenor_days, window (sessions), n_estimates, the columns of ``QUANTILES`` and `latest`, decimals; a row
        for each length with at least 20 estimates.
    """
    frame = bars.sort_values("session").drop_duplicates("session", keep="last")
    rows = [row for days in CONE_DAYS if (row := _row(frame, days)) is not None]
    return pd.DataFrame(rows, columns=["tenor_days", "window", "n_estimates", *QUANTILES, "latest"])


def _row(frame: pd.DataFrame, days: int) -> dict[str, float] | None:
    stamps = pd.to_datetime(frame["session"])
    span = (stamps.max() - stamps.min()).days if len(stamps) > 1 else 0
    window = round(days * len(frame) / span) if span else 0
    if window < _LEAST_WINDOW:
        return None
    o, h, low, c = (frame[name].to_numpy(np.float64) for name in ("open", "high", "low", "close"))
    vols = realized.yang_zhang(o, h, low, c, window=window)
    present = vols[np.isfinite(vols)]
    if len(present) < _LEAST_ESTIMATES:
        return None
    spread = realized.cone(present, list(QUANTILES.values()))
    return {
        "tenor_days": float(days),
        "window": float(window),
        "n_estimates": float(len(present)),
        **dict(zip(QUANTILES, spread.tolist(), strict=True)),
        "latest": float(present[-1]),
    }
