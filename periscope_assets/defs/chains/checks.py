"""Rules of the group 'chains'."""

from __future__ import annotations

from collections.abc import Sequence

import dagster as dg

from periscope_assets.defs.checks import Rule, Verdict, at_least, like_history, share
from periscope_assets.store.repository import Quality


def _accounted(quality: Quality, _earlier: Sequence[Quality]) -> Verdict:
    raw, kept, refused = (int(quality.get(name) or 0) for name in ("n_raw", "n_accepted", "n_quarantined"))
    return Verdict(raw == kept + refused, float(raw - kept - refused), 0.0)


RULES = (
    Rule(
        "raw_chain",
        "completeness",
        "Share of the contracts on the vendor's own list that came; files without a list pass.",
        at_least("completeness", 0.99, absent_passes=True),
    ),
    Rule(
        "option_quotes",
        "accounted",
        "Every raw row is accepted or quarantined: raw = accepted + quarantined.",
        _accounted,
    ),
    Rule(
        "option_quotes",
        "rejection_rate",
        "Share of raw rows that were quarantined.",
        share("n_quarantined", "n_raw", 0.25),
        dg.AssetCheckSeverity.WARN,
    ),
    Rule(
        "option_quotes",
        "like_history",
        "Raw rows against the median snapshot of the month before: at most twice, at least half of it.",
        like_history("n_raw", 2.0),
        dg.AssetCheckSeverity.WARN,
        history_days=30,
    ),
)
