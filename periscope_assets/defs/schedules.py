"""Schedules: snapshots while markets are open, the end of each day, models at night, retention once a week.

What belongs here: cron expressions, run keys and run requests. What does not: which partition is due when
(``pipeline.timing``). Ticks are told in UTC, so that no change of clocks repeats or skips one; a run key
names the partition and what is due, so that a restart never doubles a run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, timedelta

import dagster as dg

from periscope_analytics.conventions import NEW_YORK
from periscope_assets.defs.building import FRESH_TAG
from periscope_assets.defs.jobs import build_surfaces, fit_models, retain, snapshot_surfaces
from periscope_assets.defs.partitions import key_of, register
from periscope_assets.pipeline.timing import Due, closes_due, snapshots_due
from periscope_assets.settings import LIVE_KINDS, Settings
from periscope_assets.sources.calendars import session_date

_CATCH_UP = timedelta(hours=24)
"""How long an end of day is still caught up on after an outage."""

_RUN_KEY = "dagster/run_key"


def schedules(settings: Settings) -> list[dg.ScheduleDefinition]:
    """Return every schedule of a home."""
    return [_intraday(settings), _end_of_day(settings), _nightly(settings), _weekly(settings)]


def _status(settings: Settings) -> dg.DefaultScheduleStatus:
    enabled = settings.schedules.enabled
    return dg.DefaultScheduleStatus.RUNNING if enabled else dg.DefaultScheduleStatus.STOPPED


def _intraday(settings: Settings) -> dg.ScheduleDefinition:
    minutes = settings.schedules.intraday_minutes

    @dg.schedule(
        name="intraday",
        job=snapshot_surfaces,
        cron_schedule="0 * * * *" if minutes == 60 else f"*/{minutes} * * * *",
        execution_timezone="UTC",
        default_status=_status(settings),
        description=(
            f"A snapshot every {minutes} minutes while a market of the universe is open: half days, holidays "
            "and changes of clocks are the exchange calendar's; crypto trades around the clock."
        ),
    )
    def schedule(context: dg.ScheduleEvaluationContext) -> Iterator[dg.RunRequest | dg.SkipReason]:
        at = context.scheduled_execution_time.astimezone(UTC)
        if settings.source.kind not in LIVE_KINDS:
            yield dg.SkipReason(f"The source {settings.source.kind} has no quotes of the present.")
            return
        known = settings.reread()
        due = snapshots_due(known, at)
        if not due:
            yield dg.SkipReason(
                f"No market of {', '.join(known.universes)} is open at {at:%Y-%m-%d %H:%M} UTC."
            )
        yield from _requests(
            context, due, lambda one: f"intraday {at:%Y-%m-%dT%H:%MZ} {one.universe}", fresh=True
        )

    return schedule


def _end_of_day(settings: Settings) -> dg.ScheduleDefinition:
    delay = settings.schedules.close_delay_minutes

    @dg.schedule(
        name="end_of_day",
        job=build_surfaces,
        cron_schedule="*/15 * * * *",
        execution_timezone="UTC",
        default_status=_status(settings),
        description=(
            f"The whole graph {delay} minutes after the last close of a universe, half days included; a day "
            "without session becomes no_session. What an outage of up to a day left out is caught up on."
        ),
    )
    def schedule(context: dg.ScheduleEvaluationContext) -> Iterator[dg.RunRequest | dg.SkipReason]:
        at = context.scheduled_execution_time.astimezone(UTC)
        due = closes_due(settings.reread(), at - _CATCH_UP, at)
        new = [one for one in due if not _has_run(context.instance, _end_key(one))]
        if not new:
            yield dg.SkipReason("No session has ended since the last build.")
        yield from _requests(context, new, _end_key, fresh=True)

    return schedule


def _end_key(due: Due) -> str:
    return f"end_of_day {due.session} {due.universe}"


def _nightly(settings: Settings) -> dg.ScheduleDefinition:
    @dg.schedule(
        name="nightly",
        job=fit_models,
        cron_schedule="15 8 * * *",
        execution_timezone="UTC",
        default_status=_status(settings),
        description="Models and scorecard of the New York day before, after every market's close.",
    )
    def schedule(context: dg.ScheduleEvaluationContext) -> Iterator[dg.RunRequest | dg.SkipReason]:
        at = context.scheduled_execution_time.astimezone(UTC)
        day = session_date(at) - timedelta(days=1)
        due = [Due(universe, day, at) for universe in settings.reread().universes]
        yield from _requests(context, due, lambda one: f"nightly {one.session} {one.universe}")

    return schedule


def _weekly(settings: Settings) -> dg.ScheduleDefinition:
    @dg.schedule(
        name="weekly_retention",
        job=retain,
        cron_schedule="0 10 * * 0",
        execution_timezone="UTC",
        default_status=_status(settings),
        description="Old quotes out of the database, raw bytes verified in the lake; off unless configured.",
    )
    def schedule(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        if settings.retention.quotes_days is None:
            return dg.SkipReason("Retention is off: set PERISCOPE_RETENTION__QUOTES_DAYS.")
        week = context.scheduled_execution_time.astimezone(NEW_YORK).isocalendar()
        return dg.RunRequest(run_key=f"retention {week.year}-{week.week:02d}")

    return schedule


def _requests(
    context: dg.ScheduleEvaluationContext,
    due: Iterable[Due],
    run_key: Callable[[Due], str],
    *,
    fresh: bool = False,
) -> Iterator[dg.RunRequest]:
    chosen = list(due)
    today = session_date(context.scheduled_execution_time)
    register(context.instance, [one.universe for one in chosen])
    for one in chosen:
        yield dg.RunRequest(
            run_key=run_key(one),
            partition_key=key_of(one.session, one.universe),
            tags={FRESH_TAG: "true"} if fresh and one.session == today else {},
        )


def _has_run(instance: dg.DagsterInstance, run_key: str) -> bool:
    return instance.get_runs_count(dg.RunsFilter(tags={_RUN_KEY: run_key})) > 0
