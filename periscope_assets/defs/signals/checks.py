"""Rules of the group 'signals'."""

from __future__ import annotations

import dagster as dg

from periscope_assets.defs.checks import Rule, at_most

RULES = (
    Rule(
        "trade_signals",
        "selective",
        "Share of priced contracts with a signal: a model that disagrees with all of them is wrong.",
        at_most("signal_share", 0.5),
        dg.AssetCheckSeverity.WARN,
    ),
)
