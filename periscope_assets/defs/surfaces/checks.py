"""Rules of the group 'surfaces'."""

from __future__ import annotations

from collections.abc import Sequence

import dagster as dg

from periscope_assets.defs.checks import Rule, Verdict, at_least, at_most, jump
from periscope_assets.store.repository import Quality

WARN = dg.AssetCheckSeverity.WARN


def _certified(quality: Quality, _earlier: Sequence[Quality]) -> Verdict:
    violations = float(quality.get("n_butterfly") or 0) + float(quality.get("n_calendar") or 0)
    return Verdict(quality.get("is_free") is True, violations, 0.0)


RULES = (
    Rule(
        "forward_curve",
        "parity_residual",
        "The median expiry's put-call parity residual, in basis points of the forward.",
        at_most("parity_residual_bps", 20.0),
        WARN,
    ),
    Rule(
        "forward_curve",
        "forward_jump",
        "Relative move of the nearest forward since the snapshot before.",
        jump("nearest_forward", 0.15),
        WARN,
        history_days=7,
    ),
    Rule(
        "implied_vols",
        "vendor_reconciliation",
        "Median difference from the vendor's vols near the money, in vol bps; without any it passes.",
        at_most("median_difference_from_vendor_near_bps", 100.0, absent_passes=True),
        WARN,
    ),
    Rule(
        "vol_surface",
        "certificate",
        "Grid points with butterfly or calendar arbitrage; a surface that has any is rejected.",
        _certified,
    ),
    Rule(
        "vol_surface",
        "inside_band",
        "Vega-weighted share of out-of-the-money quotes inside their bid and ask, of the median expiry.",
        at_least("median_inside_share", 0.95),
        WARN,
    ),
    Rule(
        "vol_surface",
        "fit_rmse",
        "The median expiry's root mean square error against mid vols, in vol basis points.",
        at_most("median_rmse_bps", 150.0),
        WARN,
    ),
)
