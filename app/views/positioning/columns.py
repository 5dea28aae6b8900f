"""How the columns of positioning are named, formatted and explained.

What belongs here: column settings. What does not: data.
"""

from __future__ import annotations

from typing import Any

import streamlit as st

_column = st.column_config


def _number(label: str, note: str, spec: str = "%,.0f") -> Any:
    return _column.NumberColumn(label, format=spec, help=note)


EXPIRIES = {
    "expiry": _column.DateColumn("Expiry", format="DD MMM YYYY", pinned=True),
    "root": _column.TextColumn("Root"),
    "call_open_interest": _number("Open calls", "Open contracts, prior session."),
    "put_open_interest": _number("Open puts", "Open contracts, prior session."),
    "put_call_open_interest": _number("P/C open", "Open puts over open calls.", "%.2f"),
    "call_volume": _number("Calls traded", "Contracts traded in the session."),
    "put_volume": _number("Puts traded", "Contracts traded in the session."),
    "put_call_volume": _number("P/C volume", "Puts over calls, traded.", "%.2f"),
    "call_volume_z": _number("Calls z", "Calls traded against earlier sessions, in deviations.", "%+.1f"),
    "put_volume_z": _number("Puts z", "Puts traded against earlier sessions, in deviations.", "%+.1f"),
    "volume_basis": _column.TextColumn("Against", help="Sessions of this expiry, or of like maturities."),
    "gex_usd": _column.NumberColumn(
        "Gamma exposure USD", format="compact", help="For a move of 1 %: dealers long calls and short puts."
    ),
    "max_pain_strike": _number("Max pain", "Strike at which open contracts are worth least.", "%,.6g"),
    "n_unusual": _number("Unusual", "Contracts traded more than twice their open interest."),
    "status": _column.TextColumn("Status", help="ok, or why figures are absent."),
}
STRIKES = {
    "strike": _number("Strike", "USD", "%,.6g"),
    "call_open_interest": _number("Open calls", "Contracts."),
    "put_open_interest": _number("Open puts", "Contracts."),
    "call_volume": _number("Calls traded", "Contracts."),
    "put_volume": _number("Puts traded", "Contracts."),
    "gex_usd": _number("Gamma exposure USD", "For a move of 1 %."),
}
UNUSUAL = {
    "contract": _column.TextColumn("Contract", pinned=True),
    "expiry": _column.DateColumn("Expiry", format="DD MMM YYYY"),
    "strike": _number("Strike", "USD", "%,.6g"),
    "side": _column.TextColumn("Side"),
    "volume": _number("Volume", "Contracts traded in the session."),
    "open_interest": _number("Open interest", "Of the prior session."),
    "volume_ratio": _number("Volume / open", "Above 2 with at least 100 traded counts as unusual.", "%.1f"),
}
