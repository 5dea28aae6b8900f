"""What was built, or was not: failed checks, sources that failed, stale surfaces, new signals.

What belongs here: from check results and the ledger to incidents. What does not: sensors (``watching``),
rules (``checks``), whose session is when (``pipeline.timing``).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

import dagster as dg
import pandas as pd
from dagster._core.definitions.asset_checks.asset_check_evaluation import AssetCheckEvaluation
from dagster_shared.record import replace

from periscope_assets.alerts.incidents import Incident
from periscope_assets.defs.findings import FIRST_LOOK, Findings, Memory, Record, instant
from periscope_assets.defs.watched_runs import LastGood, only_partition
from periscope_assets.pipeline.timing import Expected, surface_expected
from periscope_assets.settings import Settings
from periscope_assets.store.repository import PUBLISHED, LedgerEntry, Reader

CHECKS, PUBLICATIONS, SYMBOLS = 200, 100, 200
SURFACE, SIGNALS = "vol_surface", "trade_signals"
_SOURCE_CHECK = ("raw_chain", "complete")
_NEWS = timedelta(days=2)
"""Signals of older snapshots are history that was built, no news."""


def failed_checks(
    instance: dg.DagsterInstance, memory: str | None, now: datetime, last_good: LastGood
) -> Findings:
    """Return checks that failed, by partition; one that passes later resolves it.

    Where no raw chain could be had, that is the incident, and what fails for want of it is its child.
    """
    state = Memory(memory)

    def read(limit: int) -> list[Record[tuple[AssetCheckEvaluation, str]]]:
        wanted = dg.EventRecordsFilter(
            event_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION,
            after_cursor=None if state.after is None else int(state.after) - 1,
            after_timestamp=(now - FIRST_LOOK).timestamp() if state.after is None else None,
        )
        found = instance.get_event_records(wanted, limit=limit, ascending=True)
        return [
            Record(each.storage_id, str(each.storage_id), instant(each.timestamp), _evaluation(each))
            for each in found
        ]

    @cache
    def of_run(run_id: str) -> str | None:
        run = instance.get_run_by_id(run_id)
        return None if run is None else only_partition(run)

    fresh, kept = state.unread(read, CHECKS, now)
    raised: dict[str, Incident] = {}
    resolved: dict[str, str] = {}
    for record in fresh:
        evaluation, run_id = record.value
        partition = evaluation.partition or of_run(run_id)
        if not partition:
            continue
        evaluation = replace(evaluation, partition=partition)
        for key in _keys(evaluation):
            raised.pop(key, None)
            resolved[key] = "the check passed" if evaluation.passed else "it is of another severity now"
        if not evaluation.passed:
            incident = _failed(evaluation, run_id, record.at, last_good)
            raised[incident.key] = incident
            del resolved[incident.key]
    return Findings(list(raised.values()), resolved, kept)


def _evaluation(found: dg.EventLogRecord) -> tuple[AssetCheckEvaluation, str]:
    event = found.event_log_entry.dagster_event
    assert event is not None
    return event.asset_check_evaluation_data, found.run_id


def _keys(evaluation: AssetCheckEvaluation) -> tuple[str, ...]:
    """Return the keys that a check of a partition may have, by severity."""
    asset = evaluation.asset_key.to_user_string()
    if (asset, evaluation.check_name) == _SOURCE_CHECK:
        return (f"source_failed:{evaluation.partition}",)
    rest = f"{asset}.{evaluation.check_name}:{evaluation.partition}"
    return (f"check_failed:{rest}", f"check_warned:{rest}")


def _failed(evaluation: AssetCheckEvaluation, run_id: str, at: datetime, last_good: LastGood) -> Incident:
    keys = _keys(evaluation)
    key = keys[-1] if evaluation.severity == dg.AssetCheckSeverity.WARN else keys[0]
    asset = evaluation.asset_key.to_user_string()
    partition = evaluation.partition or ""
    source = f"source_failed:{partition}"
    return Incident(
        key,
        f"{asset} {evaluation.check_name} of {partition} failed{_figures(evaluation.metadata)}.",
        at,
        last_good=last_good(asset, partition),
        run_id=run_id,
        parent="" if key == source else source,
    )


def _figures(metadata: Mapping[str, Any]) -> str:
    """Return observed value, threshold and errors of a check, as far as it has them."""
    told = {name: getattr(value, "value", value) for name, value in metadata.items()}
    parts = [f"{name} {told[name]:.6g}" for name in ("observed", "threshold") if _is_number(told.get(name))]
    errors = told.get("errors") or told.get("refused")
    if isinstance(errors, dict) and errors:
        parts += [f"{name}: {str(why)[:80]}" for name, why in list(errors.items())[:2]]
        parts += [f"and {len(errors) - 2} more"] if len(errors) > 2 else []
    return f": {', '.join(parts)}" if parts else ""


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def stale_surfaces(settings: Settings, reader: Reader, memory: str | None, now: datetime) -> Findings:
    """Return symbols whose surface is older than their calendar lets one expect; a part of them each time."""
    pairs = [(universe, symbol) for universe, members in settings.universes.items() for symbol in members]
    first = int(json.loads(memory)["next"]) if memory else 0
    first = first if first < len(pairs) else 0
    raised: list[Incident] = []
    resolved: dict[str, str] = {}
    for universe, symbol in pairs[first : first + SYMBOLS]:
        expected = surface_expected(settings, symbol, now)
        head = reader.head(SURFACE, symbol)
        key = f"stale_surface:{symbol}"
        if expected is None or (head is not None and head.as_of >= expected.not_before):
            resolved[key] = "a surface as of the time expected was published"
        else:
            raised.append(_stale(key, symbol, universe, expected, head))
    return Findings(raised, resolved, json.dumps({"next": first + SYMBOLS}))


def _stale(key: str, symbol: str, universe: str, expected: Expected, head: LedgerEntry | None) -> Incident:
    has = "none was ever published" if head is None else f"the last one is as of {_when(head.as_of)}"
    return Incident(
        key,
        f"{symbol} has no surface as of {_when(expected.not_before)} or later: {has}.",
        expected.by,
        last_good="" if head is None else version_of(head),
        run_id="" if head is None else head.run_id,
        parent=f"source_failed:{expected.session}|{universe}",
    )


def version_of(entry: LedgerEntry) -> str:
    """Return a publication in words."""
    return f"{entry.dataset} of {entry.symbol} as of {_when(entry.as_of)}, version {entry.version[:12]}"


def _when(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def new_signals(
    reader: Reader, known: Sequence[str], memory: str | None, now: datetime, confidence: float
) -> Findings:
    """Return signals of new snapshots at or above a confidence; `known` ones of a symbol that ceased end."""
    if not memory:
        return Findings(memory=reader.watermark().isoformat())
    entries = reader.follow(datetime.fromisoformat(memory), limit=PUBLICATIONS)
    after = entries[-1].known_at.isoformat() if entries else memory
    latest = {
        entry.symbol: entry
        for entry in entries
        if entry.dataset == SIGNALS and entry.status == PUBLISHED and entry.as_of > now - _NEWS
    }
    raised = [one for entry in latest.values() for one in _told(reader, entry, confidence)]
    present = {each.key for each in raised}
    gone = [key for key in known if key.split(":")[1] in latest and key not in present]
    return Findings(raised, dict.fromkeys(gone, "the next snapshot does not have it"), after)


def _told(reader: Reader, entry: LedgerEntry, confidence: float) -> list[Incident]:
    rows: pd.DataFrame = reader.rows(entry, SIGNALS)
    strong = rows[(rows["state"] == "pending") & (rows["confidence"] >= confidence)]
    return [
        Incident(
            f"signal:{entry.symbol}:{row['generator']}:{row['instrument']}:{row['direction']}",
            f"{row['direction']} {row['instrument']} ({row['generator']}), confidence "
            f"{row['confidence']:.2f}: {row['reason']}",
            entry.as_of,
            last_good=version_of(entry),
            run_id=entry.run_id,
        )
        for row in strong.sort_values("rank").to_dict("records")
    ]
