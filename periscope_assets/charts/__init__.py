"""Figures shared by Dagster's metadata and the app. What does not belong here: queries and widgets."""

from periscope_assets.charts.png import smile_png
from periscope_assets.charts.smile import smile
from periscope_assets.charts.surface import surface_3d

__all__ = ["smile", "smile_png", "surface_3d"]
