"""Acknowledging incidents for a while, and taking that back.

What belongs here: these two commands. What does not: raising and resolving (``periscope_assets.alerts``).
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from app.commands.actors import Actor, Role, require
from periscope_assets.alerts.incidents import ACKNOWLEDGED, REOPENED
from periscope_assets.store.audit import Act
from periscope_assets.store.people import AlertEvent, People

LONGEST_NOTE, LONGEST_KEY = 500, 300
LONGEST = timedelta(days=30)


def acknowledge(
    people: People, actor: Actor, *, incident: str, until: datetime, now: datetime, note: str | None = None
) -> AlertEvent:
    """Say that somebody takes care of an open incident until a time; if it is open then, it is told again.

    Parameters
    ----------
    people : People
    actor : Actor
    incident : str
        Its key.
    until : datetime
        At most 30 days after `now`.
    now : datetime
    note : str, optional

    Raises
    ------
    ValueError
        If key, time or note can't be one.
    LookupError
        If no such incident is open.
    DeniedError
        If the actor's role is below operator.
    """
    if until.tzinfo is None or not now < until <= now + LONGEST:
        raise ValueError(f"until: expected a time with UTC offset within {LONGEST.days} days from now")
    if note is not None and (len(note) > LONGEST_NOTE or "\0" in note):
        raise ValueError(f"note: expected at most {LONGEST_NOTE} characters")
    details: dict[str, object] = {"until": until.astimezone(UTC).isoformat(), "note": note}
    return _add(people, actor, incident, ACKNOWLEDGED, details)


def reopen(people: People, actor: Actor, *, incident: str) -> AlertEvent:
    """Take an acknowledgement back; errors as of :func:`acknowledge`."""
    return _add(people, actor, incident, REOPENED, None)


def _add(
    people: People, actor: Actor, incident: str, kind: str, details: dict[str, object] | None
) -> AlertEvent:
    if not (0 < len(incident) <= LONGEST_KEY and incident.isprintable()):
        raise ValueError(f"incident: expected 1 to {LONGEST_KEY} printable characters")
    action = {ACKNOWLEDGED: "alerts.acknowledge", REOPENED: "alerts.reopen"}[kind]
    require(people, actor, Role.OPERATOR, action, incident)
    if not people.open_alerts(incidents=[incident]):
        raise LookupError(f"no open incident {incident[:80]!r}: `periscope alerts list` shows them")
    act = Act(actor.name, action, incident)
    return people.add_alert_event(act, incident=incident, kind=kind, details=details)
