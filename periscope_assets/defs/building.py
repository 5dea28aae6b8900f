"""What every asset does: build its dataset for each partition of the run, and say what came of it.

What belongs here: walking partitions and symbols, and what fails a run. What does not: how a dataset is built
(``pipeline``), which asset depends on which (the groups).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import dagster as dg

from periscope_assets.defs.metadata import describe
from periscope_assets.defs.partitions import Partition, read_key
from periscope_assets.pipeline import FAILED, Outcome, Pipeline

SYMBOLS_TAG = "periscope/symbols"
"""Run tag that names the symbols to build, separated by commas, instead of all members of the universe."""

SINGLE_RUN = dg.BackfillPolicy.single_run()
"""A range of dates of one universe is one run."""

Picture = Callable[[Pipeline, Sequence[Outcome]], Mapping[str, dg.MetadataValue]]
"""Draws what was built of a partition, as metadata."""

PipelineParam = dg.ResourceParam[Pipeline]


def build(
    context: dg.AssetExecutionContext, pipeline: Pipeline, picture: Picture | None = None
) -> dg.MaterializeResult[None]:
    """Build the asset's dataset for each partition of the run, and attach to each its own figures.

    A symbol that can't be built is reported on its partition, by the asset's check and in the log; its
    neighbours and everything downstream of them go on.

    Raises
    ------
    Failure
        If no symbol of any partition could be built; nothing downstream could be either.
    """
    dataset = context.asset_key.path[-1]
    outcomes: list[Outcome] = []
    for partition in map(read_key, context.partition_keys):
        made = pipeline.build(
            dataset, members(context.run, pipeline, partition), partition.session, context.run.run_id
        )
        drawn = picture(pipeline, made) if picture else {}
        context.add_asset_metadata({**describe(made), **drawn}, partition_key=partition.key)
        for failed in (outcome for outcome in made if outcome.outcome == FAILED):
            context.log.error("%s %s %s: %s", dataset, failed.symbol, failed.session, failed.error)
        outcomes += made
    if all(outcome.outcome == FAILED for outcome in outcomes):
        first = outcomes[0]
        raise dg.Failure(
            f"{dataset} {first.symbol} {first.session}: {first.error}", metadata=describe(outcomes)
        )
    return dg.MaterializeResult()


def members(run: dg.DagsterRun, pipeline: Pipeline, partition: Partition) -> list[str]:
    """Return the symbols that a run builds in a partition."""
    named = run.tags.get(SYMBOLS_TAG)
    return named.split(",") if named else pipeline.settings.members(partition.universe)
