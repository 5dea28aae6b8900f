"""What a person reads: one message for one event of an incident, or a list of them.

What belongs here: words. What does not: when and where they are sent.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from periscope_assets.alerts.incidents import KINDS, REMINDED, RESOLVED, Incident, read_incident
from periscope_assets.store.people import AlertEvent

PER_MESSAGE = 15
"""Most incidents of one list: it fits the shortest channel, 4,096 characters."""
_LINE = 240


@dataclass(frozen=True, slots=True)
class Links:
    """Where Dagster's pages and the runbook are read."""

    dagster: str
    runbook: str


@dataclass(frozen=True, slots=True)
class Message:
    """Title and text; `is_good` where it only says that things are well again."""

    title: str
    body: str
    is_good: bool = False


def compose(events: Sequence[AlertEvent], links: Links) -> Message:
    """Return the message for an event, or the list for several.

    Each event is named by its number, ``#12``: whoever gets a message twice can tell.
    """
    return _single(events[0], links) if len(events) == 1 else _list(events, links)


def _single(event: AlertEvent, links: Links) -> Message:
    incident = read_incident(event.incident, event.details)
    kind = KINDS[incident.kind]
    state = _state(event)
    lines = [
        incident.what,
        f"Since: {_when(incident.since)}",
        *([f"Resolved: {_when(event.at)}, {event.details['why']}"] if event.kind == RESOLVED else []),
        f"Impact: {incident.impact or kind.impact}",
        f"Last good: {incident.last_good or 'none known'}",
        f"Run: {f'{links.dagster}/runs/{incident.run_id}' if incident.run_id else links.dagster}",
        f"Runbook: {links.runbook}#{incident.kind}",
        f"Acknowledge: periscope alerts acknowledge '{incident.key}'",
    ]
    title = f"[{state}] {kind.title} #{event.event_id}"
    return Message(title, "\n".join(lines), event.kind == RESOLVED)


def _list(events: Sequence[AlertEvent], links: Links) -> Message:
    told = [(event, read_incident(event.incident, event.details)) for event in events]
    lines = [_line(event, incident) for event, incident in told]
    kinds = sorted({incident.kind for _, incident in told})
    tail = [f"Runbook: {links.runbook}#{kind}" for kind in kinds]
    good = sum(event.kind == RESOLVED for event in events)
    title = f"Periscope: {len(events) - good} incidents, {good} resolved"
    return Message(title, "\n".join([*lines, *tail, f"Runs: {links.dagster}/runs"]), good == len(events))


def _line(event: AlertEvent, incident: Incident) -> str:
    what = incident.what if len(incident.what) <= _LINE else f"{incident.what[: _LINE - 3]}..."
    return f"#{event.event_id} [{_state(event)}] {what} (since {_when(incident.since)})"


def _state(event: AlertEvent) -> str:
    if event.kind == RESOLVED:
        return "resolved"
    return "still open" if event.kind == REMINDED else str(event.details["tier"])


def _when(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
