"""Regime: one word for the state of an underlying's vol, from its level, slope and what it realises.

What belongs here: the rule, and what it does to confidence. What does not: generators.
"""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

NEAR, FAR = 30, 91
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
    fixed = metrics[metrics["basis"] == "constant_maturity"].set_index("tenor_days")
    if NEAR not in fixed.index:
        return UNKNOWN
    near = fixed.loc[NEAR]
    far = fixed.loc[FAR, "atm_iv"] if FAR in fixed.index else float("inf")
    if near["iv_percentile"] >= HIGH_PERCENTILE or near["atm_iv"] > far:
        return STRESSED
    return TRENDING if near["realized_vol"] > near["atm_iv"] else CALM
