"""The page's figure, kept by content version.

What belongs here: from frames to the shared charts. What does not: the charts themselves.
"""

from __future__ import annotations

import pandas as pd
import streamlit as st

from app.cache import MOST_FIGURES
from app.queries import Answer
from periscope_assets import charts


def record_figure(answer: Answer, basis: str, state: str, look: str) -> str:
    """Return how pending signals fared, as JSON."""
    rows = answer.frames["track_record"]
    mine = rows[(rows["basis"] == basis) & (rows["signal_state"] == state)]
    key = (answer.version, str(answer.symbol), basis, state, look)
    return _record(key, mine, look, f"record-{answer.symbol}")


@st.cache_data(max_entries=MOST_FIGURES, show_spinner=False)
def _record(key: tuple[str, ...], _rows: pd.DataFrame, look: str, name: str) -> str:
    figure = charts.track_record(_rows, look=look, name=name)
    return str(figure.update_layout(meta=list(key)).to_json())
