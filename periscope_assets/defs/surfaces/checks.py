"""Rules of the group 'surfaces'."""

from __future__ import annotations

import dagster as dg

from periscope_assets.defs.checks import Rule, Verdict, at_most
from periscope_assets.store.repository import Quality


def _certified(quality: Quality) -> Verdict:
    violations = float(quality.get("n_butterfly") or 0) + float(quality.get("n_calendar") or 0)
    return Verdict(quality.get("is_free") is True, violations, 0.0)


def _outside(quality: Quality) -> Verdict:
    inside = quality.get("inside_share")
    share = 1.0 - float(inside) if isinstance(inside, int | float) else None
    return Verdict(share is not None and share <= _MOST_OUTSIDE, share, _MOST_OUTSIDE)


_MOST_OUTSIDE = 0.02
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
        "Grid points with butterfly or calendar arbitrage; a surface that has any is rejected.",
        _certified,
    ),
    Rule(
        "vol_surface",
        "outside",
        "Vega-weighted share of out-of-the-money quotes that the surface leaves outside their bid and ask.",
        _outside,
        dg.AssetCheckSeverity.WARN,
    ),
)
