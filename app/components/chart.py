"""A figure with its numbers: picture by the browser, table and files beside it.

What belongs here: how every figure of the app is put on a page. What does not: drawing one
(``periscope_assets.charts``).
"""

from __future__ import annotations

from typing import Any

import pandas as pd
import plotly.graph_objects as go
import plotly.io
import streamlit as st

from app.components import export


def draw(
    figure: go.Figure | str,
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
    figure : Figure or str
        A Plotly figure or its JSON; kept as JSON by version of its data, it need not be built again.
    key : str
        Of the element: as long as it stays, camera and zoom do.
    alt : str
        What a reader who can't see the figure is told.
    name : str
        Stem of files; unique on the page.
    numbers : DataFrame, optional
        What is drawn, as a table under the figure.
    columns : dict, optional
        Column settings of that table.
    """
    image = {"format": "png", "scale": 2, "filename": name}
    st.plotly_chart(
        plotly.io.from_json(figure, skip_invalid=True) if isinstance(figure, str) else figure,
        theme=None,
        key=key,
        config={"displaylogo": False, "displayModeBar": True, "toImageButtonOptions": image,
                "modeBarButtonsToRemove": ["lasso2d", "select2d", "autoScale2d"]},
        alt=alt,
    )  # fmt: skip
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
                numbers, hide_index=True, placeholder="–", column_config=columns, key=f"table_{name}"
            )
            export.buttons(numbers, name)
