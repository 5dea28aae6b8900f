"""The flow: every computed stage by name, in an order in which each follows its inputs.

What belongs here: the list. What does not: stages.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from periscope_assets.transforms import forwards, rates
from periscope_assets.transforms.models import bands, heston, ou, sabr
from periscope_assets.transforms.signals import mispricing, scorecard, trade
from periscope_assets.transforms.stage import Stage
from periscope_assets.transforms.surfaces import grid, skew, slices, vols

_IN_ORDER = (
    rates.STAGE,
    forwards.STAGE,
    vols.STAGE,
    slices.STAGE,
    grid.STAGE,
    skew.STAGE,
    heston.STAGE,
    sabr.STAGE,
    ou.STAGE,
    bands.STAGE,
    mispricing.STAGE,
    trade.STAGE,
    scorecard.STAGE,
)
STAGES: Mapping[str, Stage] = MappingProxyType({stage.name: stage for stage in _IN_ORDER})
