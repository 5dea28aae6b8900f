"""Jobs: everything, a snapshot, the models of a day, retention.

What belongs here: which assets a job builds. What does not: when it runs (``schedules``, ``sensors``).
"""

from contextlib import closing
from datetime import UTC, datetime, timedelta

import dagster as dg

from periscope_assets.defs.building import PipelineParam
from periscope_assets.defs.executors import ECS_RUN
from periscope_assets.store.connect import open_store

BUILD_SURFACES = "build_surfaces"

build_surfaces = dg.define_asset_job(
    BUILD_SURFACES,
    selection=dg.AssetSelection.all(),
    description="The whole graph, from raw bytes to signals, for a date or range of dates of one universe.",
    tags=ECS_RUN,
)

snapshot_surfaces = dg.define_asset_job(
    "snapshot_surfaces",
    selection=dg.AssetSelection.assets("trade_signals").upstream(),
    description="A new snapshot carried through to signals; what is fitted once a day is left to the night.",
    tags=ECS_RUN,
)

fit_models = dg.define_asset_job(
    "fit_models",
    selection=dg.AssetSelection.groups("models") | dg.AssetSelection.assets("signal_scorecard"),
    description="Models of every snapshot of a day, and the scores of earlier signals.",
    tags=ECS_RUN,
)


@dg.op
def purge_quotes(context: dg.OpExecutionContext, pipeline: PipelineParam) -> None:
    """Drop quotes older than the retention setting, by whole periods, once their raw bytes are verified."""
    days = pipeline.settings.retention.quotes_days
    if days is None:
        context.log.info("Retention is off: set PERISCOPE_RETENTION__QUOTES_DAYS.")
        return
    now = datetime.now(UTC)
    with closing(open_store(pipeline.settings)) as store:
        periods = store.purge(now - timedelta(days=days), now=now)
    kept = [each for each in periods if each.kept]
    for each in kept:
        context.log.warning("%s to %s stays: %s", each.start.date(), each.end.date(), each.kept)
    context.add_output_metadata(
        {
            "periods": len(periods),
            "kept": len(kept),
            "publications": sum(each.n_publications for each in periods if not each.kept),
        }
    )


@dg.job(description="Quotes older than the retention setting leave the database; the lake keeps all bytes.")
def retain() -> None:
    """Drop old quotes."""
    purge_quotes()
