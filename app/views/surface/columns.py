"""How the columns of the fit table are named, formatted and explained.

What belongs here: column settings. What does not: data.
"""

from __future__ import annotations

import streamlit as st

_column = st.column_config

FIT_COLUMNS = {
    "expiry": _column.DateColumn("Expiry", format="DD MMM YYYY", pinned=True),
    "root": _column.TextColumn("Root"),
    "settles": _column.TextColumn("Settles", help="AM 09:30 and PM 16:00 New York, 08 UTC for coins."),
    "days": _column.NumberColumn("Days", format="%.2f", help="Calendar days to settlement."),
    "forward": _column.NumberColumn("Forward", format="%,.2f", help="From put-call parity, USD."),
    "forward_stderr": _column.NumberColumn("± forward", format="%.3f", help="One-sigma error, USD."),
    "atm_vol": _column.NumberColumn("ATM vol %", format="%.2f", help="Fitted vol at strike = forward."),
    "rmse_bps": _column.NumberColumn(
        "RMSE bps", format="%,.1f", help="Vega-weighted, 1 bp is 0.01 % of vol."
    ),
    "max_error_bps": _column.NumberColumn("Max error bps", format="%,.0f", help="Largest absolute error."),
    "inside": _column.ProgressColumn(
        "Inside bid-ask %",
        format="%.0f",
        min_value=0,
        max_value=100,
        help="Vega-weighted quotes whose bid and ask enclose the fit.",
    ),
    "min_g": _column.NumberColumn("Least g", format="%.3f", help="Below 0: butterfly arbitrage."),
    "n_used": _column.NumberColumn("Used", help="Quotes used in the fit."),
    "n_quotes": _column.NumberColumn("Quotes", help="Out-of-the-money quotes."),
    "status": _column.TextColumn("Status", help="ok, or why there is no fit."),
}
