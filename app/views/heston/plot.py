"""The page's figures, kept by content version.

What belongs here: from the page's frames to the shared charts. What does not: the charts themselves, widgets.
"""

from __future__ import annotations

import plotly.graph_objects as go

from app.cache import kept
from app.views.heston.data import PARAMETERS, Page
from periscope_assets import charts


def path_figure(page: Page, column: str, look: str) -> go.Figure:
    """Return one parameter over time."""
    stamps = tuple(page.history["publication_id"].tolist())
    return kept(
        ("heston path", page.fit.symbol, stamps, column, look),
        lambda: charts.path(
            page.history["as_of"],
            page.history[column],
            page.history.get(f"{column}_stderr"),
            title=PARAMETERS[column],
            tickformat=".4~r",
            look=look,
            uirevision=f"{column}-{page.fit.symbol}",
        ),
    )


def error_figure(page: Page, axis: str, look: str) -> go.Figure:
    """Return market minus model by contract."""
    return kept(
        ("heston errors", page.key, axis, look),
        lambda: charts.contract_errors(
            page.errors, x=axis, look=look, uirevision=f"errors-{page.fit.symbol}-{axis}"
        ),
    )


def band_figure(page: Page, tenor_days: float, look: str) -> go.Figure:
    """Return what each model makes of one maturity."""
    rows = page.nodes[page.nodes["tenor_days"] == tenor_days].sort_values("delta")
    return kept(
        ("models", page.key, tenor_days, look),
        lambda: charts.disagreement(rows, look=look, uirevision=f"models-{page.fit.symbol}-{tenor_days:g}"),
    )


def width_figure(page: Page, look: str) -> go.Figure:
    """Return how far models lie apart."""
    return kept(
        ("width", page.key, look),
        lambda: charts.band_width(page.nodes, look=look, uirevision=f"width-{page.fit.symbol}"),
    )
