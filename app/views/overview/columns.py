"""How the columns of the overview are named, formatted and explained.

What belongs here: column settings. What does not: data.
"""

from __future__ import annotations

import streamlit as st

_column = st.column_config
_SHORT = "Empty where fewer than 20 sessions of history are stored."

COLUMNS = {
    "symbol": _column.LinkColumn(
        "Symbol", display_text=r"symbol=([^&]+)", pinned=True, help="Opens its surface."
    ),
    "spot": _column.NumberColumn("Spot", format="%,.2f", help="Underlying as the source gave it, USD."),
    "atm_iv": _column.NumberColumn(
        "ATM 30d %", format="%.2f", help="At-the-money-forward implied vol at a constant 30 days."
    ),
    "atm_iv_change": _column.NumberColumn(
        "Δ ATM", format="%+.2f", help="Change of ATM 30d against the session before, vol points."
    ),
    "trend": _column.LineChartColumn("45 days", width=90, help="ATM 30d of the sessions of 45 days."),
    "iv_rank": _column.NumberColumn(
        "IV rank", format="%.0f", help=f"ATM 30d between its least (0) and greatest (100) of a year. {_SHORT}"
    ),
    "iv_percentile": _column.NumberColumn(
        "IV pctl", format="%.0f", help=f"Share of a year's sessions with a lower ATM 30d, percent. {_SHORT}"
    ),
    "premium": _column.NumberColumn(
        "VRP",
        format="%+.2f",
        help="Volatility risk premium: fair variance-swap vol at 30 days less realised vol of the 30 days "
        "before, vol points.",
    ),
    "rr_25": _column.NumberColumn(
        "25Δ RR", format="%+.2f", help="Risk reversal: 25-delta call vol less put vol at 30 days, vol points."
    ),
    "term_slope": _column.NumberColumn(
        "Slope", format="%+.2f", help="Term slope: ATM vol at 91 days less that at 30 days, vol points."
    ),
    "event": _column.TextColumn("Next event", help="First expiration, dividend or event of your file."),
    "n_signals": _column.NumberColumn("Signals", format="%,d", help="Pending signals of this snapshot."),
    "inside_share": _column.NumberColumn(
        "Inside %",
        format="%.1f",
        help="Quality: share of quotes, weighted by vega, whose bid and ask enclose the surface.",
    ),
    "certificate": _column.TextColumn("Arbitrage", help="What the no-arbitrage certificate found."),
    "status": _column.TextColumn("Status", help="stale: newer quotes are published than the surface is of."),
    "age": _column.TextColumn("Age", help="Since the market time of the snapshot."),
    "as_of": _column.DatetimeColumn("Market time (UTC)", format="DD MMM HH:mm", timezone="UTC"),
}
