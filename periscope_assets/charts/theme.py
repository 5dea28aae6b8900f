"""Colours and Plotly templates, light and dark.

What belongs here: looks that all figures share. What does not: any figure.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import plotly.graph_objects as go

FONT = '"Source Sans", "Source Sans 3", system-ui, sans-serif'

SURFACE_SCALE = "Viridis"
"""Sequential in lightness, so it reads the same in every kind of colour vision and in grey."""

Scale = tuple[tuple[float, str], ...]


CAMERA = {"eye": {"x": 1.15, "y": -2.15, "z": 0.9}, "center": {"x": -0.1, "y": 0.0, "z": -0.25}}
"""Where the reader begins. Part of the template, for the button that starts over leads to what that says."""


@dataclass(frozen=True, slots=True)
class Theme:
    """Colours of one appearance; calls and puts differ by shape too.

    Attributes
    ----------
    name : {'light', 'dark'}
    text, muted, grid, line, call, put, refused, panel : str
        CSS colours. Blue and orange are Okabe and Ito's (2008), which stay apart in every colour vision.
    series : tuple of str
        Lines that are told apart: more of Okabe and Ito's colours.
    diverging : tuple of (float, str)
        Below none, none, above it: blue over white to red, as in ColorBrewer's RdBu.
    cells : tuple of (float, str)
        The same for cells with a number in them, loss to gain: text reads on all of it.
    """

    name: str
    text: str
    muted: str
    grid: str
    line: str
    call: str
    put: str
    refused: str
    panel: str
    series: tuple[str, ...]
    diverging: Scale
    cells: Scale


LIGHT = Theme(
    *("light", "#1b2733", "#5b6b7b", "#e3e8ee", "#14202b", "#0072b2", "#d55e00", "#9aa5b1", "#ffffff"),
    series=("#0072b2", "#d55e00", "#009e73"),
    diverging=((0.0, "#2166ac"), (0.5, "#f7f7f7"), (1.0, "#b2182b")),
    cells=((0.0, "#e98a4b"), (0.5, "#ffffff"), (1.0, "#5aa9dd")),
)
DARK = Theme(
    *("dark", "#e6edf3", "#9fb0c0", "#2a3644", "#f5f7fa", "#56b4e9", "#e69f00", "#6b7a89", "#151c25"),
    series=("#56b4e9", "#e8702a", "#1fbf92"),
    diverging=((0.0, "#2e8fe0"), (0.5, "#f7f7f7"), (1.0, "#e8483c")),
    cells=((0.0, "#945a00"), (0.5, "#151c25"), (1.0, "#1f6fa8")),
)


def theme(name: str) -> Theme:
    """Return the appearance of that name.

    Raises
    ------
    ValueError
        If it is neither 'light' nor 'dark'.
    """
    if name not in ("light", "dark"):
        raise ValueError(f"theme: expected 'light' or 'dark', got {name!r}")
    return DARK if name == "dark" else LIGHT


def faint(colour: str, share: float) -> str:
    """Return a hexadecimal colour as it is with a share of its opacity."""
    red, green, blue = (int(colour[place : place + 2], 16) for place in (1, 3, 5))
    return f"rgba({red}, {green}, {blue}, {share})"


@cache
def template(look: Theme) -> go.layout.Template:
    """Return the Plotly template of an appearance; backgrounds are left to the page.

    Every figure takes a copy of the one that is kept.
    """
    axis = {
        "gridcolor": look.grid,
        "linecolor": look.grid,
        "zerolinecolor": look.grid,
        "tickfont": {"color": look.muted, "size": 12},
        "title": {"font": {"color": look.text, "size": 13}, "standoff": 10},
        "automargin": True,
    }
    solid = {
        "gridcolor": look.grid,
        "showbackground": False,
        "tickfont": {"color": look.muted, "size": 11},
        "title": {"font": {"color": look.text, "size": 12}},
    }
    layout = go.Layout(
        font={"family": FONT, "color": look.text, "size": 13},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        margin={"l": 8, "r": 16, "t": 34, "b": 8},
        hoverlabel={
            "bgcolor": look.panel,
            "bordercolor": look.muted,
            "font": {"color": look.text, "family": FONT, "size": 13},
            "align": "left",
        },
        legend={"orientation": "h", "x": 0, "y": -0.16, "yanchor": "top", "font": {"color": look.muted}},
        modebar={"bgcolor": "rgba(0,0,0,0)", "color": look.muted, "activecolor": look.text},
        xaxis=axis,
        yaxis=axis,
        scene={"xaxis": solid, "yaxis": solid, "zaxis": solid, "camera": CAMERA},
    )
    return go.layout.Template(layout=layout)
