"""Fits of models to quotes: ``fit_x(...) -> Calibration[XParams]``.

What belongs here: objectives, optimisers' drivers and the result type. What does not: model evaluation (it
lives in the twin module of the same name one level up) and kernels.
"""

from periscope_analytics.calibration.essvi import fit_essvi
from periscope_analytics.calibration.heston import fit_heston
from periscope_analytics.calibration.ou import fit_ou
from periscope_analytics.calibration.result import Calibration
from periscope_analytics.calibration.sabr import fit_sabr, fit_sabr_slices
from periscope_analytics.calibration.served import SliceQuotes, fit_surface
from periscope_analytics.calibration.slice import fit_slice
from periscope_analytics.calibration.svi import fit_svi, fit_svi_slices
from periscope_analytics.calibration.svi_surface import fit_svi_surface

__all__ = [
    "Calibration",
    "SliceQuotes",
    "fit_essvi",
    "fit_heston",
    "fit_ou",
    "fit_sabr",
    "fit_sabr_slices",
    "fit_slice",
    "fit_surface",
    "fit_svi",
    "fit_svi_slices",
    "fit_svi_surface",
]
