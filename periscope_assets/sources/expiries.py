"""Days on which no option of a calendar can expire.

What belongs here: holidays that are known years ahead. What does not: closings announced at short notice
(contracts were listed for those days before), sessions and their closes (``calendars``).
"""

from __future__ import annotations

from datetime import date
from functools import cache
from typing import Any

from periscope_assets.sources.calendars import ALWAYS, FIRST

_UNTIL = date(2060, 12, 31)


@cache
def holidays(calendar: str) -> frozenset[date]:
    """Return the weekdays that are holidays of a calendar by rule; none for '24/7'.

    Raises
    ------
    ValueError
        If there is no such calendar.
    """
    if calendar == ALWAYS:
        return frozenset()
    # Imported here because it takes a second, and most readers of this package need no sessions.
    import exchange_calendars

    if calendar not in exchange_calendars.get_calendar_names(include_aliases=False):
        raise ValueError(f"calendar {calendar[:40]!r}: exchange_calendars knows none of that name")
    rules: Any = exchange_calendars.get_calendar(calendar, start=FIRST.isoformat()).regular_holidays
    days = rules.holidays(FIRST.isoformat(), _UNTIL.isoformat())
    return frozenset(day.date() for day in days if day.weekday() < 5)
