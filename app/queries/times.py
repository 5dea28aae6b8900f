"""Times as readers write them.

What belongs here: parsing and printing of RFC 3339. What does not: session calendars, or the current time.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta

from app.queries.errors import InvalidParameterError
from periscope_analytics.conventions import NEW_YORK

TimeLike = datetime | date | str | None

_DATE_TIME = re.compile(
    r"\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}:\d{2}(\.\d{1,6})?([Zz]|[+-]\d{2}:\d{2})", re.ASCII
)
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)


def parse_time(value: TimeLike, parameter: str, *, allow_date: bool = True) -> datetime | None:
    """Return the UTC instant that a reader means, None for None.

    Parameters
    ----------
    value : datetime, date, str or None
        RFC 3339 date-time with an offset. A bare date means the end of that day in New York.
    parameter : str
        Name to blame in errors.
    allow_date : bool
        Whether a bare date is accepted.

    Raises
    ------
    InvalidParameterError
        If it is neither, or has no UTC offset.
    """
    if value is None:
        return None
    try:
        if isinstance(value, str):
            value = _from_text(value, parameter, allow_date)
        if not isinstance(value, datetime):
            return datetime.combine(value, time.max, tzinfo=NEW_YORK).astimezone(UTC)
        if value.tzinfo is None:
            raise InvalidParameterError(parameter, "a time needs its UTC offset, e.g. 2026-01-02T21:00:00Z")
        return value.astimezone(UTC)
    except OverflowError:
        raise InvalidParameterError(parameter, "out of range") from None


def _from_text(text: str, parameter: str, allow_date: bool) -> datetime | date:
    try:
        if allow_date and _DATE.fullmatch(text):
            return date.fromisoformat(text)
        if _DATE_TIME.fullmatch(text):
            return datetime.fromisoformat(text.upper())
    except ValueError:
        raise InvalidParameterError(parameter, f"{text[:40]!r} is no date of the calendar") from None
    expected = "expected an RFC 3339 time such as 2026-01-02T21:00:00Z (in a URL, write + as %2B)"
    raise InvalidParameterError(parameter, f"{expected}, got {text[:40]!r}")


def just_after(moment: datetime) -> datetime:
    """Return the next instant, or the last one there is."""
    try:
        return moment + timedelta(microseconds=1)
    except OverflowError:
        return moment


def rfc3339(value: datetime) -> str:
    """Return an instant as RFC 3339 in UTC, without trailing zeros in the fraction.

    Raises
    ------
    ValueError
        If `value` has no UTC offset.
    """
    if value.tzinfo is None:
        raise ValueError("value: a time without UTC offset")
    text = value.astimezone(UTC).replace(tzinfo=None).isoformat()
    return (text.rstrip("0") if "." in text else text) + "Z"
