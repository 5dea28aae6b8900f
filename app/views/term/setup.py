"""What the reader chooses on this page: delta and maturity of skew.

What belongs here: the pickers. What does not: symbol and times (``app.components.scope``), reading rows.
"""

from __future__ import annotations

from dataclasses import dataclass

import streamlit as st

from app.components.segments import segments

DELTA, TENOR = "skew_delta", "tenor"
DELTAS = {"25": "25Δ", "10": "10Δ"}
TENORS = {"7": "7 d", "30": "30 d", "60": "60 d", "91": "91 d", "182": "182 d", "365": "365 d"}


@dataclass(frozen=True, slots=True)
class Choice:
    """Which skew is shown.

    Attributes
    ----------
    delta : {25, 10}
    tenor_days : float
    """

    delta: int
    tenor_days: float


def choose() -> Choice:
    """Draw the pickers of the page and return what is chosen."""
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        delta = segments("Delta of the skew", DELTA, DELTAS, "25", "Forward, undiscounted, by magnitude.")
        tenor = segments("Maturity of the history", TENOR, TENORS, "30", "Constant, in calendar days.")
    return Choice(int(delta), float(tenor))
