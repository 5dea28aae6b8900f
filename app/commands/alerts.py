"""Acknowledging incidents for a while, taking that back, and closing them by hand.

What belongs here: these commands. What does not: raising and sending (``periscope_assets.alerts``).
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from app.commands.actors import Actor, Role, require
from periscope_assets.alerts.incidents import ACKNOWLEDGED, REOPENED, RESOLVED, episodes
from periscope_assets.store.audit import Act
from periscope_assets.store.people import AlertEvent, People

LONGEST_NOTE, LONGEST_KEY = 500, 300
LONGEST = timedelta(days=30)
_ACTIONS = {ACKNOWLEDGED: "alerts.acknowledge", REOPENED: "alerts.reopen", RESOLVED: "alerts.resolve"}


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


def resolve(people: People, actor: Actor, *, incident: str, why: str) -> AlertEvent:
    """Say that an incident is over where nothing tells by itself; errors as of :func:`acknowledge`."""
    if not (0 < len(why) <= LONGEST_NOTE and "\0" not in why):
        raise ValueError(f"why: expected 1 to {LONGEST_NOTE} characters")
    return _add(people, actor, incident, RESOLVED, {"why": why})


def _add(
    people: People, actor: Actor, incident: str, kind: str, details: dict[str, object] | None
) -> AlertEvent:
    if not (0 < len(incident) <= LONGEST_KEY and incident.isprintable()):
        raise ValueError(f"incident: expected 1 to {LONGEST_KEY} printable characters")
    action = _ACTIONS[kind]
    require(people, actor, Role.OPERATOR, action, incident)
    standing = episodes(people.open_alerts(incidents=[incident]))
    if not standing:
        raise LookupError(f"no open incident {incident[:80]!r}: `periscope alerts list` shows them")
    if kind == RESOLVED:
        details = standing[0].incident.to_details() | (details or {})
    act = Act(actor.name, action, incident)
    return people.add_alert_event(act, incident=incident, kind=kind, details=details)
