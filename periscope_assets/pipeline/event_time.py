"""Days ahead: the events of the settings' file and days without a session, as a stage takes them.

What belongs here: which of them a snapshot sees. What does not: the file's format (``sources.events``), what
they do to vols (``transforms.surfaces.event_time``). The file's bytes rest in the lake before they are
parsed.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import cached_property

from periscope_analytics.conventions import NEW_YORK
from periscope_assets.settings import Settings
from periscope_assets.sources import files
from periscope_assets.sources.calendars import ALWAYS, LAST, sessions
from periscope_assets.sources.events import Event, parse_events
from periscope_assets.store.lake import Lake

_AHEAD = timedelta(days=3 * 366)
_SATURDAY = 5


class DaysAhead:
    """Events and closed days, read when they are first asked for.

    Parameters
    ----------
    settings : Settings
    lake : Lake
    """

    def __init__(self, settings: Settings, lake: Lake) -> None:
        self._settings, self._lake = settings, lake

    def of(self, symbol: str, as_of: datetime) -> dict[str, object]:
        """Return the setting ``event_time`` of a snapshot: empty without a file and in calendar time.

        Only what lies ahead is in it, so that the past of a file may be dropped without building anew.

        Raises
        ------
        SourceError
            If the file can't be read.
        """
        calendar, weight = self._settings.calendar_of(symbol), self._settings.source.closed_weight
        if self._settings.source.events is None and (weight == 1.0 or calendar == ALWAYS):
            return {}
        today = as_of.astimezone(NEW_YORK).date()
        ahead = [each for each in self._events if today <= each.day <= today + _AHEAD]
        mine = [(each.day.isoformat(), each.name) for each in ahead if each.symbol in (None, symbol)]
        last = min(today + _AHEAD, LAST)
        open_days = set() if calendar == ALWAYS or weight == 1.0 else set(sessions(calendar, today, last))
        closed = [
            day.isoformat()
            for day in (today + timedelta(days=i) for i in range((last - today).days + 1))
            if open_days and day.weekday() < _SATURDAY and day not in open_days
        ]
        return {
            "events": mine,
            "closed_weight": 1.0 if calendar == ALWAYS else weight,
            "closed_days": closed,
        }

    @cached_property
    def _events(self) -> tuple[Event, ...]:
        path = self._settings.source.events
        if path is None:
            return ()
        content = files.read_bytes(path)
        self._lake.land(content)
        return parse_events(content, path.name)
