"""How the columns of the table by expiry are named, formatted and explained.

What belongs here: column settings. What does not: data.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import streamlit as st

_column = st.column_config
_PERCENT = (
    *("atm_iv", "atm_iv_stderr", "forward_iv", "variance_iv", "model_free_iv"),
    *("rr_25", "bf_25", "rr_10", "bf_10", "quiet_iv", "event_move"),
)
_OF_EVENTS = ("quiet_iv", "event", "event_move", "event_status")

COLUMNS = {
    "expiry_at": _column.DatetimeColumn("Settles (UTC)", format="DD MMM YYYY HH:mm", timezone="UTC"),
    "tenor_days": _column.NumberColumn("Days", format="%,.1f"),
    "forward": _column.NumberColumn("Forward", format="%,.2f", help="From put-call parity, USD."),
    "atm_iv": _column.NumberColumn("ATM %", format="%.2f", help="Vol at strike = forward."),
    "atm_iv_stderr": _column.NumberColumn("± ATM", format="%.3f", help="One-sigma error, vol points."),
    "forward_iv": _column.NumberColumn(
        "Forward vol %", format="%.2f", help="Between the expiry before and this one."
    ),
    "variance_iv": _column.NumberColumn("Var swap %", format="%.2f", help="Fair vol of a variance swap."),
    "model_free_iv": _column.NumberColumn("Strip %", format="%.2f", help="VIX-style strip of quotes."),
    "rr_25": _column.NumberColumn("25Δ RR", format="%+.2f", help="Call vol less put vol, vol points."),
    "bf_25": _column.NumberColumn("25Δ BF", format="%+.2f", help="Mean of the two less ATM, vol points."),
    "rr_10": _column.NumberColumn("10Δ RR", format="%+.2f", help="Call vol less put vol, vol points."),
    "bf_10": _column.NumberColumn("10Δ BF", format="%+.2f", help="Mean of the two less ATM, vol points."),
    "slope": _column.NumberColumn("Slope", format="%+.3f", help="d vol / d k at the money, k = ln(K/F)."),
    "quiet_iv": _column.NumberColumn(
        "Without events %", format="%.2f", help="ATM without the events before it, by trading time."
    ),
    "event": _column.TextColumn("Events", help="Of the calendar file, since the expiry before."),
    "event_move": _column.NumberColumn(
        "Event move %", format="%.2f", help="One-sigma move that the expiries imply for the events."
    ),
    "event_status": _column.TextColumn(
        "Event status", help="ok, or unidentified: the expiries don't tell it from its error."
    ),
    "status": _column.TextColumn("Status", help="ok, or why a figure is absent."),
}


def table(rows: pd.DataFrame) -> pd.DataFrame:
    """Return rows of ``skew_metrics`` as they are shown: vols in percent, events where any is known."""
    moves = np.sqrt(rows["event_variance"].astype("float64").clip(lower=0.0))
    shown = rows.assign(event_move=moves)[list(COLUMNS)].reset_index(drop=True)
    shown = shown.assign(**{name: 100.0 * shown[name].astype("float64") for name in _PERCENT})
    return shown.drop(columns=[name for name in _OF_EVENTS if shown[name].isna().all()])
