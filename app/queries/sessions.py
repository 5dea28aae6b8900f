"""How far data lies behind its market's calendar.

What belongs here: counting sessions that have closed. What does not: the present (an argument), staleness of
one dataset behind another (``locate``).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from periscope_analytics.conventions import NEW_YORK
from periscope_assets.sources.calendars import close_time, sessions

GRACE = timedelta(minutes=45)
"""How long after a close its data may take to be published; vendors are 15 minutes late."""

LONGEST = timedelta(days=400)
"""Nothing further back is counted."""


@dataclass(frozen=True, slots=True)
class Behind:
    """Sessions that have closed since a snapshot.

    Attributes
    ----------
    count : int
    last_close : datetime or None
        Of the latest of them, UTC; None if there is none.
    is_more : bool
        Whether there are more than were counted.
    """

    count: int
    last_close: datetime | None
    is_more: bool = False


def behind(calendar: str, as_of: datetime, now: datetime) -> Behind | None:
    """Return how many sessions of a calendar have closed between a snapshot and the present, less a grace.

    None where the calendar does not cover the time.
    """
    until = now - GRACE
    start = max(as_of, until - LONGEST)
    if start >= until:
        return Behind(0, None)
    first, last = (moment.astimezone(NEW_YORK).date() for moment in (start, until))
    try:
        closes = [close_time(calendar, day) for day in sessions(calendar, first, last)]
    except ValueError:
        return None
    passed = [close for close in closes if as_of < close <= until]
    return Behind(len(passed), max(passed, default=None), is_more=start > as_of)
