"""Figures shared by Dagster's metadata and the app. What does not belong here: queries and widgets."""

from periscope_assets.charts.density import density
from periscope_assets.charts.heat import heat_map
from periscope_assets.charts.png import smile_png
from periscope_assets.charts.smile import smile
from periscope_assets.charts.surface import Shade, surface_3d

__all__ = ["Shade", "density", "heat_map", "smile", "smile_png", "surface_3d"]
