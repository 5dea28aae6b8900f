"""Regime: one word for the state of an underlying's vol, from its level, slope and what it realises.

What belongs here: the rule, and what it does to confidence. What does not: generators.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from periscope_assets.transforms.frames import numbers

NEAR, FAR = 30.0, 91.0
HIGH_PERCENTILE = 0.8
CALM, STRESSED, TRENDING, UNKNOWN = "calm", "stressed", "trending", "unknown"

WEIGHTS: Mapping[str, Mapping[str, float]] = {
    "heston_relative_value": {STRESSED: 0.8},
    "mean_reversion": {STRESSED: 0.5, TRENDING: 0.7},
    "term_structure": {STRESSED: 0.8},
}
"""What confidence is multiplied with; 1 where nothing is said.

Under stress models fit worse and vol of vol is high; in a trend vol does not revert as its own past has it.
"""


def regime(metrics: pd.DataFrame) -> str:
    """Return the regime that rows of ``skew_metrics`` tell.

    ``stressed``: vol at the money of 30 days is in the upper fifth of its past year, or above that of 91
    days. Else ``trending``: the last month has realised more than the next one implies. Else ``calm``;
    ``unknown`` without a vol at 30 days.
    """
    fixed = (metrics["basis"] == "constant_maturity").to_numpy()
    days, vol, percentile, realized = (
        numbers(metrics, name)[fixed] for name in ("tenor_days", "atm_iv", "iv_percentile", "realized_vol")
    )
    near, far = np.flatnonzero(days == NEAR), np.flatnonzero(days == FAR)
    if not len(near):
        return UNKNOWN
    i = near[0]
    inverted = bool(len(far)) and vol[i] > vol[far[0]]
    if percentile[i] >= HIGH_PERCENTILE or inverted:
        return STRESSED
    return TRENDING if realized[i] > vol[i] else CALM
