"""The flow: every computed stage by name, in an order in which each follows its inputs.

What belongs here: the list. What does not: stages.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from periscope_assets.transforms import forwards, models, rates, signals
from periscope_assets.transforms.stage import Stage
from periscope_assets.transforms.surfaces import skew, slices, vols

_IN_ORDER = (
    rates.STAGE,
    forwards.STAGE,
    vols.STAGE,
    slices.STAGE,
    skew.STAGE,
    models.STAGE,
    signals.MISPRICING,
    signals.TRADE_SIGNALS,
)
STAGES: Mapping[str, Stage] = MappingProxyType({stage.name: stage for stage in _IN_ORDER})
