"""Jobs: one that builds everything."""

from __future__ import annotations

import dagster as dg

BUILD_SURFACES = "build_surfaces"

build_surfaces = dg.define_asset_job(
    BUILD_SURFACES,
    selection=dg.AssetSelection.all(),
    description="The whole graph, from raw bytes to signals, for a date or range of dates of one universe.",
)
