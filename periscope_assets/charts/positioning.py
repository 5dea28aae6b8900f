"""Open interest and gamma by strike.

What belongs here: the figures. What does not: sums over contracts.
"""

from __future__ import annotations

import pandas as pd
import plotly.graph_objects as go

from periscope_assets.charts.marks import vertical
from periscope_assets.charts.theme import template, theme


def by_strike(
    strikes: pd.DataFrame,
    *,
    of: str = "open_interest",
    spot: float | None = None,
    max_pain: float | None = None,
    look: str = "light",
    name: str = "by_strike",
) -> go.Figure:
    """Return contracts by strike: calls upwards, puts downwards.

    Parameters
    ----------
    strikes : DataFrame
        strike, call_<of> and put_<of>.
    of : {'open_interest', 'volume'}
    spot, max_pain : float, optional
        Marked where given.
    look : {'light', 'dark'}
    name : str
        As long as it stays the same, zoom does.
    """
    colours = theme(look)
    figure = go.Figure(layout={"template": template(colours), "uirevision": name, "height": 380})
    for side, colour, sign in (("call", colours.call, 1.0), ("put", colours.put, -1.0)):
        counts = strikes[f"{side}_{of}"]
        figure.add_trace(
            go.Bar(
                x=strikes["strike"], y=sign * counts, name=f"{side}s", marker={"color": colour},
                customdata=counts,
                hovertemplate=f"<b>{side}s</b> K %{{x:,.6~g}}<br><b>%{{customdata:,.0f}}</b> contracts"
                "<extra></extra>",
            )
        )  # fmt: skip
    _placed(figure, strikes["strike"], spot, max_pain, look)
    figure.update_layout(barmode="relative", bargap=0.15)
    title = "open interest" if of == "open_interest" else of
    figure.update_yaxes(title_text=f"{title} (contracts), puts below", tickformat=",.3~s")
    return figure


def gamma_by_strike(
    strikes: pd.DataFrame,
    *,
    spot: float | None = None,
    look: str = "light",
    name: str = "gamma",
) -> go.Figure:
    """Return gamma exposure by strike: USD that hedgers trade for a move of 1 %.

    Parameters
    ----------
    strikes : DataFrame
        strike, gex_usd.
    spot : float, optional
    look : {'light', 'dark'}
    name : str
    """
    colours = theme(look)
    figure = go.Figure(layout={"template": template(colours), "uirevision": name, "height": 380})
    money = strikes["gex_usd"]
    for label, mask, colour in (
        ("long gamma", money >= 0, colours.call),
        ("short gamma", money < 0, colours.put),
    ):
        figure.add_trace(
            go.Bar(
                x=strikes["strike"][mask], y=money[mask], name=label, marker={"color": colour},
                customdata=money[mask] / 1e6,
                hovertemplate=f"<b>{label}</b> K %{{x:,.6~g}}<br><b>%{{customdata:+,.4~g}} M USD</b> per 1 %"
                "<extra></extra>",
            )
        )  # fmt: skip
    _placed(figure, strikes["strike"], spot, None, look)
    figure.update_layout(barmode="relative", bargap=0.15)
    figure.update_yaxes(title_text="gamma exposure (USD per 1 % move)", exponentformat="B")
    return figure


def _placed(
    figure: go.Figure, strike: pd.Series, spot: float | None, max_pain: float | None, look: str
) -> None:
    colours = theme(look)
    figure.update_xaxes(title_text="strike K (USD)", tickformat=",.6~g")
    if spot is not None:
        vertical(figure, spot, "spot", colours)
        inside = strike[(strike >= 0.75 * spot) & (strike <= 1.25 * spot)]
        if len(inside) > 1:
            step = float(inside.drop_duplicates().sort_values().diff().median())
            figure.update_xaxes(range=[float(inside.min()) - step, float(inside.max()) + step])
    if max_pain is not None:
        vertical(figure, max_pain, "max pain", colours, dash="dash", beside="right")
