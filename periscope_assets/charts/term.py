"""Figures over time to expiry: vols spot and forward, skew, cones of realised vol.

What belongs here: the figures. What does not: what they show.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd
import plotly.graph_objects as go

from periscope_assets.charts.axes import tenor_ticks
from periscope_assets.charts.theme import Theme, faint, template, theme

HEIGHT, TALL = 420, 620
LEAST_DAYS = 1.0
"""Expiries closer than this differ by too little variance for a forward vol that means anything."""


def term_structure(
    expiries: pd.DataFrame,
    tenors: pd.DataFrame,
    events: Sequence[tuple[float, str]] = (),
    *,
    look: str = "light",
    uirevision: str = "term",
) -> go.Figure:
    """Return spot and forward vols by time to expiry, with marks for what happens when.

    Parameters
    ----------
    expiries, tenors : DataFrame
        Rows of ``skew_metrics`` by expiry and at constant maturities, by days: tenor_days, atm_iv,
        atm_iv_stderr, forward_iv, variance_iv, quiet_iv (decimals), the last drawn where it is known.
    events : sequence of (float, str)
        Days ahead and name.
    look : {'light', 'dark'}
    uirevision : str
        As long as it stays the same, zoom does.
    """
    colours = theme(look)
    figure = _figure(colours, uirevision)
    figure.add_trace(_points(expiries, "atm_iv", "ATM by expiry, ± 2σ", colours.line))
    figure.add_trace(_line(tenors, "variance_iv", "variance-swap vol", colours.series[1], dash="dash"))
    quiet = expiries[expiries["quiet_iv"].notna()]
    if len(quiet):
        figure.add_trace(_line(quiet, "quiet_iv", "ATM without events", colours.series[2], dash="dot"))
    apart = expiries[expiries["tenor_days"].diff().fillna(LEAST_DAYS) >= LEAST_DAYS]
    between = "forward vol from the expiry before"
    figure.add_trace(_line(apart, "forward_iv", between, colours.series[0], shape="vh"))
    _mark(figure, events, [*expiries["tenor_days"], *tenors["tenor_days"]], colours)
    _days(figure, [*expiries["tenor_days"], *tenors["tenor_days"]])
    figure.update_yaxes(title_text="vol (%)", tickformat=",.4~r")
    return figure


def skew_by_tenor(
    expiries: pd.DataFrame, *, delta: int = 25, look: str = "light", uirevision: str = "skew"
) -> go.Figure:
    """Return risk reversal and butterfly by expiry with their errors, vol points.

    Parameters
    ----------
    expiries : DataFrame
        Rows of ``skew_metrics`` by expiry: tenor_days, rr_25, rr_25_stderr, bf_25, ... (decimals).
    delta : {25, 10}
    look : {'light', 'dark'}
    uirevision : str
        As long as it stays the same, zoom does.
    """
    colours = theme(look)
    figure = _figure(colours, uirevision).update_layout(height=TALL)
    for column, name, colour in (
        (f"rr_{delta}", "risk reversal", colours.series[0]),
        (f"bf_{delta}", "butterfly", colours.series[1]),
    ):
        figure.add_trace(_points(expiries, column, f"{delta}Δ {name}, ± 2σ", colour, sign="+", lines=True))
    _days(figure, expiries["tenor_days"].tolist())
    figure.update_yaxes(title_text="vol points", tickformat="+.1f", zeroline=True, zerolinewidth=1.5)
    return figure


def cone(
    spread: pd.DataFrame, tenors: pd.DataFrame, *, look: str = "light", uirevision: str = "cone"
) -> go.Figure:
    """Return the cone of realised vol with today's realised and implied vols in it.

    Parameters
    ----------
    spread : DataFrame
        tenor_days, least, q10, q25, median, q75, q90, greatest, latest (decimals).
    tenors : DataFrame
        tenor_days, atm_iv (decimals) at constant maturities.
    look : {'light', 'dark'}
    uirevision : str
        As long as it stays the same, zoom does.
    """
    colours = theme(look)
    figure = _figure(colours, uirevision)
    for low, high, name, share in (
        ("least", "greatest", "least to greatest", 0.10),
        ("q10", "q90", "10 to 90 %", 0.16),
        ("q25", "q75", "25 to 75 %", 0.24),
    ):
        figure.add_trace(_band(spread, low, high, name, faint(colours.series[0], share)))
    figure.add_trace(_line(spread, "median", "median realised", colours.series[0], dash="dot"))
    figure.add_trace(_line(spread, "latest", "realised now", colours.series[1], mode="lines+markers"))
    shown = tenors[tenors["tenor_days"] <= 1.1 * spread["tenor_days"].max()] if len(spread) else tenors
    figure.add_trace(_line(shown, "atm_iv", "implied ATM now", colours.line, mode="lines+markers"))
    _days(figure, spread["tenor_days"].tolist())
    figure.update_xaxes(title_text="window, or time to expiry")
    figure.update_yaxes(title_text="vol (%)", tickformat=",.4~r", rangemode="tozero")
    return figure


def _figure(colours: Theme, uirevision: str) -> go.Figure:
    layout = {
        "template": template(colours),
        "uirevision": uirevision,
        "height": HEIGHT,
        "hovermode": "closest",
    }
    return go.Figure(layout=layout)


def _points(
    rows: pd.DataFrame, column: str, name: str, colour: str, *, sign: str = "", lines: bool = False
) -> go.Scatter:
    bars = {"type": "data", "array": 200.0 * rows[f"{column}_stderr"], "thickness": 1.2, "width": 2.5}
    return go.Scatter(
        x=rows["tenor_days"],
        y=100.0 * rows[column],
        error_y=bars,
        mode="lines+markers" if lines else "markers",
        marker={"size": 6, "color": colour},
        line={"color": colour, "width": 1.2},
        name=name,
        hovertemplate=f"%{{x:,.1f}} days<br><b>%{{y:{sign}.2f}}</b><extra>{name}</extra>",
    )


def _line(rows: pd.DataFrame, column: str, name: str, colour: str, **look: Any) -> go.Scatter:
    mode = look.pop("mode", "lines")
    return go.Scatter(
        x=rows["tenor_days"],
        y=100.0 * rows[column],
        mode=mode,
        line={"color": colour, "width": 1.8, **look},
        name=name,
        hovertemplate=f"%{{x:,.1f}} days<br><b>%{{y:.2f}} %</b><extra>{name}</extra>",
    )


def _band(rows: pd.DataFrame, low: str, high: str, name: str, fill: str) -> go.Scatter:
    return go.Scatter(
        x=[*rows["tenor_days"], *rows["tenor_days"][::-1]],
        y=[*(100.0 * rows[high]), *(100.0 * rows[low][::-1])],
        mode="lines",
        fill="toself",
        fillcolor=fill,
        line={"width": 0},
        hoverinfo="skip",
        name=name,
    )


def _mark(
    figure: go.Figure, events: Sequence[tuple[float, str]], days: Sequence[float], colours: Theme
) -> None:
    """Mark events along the lower edge, each with a faint line; names show on hover, so none overlap."""
    shown = [(at, name) for at, name in events if days and 0 < at <= max(days)]
    if not shown:
        return
    for at, _ in shown:
        figure.add_vline(x=at, line={"color": colours.muted, "width": 1, "dash": "dot"}, opacity=0.6)
    figure.add_trace(
        go.Scatter(
            x=[at for at, _ in shown],
            y=[0.02] * len(shown),
            yaxis="y2",
            mode="markers",
            marker={"symbol": "triangle-up", "size": 9, "color": colours.muted},
            customdata=[name for _, name in shown],
            hovertemplate="<b>%{customdata}</b><br>in %{x:,.0f} days<extra></extra>",
            name="events, hover for names",
        )
    )
    figure.update_layout(yaxis2={"overlaying": "y", "range": [0, 1], "visible": False, "fixedrange": True})


def _days(figure: go.Figure, days: Sequence[float]) -> None:
    ticks, names = tenor_ticks(min(days, default=1.0), max(days, default=1.0))
    figure.update_xaxes(title_text="time to expiry", type="log", tickvals=ticks, ticktext=names)
