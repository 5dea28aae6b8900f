"""Small still pictures for places that show no interactive figure, such as Dagster's metadata.

What belongs here: matplotlib, drawn without a display. What does not: anything the app shows.
"""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING

import pandas as pd

from periscope_assets.charts.axes import coordinate
from periscope_assets.charts.theme import LIGHT

_SHOWN, _ROOM = 0.9, 2.0

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def smile_png(
    quotes: pd.DataFrame, curve: pd.DataFrame, *, title: str = "", x: str = "log_moneyness"
) -> bytes:
    """Return a PNG of at most 20 kB: bid-ask bars in vol and the fit, and below what the fit leaves over.

    Parameters
    ----------
    quotes : DataFrame
        log_moneyness, strike, is_call, bid_iv, mid_iv, ask_iv (decimals), status. With surface_iv there is a
        second panel: bid, mid and ask minus the surface, in vol bps.
    curve : DataFrame
        log_moneyness, strike, iv (decimal), in the order of strikes; may be empty.
    title : str
    x : {'log_moneyness', 'strike'}
    """
    from matplotlib.figure import Figure

    axis = coordinate(x)
    good = quotes[quotes["status"] == "ok"]
    has_residuals = "surface_iv" in good and len(curve) > 0
    figure = Figure(figsize=(5.6, 4.2 if has_residuals else 3.0), dpi=80, layout="constrained")
    ratios = {"height_ratios": [2.2, 1.0]} if has_residuals else {}
    panels = figure.subplots(2 if has_residuals else 1, sharex=True, squeeze=False, gridspec_kw=ratios)[:, 0]
    for is_call, colour in ((False, LIGHT.put), (True, LIGHT.call)):
        side = good[good["is_call"] == is_call]
        at = side[axis.column]
        panels[0].vlines(at, 100 * side["bid_iv"], 100 * side["ask_iv"], color=colour, linewidth=1)
        if has_residuals:
            low, high = (1e4 * (side[name] - side["surface_iv"]) for name in ("bid_iv", "ask_iv"))
            panels[1].vlines(at, low, high, color=colour, linewidth=1)
            panels[1].plot(at, 1e4 * (side["mid_iv"] - side["surface_iv"]), ".", color=colour, markersize=2)
    if len(curve):
        panels[0].plot(curve[axis.column], 100 * curve["iv"], color=LIGHT.line, linewidth=1.2)
    if has_residuals:
        panels[1].axhline(0.0, color=LIGHT.line, linewidth=1.2)
        panels[1].set_ylim(*_middle(1e4 * (good["mid_iv"] - good["surface_iv"])))
        panels[1].set_ylabel("minus fit (bps)")
    panels[0].set_ylabel("implied vol (%)")
    panels[-1].set_xlabel(axis.title)
    panels[0].set_title(title, fontsize=9, loc="left")
    for panel in panels:
        panel.tick_params(labelsize=8)
        panel.spines[["top", "right"]].set_visible(False)
    return _compact(figure)


def _middle(residuals: pd.Series[float]) -> tuple[float, float]:
    """Return limits that show nearly all residuals: far wings would flatten the rest."""
    most = float(residuals.abs().quantile(_SHOWN)) if len(residuals) else 1.0
    return -_ROOM * max(most, 1.0), _ROOM * max(most, 1.0)


def _compact(figure: Figure) -> bytes:
    """Return the picture with a palette of 64 colours."""
    from PIL import Image

    drawn, packed = BytesIO(), BytesIO()
    figure.savefig(drawn, format="png")
    Image.open(drawn).convert("RGB").quantize(64).save(packed, format="PNG", optimize=True)
    return packed.getvalue()
