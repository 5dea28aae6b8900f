"""Bars: the daily open, high, low, close and volume of an underlying, as known before a session opens.

What belongs here: making the ``underlying_bars`` table. What does not: reading bars (``sources.bars``),
estimators of realised vol (``periscope_analytics.realized``).
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from periscope_assets.transforms.frames import numbers
from periscope_assets.transforms.stage import StageResult

NAME = "underlying_bars"
METHOD_VERSION = "1"
WINDOW_DAYS = 400
"""Calendar days that one publication reaches back: a year of sessions and the holidays around it."""

_COLUMNS = ["session", "open", "high", "low", "close", "volume"]


def accept(bars: pd.DataFrame) -> StageResult:
    """Return bars as rows, oldest first, with their count and span; a symbol without bars has no rows.

    Parameters
    ----------
    bars : DataFrame
        Columns `session` (date), `open`, `high`, `low`, `close`, `volume`; sessions are unique.
    """
    rows = bars[_COLUMNS].sort_values("session").reset_index(drop=True)
    quality: dict[str, float | int | str | None] = {"n_bars": len(rows)}
    if len(rows):
        first, last = rows["session"].iloc[0], rows["session"].iloc[-1]
        quality |= {"first_session": first.isoformat(), "last_session": last.isoformat()}
    if len(rows) > 1:
        quality["largest_move"] = float(np.abs(np.diff(np.log(numbers(rows, "close")))).max())
    return StageResult({NAME: rows}, quality)
