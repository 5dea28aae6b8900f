"""When which partition is due: while a market is open, after its close, on days without session too.

What belongs here: pure functions of settings and an instant. What does not: cron expressions and run requests
(``defs.schedules``), sessions of an exchange (``sources.calendars``).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from periscope_analytics.conventions import NEW_YORK
from periscope_assets.pipeline.landing import session_bounds
from periscope_assets.settings import LIVE_KINDS, Settings
from periscope_assets.sources.calendars import close_time, is_open, is_session, session_date

_LOOK_BACK_DAYS = 14
_QUIET_CLOSE = time(16, 0)
"""When a day without session counts as over, in New York."""


@dataclass(frozen=True, slots=True)
class Due:
    """A partition and the instant at which it is to be built."""

    universe: str
    session: date
    at: datetime


def calendars_of(settings: Settings, universe: str) -> tuple[str, ...]:
    """Return the calendars that the symbols of a universe trade, each once."""
    return tuple(dict.fromkeys(settings.calendar_of(symbol) for symbol in settings.members(universe)))


def has_session(settings: Settings, universe: str, day: date) -> bool:
    """Tell whether any symbol of a universe has a session on a day."""
    return any(is_session(calendar, day) for calendar in calendars_of(settings, universe))


def snapshots_due(settings: Settings, instant: datetime) -> list[Due]:
    """Return today's partition of each universe that has a market in session at an instant."""
    today = session_date(instant)
    return [
        Due(universe, today, instant)
        for universe in settings.universes
        if any(is_open(calendar, instant) for calendar in calendars_of(settings, universe))
    ]


def day_ends(settings: Settings, universe: str, day: date) -> datetime:
    """Return when a day of a universe is over: at the last close of its markets, UTC.

    On a day without session that is 16:00 in New York.
    """
    trading = [one for one in calendars_of(settings, universe) if is_session(one, day)]
    if not trading:
        return datetime.combine(day, _QUIET_CLOSE, tzinfo=NEW_YORK).astimezone(UTC)
    return max(close_time(calendar, day) for calendar in trading)


def closes_due(settings: Settings, after: datetime, until: datetime) -> list[Due]:
    """Return the partitions whose end-of-day build falls into ``after < at <= until``, by time.

    Every calendar day of every universe has exactly one such instant: `close_delay_minutes` after it ends.
    """
    delay = timedelta(minutes=settings.schedules.close_delay_minutes)
    first, last = session_date(after - delay) - timedelta(days=1), session_date(until)
    days = [first + timedelta(days=n) for n in range((last - first).days + 1)]
    found = [
        Due(universe, day, day_ends(settings, universe, day) + delay)
        for universe in settings.universes
        for day in days
    ]
    return sorted((due for due in found if after < due.at <= until), key=lambda due: (due.at, due.session))


@dataclass(frozen=True, slots=True)
class Expected:
    """A surface that one may expect by now: of a session, as of `not_before` or later, there since `by`."""

    session: date
    not_before: datetime
    by: datetime


def surface_expected(settings: Settings, symbol: str, now: datetime) -> Expected | None:
    """Return which surface of a symbol ought to be there, None where no session lies within a fortnight.

    While a live source's market is open: one of the last `stale_minutes`. Otherwise: one of the last session
    that ended, with its delay and `stale_minutes` on top, so that holidays and half days are no failures.
    """
    calendar = settings.calendar_of(symbol)
    grace = timedelta(minutes=settings.alerts.stale_minutes)
    if settings.source.kind in LIVE_KINDS and is_open(calendar, now) and is_open(calendar, now - grace):
        return Expected(session_date(now), now - grace, now)
    late = grace + timedelta(minutes=settings.schedules.close_delay_minutes)
    today = session_date(now)
    for days in range(_LOOK_BACK_DAYS):
        day = today - timedelta(days=days)
        if is_session(calendar, day) and close_time(calendar, day) + late <= now:
            return Expected(day, session_bounds(day)[0], close_time(calendar, day) + late)
    return None
