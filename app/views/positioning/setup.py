"""What the reader of positioning chooses.

What belongs here: the pickers. What does not: reading rows.
"""

from __future__ import annotations

import streamlit as st

from app import state

EVERY = "all"
COUNTS = {"open_interest": "open interest", "volume": "volume"}


def expiry(labels: dict[str, str]) -> str:
    """Draw the picker of the expiry; ``all`` sums over all of them."""
    options = [EVERY, *labels]
    state.seed(state.EXPIRY, EVERY, allowed=options, quiet=True)
    chosen = st.selectbox(
        "Expiry", options, key=state.EXPIRY, persist_state="session",
        format_func=lambda name: "all expiries" if name == EVERY else labels[name],
    )  # fmt: skip
    return str(chosen)


def count() -> str:
    """Draw the picker of what is counted."""
    state.seed("count", "open_interest", allowed=list(COUNTS), quiet=True)
    chosen = st.segmented_control(
        "Contracts by strike", list(COUNTS), key="count", persist_state="session", required=True,
        format_func=lambda name: COUNTS[name],
        help="Open interest is of the prior session, as exchanges publish it; volume is of this one.",
    )  # fmt: skip
    return str(chosen)
