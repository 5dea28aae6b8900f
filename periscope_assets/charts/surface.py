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

FEW = 15
HOVER = (
    "<b>%{text}</b><br>"
    "K %{customdata[0]:,.6~r} · k %{customdata[1]:+.3f} · Δ %{customdata[2]:.2f}<br>"
    "IV <b>%{z:.2f} %</b>"
)

Floats = NDArray[np.float64]
NUMBERS = ("tau_years", "strike", "log_moneyness", "delta", "iv")


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
    mesh = {name: _mesh(grid, name) for name in {axis.column, *NUMBERS, *([shade.column] if shade else [])}}
    days, vols = mesh["tau_years"] * DAYS_PER_YEAR, 100.0 * mesh["iv"]
    shown = vols if shade is None else 100.0 * mesh[shade.column]
    sheet = _sheet(mesh[axis.column], days, vols, shown)
    sheet.update(_notes(grid, mesh, shade), **_colours(shade, colours))
    layout = {
        "template": template(colours),
        "uirevision": uirevision,
        "height": 560,
        "scene": {**_scene(axis, days), "uirevision": uirevision},
    }
    return go.Figure([sheet, _ribs(mesh[axis.column], days, vols, colours)], layout)


def _mesh(grid: pd.DataFrame, column: str) -> Floats:
    rows = grid["expiry_at"].nunique()
    if rows == 0 or len(grid) % rows:
        raise ValueError("grid: expected the same number of points, at least one, for every expiry")
    return grid[column].to_numpy(dtype=np.float64).reshape(rows, -1)


def _sheet(x: Floats, days: Floats, vols: Floats, shown: Floats) -> go.Mesh3d:
    """Return the surface as triangles, drawn as they are: a `go.Surface` is refined by the browser first.

    Parameters
    ----------
    x, days, vols : ndarray, shape (expiries, points)
    shown : ndarray, shape (expiries, points)
        What its colours stand for.
    """
    one, two, three = _triangles(np.isfinite(vols) & np.isfinite(shown))
    return go.Mesh3d(
        x=x.ravel(),
        y=days.ravel(),
        z=vols.ravel(),
        i=one,
        j=two,
        k=three,
        intensity=shown.ravel(),
        opacity=0.97,
        lighting={"ambient": 0.75, "diffuse": 0.45, "specular": 0.05, "roughness": 0.9},
        showscale=True,
        name="implied vol",
    )


def _triangles(known: NDArray[np.bool_]) -> NDArray[np.int32]:
    """Return the corners of two triangles for each cell of a lattice, shape (3, n): those that are known."""
    at = np.arange(known.size, dtype=np.int32).reshape(known.shape)
    here, right, below, across = at[:-1, :-1], at[:-1, 1:], at[1:, :-1], at[1:, 1:]
    halves = [[here, right, below], [right, across, below]]
    corners = np.concatenate([np.reshape(half, (3, -1)) for half in halves], axis=1)
    return np.asarray(corners[:, known.ravel()[corners].all(axis=0)])


def _colours(shade: Shade | None, colours: Theme) -> dict[str, object]:
    """Return the scale of a sheet: of vols, or of differences with fixed ends."""
    if shade is None:
        return {"colorscale": SURFACE_SCALE, "colorbar": _bar("IV (%)", colours)}
    return {
        "colorscale": colours.diverging,
        "cmin": -LIMIT,
        "cmax": LIMIT,
        "colorbar": _bar(f"{shade.title} (vol points)", colours),
    }


def _bar(title: str, colours: Theme) -> dict[str, object]:
    return {
        "title": {"text": title, "side": "top", "font": {"size": 12, "color": colours.muted}},
        "tickfont": {"size": 11, "color": colours.muted},
        "thickness": 10,
        "orientation": "h",
        "len": 0.6,
        "y": 0.0,
        "yanchor": "bottom",
        "outlinewidth": 0,
    }


def _notes(grid: pd.DataFrame, mesh: dict[str, Floats], shade: Shade | None) -> dict[str, object]:
    """Return what is said of each point."""
    names = [f"{expiry} {root}" for expiry, root in zip(grid["expiry"], grid["root"], strict=True)]
    parts = [mesh[name].ravel() for name in ("strike", "log_moneyness", "delta")]
    template = HOVER
    if shade is not None:
        parts.append(100.0 * mesh[shade.column].ravel())
        template += f"<br>{shade.title} %{{customdata[3]:+.2f}} vol points"
    return {
        "text": names,
        "customdata": np.column_stack(parts),
        "hovertemplate": f"{template}<extra></extra>",
    }


def _ribs(x: Floats, days: Floats, vols: Floats, colours: Theme) -> go.Scatter3d:
    """Return one line for each expiry, in one trace: gaps keep them apart."""
    gap = np.full((len(x), 1), np.nan)
    return go.Scatter3d(
        x=np.hstack([x, gap]).ravel(),
        y=np.hstack([days, gap]).ravel(),
        z=np.hstack([vols, gap]).ravel(),
        hoverinfo="skip",
        mode="lines",
        line={"color": colours.line, "width": 2 if len(x) <= FEW else 1},
        opacity=0.55 if len(x) <= FEW else 0.22,
        showlegend=False,
    )


def _scene(axis: Coordinate, days: Floats) -> dict[str, object]:
    ticks, names = tenor_ticks(float(days.min()), float(days.max()), apart=2.5)
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
