"""Rules of the group 'models'."""

from __future__ import annotations

import dagster as dg

from periscope_assets.defs.checks import Rule, at_most

RULES = (
    Rule(
        "heston_fit",
        "rmse",
        "Root mean square error of the fit, in vol basis points.",
        at_most("rmse_bps", 300.0),
        dg.AssetCheckSeverity.WARN,
    ),
    Rule(
        "heston_fit",
        "stable",
        "Move of the parameters since the last good fit, in their joint standard errors; a first fit passes.",
        at_most("drift", 25.0, absent_passes=True),
        dg.AssetCheckSeverity.WARN,
    ),
)
