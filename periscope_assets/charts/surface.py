"""The volatility surface in three dimensions.

What belongs here: the figure. What does not: evaluating the surface.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from numpy.typing import NDArray

from periscope_assets.charts.axes import Coordinate, coordinate, tenor_ticks
from periscope_assets.charts.theme import SURFACE_SCALE, Theme, template, theme

DAYS_PER_YEAR = 365.0
LIMIT = 3.0
"""Vol points at which the scale of differences ends."""

CAMERA = {"eye": {"x": 1.15, "y": -2.15, "z": 0.9}, "center": {"x": -0.1, "y": 0.0, "z": -0.25}}
"""Where the reader begins. Part of the template, for the button that starts over leads to what that says."""

FEW = 15
HOVER = (
    "<b>%{customdata[0]}</b><br>K %{customdata[1]:,.6~r} · k %{customdata[2]:+.3f}<br>"
    "IV <b>%{z:.2f} %</b><extra></extra>"
)

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Shade:
    """What colours stand for: a column of differences of vols, decimals, and its name for readers."""

    column: str
    title: str


def surface_3d(
    grid: pd.DataFrame,
    *,
    x: str = "log_moneyness",
    look: str = "light",
    uirevision: str = "surface",
    shade: Shade | None = None,
) -> go.Figure:
    """Return the surface with a line on it for each expiry.

    Parameters
    ----------
    grid : DataFrame
        expiry_at, expiry, root, tau_years, log_moneyness, strike, delta, iv (decimal): the same number of
        points for every expiry, in the order of its strikes. Rows of the mesh end where the points do, so
        nothing is drawn beyond them.
    x : {'log_moneyness', 'strike', 'delta'}
    look : {'light', 'dark'}
    uirevision : str
        As long as it stays the same, the camera does.
    shade : Shade, optional
        What the colours stand for, a column of `grid`; by default the vol. Where absent there is a hole.

    Raises
    ------
    ValueError
        If `grid` is not rectangular, or `x` or `look` is unknown.
    """
    axis, colours = coordinate(x), theme(look)
    names = {axis.column, "tau_years", "strike", "log_moneyness", "iv"}
    mesh = {name: _mesh(grid, name) for name in names | ({shade.column} if shade else set())}
    days, vols = mesh["tau_years"] * DAYS_PER_YEAR, 100.0 * mesh["iv"]
    figure = go.Figure(layout={"template": template(colours), "uirevision": uirevision, "height": 560})
    figure.layout.template.layout.scene.camera = CAMERA
    figure.add_trace(_sheet(axis, mesh[axis.column], days, vols, colours))
    if shade is not None:
        figure.data[0].update(shading(mesh[shade.column], vols, shade, colours))
    figure.add_trace(_ribs(mesh[axis.column], days, vols, _notes(grid, mesh), colours))
    figure.update_layout(scene=_scene(axis, days), scene_uirevision=uirevision)
    return figure


def shading(values: Floats, heights: Floats, shade: Shade, colours: Theme) -> dict[str, object]:
    """Return what colours a sheet by values, decimals, on a scale of fixed ends."""
    points = 100.0 * values
    texts = [[f"{shade.title} {value:+.2f}" for value in row] for row in points]
    return {
        "z": np.where(np.isfinite(points), heights, np.nan),
        "surfacecolor": points,
        "colorscale": colours.diverging,
        "cmin": -LIMIT,
        "cmax": LIMIT,
        "text": texts,
        "hovertemplate": "IV <b>%{z:.2f} %</b><br>%{text} vol points<extra></extra>",
        "colorbar_title_text": f"{shade.title} (vol points)",
    }


def _mesh(grid: pd.DataFrame, column: str) -> Floats:
    rows = grid["expiry_at"].nunique()
    if rows == 0 or len(grid) % rows:
        raise ValueError("grid: expected the same number of points, at least one, for every expiry")
    return grid[column].to_numpy(dtype=np.float64).reshape(rows, -1)


def _notes(grid: pd.DataFrame, mesh: dict[str, Floats]) -> NDArray[np.object_]:
    """Return expiry, strike and log-moneyness of every point, one row each, with a row for each gap."""
    names = [f"{expiry} {root}" for expiry, root in zip(grid["expiry"], grid["root"], strict=True)]
    parts = [np.array(names, dtype=object).reshape(mesh["iv"].shape), mesh["strike"], mesh["log_moneyness"]]
    notes = np.dstack([part.astype(object) for part in parts])
    gap = np.full((len(notes), 1, len(parts)), None, dtype=object)
    return np.hstack([notes, gap]).reshape(-1, len(parts))


def _sheet(axis: Coordinate, x: Floats, days: Floats, vols: Floats, colours: Theme) -> go.Surface:
    return go.Surface(
        x=x,
        y=days,
        z=vols,
        hovertemplate=f"{axis.short} %{{x:{axis.hover}}} · %{{y:,.0f}} days<br>"
        "IV <b>%{z:.2f} %</b><extra></extra>",
        colorscale=SURFACE_SCALE,
        opacity=0.97,
        lighting={"ambient": 0.75, "diffuse": 0.45, "specular": 0.05, "roughness": 0.9},
        contours={"x": {"highlight": False}, "y": {"highlight": False}, "z": {"highlight": False}},
        colorbar={
            "title": {"text": "IV (%)", "side": "top", "font": {"size": 12, "color": colours.muted}},
            "tickfont": {"size": 11, "color": colours.muted},
            "thickness": 10,
            "orientation": "h",
            "len": 0.6,
            "y": 0.0,
            "yanchor": "bottom",
            "outlinewidth": 0,
        },
        name="implied vol",
    )


def _ribs(x: Floats, days: Floats, vols: Floats, notes: NDArray[np.object_], colours: Theme) -> go.Scatter3d:
    """Return one line for each expiry, in one trace: gaps keep them apart."""
    gap = np.full((len(x), 1), np.nan)
    return go.Scatter3d(
        x=np.hstack([x, gap]).ravel(),
        y=np.hstack([days, gap]).ravel(),
        z=np.hstack([vols, gap]).ravel(),
        customdata=notes,
        hovertemplate=HOVER,
        mode="lines",
        line={"color": colours.line, "width": 2 if len(x) <= FEW else 1},
        opacity=0.55 if len(x) <= FEW else 0.22,
        showlegend=False,
    )


def _scene(axis: Coordinate, days: Floats) -> dict[str, object]:
    ticks, names = tenor_ticks(float(days.min()), float(days.max()))
    return {
        "xaxis": {
            "title": {"text": axis.brief},
            "tickformat": axis.tickformat,
            "autorange": "reversed" if axis.reversed else True,
        },
        "yaxis": {"title": {"text": "expiry in"}, "type": "log", "tickvals": ticks, "ticktext": names},
        "zaxis": {"title": {"text": "implied vol (%)"}, "tickformat": ",.4~r"},
        "aspectmode": "manual",
        "aspectratio": {"x": 1.3, "y": 1.3, "z": 0.75},
    }
