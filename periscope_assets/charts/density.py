"""The risk-neutral density of one expiry.

What belongs here: the figure. What does not: evaluating the density.
"""

from __future__ import annotations

import pandas as pd
import plotly.graph_objects as go

from periscope_assets.charts.axes import coordinate
from periscope_assets.charts.theme import faint, template, theme

TAIL = 0.05


def density(
    curve: pd.DataFrame, *, x: str = "log_moneyness", look: str = "light", uirevision: str = "density"
) -> go.Figure:
    """Return the density with its middle 90 percent shaded, beside the lognormal one of equal ATM vol.

    Parameters
    ----------
    curve : DataFrame
        log_moneyness, strike, density, lognormal (both of ln(S/F), per 1.00), cumulative; by strike.
    x : {'log_moneyness', 'strike'}
    look : {'light', 'dark'}
    uirevision : str
        As long as it stays the same, zoom does.

    Raises
    ------
    ValueError
        If `x` or `look` is unknown.
    """
    axis, colours = coordinate(x), theme(look)
    figure = go.Figure(layout={"template": template(colours), "uirevision": uirevision, "height": 560})
    middle = curve[curve["cumulative"].between(TAIL, 1.0 - TAIL)]
    figure.add_trace(
        go.Scatter(
            x=middle[axis.column],
            y=middle["density"],
            fill="tozeroy",
            fillcolor=faint(colours.call, 0.2),
            line={"width": 0},
            hoverinfo="skip",
            name="middle 90 %",
        )
    )
    figure.add_trace(
        go.Scatter(
            x=curve[axis.column],
            y=curve["lognormal"],
            mode="lines",
            line={"color": colours.muted, "width": 1.5, "dash": "dot"},
            name="lognormal of the same ATM vol",
            hovertemplate="lognormal %{y:.3f}<extra></extra>",
        )
    )
    figure.add_trace(
        go.Scatter(
            x=curve[axis.column],
            y=curve["density"],
            mode="lines",
            line={"color": colours.line, "width": 2},
            name="served surface",
            customdata=curve[["strike", "cumulative"]],
            hovertemplate="<b>K %{customdata[0]:,.6~r}</b><br>density %{y:.3f}<br>"
            "below with probability %{customdata[1]:.1%}<extra></extra>",
        )
    )
    figure.update_xaxes(title_text=axis.title, tickformat=axis.tickformat)
    figure.update_yaxes(title_text="density of ln(S/F), per 1.00", rangemode="tozero")
    return figure
