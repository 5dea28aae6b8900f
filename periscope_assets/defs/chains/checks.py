"""Rules of the group 'chains'."""

from __future__ import annotations

from periscope_assets.defs.checks import Rule, Verdict
from periscope_assets.store.repository import Quality


def _accounted(quality: Quality) -> Verdict:
    raw, kept, refused = (int(quality.get(name) or 0) for name in ("n_raw", "n_accepted", "n_quarantined"))
    return Verdict(raw == kept + refused, float(raw - kept - refused), 0.0)


RULES = (
    Rule(
        "option_quotes",
        "accounted",
        "Every raw row is accepted or quarantined: raw = accepted + quarantined.",
        _accounted,
    ),
)
