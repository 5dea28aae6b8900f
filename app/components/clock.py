"""Times and ages for people.

What belongs here: the present, and formatting. What does not: widgets, market calendars.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, tzinfo

from periscope_analytics.conventions import NEW_YORK


def now() -> datetime:
    """Return the present, UTC."""
    return datetime.now(UTC)


def market_time(value: datetime, zone: tzinfo = NEW_YORK) -> str:
    """Return the time in a zone and in UTC, e.g. ``Thu 14 Sep 2023 16:00 New York (20:00 UTC)``."""
    local, utc = value.astimezone(zone), value.astimezone(UTC)
    if str(zone) == "UTC":
        return local_time(value, zone)
    day = "" if utc.date() == local.date() else f"{utc:%d %b} "
    return f"{local_time(value, zone)} ({day}{utc:%H:%M} UTC)"


def local_time(value: datetime, zone: tzinfo = NEW_YORK) -> str:
    """Return the time in a zone alone, e.g. ``Thu 14 Sep 2023 16:00 New York``."""
    place = str(zone).rpartition("/")[2].replace("_", " ")
    return f"{value.astimezone(zone):%a %d %b %Y %H:%M} {place}"


def stamp(value: datetime) -> str:
    """Return a time to the second in UTC."""
    return f"{value.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def age(value: datetime, now: datetime) -> str:
    """Return how long ago `value` was, in its two largest units."""
    passed = max(now - value, timedelta(0))
    years, days = divmod(passed.days, 365)
    hours, minutes = passed.seconds // 3600, passed.seconds // 60 % 60
    units = [(years, "y"), (days, "d"), (hours, "h"), (minutes, "min")]
    first = next((place for place, (count, _) in enumerate(units) if count), len(units) - 1)
    return " ".join(
        f"{count} {name}" for count, name in units[first : first + 2] if count or len(units) == first + 1
    )
