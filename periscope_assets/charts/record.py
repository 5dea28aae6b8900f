"""How signals have fared: means with their intervals.

What belongs here: the figure. What does not: statistics.
"""

from __future__ import annotations

import pandas as pd
import plotly.graph_objects as go

from periscope_assets.charts.theme import template, theme

_SHAPES = ("circle", "square", "diamond", "triangle-up", "cross")


def track_record(record: pd.DataFrame, *, look: str = "light", name: str = "record") -> go.Figure:
    """Return the mean net move by horizon, a mark for each generator, with 95 % intervals.

    Parameters
    ----------
    record : DataFrame
        generator, horizon_sessions, mean_net_bps, net_low_bps, net_high_bps, n_scores; one basis, one state.
    look : {'light', 'dark'}
    name : str
        As long as it stays the same, zoom does.
    """
    colours = theme(look)
    figure = go.Figure(layout={"template": template(colours), "uirevision": name, "height": 320})
    palette = (colours.call, colours.put, colours.line, colours.muted, colours.refused)
    for place, (generator, rows) in enumerate(record.groupby("generator", sort=True)):
        mean = rows["mean_net_bps"]
        figure.add_trace(
            go.Scatter(
                x=[f"{n} session{'s' if n > 1 else ''}" for n in rows["horizon_sessions"]],
                y=mean,
                error_y={"type": "data", "symmetric": False, "array": rows["net_high_bps"] - mean,
                         "arrayminus": mean - rows["net_low_bps"], "thickness": 1.5, "width": 5},
                mode="markers",
                name=str(generator).replace("_", " "),
                marker={"color": palette[place % len(palette)], "symbol": _SHAPES[place % len(_SHAPES)],
                        "size": 10},
                customdata=rows[["n_scores"]],
                hovertemplate=f"<b>{str(generator).replace('_', ' ')}</b> after %{{x}}<br>"
                "mean <b>%{y:+,.1f} bps</b>, %{customdata[0]:,} scores<extra></extra>",
            )
        )  # fmt: skip
    figure.add_hline(y=0.0, line={"color": colours.muted, "width": 1})
    figure.update_layout(scattermode="group", scattergap=0.7)
    figure.update_xaxes(title_text="sessions after the signal", type="category")
    figure.update_yaxes(title_text="net move (vol bps), 95 % interval", tickformat=",.4~g")
    return figure
