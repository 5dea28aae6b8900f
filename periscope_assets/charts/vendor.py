"""The vendor's vols against ours.

What belongs here: the figure. What does not: the comparison.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from periscope_assets.charts.theme import template, theme

_SHOWN = 0.98


def vendor_differences(contracts: pd.DataFrame, *, look: str = "light", name: str = "vendor") -> go.Figure:
    """Return vendor's vol less ours by log-moneyness; the view shows all but the farthest two per cent.

    Parameters
    ----------
    contracts : DataFrame
        contract, log_moneyness, difference_bps, mid_iv, vendor_iv (decimals), is_inside.
    look : {'light', 'dark'}
    name : str
        As long as it stays the same, zoom does.
    """
    colours = theme(look)
    figure = go.Figure(layout={"template": template(colours), "uirevision": name, "height": 360})
    inside = contracts["is_inside"].astype(bool)
    for label, mask, colour, symbol in (
        ("inside our bid-ask", inside, colours.call, "circle"),
        ("outside", ~inside, colours.put, "x"),
    ):
        rows = contracts[mask]
        figure.add_trace(
            go.Scattergl(
                x=rows["log_moneyness"], y=rows["difference_bps"], mode="markers", name=label,
                marker={"color": colour, "symbol": symbol, "size": 6, "opacity": 0.75},
                customdata=np.column_stack(
                    [rows["contract"], 100.0 * rows["vendor_iv"], 100.0 * rows["mid_iv"]]
                ),
                hovertemplate="<b>%{customdata[0]}</b><br>vendor %{customdata[1]:.2f} % · "
                "ours %{customdata[2]:.2f} %<br>difference <b>%{y:+,.1f} bps</b><extra></extra>",
            )
        )  # fmt: skip
    figure.add_hline(y=0.0, line={"color": colours.muted, "width": 1})
    figure.update_xaxes(title_text="log-moneyness k = ln(K/F)", tickformat="+.2f")
    far = contracts["difference_bps"].abs().quantile(_SHOWN) if len(contracts) else 1.0
    reach = 1.15 * max(float(far), 1.0)
    figure.update_yaxes(title_text="vendor − ours (vol bps)", tickformat=",.4~g", range=[-reach, reach])
    return figure
