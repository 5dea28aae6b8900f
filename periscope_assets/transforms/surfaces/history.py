"""History: where today's vol stands among those of the year before, and what the underlying did.

What belongs here: reading figures of earlier publications and bars. What does not: estimators of realised
vol (``periscope_analytics.realized``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from periscope_analytics import realized
from periscope_assets.transforms.frames import Floats, numbers
from periscope_assets.transforms.stage import FIGURES, Frames, Input

HISTORY = Input("surface_grid", optional=True, history_days=365)
BARS = Input("underlying_bars", latest=True, optional=True)

_LEAST_DAYS = 20
_LEAST_BARS = 5


@dataclass(frozen=True, slots=True)
class Standing:
    """Vols at the money of earlier days, one for each."""

    vols: Floats

    def of(self, vol: float) -> dict[str, float]:
        """Return rank, percentile and number of days; the former are NaN below 20 days or without a range."""
        n, low, high = len(self.vols), float(self.vols.min()), float(self.vols.max())
        if n < _LEAST_DAYS or not high > low:
            return {"iv_rank": np.nan, "iv_percentile": np.nan, "n_history": n}
        share = float(np.mean(self.vols < vol))
        return {"iv_rank": (vol - low) / (high - low), "iv_percentile": share, "n_history": n}


def standings(history: Frames | None) -> dict[int, Standing]:
    """Return the vols at the money of earlier days by constant maturity."""
    if not history or history[FIGURES].empty:
        return {}
    daily = history[FIGURES]
    found: dict[int, Standing] = {}
    for name in daily.columns:
        if name.startswith("atm_iv_") and name.endswith("d"):
            vols = pd.to_numeric(daily[name]).dropna().to_numpy(dtype=np.float64)
            if len(vols):
                found[int(name[len("atm_iv_") : -1])] = Standing(vols)
    return found


def realized_vols(bars: Frames | None, tenors_days: Sequence[int]) -> dict[int, float]:
    """Return the vol (Yang, Zhang) of as many calendar days as each tenor has, where bars reach so far."""
    if not bars:
        return {}
    frame = next(iter(bars.values())).sort_values("session").drop_duplicates("session", keep="last")
    bar = [numbers(frame, name) for name in ("open", "high", "low", "close")]
    day = pd.to_datetime(frame["session"]).to_numpy()
    found: dict[int, float] = {}
    for days in tenors_days:
        span = np.timedelta64(days, "D")
        if not len(day) or day[0] > day[-1] - span:
            continue
        within = day >= day[-1] - span
        n = int(within.sum())
        if n > _LEAST_BARS:
            o, h, low, c = (column[within] for column in bar)
            found[days] = float(realized.yang_zhang(o, h, low, c, window=n - 1)[-1])
    return found
