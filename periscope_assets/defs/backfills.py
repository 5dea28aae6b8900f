"""Which dates of a range are missing or stale, and backfills of them for the daemon.

What belongs here: what Dagster's own records say about a range of dates of one universe. What does not: the
command line, building (``definitions.materialize``).
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from datetime import date, timedelta

import dagster as dg
from dagster._core.definitions.assets.graph.asset_graph_subset import AssetGraphSubset
from dagster._core.definitions.data_version import CODE_VERSION_TAG
from dagster._core.events import DagsterEventType
from dagster._core.execution.backfill import PartitionBackfill
from dagster._core.utils import make_new_backfill_id

from periscope_assets.defs.partitions import key_of, register

_RECORDS = 500


def days_of(start: date, end: date) -> list[date]:
    """Return the dates from `start` to `end`, both included."""
    return [start + timedelta(days=n) for n in range((end - start).days + 1)]


def due(
    definitions: dg.Definitions, instance: dg.DagsterInstance, universe: str, start: date, end: date
) -> list[date]:
    """Return the dates of a universe for which an asset was never built, or by another code version.

    Parameters
    ----------
    definitions : Definitions
    instance : DagsterInstance
    universe : str
    start, end : date
        Both included.
    """
    keys = {day: str(key_of(day, universe)) for day in days_of(start, end)}
    missing: set[date] = set()
    for spec in definitions.resolve_all_asset_specs():
        latest = instance.get_latest_storage_id_by_partition(
            spec.key, DagsterEventType.ASSET_MATERIALIZATION, set(keys.values())
        )
        current = _of_version(instance, spec, list(latest.values()))
        missing |= {day for day, key in keys.items() if key not in current}
    return sorted(missing)


def _of_version(instance: dg.DagsterInstance, spec: dg.AssetSpec, storage_ids: list[int]) -> set[str]:
    """Return the partitions among these records that were built by the asset's code version."""
    found: set[str] = set()
    for start in range(0, len(storage_ids), _RECORDS):
        some = storage_ids[start : start + _RECORDS]
        wanted = dg.AssetRecordsFilter(asset_key=spec.key, storage_ids=some)
        for record in instance.fetch_materializations(wanted, limit=len(some)).records:
            made = record.asset_materialization
            if made and made.partition and (made.tags or {}).get(CODE_VERSION_TAG) == spec.code_version:
                found.add(made.partition)
    return found


def batches(days: Sequence[date], most: int) -> Iterator[tuple[date, date]]:
    """Yield first and last date of runs of consecutive dates, none longer than `most`."""
    first: date | None = None
    last: date | None = None
    for day in days:
        if first is None or last is None or day - last > timedelta(days=1) or (day - first).days >= most:
            if first is not None and last is not None:
                yield first, last
            first = day
        last = day
    if first is not None and last is not None:
        yield first, last


def submit(
    definitions: dg.Definitions, instance: dg.DagsterInstance, universe: str, days: Sequence[date]
) -> str:
    """Ask the daemon for a backfill of all assets for dates of one universe, and return its id."""
    register(instance, [universe])
    graph = definitions.resolve_asset_graph()
    keys = [str(key_of(day, universe)) for day in days]
    subsets = {}
    for key in graph.get_all_asset_keys():
        partitions = graph.get(key).partitions_def
        if partitions is not None:
            subsets[key] = partitions.subset_with_partition_keys(keys)
    backfill = PartitionBackfill.from_asset_graph_subset(
        backfill_id=make_new_backfill_id(),
        backfill_timestamp=time.time(),
        tags={"periscope/universe": universe},
        dynamic_partitions_store=instance,
        asset_graph_subset=AssetGraphSubset(  # type: ignore[call-arg]
            partitions_subsets_by_asset_key=subsets, non_partitioned_asset_keys=set()
        ),
        title=f"{universe} {days[0]} to {days[-1]}, {len(days)} dates",
        description=None,
        run_config=None,
    )
    instance.add_backfill(backfill)
    return str(backfill.backfill_id)
