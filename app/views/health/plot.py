"""The page's figure, kept by content version.

What belongs here: from frames to the shared charts. What does not: the charts themselves.
"""

from __future__ import annotations

import pandas as pd
import streamlit as st

from app.cache import MOST_FIGURES
from app.queries import Answer
from periscope_assets import charts


def vendor_figure(answer: Answer, look: str) -> str:
    """Return the vendor's vols less ours, as JSON."""
    return _vendor((answer.version, look), answer.frames["contracts"], look, f"vendor-{answer.symbol}")


@st.cache_data(max_entries=MOST_FIGURES, show_spinner=False)
def _vendor(key: tuple[str, ...], _rows: pd.DataFrame, look: str, name: str) -> str:
    figure = charts.vendor_differences(_rows, look=look, name=name)
    return str(figure.update_layout(meta=list(key)).to_json())
