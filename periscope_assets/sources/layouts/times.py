"""Dates and instants as vendors write them.

What belongs here: strict text -> date or UTC instant; each raises ValueError on anything else. What does not:
calendars.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta, timezone

_ISO_DATE = re.compile(r"([0-9]{4})-([0-9]{2})-([0-9]{2})")
_ISO_TIME = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?"
    r"(?P<zone>Z|[+-][0-9]{2}:[0-9]{2})?"
)
_WEEKDAY_DATE = re.compile(r"(Mon|Tue|Wed|Thu|Fri|Sat|Sun) ([A-Z][a-z]{2}) ([0-9]{2}) ([0-9]{4})")
_LONG_TIME = re.compile(
    r"([A-Z][a-z]+) ([0-9]{1,2}), ([0-9]{4}) at ([0-9]{1,2}):([0-9]{2}) (AM|PM) (EDT|EST)"
)
_MONTHS = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip
_SHORT_MONTHS = {name[:3]: number for number, name in enumerate(_MONTHS, start=1)}
_ZONES = {"EDT": timezone(timedelta(hours=-4)), "EST": timezone(timedelta(hours=-5))}
_FIRST_YEAR, _LAST_YEAR = 1980, 2199


def plausible_date(year: int, month: int, day: int) -> date:
    """Return the date; a year outside 1980-2199 is a ValueError like any day that does not exist."""
    if not _FIRST_YEAR <= year <= _LAST_YEAR:
        raise ValueError(f"year: expected {_FIRST_YEAR}-{_LAST_YEAR}, got {year}")
    return date(year, month, day)


def short_month(text: str) -> int:
    """Return the number of a month written like ``Sep`` or ``SEP``."""
    if text.title() not in _SHORT_MONTHS:
        raise ValueError(f"month: got {text!r}")
    return _SHORT_MONTHS[text.title()]


def iso_date(text: str) -> date:
    """Read ``2023-09-14``."""
    match = _ISO_DATE.fullmatch(text)
    if not match:
        raise ValueError(text)
    return plausible_date(*(int(part) for part in match.groups()))


def weekday_date(text: str) -> date:
    """Read ``Thu Sep 14 2023``."""
    match = _WEEKDAY_DATE.fullmatch(text)
    if not match:
        raise ValueError(text)
    day = plausible_date(int(match[4]), short_month(match[2]), int(match[3]))
    if day.strftime("%a") != match[1]:
        raise ValueError(text)
    return day


def iso_utc(text: str) -> datetime:
    """Read ``2026-01-15T21:21:56.012012+00:00`` as UTC; a zone is required."""
    match = _ISO_TIME.fullmatch(text)
    if not match or match["zone"] is None:
        raise ValueError(text)
    return _utc(datetime.fromisoformat(text))


def naive_utc(text: str) -> datetime:
    """Read ``2026-04-17T23:58:01.546``, which the vendor means as UTC."""
    match = _ISO_TIME.fullmatch(text)
    if not match or match["zone"] is not None:
        raise ValueError(text)
    return _utc(datetime.fromisoformat(text).replace(tzinfo=UTC))


def long_utc(text: str) -> datetime:
    """Read ``September 14, 2023 at 4:31 PM EDT`` as UTC."""
    match = _LONG_TIME.fullmatch(text)
    if not match or match[1] not in _MONTHS or not 1 <= int(match[4]) <= 12:
        raise ValueError(text)
    hour = int(match[4]) % 12 + (12 if match[6] == "PM" else 0)
    month = _MONTHS.index(match[1]) + 1
    local = datetime(int(match[3]), month, int(match[2]), hour, int(match[5]), tzinfo=_ZONES[match[7]])
    return _utc(local)


def _utc(moment: datetime) -> datetime:
    plausible_date(moment.year, moment.month, moment.day)
    return moment.astimezone(UTC)
