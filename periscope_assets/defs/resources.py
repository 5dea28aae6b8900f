"""The one resource: a pipeline over this home's store, lake and source, open for as long as a run.

What belongs here: opening and closing. What does not: anything at load time; definitions load without
database or network.
"""

from collections.abc import Iterator
from contextlib import closing

import dagster as dg

from periscope_assets.pipeline import ChainSource, Pipeline
from periscope_assets.settings import Settings, SourceSettings
from periscope_assets.sources.simulated import SimulatedSource
from periscope_assets.store.connect import open_lake, open_store


def open_source(settings: SourceSettings) -> ChainSource | None:
    """Return the configured source; None where only what has landed is built."""
    return SimulatedSource(settings.seed, settings.defects) if settings.kind == "simulated" else None


def pipeline_resource(settings: Settings) -> dg.ResourceDefinition:
    """Return a resource that opens the store when a run first needs it and closes it at the run's end."""

    @dg.resource(description="Store, lake and source of this home.")
    def pipeline(_context: dg.InitResourceContext) -> Iterator[Pipeline]:
        with closing(open_store(settings)) as store:
            yield Pipeline(settings, store, open_lake(settings), open_source(settings.source))

    return pipeline
