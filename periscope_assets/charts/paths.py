"""Figures over calendar time: a value with its error and where it stands in its past.

What belongs here: the figure. What does not: what it shows.
"""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
import plotly.graph_objects as go

from periscope_assets.charts.theme import faint, template, theme

HEIGHT = 300


def path(
    times: pd.Series,
    values: pd.Series,
    errors: pd.Series | None = None,
    bands: Mapping[str, float] | None = None,
    *,
    title: str,
    tickformat: str = "+.2f",
    look: str = "light",
    uirevision: str = "path",
) -> go.Figure:
    """Return a value over time, with bars of two errors, between the percentiles of its past.

    Parameters
    ----------
    times, values : Series
        In the unit of `title`.
    errors : Series, optional
        One-sigma.
    bands : mapping, optional
        p05, p25, p50, p75, p95 of the past.
    title : str
        Of the vertical axis, with its unit.
    tickformat : str
    look : {'light', 'dark'}
    uirevision : str
        As long as it stays the same, zoom does.
    """
    colours = theme(look)
    figure = go.Figure(layout={"template": template(colours), "uirevision": uirevision, "height": HEIGHT})
    if bands is not None and len(times) > 1:
        for low, high, share in (("p05", "p95", 0.10), ("p25", "p75", 0.16)):
            figure.add_hrect(
                y0=bands[low], y1=bands[high], fillcolor=faint(colours.series[0], share), line_width=0
            )
        figure.add_hline(y=bands["p50"], line={"color": colours.series[0], "dash": "dot", "width": 1.2})
    bars = None if errors is None else {"type": "data", "array": 2.0 * errors, "thickness": 1.1, "width": 2}
    figure.add_trace(
        go.Scatter(
            x=times,
            y=values,
            error_y=bars,
            mode="lines+markers",
            marker={"size": 5, "color": colours.line},
            line={"color": colours.line, "width": 1.4},
            showlegend=False,
            hovertemplate=f"%{{x|%d %b %Y}}<br><b>%{{y:{tickformat}}}</b><extra></extra>",
        )
    )
    figure.update_xaxes(title_text=None, **calendar_ticks(times))
    figure.update_yaxes(title_text=title, tickformat=tickformat)
    return figure


def calendar_ticks(times: pd.Series) -> dict[str, object]:
    """Return a tick at the last point of each day where there are few, or Plotly would name hours."""
    days = times.groupby(times.dt.normalize()).max()
    if len(days) <= 8:
        return {"tickvals": days.tolist(), "tickformat": "%-d\n%b"}
    return {"tickformat": "%d %b\n%Y"}
