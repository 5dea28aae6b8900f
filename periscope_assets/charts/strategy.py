"""What a strategy earns: by spot, and by spot and vol together.

What belongs here: figures of profit and loss. What does not: valuing anything.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from periscope_assets.charts.marks import vertical
from periscope_assets.charts.theme import template, theme

_MONEY = ",.0f"


def payoff(
    profile: pd.DataFrame, break_evens: list[float], spot: float, *, look: str = "light", name: str = "payoff"
) -> go.Figure:
    """Return profit by spot, now and at the horizon, over the density of the spot there.

    Parameters
    ----------
    profile : DataFrame
        spot, profit_now_usd, profit_at_horizon_usd, density (per USD).
    break_evens : list of float
    spot : float
        Where it stands now.
    look : {'light', 'dark'}
    name : str
        As long as it stays the same, zoom does.
    """
    colours = theme(look)
    figure = go.Figure(layout={"template": template(colours), "uirevision": name, "height": 430})
    x = profile["spot"]
    figure.add_trace(
        go.Scatter(
            x=x, y=profile["density"], yaxis="y2", name="density at the horizon", mode="lines",
            line={"width": 0}, fill="tozeroy", fillcolor=_faint(colours.refused), hoverinfo="skip",
        )
    )  # fmt: skip
    for column, label, colour, dash in (
        ("profit_at_horizon_usd", "at the horizon", colours.call, "solid"),
        ("profit_now_usd", "now", colours.put, "dash"),
    ):
        figure.add_trace(
            go.Scatter(
                x=x, y=profile[column], name=label, mode="lines",
                line={"color": colour, "width": 2.4, "dash": dash},
                hovertemplate=f"<b>{label}</b> spot %{{x:,.2f}}<br>profit <b>%{{y:+,.0f}} USD</b>"
                "<extra></extra>",
            )
        )  # fmt: skip
    figure.add_hline(y=0.0, line={"color": colours.muted, "width": 1})
    vertical(figure, spot, "spot", colours, dash="dot")
    for place in break_evens:
        if x.min() <= place <= x.max():
            vertical(
                figure,
                place,
                f"{place:,.6g}",
                colours,
                dash="dash",
                beside="left" if place < spot else "right",
            )
    figure.update_xaxes(title_text="spot (USD)", tickformat=",.6~g", range=[x.min(), x.max()])
    figure.update_yaxes(title_text="profit (USD)", tickformat=_MONEY)
    top = 3.0 * float(profile["density"].max() or 1.0)
    figure.update_layout(
        yaxis2={
            "overlaying": "y",
            "side": "right",
            "visible": False,
            "range": [0.0, top],
            "fixedrange": True,
        },
        yaxis={"range": _reach(profile)},
    )
    return figure


def scenario_map(
    scenarios: pd.DataFrame, *, value: str = "profit_usd", look: str = "light", name: str = "scenarios"
) -> go.Figure:
    """Return profit by move of the spot and shift of vols, on one day.

    Parameters
    ----------
    scenarios : DataFrame
        spot_move and vol_shift (decimals), spot and `value` (USD); one day's rows.
    value : str
    look : {'light', 'dark'}
    name : str
    """
    colours = theme(look)
    grid = scenarios.pivot(index="vol_shift", columns="spot_move", values=value)
    worth = grid.to_numpy(dtype=np.float64)
    bound = float(np.nanmax(np.abs(worth))) or 1.0
    spots = scenarios.drop_duplicates("spot_move").set_index("spot_move")["spot"].reindex(grid.columns)
    figure = go.Figure(layout={"template": template(colours), "uirevision": name, "height": 330})
    figure.add_trace(
        go.Heatmap(
            x=[_percent(float(move)) for move in grid.columns],
            y=[_points(float(shift)) for shift in grid.index],
            z=worth,
            customdata=np.tile(spots.to_numpy(), (len(grid), 1)),
            zmin=-bound, zmax=bound,
            colorscale=colours.cells,
            showscale=False,
            texttemplate="%{z:,.2~s}",
            textfont={"size": 11, "color": colours.text},
            hovertemplate="spot %{customdata:,.2f} (%{x})<br>vol %{y}<br>profit <b>%{z:+,.0f} USD</b>"
            "<extra></extra>",
            xgap=1, ygap=1,
        )
    )  # fmt: skip
    figure.update_xaxes(title_text="move of the spot", type="category", showgrid=False)
    figure.update_yaxes(title_text="shift of all vols", type="category", showgrid=False)
    return figure


def _percent(move: float) -> str:
    return "0 %" if abs(move) < 1e-12 else f"{100 * move:+.4g} %"


def _points(shift: float) -> str:
    return "0 pts" if abs(shift) < 1e-12 else f"{100 * shift:+.4g} pts"


def _faint(colour: str) -> str:
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgba({red},{green},{blue},0.28)"


def _reach(profile: pd.DataFrame) -> list[float]:
    """Return limits of profit that hold both lines with room for labels."""
    both = profile[["profit_now_usd", "profit_at_horizon_usd"]].to_numpy(dtype=np.float64)
    least, most = float(np.nanmin(both)), float(np.nanmax(both))
    room = 0.12 * max(most - least, 1e-9)
    return [least - room, most + room]
