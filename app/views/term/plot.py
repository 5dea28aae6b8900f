"""The page's figures, kept by content version.

What belongs here: from the page's frames to the shared charts. What does not: the charts themselves, widgets.
"""

from __future__ import annotations

import plotly.graph_objects as go

from app.cache import kept
from app.queries.paths import bands
from app.views.term.data import Page
from app.views.term.setup import Choice
from periscope_assets import charts


def term_figure(page: Page, look: str) -> go.Figure:
    """Return spot and forward vols."""
    return kept(
        ("term", page.skew.version, tuple(page.events), look),
        lambda: charts.term_structure(
            page.expiries, page.tenors, page.events, look=look, uirevision=f"term-{page.skew.symbol}"
        ),
    )


def cone_figure(page: Page, look: str) -> go.Figure:
    """Return the cone of realised vol."""
    return kept(
        ("cone figure", page.bars_version, page.skew.version, look),
        lambda: charts.cone(page.spread, page.tenors, look=look, uirevision=f"cone-{page.skew.symbol}"),
    )


def skew_figure(page: Page, choice: Choice, look: str) -> go.Figure:
    """Return risk reversal and butterfly by expiry."""
    return kept(
        ("skew", page.skew.version, choice.delta, look),
        lambda: charts.skew_by_tenor(
            page.expiries,
            delta=choice.delta,
            look=look,
            uirevision=f"skew-{page.skew.symbol}-{choice.delta}",
        ),
    )


def path_figure(page: Page, column: str, title: str, look: str) -> go.Figure:
    """Return one figure of skew over time, vol points."""
    stamps = tuple(page.history["publication_id"].tolist())
    return kept(
        ("path", page.skew.symbol, stamps, column, title, look), lambda: _path(page, column, title, look)
    )


def _path(page: Page, column: str, title: str, look: str) -> go.Figure:
    path = 100.0 * page.history[[column, f"{column}_stderr"]]
    return charts.path(
        page.history["as_of"],
        path[column],
        path[f"{column}_stderr"],
        bands(path[column]),
        title=title,
        look=look,
        uirevision=f"{column}-{page.skew.symbol}",
    )
