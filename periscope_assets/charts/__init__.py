"""Figures shared by Dagster's metadata and the app. What does not belong here: queries and widgets."""

from periscope_assets.charts.png import smile_png
from periscope_assets.charts.positioning import by_strike, gamma_by_strike
from periscope_assets.charts.record import track_record
from periscope_assets.charts.smile import smile
from periscope_assets.charts.strategy import payoff, scenario_map
from periscope_assets.charts.surface import surface_3d
from periscope_assets.charts.vendor import vendor_differences

__all__ = [
    "by_strike",
    "gamma_by_strike",
    "payoff",
    "scenario_map",
    "smile",
    "smile_png",
    "surface_3d",
    "track_record",
    "vendor_differences",
]
