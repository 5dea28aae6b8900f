"""How the columns of signals and of their record are named, formatted and explained.

What belongs here: column settings. What does not: data.
"""

from __future__ import annotations

import streamlit as st

_column = st.column_config

SIGNALS = {
    "place": _column.NumberColumn("#", width=40, pinned=True, help="By confidence, then edge over error."),
    "symbol": _column.TextColumn("Symbol", pinned=True, width=80),
    "direction": _column.TextColumn("Side", width=60, help="Buy or sell the vol of the instrument."),
    "what": _column.TextColumn("Instrument", width=175),
    "days": _column.NumberColumn("Days", format="%.0f", width=60, help="Calendar days to settlement."),
    "edge_iv": _column.NumberColumn(
        "Edge pts", format="%.2f", width=75,
        help="Distance to fair vol less the half-spread to pay, vol points (1 point is 1 % of vol).",
    ),
    "edge_stderr": _column.NumberColumn(
        "± edge", format="%.2f", width=65, help="One-sigma error of the edge, vol points."
    ),
    "edge_usd": _column.NumberColumn(
        "Edge USD", format="%,.2f", width=85, help="Edge in money per unit, net of half-spread."
    ),
    "z": _column.TextColumn(
        "z ± error", width=110,
        help="How many deviations of its usual distance the vol is away from fair, with its one-sigma error.",
    ),
    "confidence": _column.ProgressColumn(
        "Confidence", format="%.2f", min_value=0.0, max_value=1.0, width=110,
        help="2 Φ(edge / scale) − 1, weighted by regime.",
    ),
    "entry_iv": _column.NumberColumn("Vol %", format="%.2f", width=70, help="Mid vol when it was made."),
    "fair_iv": _column.NumberColumn("Fair %", format="%.2f", width=70, help="Vol that the rule expects."),
    "half_spread_iv": _column.NumberColumn(
        "½ spread", format="%.2f", width=80, help="Half of bid-ask, vol points."
    ),
    "open_interest": _column.NumberColumn(
        "Open int.", format="%,.0f", width=75, help="Open contracts of the prior session; none for a series."
    ),
    "volume": _column.NumberColumn("Volume", format="%,.0f", width=65, help="Contracts traded today."),
    "state": _column.TextColumn("State", width=95),
    "rule": _column.TextColumn("Rule", width=170),
    "reason": _column.TextColumn("Why", width="large"),
}  # fmt: skip

ORDER = (
    *("place", "symbol", "direction", "what", "edge_iv", "edge_stderr", "edge_usd", "z", "confidence"),
    *("open_interest", "volume", "state", "reason", "days", "entry_iv", "fair_iv", "half_spread_iv", "rule"),
)
"""Columns of signals from left to right: what a decision takes comes first."""

RECORD = {
    "rule": _column.TextColumn("Rule"),
    "state": _column.TextColumn("State", help="State in which the signals were published."),
    "horizon": _column.NumberColumn("Sessions", help="Sessions after the signal."),
    "hit_rate": _column.NumberColumn(
        "Hits %", format="%.1f", help="Moves in the signal's direction beyond both half-spreads."
    ),
    "hit_interval": _column.TextColumn("95 % interval, %", help="Wilson (1927), over sessions."),
    "net_bps": _column.NumberColumn("Net bps", format="%+.1f", help="Mean move net of both half-spreads."),
    "net_interval": _column.TextColumn("95 % interval, bps", help="Student's t, over sessions' means."),
    "n_scores": _column.NumberColumn("Scores", format="%,d"),
    "n_sessions": _column.NumberColumn("Sessions scored", format="%,d"),
    "p_value": _column.NumberColumn(
        "p", format="%.3f", help="One-sided, of a mean net move of zero or less."
    ),
    "stands": _column.TextColumn(
        "Stands", help="Above zero after Benjamini and Yekutieli's correction at 5 % over all rows."
    ),
    "basis": _column.TextColumn(
        "Basis", help="As served: known before the scored session. Reconstructed: published after it."
    ),
}
