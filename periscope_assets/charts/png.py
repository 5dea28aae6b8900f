"""Small still pictures for places that show no interactive figure, such as Dagster's metadata.

What belongs here: matplotlib, drawn without a display. What does not: anything the app shows.
"""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING

import pandas as pd

from periscope_assets.charts.axes import coordinate
from periscope_assets.charts.theme import LIGHT

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def smile_png(
    quotes: pd.DataFrame, curve: pd.DataFrame, *, title: str = "", x: str = "log_moneyness"
) -> bytes:
    """Return a PNG of at most 20 kB: bid-ask bars in vol and the fit.

    Parameters
    ----------
    quotes : DataFrame
        log_moneyness, strike, is_call, bid_iv, mid_iv, ask_iv (decimals), status.
    curve : DataFrame
        log_moneyness, strike, iv (decimal), in the order of strikes; may be empty.
    title : str
    x : {'log_moneyness', 'strike'}
    """
    from matplotlib.figure import Figure

    axis = coordinate(x)
    figure = Figure(figsize=(5.6, 3.0), dpi=80, layout="constrained")
    plot = figure.subplots()
    good = quotes[quotes["status"] == "ok"]
    for is_call, colour in ((False, LIGHT.put), (True, LIGHT.call)):
        side = good[good["is_call"] == is_call]
        plot.vlines(side[axis.column], 100 * side["bid_iv"], 100 * side["ask_iv"], color=colour, linewidth=1)
    if len(curve):
        plot.plot(curve[axis.column], 100 * curve["iv"], color=LIGHT.line, linewidth=1.2)
    plot.set(xlabel=axis.title, ylabel="implied vol (%)")
    plot.set_title(title, fontsize=9, loc="left")
    plot.tick_params(labelsize=8)
    plot.spines[["top", "right"]].set_visible(False)
    return _compact(figure)


def _compact(figure: Figure) -> bytes:
    """Return the picture with a palette of 64 colours."""
    from PIL import Image

    drawn, packed = BytesIO(), BytesIO()
    figure.savefig(drawn, format="png")
    Image.open(drawn).convert("RGB").quantize(64).save(packed, format="PNG", optimize=True)
    return packed.getvalue()
