"""Marks that figures share: a labelled vertical line.

What belongs here: small additions to a figure. What does not: any figure.
"""

from __future__ import annotations

import plotly.graph_objects as go

from periscope_assets.charts.theme import Theme


def vertical(
    figure: go.Figure, x: float, text: str, colours: Theme, *, dash: str = "dot", beside: str | None = None
) -> None:
    """Add a vertical line with its name at the top, or at the bottom to its left or right."""
    anchor = {None: "center", "left": "right", "right": "left"}[beside]
    figure.add_vline(
        x=x,
        line={"color": colours.muted, "width": 1.2, "dash": dash},
        annotation={
            "text": text,
            "y": 1.0 if beside is None else 0.0,
            "yanchor": "bottom",
            "xanchor": anchor,
            "xshift": {"center": 0, "right": -3, "left": 3}[anchor],
            "font": {"size": 12, "color": colours.muted},
            "showarrow": False,
        },
    )
