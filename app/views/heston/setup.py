"""What the reader chooses on this page: axis of errors, maturity of the band.

What belongs here: the pickers. What does not: symbol and times (``app.components.scope``), reading rows.
"""

from __future__ import annotations

import streamlit as st

from app import state
from app.components.segments import segments

AXIS, TENOR = "errors_by", "band_tenor"
AXES = {"log_moneyness": "log-moneyness", "strike": "strike"}


def pick_axis() -> str:
    """Draw the picker of the axis of errors and return the coordinate chosen."""
    note = "Log-moneyness is k = ln(strike / forward)."
    return segments("Axis of errors", AXIS, AXES, "log_moneyness", note)


def pick_tenor(tenors: list[float], default: float) -> float:
    """Draw the picker of the band's maturity and return it in days."""
    names = {f"{days:g}": f"{days:g} d" for days in tenors}
    nearest = min(tenors, key=lambda days: abs(days - default))
    state.seed(TENOR, f"{nearest:g}", allowed=list(names))
    chosen = st.selectbox(
        "Maturity of the band",
        list(names),
        key=TENOR,
        persist_state="session",
        format_func=lambda text: names[text],
        help="Constant, in calendar days.",
        width=160,
    )
    return float(chosen)
