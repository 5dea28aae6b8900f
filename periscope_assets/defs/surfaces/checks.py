"""Rules of the group 'surfaces'."""

from __future__ import annotations

import dagster as dg

from periscope_assets.defs.checks import Rule, Verdict, at_most
from periscope_assets.store.repository import Quality


def _certified(quality: Quality) -> Verdict:
    violations = float(quality.get("n_butterfly") or 0) + float(quality.get("n_calendar") or 0)
    return Verdict(quality.get("is_free") is True, violations, 0.0)


RULES = (
    Rule(
        "forward_curve",
        "parity_residual",
        "The median expiry's put-call parity residual, in basis points of the forward.",
        at_most("parity_residual_bps", 20.0),
        dg.AssetCheckSeverity.WARN,
    ),
    Rule(
        "vol_surface",
        "certificate",
        "Grid points with butterfly or calendar arbitrage; reports, does not reject.",
        _certified,
        dg.AssetCheckSeverity.WARN,
    ),
)
