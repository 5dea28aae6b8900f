"""How the columns of legs and scenarios are named, formatted and explained.

What belongs here: column settings. What does not: data.
"""

from __future__ import annotations

from typing import Any

import streamlit as st

_column = st.column_config


def _number(label: str, note: str, spec: str = "%,.2f") -> Any:
    return _column.NumberColumn(label, format=spec, help=note)


LEGS = {
    "number": _number("#", "Leg, as above.", "%d"),
    "quantity": _number("Quantity", "Contracts; negative is sold.", "%+,.6g"),
    "kind": _column.TextColumn("Kind"),
    "strike": _number("Strike", "USD", "%,.10g"),
    "expiry": _column.DateColumn("Expiry", format="DD MMM YYYY"),
    "root": _column.TextColumn("Root"),
    "entry_usd": _number("Entry", "Paid per unit, USD.", "%,.4g"),
    "basis": _column.TextColumn("From", help="ask, bid, given by you, spot, or model: no price to trade at."),
    "iv": _number("Vol %", "Of the served surface at this strike and expiry."),
    "cost_usd": _number("Cost USD", "Entry times contracts and multiplier.", "%,.0f"),
    "value_usd": _number("Value USD", "On the served surface.", "%,.0f"),
    "delta": _number("Delta", "Units of the underlying."),
    "gamma": _number("Gamma", "Change of delta per USD.", "%.4f"),
    "vega": _number("Vega USD", "Per vol point.", "%,.0f"),
    "theta": _number("Theta USD", "Per calendar day.", "%,.0f"),
    "status": _column.TextColumn("Status", help="ok, or why the market has no price for the leg."),
}
SCENARIOS = {
    "spot_move": _number("Move", "Of the spot, as a share.", "percent"),
    "spot": _number("Spot", "USD"),
    "vol_shift": _number("Vol shift", "Added to all vols, decimal.", "%+.3f"),
    "elapsed_days": _number("Days", "Calendar days passed.", "%.1f"),
    "value_usd": _number("Value USD", "Of the position.", "%,.0f"),
    "profit_usd": _number("Profit USD", "Value less cost.", "%+,.0f"),
    "status": _column.TextColumn("Status", help="out_of_range: no positive spot or vol is left."),
}
PROFILE = {
    "spot": _number("Spot", "USD"),
    "profit_now_usd": _number("Profit now USD", "If the spot were there today.", "%+,.0f"),
    "profit_at_horizon_usd": _number("Profit at horizon USD", "At the first expiry.", "%+,.0f"),
    "density": _number("Density", "Risk-neutral, per USD of spot.", "%.3e"),
}
