"""What an incident is: its kinds, what is raised, and the state that its events give.

What belongs here: pure functions of events and a time. What does not: whom it is told (``outbox``).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any

from periscope_assets.operations_settings import TIERS, Tier
from periscope_assets.store.people import AlertEvent

RAISED, RESOLVED, REMINDED = "raised", "resolved", "reminded"
ACKNOWLEDGED, REOPENED = "acknowledged", "reopened"


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of incident: how urgent it is and what it does to readers, in a sentence."""

    tier: Tier
    title: str
    impact: str


KINDS: Mapping[str, Kind] = MappingProxyType(
    {
        "stale_surface": Kind(
            "page", "Stale surface", "Readers get the last good surface, marked stale; it no longer moves."
        ),
        "run_stalled": Kind(
            "page",
            "Stalled run",
            "What it builds stays as it was, and it holds a place that others wait for.",
        ),
        "run_failed": Kind(
            "notify", "Failed run", "Its partition is not built any further; what was published stays served."
        ),
        "source_failed": Kind(
            "notify",
            "Source failure",
            "No new chain of these symbols; everything made of it stays as it was last published.",
        ),
        "check_failed": Kind(
            "notify",
            "Failed check",
            "What was judged is published with this defect, or rejected and not served.",
        ),
        "check_warned": Kind(
            "digest", "Check with a warning", "Served; figures lie outside their usual range."
        ),
        "backfill_failed": Kind(
            "notify", "Failed backfill", "Its remaining dates are not built; those done are published."
        ),
        "tick_failed": Kind(
            "page", "Failed sensor or schedule", "Nothing that it starts or watches is started or watched."
        ),
        "signal": Kind("notify", "New signal", "A trade signal above the threshold was published."),
    }
)
"""Kinds by the name with which their keys begin; each has its section in ``docs/operations.md``."""


@dataclass(frozen=True, slots=True)
class Incident:
    """Something that is wrong, or that somebody wants to know of.

    Attributes
    ----------
    key : str
        ``kind:rest``: what has the same key is the same incident.
    what : str
        One sentence with its numbers.
    since : datetime
        When it began, UTC.
    tier : {'page', 'notify', 'digest'} or None
        Default: that of its kind.
    impact : str
        Default: that of its kind.
    last_good : str
        Last version that was good, in words; empty where there is none.
    run_id : str
        Dagster run that it is about; empty for none.
    parent : str
        Key of the incident that explains this one: while that is open, this one is not told.
    """

    key: str
    what: str
    since: datetime
    tier: Tier | None = None
    impact: str = ""
    last_good: str = ""
    run_id: str = ""
    parent: str = ""

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"key {self.key[:60]!r}: expected kind:rest with a kind of {', '.join(KINDS)}")

    @property
    def kind(self) -> str:
        """Name of its kind."""
        return self.key.partition(":")[0]

    @property
    def urgency(self) -> Tier:
        """Its own tier or its kind's."""
        return self.tier or KINDS[self.kind].tier

    def to_details(self) -> dict[str, Any]:
        """Return it as the JSON document of an event."""
        stated = asdict(self) | {"since": self.since.astimezone(UTC).isoformat(), "tier": self.urgency}
        stated["impact"] = self.impact or KINDS[self.kind].impact
        return {name: value for name, value in stated.items() if name != "key" and value not in ("", None)}


def read_incident(key: str, details: Mapping[str, Any]) -> Incident:
    """Return the incident that an event of kind ``raised`` holds."""
    since = datetime.fromisoformat(details["since"])
    rest = {
        name: details[name] for name in ("tier", "impact", "last_good", "run_id", "parent") if name in details
    }
    return Incident(key, details["what"], since, **rest)


@dataclass(frozen=True, slots=True)
class Episode:
    """An incident from when it was raised until it was resolved, as its events tell.

    Attributes
    ----------
    incident : Incident
    alert_id : int
        Event that raised it.
    raised_at, resolved_at, reminded_at : datetime or None
    acknowledged_by, acknowledged_until, note
        The last acknowledgement, unless it was taken back.
    acknowledged_id, reminded_id : int
        Numbers of these events; 0 for none.
    """

    incident: Incident
    alert_id: int
    raised_at: datetime
    resolved_at: datetime | None = None
    acknowledged_by: str | None = None
    acknowledged_until: datetime | None = None
    acknowledged_id: int = 0
    note: str | None = None
    reminded_at: datetime | None = None
    reminded_id: int = 0

    @property
    def is_open(self) -> bool:
        """Whether it is not resolved."""
        return self.resolved_at is None

    def is_acknowledged(self, now: datetime) -> bool:
        """Tell whether somebody takes care of it at a time."""
        return self.acknowledged_until is not None and now < self.acknowledged_until

    def state(self, now: datetime) -> str:
        """Return ``open``, ``acknowledged`` or ``resolved``."""
        if not self.is_open:
            return "resolved"
        return "acknowledged" if self.is_acknowledged(now) else "open"


def episodes(events: Iterable[AlertEvent]) -> list[Episode]:
    """Return the episodes that events tell of, in the order in which they were raised; events oldest first.

    Raised again while it is open, an incident is told with what was said last, since when it began first.
    """
    running: dict[str, dict[str, Any]] = {}
    found: list[dict[str, Any]] = []
    for event in events:
        episode = running.get(event.incident)
        if event.kind == RAISED:
            incident = read_incident(event.incident, event.details)
            if episode is None:
                episode = {"incident": incident, "alert_id": event.event_id, "raised_at": event.at}
                running[event.incident] = episode
                found.append(episode)
            else:
                episode["incident"] = incident
        elif episode is not None:
            episode |= _change(event)
            if event.kind == RESOLVED:
                del running[event.incident]
    return [Episode(**each) for each in found]


def _change(event: AlertEvent) -> dict[str, Any]:
    if event.kind == ACKNOWLEDGED:
        return {
            "acknowledged_by": event.actor,
            "acknowledged_until": datetime.fromisoformat(event.details["until"]),
            "acknowledged_id": event.event_id,
            "note": event.details.get("note"),
        }
    if event.kind == REOPENED:
        return {"acknowledged_by": None, "acknowledged_until": None, "acknowledged_id": 0, "note": None}
    if event.kind == REMINDED:
        return {"reminded_at": event.at, "reminded_id": event.event_id}
    return {"resolved_at": event.at}


def is_more_urgent(new: Tier, old: Tier) -> bool:
    """Tell whether a tier calls louder than another."""
    return TIERS.index(new) < TIERS.index(old)
