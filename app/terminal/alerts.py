"""``periscope alerts``: what is open and what was, and what a person does about it.

What belongs here: what the person is told. What does not: what an incident is (``periscope_assets.alerts``).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from app.terminal.output import UserError, columns, say, when
from app.terminal.reading import load_settings

if TYPE_CHECKING:
    from periscope_assets.settings import Settings
    from periscope_assets.store.people import People

_HEADS = ("incident", "tier", "state", "since", "what")


@contextmanager
def _people(settings: Settings) -> Iterator[People]:
    from app.services.database import database
    from periscope_assets.store.connect import open_people

    with database(settings), closing(open_people(settings)) as people:
        yield people


def show(everything: bool, as_json: bool) -> None:
    """Print open incidents, with those that are over if asked for."""
    from app.queries import to_jsonable
    from app.queries.alerts import alerts

    settings = load_settings()
    with _people(settings) as people:
        answer = alerts(people, datetime.now(UTC), runbook=settings.alerts.runbook_url)
    if as_json:
        say(json.dumps(to_jsonable(answer), indent=2))
        return
    frames = [answer.frames["open"], *([answer.frames["history"]] if everything else [])]
    rows = [
        (row["incident"], row["tier"], row["state"], when(row["since"]), row["what"])
        for frame in frames
        for row in frame.to_dict("records")
    ]
    if not rows:
        say("No incident is open.")
        return
    for line in columns(_HEADS, rows, left=_HEADS):
        say(line)


def acknowledge(incident: str, hours: float, note: str | None) -> None:
    """Say that somebody takes care of an incident for some hours."""
    from app.commands import LOCAL, alerts

    now = datetime.now(UTC)
    until = now + timedelta(hours=hours)
    with _people(load_settings()) as people, _told():
        alerts.acknowledge(people, LOCAL, incident=incident, until=until, now=now, note=note)
    say(f"{incident} is acknowledged until {when(until)}; if it is open then, it is told again.")


def resolve(incident: str, why: str) -> None:
    """Say that an incident is over."""
    from app.commands import LOCAL, alerts

    with _people(load_settings()) as people, _told():
        alerts.resolve(people, LOCAL, incident=incident, why=why)
    say(f"{incident} is resolved; if it comes up again, it is told again.")


@contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except (LookupError, ValueError) as error:
        raise UserError(str(error)) from None
