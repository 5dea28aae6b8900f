"""Heat maps over expiry and one coordinate: vols, differences of vols, errors.

What belongs here: the figure. What does not: evaluating what it shows.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from periscope_assets.charts.axes import coordinate
from periscope_assets.charts.surface import DAYS_PER_YEAR, LIMIT
from periscope_assets.charts.theme import SURFACE_SCALE, template, theme


def heat_map(
    grid: pd.DataFrame,
    *,
    x: str,
    value: str,
    title: str,
    differs: bool = False,
    limit: float = LIMIT,
    look: str = "light",
    uirevision: str = "heat",
) -> go.Figure:
    """Return a heat map with a row for each expiry, shortest at the bottom.

    Parameters
    ----------
    grid : DataFrame
        expiry_at, tau_years, expiry, root, strike, log_moneyness and the coordinate: the same values of the
        coordinate for every expiry, in its order; and `value`, a decimal, absent where there is nothing.
    x : {'log_moneyness', 'strike', 'delta'}
    value : str
    title : str
        Of the colours, with their unit.
    differs : bool
        Whether the value is a difference: blue below none, red above.
    limit : float
        Percent at which a scale of differences ends.
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
    shape = (grid["expiry_at"].nunique(), -1)
    rows = grid.drop_duplicates("expiry_at")
    days = DAYS_PER_YEAR * rows["tau_years"].to_numpy(np.float64)
    names = [f"{expiry:%d %b %y} {root}" for expiry, root in zip(rows["expiry"], rows["root"], strict=True)]
    scale = (
        {"colorscale": colours.diverging, "zmin": -limit, "zmax": limit, "zmid": 0.0}
        if differs
        else {"colorscale": SURFACE_SCALE}
    )
    strikes = grid["strike"].to_numpy(np.float64).reshape(shape)
    moneyness = grid["log_moneyness"].to_numpy(np.float64).reshape(shape)
    notes = np.dstack([strikes, moneyness, np.broadcast_to(days[:, None], strikes.shape)])
    figure.add_trace(
        go.Heatmap(
            x=grid[axis.column].to_numpy(np.float64).reshape(shape)[0],
            y=names,
            z=100.0 * grid[value].to_numpy(np.float64).reshape(shape),
            customdata=notes,
            hoverongaps=False,
            hovertemplate="<b>%{y}</b> · %{customdata[2]:,.0f} days<br>K %{customdata[0]:,.6~r} · "
            f"k %{{customdata[1]:+.3f}}<br>{title} <b>%{{z:{'+' if differs else ''}.2f}}</b><extra></extra>",
            colorbar={
                "title": {"text": title, "side": "right", "font": {"size": 12, "color": colours.muted}},
                "tickfont": {"size": 11, "color": colours.muted},
                "thickness": 10,
                "outlinewidth": 0,
            },
            **scale,
        )
    )
    figure.update_xaxes(
        title_text=axis.title,
        tickformat=axis.tickformat,
        autorange="reversed" if axis.reversed else True,
        showgrid=False,
    )
    figure.update_yaxes(title_text="expiry", type="category", showgrid=False)
    return figure
