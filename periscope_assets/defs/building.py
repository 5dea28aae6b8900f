"""What every asset does: build its dataset for each partition of the run, and say what came of it.

What belongs here: walking partitions and symbols, and what fails a run. What does not: how a dataset is built
(``pipeline``), which asset depends on which (the groups).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from time import monotonic

import dagster as dg

from periscope_assets.defs.metadata import describe, links
from periscope_assets.defs.partitions import Partition, read_key
from periscope_assets.pipeline import FAILED, Outcome, Pipeline
from periscope_assets.transforms.frames import digest

SYMBOLS_TAG = "periscope/symbols"
"""Run tag that names the symbols to build, separated by commas, instead of all members of the universe."""

FRESH_TAG = "periscope/fresh"
"""Run tag by which raw chains are asked of the source even where some have landed."""

VENDOR_POOL = "vendor"
"""Of the steps that may ask a vendor; its limit is a setting."""

SINGLE_RUN = dg.BackfillPolicy.single_run()
"""A range of dates of one universe is one run; ``definitions`` says how many dates a run may have."""

Picture = Callable[[Pipeline, Sequence[Outcome]], Mapping[str, dg.MetadataValue]]
"""Draws what was built of a partition, as metadata."""

PipelineParam = dg.ResourceParam[Pipeline]


def build(
    context: dg.AssetExecutionContext, pipeline: Pipeline, picture: Picture | None = None
) -> dg.MaterializeResult[None]:
    """Build the asset's dataset for each partition of the run, and attach to each its own figures.

    A symbol that can't be built is reported on its partition, by the asset's check and in the log; its
    neighbours and everything downstream of them go on. Where asking again may mend it, all that could be
    built is published first and the step tried again later; what is published then is not built anew.

    Raises
    ------
    RetryRequested
        If a symbol failed for a reason that may pass, and tries are left.
    Failure
        If no symbol of any partition could be built; nothing downstream could be either.
    """
    dataset = context.asset_key.path[-1]
    fresh = FRESH_TAG in context.run.tags
    outcomes: list[Outcome] = []
    for partition in map(read_key, context.partition_keys):
        symbols = members(context.run, pipeline, partition)
        began = monotonic()
        made = pipeline.build(dataset, symbols, partition.session, context.run.run_id, fresh=fresh)
        spent = {"seconds": dg.MetadataValue.float(round(monotonic() - began, 3))}
        drawn = picture(pipeline, made) if picture else {}
        shown = {**describe(made), **spent, **links(made, pipeline.settings.ports.app), **drawn}
        context.add_asset_metadata(shown, partition_key=partition.key)
        for failed in (outcome for outcome in made if outcome.outcome == FAILED):
            context.log.error("%s %s %s: %s", dataset, failed.symbol, failed.session, failed.error)
        outcomes += made
    _ask_again(context, pipeline, outcomes)
    if all(outcome.outcome == FAILED for outcome in outcomes):
        first = outcomes[0]
        raise dg.Failure(
            f"{dataset} {first.symbol} {first.session}: {first.error}",
            metadata=describe(outcomes),
            allow_retries=False,
        )
    if len(context.partition_keys) == 1:
        return dg.MaterializeResult(data_version=dg.DataVersion(content(outcomes)))
    return dg.MaterializeResult()


def content(outcomes: Sequence[Outcome]) -> str:
    """Return one version for what a partition serves: equal if and only if each publication's is."""
    served = {f"{one.symbol} {one.as_of}": one.receipt.version for one in outcomes if one.receipt is not None}
    return digest(sorted(served.items()))


def _ask_again(context: dg.AssetExecutionContext, pipeline: Pipeline, outcomes: Sequence[Outcome]) -> None:
    passing = [each for each in outcomes if each.outcome == FAILED and each.is_transient]
    runs = pipeline.settings.runs
    if not passing or context.retry_number >= runs.retries:
        return
    first = passing[0]
    wait = runs.retry_seconds * 2**context.retry_number
    context.log.warning("%s %s: %s; asked again in %.0f s", first.dataset, first.symbol, first.error, wait)
    raise dg.RetryRequested(max_retries=runs.retries, seconds_to_wait=wait)


def members(run: dg.DagsterRun, pipeline: Pipeline, partition: Partition) -> list[str]:
    """Return the symbols that a run builds in a partition."""
    named = run.tags.get(SYMBOLS_TAG)
    return named.split(",") if named else pipeline.settings.members(partition.universe)
