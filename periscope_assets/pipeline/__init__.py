"""From landed bytes to published datasets, one symbol and session at a time, without Dagster.

What belongs here: landing (``landing``), building (``building``), what came of it (``outcomes``). What does
not: formulas (``transforms``), SQL (``store``), formats (``sources``), partitions (``defs``).
"""

from periscope_assets.pipeline.building import METHOD_VERSIONS, Pipeline
from periscope_assets.pipeline.landing import ChainSource, Landed, land, session_bounds
from periscope_assets.pipeline.outcomes import FAILED, UNCHANGED, MissingInputError, Outcome

__all__ = [
    "FAILED",
    "METHOD_VERSIONS",
    "UNCHANGED",
    "ChainSource",
    "Landed",
    "MissingInputError",
    "Outcome",
    "Pipeline",
    "land",
    "session_bounds",
]
