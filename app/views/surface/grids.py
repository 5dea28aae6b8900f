"""The points that the page's figures show, kept by content version.

What belongs here: from the page's answers to frames of points with the column that colours them. What does
not: figures, widgets.
"""

from __future__ import annotations

from datetime import datetime

import pandas as pd

from app.cache import kept
from app.queries import Answer
from app.queries.nodes import beside_model, curve_errors, density, difference, heat
from app.queries.surface import surface_grid_points
from app.views.surface.setup import Choice
from periscope_assets.charts import Shade

CURVE_POINTS = 201
SHADES = {
    "mispricing": Shade("mispricing", "market − Heston"),
    "difference": Shade("difference", "difference"),
}

Key = tuple[str, ...]


def versions(*answers: Answer | None) -> Key:
    """Return the versions behind several answers, as a key; their order counts."""
    return tuple(
        f"{place} {name}={version}"
        for place, answer in enumerate(answers)
        if answer is not None
        for name, version in sorted(answer.parts.items())
    )


def points(surface: Answer, beside: Answer | None, choice: Choice) -> pd.DataFrame:
    """Return the points of the 3D surface or the heat map, with the column of the chosen colour.

    Parameters
    ----------
    surface : Answer
    beside : Answer or None
        Mispricings, or the surface to compare with.
    choice : Choice
    """
    return kept(
        ("points", versions(surface, beside), choice),
        lambda: _coloured(_plain(surface, choice), beside, choice),
    )


def _plain(surface: Answer, choice: Choice) -> pd.DataFrame:
    if choice.view == "3d":
        return surface.frames["surface_grid"]
    of = "local_vol" if choice.view == "local_vol" else "iv"
    return heat(surface.frames["surface_slices"], choice.axis, of=of)


def _coloured(frame: pd.DataFrame, beside: Answer | None, choice: Choice) -> pd.DataFrame:
    if beside is None:
        return frame
    if choice.colour == "mispricing":
        return frame.assign(mispricing=beside_model(frame, beside.frames["mispricings"]))
    return frame.assign(difference=difference(frame, beside.frames["surface_slices"], choice.axis))


def smile_curve(surface: Answer, expiry: str) -> pd.DataFrame:
    """Return the fit of one expiry with its errors, at points close enough for a smooth line."""
    slices = surface.frames["surface_slices"]
    curve = surface_grid_points(slices, points=CURVE_POINTS, expiry_at=_instant(expiry))
    return curve.assign(iv_stderr=curve_errors(slices, curve))


def density_curve(surface: Answer, expiry: str) -> pd.DataFrame:
    """Return the risk-neutral density of one expiry."""
    slices = surface.frames["surface_slices"]
    return kept(("density", versions(surface), expiry), lambda: density(slices, _instant(expiry)))


def _instant(text: str) -> datetime:
    return pd.Timestamp(text)
