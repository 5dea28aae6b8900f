"""The page's figures, kept by content version.

What belongs here: from the page's frames to the shared charts. What does not: the charts themselves, widgets.

Figures are kept as JSON: the browser keeps the camera only while a figure's text stays the same, and a figure
that was built and one that was copied differ in the order of their members.
"""

from __future__ import annotations

import pandas as pd
import streamlit as st

from app.cache import MOST_FIGURES
from app.views.surface.data import Page, at_expiry, smile_curve, smile_quotes
from periscope_assets import charts

Key = tuple[str, ...]


def surface_figure(page: Page, axis: str, look: str) -> str:
    """Return the 3D surface; its camera stays as long as symbol and axis do."""
    key = (*_versions(page), axis, look)
    return _surface(key, page.surface.frames["surface_grid"], axis, look, f"{page.surface.symbol}-{axis}")


def smile_figure(page: Page, expiry: str, axis: str, look: str) -> str:
    """Return the smile of one expiry."""
    key = (*_versions(page), expiry, axis, look)
    curve = smile_curve(page, expiry)
    rejected = None if page.chain is None else at_expiry(page.chain.frames["rejected"], expiry)
    quotes = smile_quotes(page, expiry, spread=0.02 if axis == "delta" else 0.25)
    revision = f"{page.surface.symbol}-{expiry}-{axis}"
    return _smile(key, quotes, curve, rejected, axis, look, revision)


def _versions(page: Page) -> Key:
    parts = dict(page.surface.parts)
    if page.chain is not None:
        parts |= page.chain.parts
    return tuple(f"{name}={version}" for name, version in sorted(parts.items()))


@st.cache_data(max_entries=MOST_FIGURES, show_spinner=False)
def _surface(key: Key, _grid: pd.DataFrame, axis: str, look: str, revision: str) -> str:
    figure = charts.surface_3d(_grid, x=axis, look=look, uirevision=revision)
    return str(figure.update_layout(meta=list(key)).to_json())


@st.cache_data(max_entries=MOST_FIGURES, show_spinner=False)
def _smile(
    key: Key,
    _quotes: pd.DataFrame,
    _curve: pd.DataFrame,
    _rejected: pd.DataFrame | None,
    axis: str,
    look: str,
    revision: str,
) -> str:
    figure = charts.smile(_quotes, _curve, _rejected, x=axis, look=look, uirevision=revision)
    return str(figure.update_layout(meta=list(key)).to_json())
