"""Incidents and the outbox of their alerts, as events.

What belongs here: SQL of ``alert_events`` and ``alert_deliveries``. What does not: what an incident is, whom
it is told and when (``periscope_assets.alerts``).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from psycopg.types.json import Jsonb

from periscope_assets.store.people import TELL_ALERTS, AlertEvent, People, alert_event

ACTOR = "periscope"
"""Who raises, resolves and sends."""

_SENDER_LOCK = 7_305_801_442
_NOW = "coalesce(%(now)s::timestamptz, clock_timestamp())"
_ADD = f"""
WITH added AS (
    INSERT INTO periscope.alert_events (at, actor, incident, kind, details)
    SELECT {_NOW}, %(actor)s, incident, kind, details
    FROM unnest(%(incidents)s::text[], %(kinds)s::text[], %(details)s::jsonb[])
        WITH ORDINALITY AS new (incident, kind, details, place)
    ORDER BY place
    RETURNING event_id, at, incident, kind
) {TELL_ALERTS} ORDER BY event_id
"""  # noqa: S608
_UNDECIDED = """
SELECT event_id, at, actor, incident, kind, details FROM periscope.alert_events AS event
WHERE kind IN ('raised', 'resolved', 'reminded') AND NOT EXISTS (
    SELECT FROM periscope.alert_deliveries
    WHERE alert_id = event.event_id AND kind IN ('decided', 'suppressed')
)
ORDER BY event_id LIMIT %(limit)s
"""
_TOLD = """
SELECT event.event_id, event.incident, event.kind, delivery.channel, delivery.kind, delivery.note
FROM periscope.alert_events AS event JOIN periscope.alert_deliveries AS delivery
    ON delivery.alert_id = event.event_id AND delivery.kind IN ('decided', 'suppressed')
WHERE event.incident = ANY(%(incidents)s)
ORDER BY delivery.event_id
"""
_PENDING = """
SELECT event.event_id, event.at, event.actor, event.incident, event.kind, event.details,
    decided.channel, decided.due_at, count(tried.event_id)
FROM periscope.alert_deliveries AS decided
JOIN periscope.alert_events AS event ON event.event_id = decided.alert_id
LEFT JOIN periscope.alert_deliveries AS tried
    ON tried.alert_id = decided.alert_id AND tried.channel = decided.channel AND tried.kind = 'failed'
WHERE decided.kind = 'decided' AND decided.channel = %(channel)s AND decided.due_at <= %(now)s
    AND NOT EXISTS (
        SELECT FROM periscope.alert_deliveries AS sent
        WHERE sent.alert_id = decided.alert_id AND sent.channel = decided.channel AND sent.kind = 'sent'
    )
GROUP BY event.event_id, event.at, event.actor, event.incident, event.kind, event.details,
    decided.channel, decided.due_at
ORDER BY count(tried.event_id), event.event_id LIMIT %(limit)s
"""
_RECORD = f"""
INSERT INTO periscope.alert_deliveries (at, actor, alert_id, channel, kind, due_at, note)
SELECT {_NOW}, %(actor)s, alert_id, channel, kind, due_at, note
FROM unnest(%(alerts)s::bigint[], %(channels)s::text[], %(kinds)s::text[], %(due)s::timestamptz[],
    %(notes)s::text[]) WITH ORDINALITY AS new (alert_id, channel, kind, due_at, note, place)
ORDER BY place
"""  # noqa: S608


@dataclass(frozen=True, slots=True)
class Delivery:
    """What became of telling an event on a channel: ``decided``, ``suppressed``, ``sent`` or ``failed``."""

    alert_id: int
    channel: str
    kind: str
    due_at: datetime | None = None
    note: str | None = None


@dataclass(frozen=True, slots=True)
class Pending:
    """An event that is due on a channel and not confirmed as sent, with the number of attempts so far."""

    event: AlertEvent
    channel: str
    due_at: datetime
    attempts: int


@dataclass(frozen=True, slots=True)
class Told:
    """What was decided about an event of an incident."""

    alert_id: int
    incident: str
    event: str
    channel: str
    kind: str
    note: str | None


class AlertLog(People):
    """Events of incidents and of their delivery; see ``People``."""

    def add_alerts(self, events: Sequence[tuple[str, str, dict[str, Any] | None]], now: datetime) -> None:
        """Write down events of incidents, all or none: incident, kind, details."""
        if not events:
            return
        values = {
            "now": now,
            "actor": ACTOR,
            "incidents": [incident for incident, _, _ in events],
            "kinds": [kind for _, kind, _ in events],
            "details": [None if details is None else Jsonb(details) for _, _, details in events],
        }
        with self._session() as connection:
            connection.execute(_ADD, values)

    def undecided(self, limit: int) -> list[AlertEvent]:
        """Return events that ought to be told and of which nothing is decided, oldest first."""
        return [alert_event(row) for row in self._fetch(_UNDECIDED, {"limit": limit})]

    def told(self, incidents: Sequence[str]) -> list[Told]:
        """Return what was decided about events of some incidents, in that order."""
        return [Told(*row) for row in self._fetch(_TOLD, {"incidents": list(incidents)})]

    def pending(self, channel: str, now: datetime, limit: int) -> list[Pending]:
        """Return what is due on a channel and not sent: least often tried first, then oldest first."""
        rows = self._fetch(_PENDING, {"channel": channel, "now": now, "limit": limit})
        return [Pending(alert_event(row[:6]), row[6], row[7].astimezone(UTC), row[8]) for row in rows]

    def record(self, deliveries: Sequence[Delivery], now: datetime) -> None:
        """Write down deliveries, all or none."""
        if not deliveries:
            return
        values = {
            "now": now,
            "actor": ACTOR,
            "alerts": [each.alert_id for each in deliveries],
            "channels": [each.channel for each in deliveries],
            "kinds": [each.kind for each in deliveries],
            "due": [each.due_at for each in deliveries],
            "notes": [each.note for each in deliveries],
        }
        with self._session() as connection:
            connection.execute(_RECORD, values)

    @contextmanager
    def sole_sender(self) -> Iterator[bool]:
        """Say whether nobody else decides and sends; nobody else does then until the context ends.

        The lock is the connection's: it ends with this process, however it ends.
        """
        with self._session() as connection:
            row = connection.execute("SELECT pg_try_advisory_lock(%s)", [_SENDER_LOCK]).fetchone()
            is_sole = bool(row and row[0])
            try:
                yield is_sole
            finally:
                if is_sole and not connection.closed:
                    connection.execute("SELECT pg_advisory_unlock(%s)", [_SENDER_LOCK])
