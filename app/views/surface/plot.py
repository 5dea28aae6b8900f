"""The page's figures, kept by content version.

What belongs here: from the page's frames to the shared charts. What does not: the charts themselves, widgets.

Figures are kept as one object: the browser replaces a figure whose text changed, and a figure that was built
and one that was copied differ in the order of their members.
"""

from __future__ import annotations

import plotly.graph_objects as go

from app.cache import kept
from app.views.surface.data import Page, at_expiry, smile_quotes
from app.views.surface.grids import SHADES, density_curve, smile_curve, versions
from app.views.surface.setup import Choice
from periscope_assets import charts


def surface_figure(page: Page, choice: Choice, look: str) -> go.Figure:
    """Return the 3D surface; its camera stays whatever it shows."""
    return kept(
        ("surface", versions(page.surface, page.beside), choice, look),
        lambda: charts.surface_3d(
            page.points,
            x=choice.axis,
            look=look,
            uirevision="surface",
            shade=SHADES.get(choice.colour),
        ),
    )


def heat_figure(page: Page, choice: Choice, look: str) -> go.Figure:
    """Return the heat map of vols, differences or local vols."""
    return kept(
        ("heat", versions(page.surface, page.beside), choice, look), lambda: _heat(page, choice, look)
    )


def _heat(page: Page, choice: Choice, look: str) -> go.Figure:
    value, title = ("iv", "implied vol (%)")
    shade = SHADES.get(choice.colour)
    if choice.view == "local_vol":
        value, title = ("local_vol", "local vol (%)")
    elif shade is not None:
        value, title = shade.column, f"{shade.title} (vol points)"
    return charts.heat_map(
        page.points,
        x=choice.axis,
        value=value,
        title=title,
        differs=shade is not None,
        look=look,
        uirevision=f"heat-{page.surface.symbol}-{choice.axis}",
    )


def density_figure(page: Page, expiry: str, axis: str, look: str) -> go.Figure:
    """Return the density of one expiry; it has no delta axis, log-moneyness stands in."""
    place = "log_moneyness" if axis == "delta" else axis
    return kept(
        ("density figure", versions(page.surface), expiry, place, look),
        lambda: charts.density(
            density_curve(page.surface, expiry),
            x=place,
            look=look,
            uirevision=f"density-{page.surface.symbol}-{expiry}-{place}",
        ),
    )


def smile_figure(page: Page, expiry: str, axis: str, look: str) -> go.Figure:
    """Return the smile of one expiry."""
    return kept(
        ("smile", versions(page.surface, page.chain), expiry, axis, look),
        lambda: _smile(page, expiry, axis, look),
    )


def _smile(page: Page, expiry: str, axis: str, look: str) -> go.Figure:
    rejected = None if page.chain is None else at_expiry(page.chain.frames["rejected"], expiry)
    return charts.smile(
        smile_quotes(page, expiry, spread=0.02 if axis == "delta" else 0.25),
        smile_curve(page.surface, expiry),
        rejected,
        x=axis,
        look=look,
        uirevision=f"smile-{page.surface.symbol}-{expiry}-{axis}",
    )
