"""One module per vendor layout, and the list of all.

What belongs here: :data:`LAYOUTS`. What does not: how files are opened (``sources.files``).
"""

from __future__ import annotations

from periscope_assets.sources.base import Layout
from periscope_assets.sources.layouts.cboe_delayed import CboeDelayed
from periscope_assets.sources.layouts.cboe_quote_table import CboeQuoteTable
from periscope_assets.sources.layouts.deribit_books import DeribitBooks
from periscope_assets.sources.layouts.deribit_summary import DeribitSummary
from periscope_assets.sources.layouts.generic import Generic
from periscope_assets.sources.layouts.massive_snapshot import MassiveSnapshot
from periscope_assets.sources.layouts.occ_ladder import OccLadder
from periscope_assets.sources.layouts.simulated_chain import SimulatedChain
from periscope_assets.sources.layouts.yahoo_chain import YahooChain

LAYOUTS: tuple[Layout, ...] = (
    CboeQuoteTable(),
    OccLadder(),
    YahooChain(),
    DeribitBooks(),
    SimulatedChain(),
    MassiveSnapshot(),
    CboeDelayed(),
    DeribitSummary(),
    Generic(),
)
"""Every layout, in the order in which they are tried; their signatures do not overlap."""
