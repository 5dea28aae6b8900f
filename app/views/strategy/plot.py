"""The page's figures, kept by content version and legs.

What belongs here: from frames to the shared charts. What does not: the charts themselves.
"""

from __future__ import annotations

import pandas as pd
import streamlit as st

from app.cache import MOST_FIGURES
from app.queries import Answer
from periscope_assets import charts

Key = tuple[str, ...]


def payoff_figure(answer: Answer, legs: str, look: str) -> str:
    """Return profit by spot, as JSON."""
    spot = float(answer.frames["totals"]["spot"].iloc[0])
    evens = answer.frames["break_evens"]["spot"].tolist()
    return _payoff((*_versions(answer), legs, look), answer.frames["profile"], evens, spot, look)


def scenario_figure(answer: Answer, rows: pd.DataFrame, legs: str, day: float, look: str) -> str:
    """Return profit by spot and vol on one day, as JSON."""
    return _scenarios((*_versions(answer), legs, f"{day}", look), rows, look)


def _versions(answer: Answer) -> Key:
    return tuple(f"{name}={version}" for name, version in sorted(answer.parts.items()))


@st.cache_data(max_entries=MOST_FIGURES, show_spinner=False)
def _payoff(key: Key, _profile: pd.DataFrame, _evens: list[float], _spot: float, look: str) -> str:
    figure = charts.payoff(_profile, _evens, _spot, look=look, name="-".join(key[-2:]))
    return str(figure.update_layout(meta=list(key)).to_json())


@st.cache_data(max_entries=MOST_FIGURES, show_spinner=False)
def _scenarios(key: Key, _rows: pd.DataFrame, look: str) -> str:
    figure = charts.scenario_map(_rows, look=look)
    return str(figure.update_layout(meta=list(key)).to_json())
