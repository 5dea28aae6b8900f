"""Figures of model fits: errors by contract, where models disagree.

What belongs here: the figures. What does not: what they show.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from periscope_assets.charts.axes import coordinate
from periscope_assets.charts.theme import SURFACE_SCALE, Theme, faint, template, theme

MODELS = {"served_iv": "served surface", "svi_iv": "SVI", "essvi_iv": "eSSVI", "heston_iv": "Heston"}
_DASHES = ("solid", "dash", "dot", "dashdot")


def contract_errors(
    contracts: pd.DataFrame, *, x: str = "log_moneyness", look: str = "light", uirevision: str = "errors"
) -> go.Figure:
    """Return market minus model vol of each contract by expiry and strike.

    Parameters
    ----------
    contracts : DataFrame
        expiry_at, label (of the expiry), strike, log_moneyness, is_call, market_iv, model_iv, difference,
        stderr (decimals), by expiry.
    x : {'log_moneyness', 'strike'}
    look : {'light', 'dark'}
    uirevision : str
        As long as it stays the same, zoom does.
    """
    axis, colours = coordinate(x), theme(look)
    points = 100.0 * contracts["difference"].to_numpy(np.float64)
    limit = scale_limit(points)
    figure = go.Figure(layout={"template": template(colours), "uirevision": uirevision, "height": 800})
    notes = np.column_stack(
        [
            np.where(contracts["is_call"], "call", "put"),
            contracts["strike"],
            100.0 * contracts["market_iv"],
            100.0 * contracts["model_iv"],
            points,
            200.0 * contracts["stderr"],
        ]
    )
    figure.add_trace(
        go.Scatter(
            x=contracts[axis.column],
            y=contracts["label"],
            mode="markers",
            customdata=notes,
            marker={
                "symbol": "square",
                "size": 8,
                "color": points,
                "colorscale": colours.diverging,
                "cmin": -limit,
                "cmax": limit,
                "line": {"width": 0.5, "color": colours.refused},
                "colorbar": _colorbar("market − Heston (vol points)", colours),
            },
            hovertemplate="<b>%{customdata[0]} K %{customdata[1]:,.6~r}</b> · %{y}<br>"
            "market %{customdata[2]:.2f} · Heston %{customdata[3]:.2f} %<br>"
            "difference <b>%{customdata[4]:+.2f}</b> ± %{customdata[5]:.2f} (2σ)<extra></extra>",
        )
    )
    figure.update_xaxes(title_text=axis.title, tickformat=axis.tickformat)
    figure.update_yaxes(title_text="expiry", type="category")
    return figure


def scale_limit(points: np.ndarray) -> float:
    """Return where a scale of differences ends: nearly all of them are inside, at least half a vol point."""
    present = np.abs(points[np.isfinite(points)])
    return max(0.5, round(float(np.quantile(present, 0.98)), 1)) if len(present) else 0.5


def disagreement(nodes: pd.DataFrame, *, look: str = "light", uirevision: str = "models") -> go.Figure:
    """Return what each model makes of one maturity by delta, and the band between the extremes.

    Parameters
    ----------
    nodes : DataFrame
        Rows of ``model_nodes`` of one maturity by delta: delta, served_iv, svi_iv, essvi_iv, heston_iv,
        low_iv, high_iv (decimals).
    look : {'light', 'dark'}
    uirevision : str
        As long as it stays the same, zoom does.
    """
    axis, colours = coordinate("delta"), theme(look)
    figure = go.Figure(layout={"template": template(colours), "uirevision": uirevision, "height": 380})
    figure.add_trace(
        go.Scatter(
            x=[*nodes["delta"], *nodes["delta"][::-1]],
            y=[*(100.0 * nodes["high_iv"]), *(100.0 * nodes["low_iv"][::-1])],
            mode="lines",
            fill="toself",
            fillcolor=faint(colours.muted, 0.3),
            line={"width": 0},
            hoverinfo="skip",
            name="all models",
        )
    )
    for (column, name), colour, dash in zip(
        MODELS.items(), (colours.line, *colours.series), _DASHES, strict=True
    ):
        figure.add_trace(
            go.Scatter(
                x=nodes["delta"],
                y=100.0 * nodes[column],
                mode="lines",
                line={"color": colour, "width": 1.8, "dash": dash},
                name=name,
                hovertemplate=f"delta %{{x:.2f}}<br><b>%{{y:.2f}} %</b><extra>{name}</extra>",
            )
        )
    figure.update_xaxes(title_text=axis.title, tickformat=axis.tickformat, autorange="reversed")
    figure.update_yaxes(title_text="implied vol (%)", tickformat=",.4~r")
    return figure


def band_width(nodes: pd.DataFrame, *, look: str = "light", uirevision: str = "width") -> go.Figure:
    """Return how far models lie apart, by maturity and delta, vol bps.

    Parameters
    ----------
    nodes : DataFrame
        Rows of ``model_nodes``: tenor_days, delta, low_iv, high_iv (decimals).
    look : {'light', 'dark'}
    uirevision : str
        As long as it stays the same, zoom does.
    """
    axis, colours = coordinate("delta"), theme(look)
    wide = nodes.assign(width=1e4 * (nodes["high_iv"] - nodes["low_iv"])).pivot_table(
        index="tenor_days", columns="delta", values="width", dropna=False
    )
    figure = go.Figure(layout={"template": template(colours), "uirevision": uirevision, "height": 400})
    figure.add_trace(
        go.Heatmap(
            x=[f"{delta:g}" for delta in wide.columns],
            y=[f"{days:.0f} d" for days in wide.index],
            z=wide.to_numpy(np.float64),
            colorscale=SURFACE_SCALE,
            hoverongaps=False,
            texttemplate="%{z:.0f}",
            colorbar=_colorbar("highest − lowest (vol bps)", colours),
            hovertemplate="%{y} · delta %{x}<br>models apart <b>%{z:.1f} bps</b><extra></extra>",
        )
    )
    figure.update_xaxes(title_text=axis.title, type="category", autorange="reversed", showgrid=False)
    figure.update_yaxes(title_text="maturity", type="category", showgrid=False)
    return figure


def _colorbar(title: str, colours: Theme) -> dict[str, object]:
    return {
        "title": {"text": title, "side": "right", "font": {"size": 12, "color": colours.muted}},
        "tickfont": {"size": 11, "color": colours.muted},
        "thickness": 10,
        "outlinewidth": 0,
    }
