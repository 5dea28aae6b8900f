"""What the reader chooses on this page: axis, expiry.

What belongs here: the pickers. What does not: symbol and times (``app.components.scope``), reading rows.
"""

from __future__ import annotations

import streamlit as st

from app import state
from periscope_assets.charts.axes import COORDINATES

AXIS_NAMES = {"log_moneyness": "log-moneyness", "strike": "strike", "delta": "delta"}


def axis() -> str:
    """Draw the picker of the axis and return the coordinate chosen."""
    state.seed(state.AXIS, "delta", allowed=list(COORDINATES))
    chosen = st.segmented_control(
        "Axis",
        list(COORDINATES),
        key=state.AXIS,
        persist_state="session",
        required=True,
        format_func=lambda name: AXIS_NAMES[name],
        help="Log-moneyness is k = ln(strike / forward); delta is the call's, forward and undiscounted.",
    )
    return str(chosen)


def pick_expiry(labels: dict[str, str], default: str) -> str:
    """Draw the expiry picker and return the chosen settlement instant, RFC 3339.

    Parameters
    ----------
    labels : dict of str to str
        Settlement instants, and how to name them.
    default : str
        The one to begin with.
    """
    state.seed(state.EXPIRY, default, allowed=list(labels))
    chosen = st.selectbox(
        "Expiry",
        list(labels),
        key=state.EXPIRY,
        persist_state="session",
        format_func=lambda text: labels[text],
    )
    return str(chosen)
