"""A deterministic market made from known Heston parameters, so that everything works without network or key.

What belongs here: the simulated markets, their paths, listings, quotes and planted defects. What does not:
reading the layout they are written in (``sources.layouts.simulated_chain``). The same seed, symbol and
session give the same bytes; nothing depends on the clock.
"""

from __future__ import annotations

from periscope_assets.sources.simulated.defects import Defect
from periscope_assets.sources.simulated.markets import MARKETS, RATE, Dividend, Market
from periscope_assets.sources.simulated.source import SimulatedSource
from periscope_assets.sources.simulated.state import SimulatedMarket

__all__ = ["MARKETS", "RATE", "Defect", "Dividend", "Market", "SimulatedMarket", "SimulatedSource"]
