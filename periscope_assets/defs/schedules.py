"""Schedules: the end of a day, for every configured universe."""

from collections.abc import Iterator

import dagster as dg

from periscope_analytics.conventions import NEW_YORK
from periscope_assets.defs.jobs import build_surfaces
from periscope_assets.defs.partitions import key_of, register
from periscope_assets.settings import Settings


def end_of_day(settings: Settings) -> dg.ScheduleDefinition:
    """Return a schedule that builds today after the close; on days without session too."""

    @dg.schedule(
        name="end_of_day",
        job=build_surfaces,
        cron_schedule="45 16 * * *",
        execution_timezone="America/New_York",
        description="Every configured universe, at 16:45 New York.",
    )
    def schedule(context: dg.ScheduleEvaluationContext) -> Iterator[dg.RunRequest]:
        register(context.instance, list(settings.universes))
        today = context.scheduled_execution_time.astimezone(NEW_YORK).date()
        for universe in settings.universes:
            key = key_of(today, universe)
            yield dg.RunRequest(run_key=str(key), partition_key=key)

    return schedule
