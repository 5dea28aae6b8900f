"""The one resource: a pipeline over this home's store, lake and source, open for as long as a run.

What belongs here: opening and closing. What does not: anything at load time; definitions load without
database or network.
"""

from collections.abc import Iterator
from contextlib import closing

import dagster as dg

from periscope_assets.pipeline import Pipeline
from periscope_assets.pipeline.pool import symbol_pool
from periscope_assets.settings import Settings
from periscope_assets.sources.opening import sources
from periscope_assets.store.connect import open_lake, open_store


def open_pipeline(settings: Settings) -> Pipeline:
    """Return the pipeline of a process of the pool, open for as long as that lives."""
    lake = open_lake(settings)
    opened = sources(settings.source, settings.rates, lake.land).__enter__()
    return Pipeline(settings, open_store(settings), lake, *opened)


def pipeline_resource(settings: Settings) -> dg.ResourceDefinition:
    """Return a resource that opens the store when a run first needs it and closes it at the run's end."""

    @dg.resource(description="Store, lake and source of this home.")
    def pipeline(_context: dg.InitResourceContext) -> Iterator[Pipeline]:
        lake = open_lake(settings)
        with (
            sources(settings.source, settings.rates, lake.land) as opened,
            closing(open_store(settings)) as store,
            symbol_pool(settings, settings.workers, open_pipeline) as pool,
        ):
            yield Pipeline(settings, store, lake, *opened, pool=pool)

    return pipeline
