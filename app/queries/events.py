"""What lies ahead of an underlying: expirations, dividends, closed days, and events from a file.

What belongs here: dates by symbol between two days. What does not: what they do to prices.
"""

from __future__ import annotations

from calendar import FRIDAY, monthcalendar
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta

from periscope_analytics.conventions import UTC08, listing
from periscope_assets.settings import Settings
from periscope_assets.sources import files
from periscope_assets.sources.base import SourceError
from periscope_assets.sources.calendars import ALWAYS, sessions
from periscope_assets.sources.dividends import Schedules, parse_dividends
from periscope_assets.sources.events import Event, load_events

QUARTERS = (3, 6, 9, 12)
MONTHLY, QUARTERLY = "monthly expiration", "quarterly expiration"


@dataclass(frozen=True, slots=True)
class EventBook:
    """What is known of the days ahead.

    Attributes
    ----------
    scheduled : sequence of Event
        From the file of events.
    dividends : mapping of str to sequence of Dividend
    problems : tuple of str
        Files that could not be read, and why.
    """

    scheduled: Sequence[Event] = ()
    dividends: Schedules = field(default_factory=dict)
    problems: tuple[str, ...] = ()

    def between(self, symbol: str, calendar: str, start: date, end: date) -> list[Event]:
        """Return the events of a symbol after `start` up to `end`, by day."""
        dividends = self.dividends.get(symbol, ())
        found = [
            *_expirations(symbol, calendar, start, end),
            *(Event(each.ex_date, f"ex-dividend {each.amount:g} USD", symbol) for each in dividends),
            *(each for each in self.scheduled if each.symbol in (None, symbol)),
        ]
        return sorted((each for each in found if start < each.day <= end), key=lambda each: each.day)


def open_book(settings: Settings) -> EventBook:
    """Return what the files of the settings say; a file that can't be read is a problem, not an absence."""
    problems: list[str] = []
    source = settings.source
    scheduled: Sequence[Event] = ()
    dividends: Schedules = {}
    try:
        scheduled = () if source.events is None else load_events(source.events)
        if (path := source.dividends) is not None:
            dividends = parse_dividends(files.read_bytes(path), path.name)
    except (SourceError, OSError) as error:
        problems.append(f"Events could not be read: {error}")
    return EventBook(scheduled, dividends, tuple(problems))


def _expirations(symbol: str, calendar: str, start: date, end: date) -> Iterator[Event]:
    """Give the monthly expirations: the third Friday or the session before, for coins the last Friday."""
    is_coin = listing(symbol).settlement == UTC08
    year, month = start.year, start.month
    while date(year, month, 1) <= end:
        fridays = [week[FRIDAY] for week in monthcalendar(year, month) if week[FRIDAY]]
        day = _session_before(calendar, date(year, month, fridays[-1] if is_coin else fridays[2]))
        yield Event(day, QUARTERLY if month in QUARTERS else MONTHLY, symbol)
        year, month = (year, month + 1) if month < 12 else (year + 1, 1)


def _session_before(calendar: str, day: date) -> date:
    """Return a day, or the last session before it where it is none; itself beyond the calendar."""
    if calendar == ALWAYS:
        return day
    try:
        return max(sessions(calendar, day - timedelta(days=5), day), default=day)
    except ValueError:
        return day
