"""A figure with its numbers: picture by the browser, table and files beside it.

What belongs here: how every figure of the app is put on a page. What does not: drawing one
(``periscope_assets.charts``).
"""

from __future__ import annotations

from typing import Any

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from app.components import export
from app.components import figure as element
from app.components import numbers as published

UNUSED = [
    *("lasso2d", "select2d", "autoScale2d", "zoomIn2d", "zoomOut2d", "pan2d", "zoom2d"),
    *("zoom3d", "pan3d", "orbitRotation", "tableRotation", "resetCameraLastSave3d"),
]
"""Buttons for what the mouse does anyway; saving the picture and starting over stay."""


def draw(
    figure: go.Figure,
    *,
    key: str,
    alt: str,
    name: str,
    numbers: pd.DataFrame | None = None,
    columns: dict[str, Any] | None = None,
) -> None:
    """Put a figure on the page; its camera-like button saves it as PNG.

    Parameters
    ----------
    figure : Figure
        Kept by version of its data (``app.cache.kept``), it need not be built again.
    key : str
        Of the element: as long as it stays, camera and zoom do.
    alt : str
        What a reader who can't see the figure is told.
    name : str
        Stem of files; unique on the page.
    numbers : DataFrame, optional
        What is drawn, as a table under the figure.
    columns : dict, optional
        Column settings of that table; without them columns are shown as published ones are.
    """
    image = {"format": "png", "scale": 2, "filename": name}
    config = {
        "displaylogo": False,
        "displayModeBar": True,
        "showSendToCloud": False,
        "toImageButtonOptions": image,
        "modeBarButtonsToRemove": UNUSED,
    }
    element.show(figure, key=key, alt=alt, config=config)
    if numbers is not None:
        table(numbers, name=name, columns=columns)


def table(
    numbers: pd.DataFrame, *, name: str, columns: dict[str, Any] | None = None, label: str = "Numbers"
) -> None:
    """Draw a closed panel that holds a table and its files; nothing is sent while it is closed."""
    panel = st.expander(label, icon=":material/table_rows:", key=f"numbers_{name}", on_change="rerun")
    if panel.open:
        with panel:
            st.dataframe(
                numbers,
                hide_index=True,
                placeholder="–",
                column_config=published.settings(numbers) if columns is None else columns,
                key=f"table_{name}",
            )
            export.buttons(numbers, name)
