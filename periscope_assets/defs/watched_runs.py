"""What Dagster says of itself: failed and stalled runs, failed ticks, failed backfills.

What belongs here: from its records to incidents. What does not: sensors (``watching``), what was built
(``watched_data``).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

import dagster as dg
from dagster._core.execution.backfill import BulkActionStatus, PartitionBackfill
from dagster._core.scheduler.instigation import InstigatorStatus, TickStatus
from dagster._core.storage.dagster_run import RunRecord
from dagster._core.storage.tags import WILL_RETRY_TAG

from periscope_assets.alerts.incidents import Incident
from periscope_assets.defs.findings import FIRST_LOOK, Findings, Memory, Record, instant

LastGood = Callable[[str, str], str]
"""Says, of a dataset and a partition key, what was published last; empty where nothing is known."""

RUNS, BACKFILLS, INSTIGATORS = 100, 50, 50
_PARTITION = "dagster/partition"
_START, _END = "dagster/asset_partition_range_start", "dagster/asset_partition_range_end"
_FAILED_BACKFILL = (BulkActionStatus.FAILED, BulkActionStatus.COMPLETED_FAILED)


def failed_runs(
    instance: dg.DagsterInstance, memory: str | None, now: datetime, last_good: LastGood
) -> Findings:
    """Return runs that failed and will not be tried again; a later success of the same resolves it."""
    state = Memory(memory)
    since = now - FIRST_LOOK if state.after is None else instant(state.after)

    def read(limit: int) -> list[Record[RunRecord]]:
        wanted = dg.RunsFilter(
            statuses=[dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.SUCCESS],
            updated_after=since - timedelta(microseconds=1),
        )
        found = instance.get_run_records(wanted, limit=limit, order_by="update_timestamp", ascending=True)
        return [_record(each) for each in found]

    fresh, kept = state.unread(read, RUNS, now)
    raised: dict[str, Incident] = {}
    resolved: dict[str, str] = {}
    for record in fresh:
        run = record.value.dagster_run
        key = f"run_failed:{run.job_name}:{_of(run)}"
        if run.is_success:
            raised.pop(key, None)
            resolved[key] = f"run {run.run_id[:8]} of the same succeeded"
        elif run.tags.get(WILL_RETRY_TAG) != "true":
            raised[key] = _failed(instance, record.value, key, last_good)
            resolved.pop(key, None)
    return Findings(list(raised.values()), resolved, kept)


def _record(found: RunRecord) -> Record[RunRecord]:
    run = found.dagster_run
    at = found.update_timestamp
    return Record(at.timestamp(), f"{run.run_id} {run.status.value}", at, found)


def _of(run: dg.DagsterRun) -> str:
    """Return what a run was about: a partition, or the range of them."""
    if _START in run.tags and only_partition(run) is None:
        return f"{run.tags[_START]}...{run.tags.get(_END, '')}"
    return only_partition(run) or "all"


def only_partition(run: dg.DagsterRun) -> str | None:
    """Return the partition that a run was about, None where there were several or none."""
    if _PARTITION in run.tags:
        return run.tags[_PARTITION]
    start = run.tags.get(_START)
    return start if start == run.tags.get(_END) else None


def _failed(instance: dg.DagsterInstance, found: RunRecord, key: str, last_good: LastGood) -> Incident:
    run = found.dagster_run
    failures = instance.get_records_for_run(
        run.run_id, of_type=dg.DagsterEventType.STEP_FAILURE, limit=3
    ).records
    steps = [each.event_log_entry.dagster_event for each in failures]
    named = ", ".join(step.step_key for step in steps if step is not None and step.step_key)
    what = f"{run.job_name} of {_of(run)} failed{f' in {named}' if named else ''}"
    reason = next((_reason(step) for step in steps if step is not None), "")
    since = found.end_time or found.update_timestamp.timestamp()
    good = last_good("vol_surface", run.tags.get(_PARTITION) or run.tags.get(_END, ""))
    return Incident(key, f"{what}{reason}.", instant(since), last_good=good, run_id=run.run_id)


def _reason(step: dg.DagsterEvent) -> str:
    error = step.step_failure_data.error
    cause = error.cause if error is not None and error.cause is not None else error
    line = "" if cause is None else " ".join(cause.message.split())
    return f": {line[:200]}" if line else ""


def stalled_runs(
    instance: dg.DagsterInstance, known: Sequence[str], now: datetime, after: timedelta
) -> Findings:
    """Return runs under way that have said nothing for too long; `known` ones that go on are resolved."""
    wanted = dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.STARTING])
    raised = []
    for found in instance.get_run_records(wanted, limit=RUNS, order_by="update_timestamp", ascending=True):
        run = found.dagster_run
        last = instance.get_records_for_run(run.run_id, limit=1, ascending=False).records
        at = instant(last[0].timestamp) if last else found.update_timestamp
        if now - at > after:
            minutes = int((now - at).total_seconds() // 60)
            what = f"{run.job_name} of {_of(run)} has said nothing for {minutes} minutes."
            raised.append(Incident(f"run_stalled:{run.run_id}", what, at, run_id=run.run_id))
    stalled = {each.key for each in raised}
    return Findings(raised, {key: "it goes on or has ended" for key in known if key not in stalled})


def failed_ticks(instance: dg.DagsterInstance, memory: str | None) -> Findings:
    """Return sensors and schedules whose last tick failed; some of them each time, all of them in turn."""
    running = {InstigatorStatus.RUNNING, InstigatorStatus.DECLARED_IN_CODE}
    states = sorted(
        instance.all_instigator_state(instigator_statuses=running), key=lambda each: each.selector_id
    )
    first = int(json.loads(memory)["next"]) if memory else 0
    first = first if first < len(states) else 0
    raised: list[Incident] = []
    resolved: dict[str, str] = {}
    for state in states[first : first + INSTIGATORS]:
        ticks = instance.get_ticks(state.instigator_origin_id, state.selector_id, limit=3)
        last = next((tick for tick in ticks if tick.status != TickStatus.STARTED), None)
        key = f"tick_failed:{state.instigator_name}"
        if last is not None and last.status == TickStatus.FAILURE:
            error = "no reason given" if last.error is None else " ".join(last.error.message.split())
            what = f"The last tick of {state.instigator_name} failed: {error[:200]}"
            raised.append(Incident(key, what, instant(last.timestamp)))
        elif last is not None:
            resolved[key] = "its last tick was well"
    return Findings(raised, resolved, json.dumps({"next": first + INSTIGATORS}))


def failed_backfills(instance: dg.DagsterInstance, memory: str | None, now: datetime) -> Findings:
    """Return backfills that ended badly; a later one of the same universe that ends well resolves it."""
    judged = set(json.loads(memory)) if memory else set()
    ended: list[PartitionBackfill] = []
    for each in instance.get_backfills(limit=BACKFILLS):
        is_old = instant(each.backfill_timestamp) < now - FIRST_LOOK and not judged
        if each.status in (*_FAILED_BACKFILL, BulkActionStatus.COMPLETED_SUCCESS) and not is_old:
            ended.append(each)
    raised: dict[str, Incident] = {}
    resolved: dict[str, str] = {}
    for backfill in sorted(ended, key=lambda each: each.backfill_timestamp):
        if backfill.backfill_id in judged:
            continue
        name = backfill.tags.get("periscope/universe") or backfill.title or backfill.backfill_id
        key = f"backfill_failed:{name}"
        if backfill.status in _FAILED_BACKFILL:
            error = backfill.error.message if backfill.error is not None else "some of its runs failed"
            what = f"Backfill {backfill.backfill_id} of {name} failed: {' '.join(error.split())[:200]}"
            since = instant(backfill.backfill_end_timestamp or backfill.backfill_timestamp)
            raised[key] = Incident(key, what, since)
            resolved.pop(key, None)
        else:
            raised.pop(key, None)
            resolved[key] = f"backfill {backfill.backfill_id} of the same succeeded"
    return Findings(list(raised.values()), resolved, json.dumps(sorted(each.backfill_id for each in ended)))
