"""One expiry's smile: quotes as bid-ask bars, the fit as a line, refused quotes in grey.

What belongs here: the interactive figure and its small still picture. What does not: evaluating the fit.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from periscope_assets.charts.axes import Coordinate, coordinate
from periscope_assets.charts.theme import Theme, faint, template, theme

_WHY = ["is_call", "strike", "bid", "ask", "why", "detail"]


def smile(
    quotes: pd.DataFrame,
    curve: pd.DataFrame,
    rejected: pd.DataFrame | None = None,
    *,
    x: str = "log_moneyness",
    look: str = "light",
    uirevision: str = "smile",
) -> go.Figure:
    """Return the smile of one expiry.

    Parameters
    ----------
    quotes : DataFrame
        strike, log_moneyness, delta, is_call, bid_iv, mid_iv, ask_iv (decimals), status; one row for each
        quote.
    curve : DataFrame
        strike, log_moneyness, delta (of the call), iv (decimal), in the order of strikes; may be empty. With
        iv_stderr there is a band of two errors on either side.
    rejected : DataFrame, optional
        strike, log_moneyness, is_call, bid, ask, reason, detail of refused quotes. They have no vol and stand
        on the lower edge.
    x : {'log_moneyness', 'strike', 'delta'}
    look : {'light', 'dark'}
    uirevision : str
        As long as it stays the same, zoom does.

    Raises
    ------
    ValueError
        If `x` or `look` is unknown.
    """
    axis, colours = coordinate(x), theme(look)
    figure = go.Figure(layout={"template": template(colours), "uirevision": uirevision, "height": 500})
    shown = _placed(quotes, axis)
    good = shown[shown["status"] == "ok"]
    for is_call, name in ((False, "puts, bid to ask"), (True, "calls, bid to ask")):
        side = good[good["is_call"] == is_call]
        figure.add_trace(_bars(side, axis, colours, is_call=is_call, name=name))
    if len(curve):
        if "iv_stderr" in curve and curve["iv_stderr"].notna().any():
            figure.add_trace(_band(curve, axis, colours))
        figure.add_trace(_line(curve, axis, colours))
    floor = _floor(good, curve)
    figure.add_trace(_refused(shown[shown["status"] != "ok"], rejected, axis, colours, floor))
    figure.update_xaxes(title_text=axis.title, tickformat=axis.tickformat, **_range(axis, curve))
    figure.update_yaxes(title_text="implied vol (%)", tickformat=",.4~r", rangemode="nonnegative")
    return figure


def _placed(quotes: pd.DataFrame, axis: Coordinate) -> pd.DataFrame:
    """Return quotes with every delta as the call's: a put's is one more than its own."""
    if axis.column != "delta":
        return quotes
    return quotes.assign(delta=quotes["delta"].where(quotes["is_call"], quotes["delta"] + 1.0))


def _bars(side: pd.DataFrame, axis: Coordinate, colours: Theme, *, is_call: bool, name: str) -> go.Scatter:
    mid = 100.0 * side["mid_iv"]
    bars = {
        "type": "data",
        "symmetric": False,
        "array": 100.0 * side["ask_iv"] - mid,
        "arrayminus": mid - 100.0 * side["bid_iv"],
        "thickness": 1.4,
        "width": 2.5,
    }
    return go.Scatter(
        x=side[axis.column],
        y=mid,
        error_y=bars,
        mode="markers",
        name=name,
        marker={
            "color": colours.call if is_call else colours.put,
            "symbol": "triangle-up" if is_call else "circle",
            "size": 5,
        },
        customdata=np.column_stack(
            [side["strike"], 100.0 * side["bid_iv"], 100.0 * side["ask_iv"], side["log_moneyness"]]
        ),
        hovertemplate=f"<b>{'call' if is_call else 'put'} K %{{customdata[0]:,.6~r}}</b> · "
        "k %{customdata[3]:+.3f}<br>IV bid %{customdata[1]:.2f} · mid <b>%{y:.2f}</b> · "
        "ask %{customdata[2]:.2f} %<extra></extra>",
    )


def _line(curve: pd.DataFrame, axis: Coordinate, colours: Theme) -> go.Scatter:
    return go.Scatter(
        x=curve[axis.column],
        y=100.0 * curve["iv"],
        mode="lines",
        name="fit",
        line={"color": colours.line, "width": 2},
        customdata=curve[["strike"]],
        hovertemplate="<b>fit</b> K %{customdata[0]:,.6~r}<br>IV <b>%{y:.2f} %</b><extra></extra>",
    )


def _band(curve: pd.DataFrame, axis: Coordinate, colours: Theme) -> go.Scatter:
    """Return the band of two errors around the fit, as one outline: there and back."""
    known = curve[curve["iv_stderr"].notna()]
    there, width = 100.0 * known["iv"], 200.0 * known["iv_stderr"]
    return go.Scatter(
        x=[*known[axis.column], *known[axis.column][::-1]],
        y=[*(there + width), *(there - width)[::-1]],
        mode="lines",
        fill="toself",
        fillcolor=faint(colours.muted, 0.35),
        line={"width": 0},
        hoverinfo="skip",
        name="fit ± 2σ",
    )


def _refused(
    unsolved: pd.DataFrame, rejected: pd.DataFrame | None, axis: Coordinate, colours: Theme, floor: float
) -> go.Scatter:
    """Return the quotes without a vol; on the delta axis they have no place, as delta needs a vol."""
    groups = [unsolved.assign(why=unsolved["status"], detail="no implied vol")]
    if rejected is not None:
        groups.append(rejected.assign(why=rejected["reason"]))
    columns = list(dict.fromkeys([axis.column, *_WHY]))
    frames = [group.reindex(columns=columns).astype(object) for group in groups if len(group)]
    rows = pd.concat(frames) if frames else pd.DataFrame(columns=columns)
    rows = rows[rows[axis.column].notna()]
    return go.Scatter(
        x=rows[axis.column].astype("float64"),
        y=np.full(len(rows), floor),
        mode="markers",
        name="refused, hover for why",
        marker={"color": colours.refused, "symbol": "x-thin-open", "size": 7, "line": {"width": 1.5}},
        customdata=[_why(*row) for row in rows[_WHY].itertuples(index=False)],
        hovertemplate="%{customdata}<extra></extra>",
    )


def _why(is_call: object, strike: object, bid: object, ask: object, why: object, detail: object) -> str:
    kind = "option" if not isinstance(is_call, bool) else "call" if is_call else "put"
    prices = f"bid {_price(bid)} · ask {_price(ask)}"
    return f"<b>{kind} K {_price(strike)}: {why}</b><br>{prices}<br>{detail}"


def _price(value: object) -> str:
    return f"{value:,.6g}" if isinstance(value, float | int) and value == value else "none"


def _floor(good: pd.DataFrame, curve: pd.DataFrame) -> float:
    """Return the height of the lower edge in percent."""
    least = np.nanmin([*good["bid_iv"], *curve["iv"], np.inf])
    return float(95.0 * least) if np.isfinite(least) else 0.0


def _range(axis: Coordinate, curve: pd.DataFrame) -> dict[str, object]:
    if axis.reversed:
        return {"range": [1.0, 0.0]}
    if curve.empty:
        return {}
    least, greatest = float(curve[axis.column].min()), float(curve[axis.column].max())
    margin = 0.04 * (greatest - least)
    return {"range": [least - margin, greatest + margin]}
