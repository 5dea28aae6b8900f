"""Which days are sessions, and when they close.

What belongs here: exchange calendars by name. What does not: settlement clocks of options
(``periscope_analytics.conventions``).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from typing import Any

from periscope_analytics.conventions import NEW_YORK

XNYS, ALWAYS = "XNYS", "24/7"
FIRST, LAST = date(2015, 1, 1), date(2032, 12, 31)
"""Dates that the exchange calendars cover."""


def is_session(calendar: str, day: date) -> bool:
    """Tell whether `day` is a session of a calendar: '24/7' or one of ``exchange_calendars``, such as 'XNYS'.

    Raises
    ------
    ValueError
        If the calendar is unknown or the day outside the covered dates.
    """
    return bool(sessions(calendar, day, day))


def sessions(calendar: str, start: date, end: date) -> list[date]:
    """Return the sessions from `start` to `end`, both included.

    Raises
    ------
    ValueError
        If the calendar is unknown or a date outside the covered dates.
    """
    days = [start + timedelta(days=offset) for offset in range((end - start).days + 1)]
    if calendar == ALWAYS:
        return days
    closes = _closes(calendar, start, end)
    return [day for day in days if day in closes]


def close_time(calendar: str, day: date) -> datetime:
    """Return the UTC instant at which a session closes, half days included; midnight UTC for '24/7'.

    Raises
    ------
    ValueError
        If the day is no session, the calendar unknown or the day outside the covered dates.
    """
    if calendar == ALWAYS:
        return datetime.combine(day + timedelta(days=1), time(0), tzinfo=UTC)
    closes = _closes(calendar, day, day)
    if day not in closes:
        raise ValueError(f"day: {day} is no session of {calendar}")
    return closes[day]


def open_time(calendar: str, day: date) -> datetime:
    """Return the UTC instant at which a session opens; midnight UTC for '24/7'.

    Raises
    ------
    ValueError
        If the day is no session, the calendar unknown or the day outside the covered dates.
    """
    if calendar == ALWAYS:
        return datetime.combine(day, time(0), tzinfo=UTC)
    close_time(calendar, day)
    return _exchange_times(calendar)[day][0]


def is_open(calendar: str, instant: datetime) -> bool:
    """Tell whether a calendar is in a session at an instant: after its open, up to and at its close.

    Raises
    ------
    ValueError
        If the calendar is unknown or the day outside the covered dates.
    """
    if calendar == ALWAYS:
        return True
    day = instant.astimezone(UTC).date()
    # A session may open on the UTC day before its own: the Asian and the futures calendars do.
    near = (day, day + timedelta(days=1))
    return any(
        open_time(calendar, one) < instant <= close_time(calendar, one)
        for one in near
        if is_session(calendar, one)
    )


def session_date(as_of: datetime) -> date:
    """Return the New York date of an instant, by which partitions are named.

    Raises
    ------
    ValueError
        If the instant has no zone.
    """
    if as_of.tzinfo is None:
        raise ValueError("as_of: expected a time with a zone")
    return as_of.astimezone(NEW_YORK).date()


def _closes(calendar: str, start: date, end: date) -> Mapping[date, datetime]:
    if not (FIRST <= start <= LAST and FIRST <= end <= LAST):
        raise ValueError(f"day: the calendar {calendar} covers {FIRST} to {LAST}, asked for {start} to {end}")
    return _exchange_closes(calendar)


@cache
def _exchange_closes(calendar: str) -> Mapping[date, datetime]:
    return {day: close for day, (_, close) in _exchange_times(calendar).items()}


@cache
def _exchange_times(calendar: str) -> Mapping[date, tuple[datetime, datetime]]:
    # Imported here because it takes seconds, and most readers of this package need no sessions.
    import exchange_calendars

    known = exchange_calendars.get_calendar_names(include_aliases=False)
    if calendar not in known:
        raise ValueError(f"calendar {calendar[:40]!r}: expected one of {', '.join(sorted(known))}")
    found: Any = exchange_calendars.get_calendar(calendar, start=FIRST.isoformat(), end=LAST.isoformat())
    opens, closes = found.opens, found.closes
    return {
        day.date(): (opened.to_pydatetime(), closed.to_pydatetime())
        for (day, opened), closed in zip(opens.items(), closes, strict=True)
    }
