"""Sensors that watch: from what they find to incidents, and from incidents to messages.

What belongs here: opening what they read, reporting what they found. What does not: what is looked for
(``watched_runs``, ``watched_data``), whom it is told (``periscope_assets.alerts``).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial

import dagster as dg

from periscope_assets.alerts import outbox
from periscope_assets.alerts.channels import Send, open_channel
from periscope_assets.alerts.heartbeat import ping
from periscope_assets.alerts.messages import Links
from periscope_assets.defs import watched_data, watched_runs
from periscope_assets.defs.findings import Findings
from periscope_assets.defs.partitions import read_key
from periscope_assets.settings import Settings
from periscope_assets.store.alerts import AlertLog
from periscope_assets.store.connect import open_alerts, open_reader
from periscope_assets.store.repository import Reader

Look = Callable[[dg.SensorEvaluationContext, Settings, AlertLog, datetime], Findings]


def watchers(settings: Settings) -> list[dg.SensorDefinition]:
    """Return the sensors that watch a home and tell people."""
    return [
        _watch(settings, "failed_runs", _failed_runs, "Runs that failed for good."),
        _watch(settings, "stalled_runs", _stalled_runs, "Runs that say nothing any more."),
        _watch(settings, "failed_ticks", _failed_ticks, "Sensors and schedules whose last tick failed."),
        _watch(settings, "failed_backfills", _failed_backfills, "Backfills that ended badly."),
        _watch(settings, "failed_checks", _failed_checks, "Checks that failed, and sources behind them."),
        _watch(
            settings,
            "stale_surfaces",
            _stale_surfaces,
            "Surfaces older than the exchange calendar lets one expect.",
            status=_scheduled(settings),
        ),
        _watch(settings, "new_signals", _new_signals, "Signals of new snapshots above the threshold."),
        _sender(settings),
    ]


def _scheduled(settings: Settings) -> dg.DefaultSensorStatus:
    """Where nothing is built by itself, nothing is late."""
    enabled = settings.schedules.enabled
    return dg.DefaultSensorStatus.RUNNING if enabled else dg.DefaultSensorStatus.STOPPED


def _watch(
    settings: Settings,
    name: str,
    look: Look,
    description: str,
    *,
    status: dg.DefaultSensorStatus = dg.DefaultSensorStatus.RUNNING,
) -> dg.SensorDefinition:
    @dg.sensor(name=name, minimum_interval_seconds=30, default_status=status, description=description)
    def sensor(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        now = datetime.now(UTC)
        with closing(open_alerts(settings)) as log:
            found = look(context, settings.reread(), log, now)
            raised, ended = outbox.report(log, found.raised, found.resolved, now)
        said = f"{raised} incidents raised, {ended} resolved" if raised or ended else "nothing new"
        return dg.SensorResult(skip_reason=dg.SkipReason(said), cursor=found.memory or context.cursor)

    return sensor


def _sender(settings: Settings) -> dg.SensorDefinition:
    @dg.sensor(
        name="send_alerts",
        minimum_interval_seconds=30,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Sends what is due on each channel, and pings the heartbeat while messages can go out.",
    )
    def sensor(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        senders, refused = open_channels(settings)
        for reason in refused.values():
            context.log.error("%s", reason)
        now = datetime.now(UTC)
        with closing(open_alerts(settings)) as log:
            sent = outbox.deliver(log, settings.alerts, senders, links(settings), now)
        if sent.reason:
            context.log.error("%s", sent.reason)
        beat = settings.alerts.heartbeat_url
        if beat is not None and not sent.refused and (missed := ping(beat)):
            context.log.error("%s", missed)
        said = f"{sent.decided} decided, {sent.sent} sent, {sent.refused} refused"
        return dg.SensorResult(skip_reason=dg.SkipReason(said), cursor=now.isoformat())

    return sensor


def open_channels(settings: Settings) -> tuple[Mapping[str, Send], Mapping[str, str]]:
    """Return what sends on each channel, and of those that can't be opened why."""
    senders: dict[str, Send] = {}
    refused: dict[str, str] = {}
    for name, channel in settings.alerts.channels.items():
        try:
            senders[name] = open_channel(name, channel)
        except ValueError as error:
            refused[name] = str(error)
    return senders, refused


def links(settings: Settings) -> Links:
    """Return where a message leads to."""
    here = f"http://127.0.0.1:{settings.ports.dagster}"
    return Links((settings.alerts.dagster_url or here).rstrip("/"), settings.alerts.runbook_url)


def _failed_runs(
    context: dg.SensorEvaluationContext, settings: Settings, _log: AlertLog, now: datetime
) -> Findings:
    with closing(open_reader(settings)) as reader:
        good = partial(last_good, settings, reader)
        return watched_runs.failed_runs(context.instance, context.cursor, now, good)


def _stalled_runs(
    context: dg.SensorEvaluationContext, settings: Settings, log: AlertLog, now: datetime
) -> Findings:
    after = timedelta(minutes=settings.alerts.stalled_minutes)
    found = watched_runs.stalled_runs(context.instance, _open(log, "run_stalled"), now, after)
    return replace(found, memory=now.isoformat())


def _failed_ticks(
    context: dg.SensorEvaluationContext, _settings: Settings, _log: AlertLog, _now: datetime
) -> Findings:
    return watched_runs.failed_ticks(context.instance, context.cursor)


def _failed_backfills(
    context: dg.SensorEvaluationContext, _settings: Settings, _log: AlertLog, now: datetime
) -> Findings:
    return watched_runs.failed_backfills(context.instance, context.cursor, now)


def _failed_checks(
    context: dg.SensorEvaluationContext, settings: Settings, _log: AlertLog, now: datetime
) -> Findings:
    with closing(open_reader(settings)) as reader:
        good = partial(last_good, settings, reader)
        return watched_data.failed_checks(context.instance, context.cursor, now, good)


def _stale_surfaces(
    context: dg.SensorEvaluationContext, settings: Settings, _log: AlertLog, now: datetime
) -> Findings:
    with closing(open_reader(settings)) as reader:
        return watched_data.stale_surfaces(settings, reader, context.cursor, now)


def _new_signals(
    context: dg.SensorEvaluationContext, settings: Settings, log: AlertLog, now: datetime
) -> Findings:
    with closing(open_reader(settings)) as reader:
        threshold = settings.alerts.signal_confidence
        return watched_data.new_signals(reader, _open(log, "signal"), context.cursor, now, threshold)


def _open(log: AlertLog, kind: str) -> list[str]:
    keys = {event.incident for event in log.open_alerts()}
    return sorted(key for key in keys if key.startswith(f"{kind}:"))


def last_good(settings: Settings, reader: Reader, dataset: str, partition: str) -> str:
    """Return in words what is served of a dataset for the symbols of a partition; empty for nothing."""
    try:
        symbols = settings.members(read_key(partition).universe)
    except ValueError:
        return ""
    found = reader.recent(dataset, symbols)
    if not found:
        return ""
    latest = max(found, key=lambda entry: entry.as_of)
    others = len(symbols) - 1
    return f"{watched_data.version_of(latest)}{f' (and {others} more symbols)' if others else ''}"
