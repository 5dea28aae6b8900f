"""The page's figures, kept by content version.

What belongs here: from frames to the shared charts. What does not: the charts themselves.
"""

from __future__ import annotations

import pandas as pd
import streamlit as st

from app.cache import MOST_FIGURES
from app.queries import Answer
from periscope_assets import charts

Key = tuple[str, ...]


def strikes_figure(
    answer: Answer, expiry: str, count: str, marks: tuple[float | None, float | None], look: str
) -> str:
    """Return contracts by strike as JSON; `marks` are spot and max pain."""
    key = (*_versions(answer), expiry, count, look)
    return _strikes(key, answer.frames["strikes"], count, marks, look, f"strikes-{answer.symbol}-{expiry}")


def gamma_figure(answer: Answer, expiry: str, spot: float | None, look: str) -> str:
    """Return gamma by strike as JSON."""
    key = (*_versions(answer), expiry, "gamma", look)
    return _gamma(key, answer.frames["strikes"], spot, look, f"gamma-{answer.symbol}-{expiry}")


def _versions(answer: Answer) -> Key:
    return tuple(f"{name}={version}" for name, version in sorted(answer.parts.items()))


@st.cache_data(max_entries=MOST_FIGURES, show_spinner=False)
def _strikes(
    key: Key,
    _rows: pd.DataFrame,
    count: str,
    marks: tuple[float | None, float | None],
    look: str,
    name: str,
) -> str:
    spot, pain = marks
    figure = charts.by_strike(_rows, of=count, spot=spot, max_pain=pain, look=look, name=name)
    return str(figure.update_layout(meta=list(key)).to_json())


@st.cache_data(max_entries=MOST_FIGURES, show_spinner=False)
def _gamma(key: Key, _rows: pd.DataFrame, spot: float | None, look: str, name: str) -> str:
    figure = charts.gamma_by_strike(_rows, spot=spot, look=look, name=name)
    return str(figure.update_layout(meta=list(key)).to_json())
