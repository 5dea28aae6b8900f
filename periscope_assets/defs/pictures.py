"""Pictures beside a materialisation.

What belongs here: choosing what to draw, wrapping it for Dagster. What does not: drawing (``charts``).
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence

import dagster as dg

from periscope_assets.charts.png import smile_png
from periscope_assets.pipeline import Outcome, Pipeline
from periscope_assets.transforms.surfaces.served import fitted_rows
from periscope_assets.transforms.surfaces.slices import curve_of

_DAYS_DRAWN = 30.0


def smile_picture(pipeline: Pipeline, outcomes: Sequence[Outcome]) -> dict[str, dg.MetadataValue]:
    """Return the smile nearest to 30 days of the first surface that was built."""
    for outcome in outcomes:
        if outcome.receipt is None or outcome.as_of is None:
            continue
        surface = pipeline.store.head("vol_surface", outcome.symbol, as_of=outcome.as_of)
        vols = pipeline.store.head("implied_vols", outcome.symbol, as_of=outcome.as_of)
        fitted = fitted_rows(pipeline.store.rows(surface, "surface_slices")) if surface else None
        if vols is None or fitted is None or fitted.empty:
            continue
        row = fitted.iloc[int((365.0 * fitted["tau_years"] - _DAYS_DRAWN).abs().argmin())]
        quotes = pipeline.store.rows(vols, "implied_vols")
        shown = quotes[(quotes["expiry_at"] == row["expiry_at"]) & quotes["is_otm"]]
        title = f"{outcome.symbol} {row['root']} {row['expiry']}, as of {outcome.as_of:%Y-%m-%d %H:%M} UTC"
        drawn = b64encode(smile_png(shown, curve_of(fitted, row), title=title)).decode()
        return {"smile": dg.MetadataValue.md(f"![{title}](data:image/png;base64,{drawn})")}
    return {}
