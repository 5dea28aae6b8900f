"""Figures shared by Dagster's metadata and the app. What does not belong here: queries and widgets."""

from periscope_assets.charts.density import density
from periscope_assets.charts.heat import heat_map
from periscope_assets.charts.models import band_width, contract_errors, disagreement
from periscope_assets.charts.paths import path
from periscope_assets.charts.png import smile_png
from periscope_assets.charts.positioning import by_strike, gamma_by_strike
from periscope_assets.charts.record import track_record
from periscope_assets.charts.smile import smile
from periscope_assets.charts.strategy import payoff, scenario_map
from periscope_assets.charts.surface import Shade, surface_3d
from periscope_assets.charts.term import cone, skew_by_tenor, term_structure
from periscope_assets.charts.vendor import vendor_differences

__all__ = [
    "Shade",
    "band_width",
    "by_strike",
    "cone",
    "contract_errors",
    "density",
    "disagreement",
    "gamma_by_strike",
    "heat_map",
    "path",
    "payoff",
    "scenario_map",
    "skew_by_tenor",
    "smile",
    "smile_png",
    "surface_3d",
    "term_structure",
    "track_record",
    "vendor_differences",
]
