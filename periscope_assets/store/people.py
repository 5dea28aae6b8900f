"""What people do, as events: about signals, alerts, keys, preferences; each is in the audit log too.

What belongs here: SQL of the event tables. What does not: who may do what and what an event means
(``app.commands``), publications.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from psycopg.types.json import Jsonb

from periscope_assets.store import audit
from periscope_assets.store.audit import Act, AuditEntry, ChainCheck
from periscope_assets.store.roles import COMMANDS
from periscope_assets.store.sessions import Sessions

_PAGE = 5000
_NOW = "coalesce(%(now)s::timestamptz, clock_timestamp())"
_ADD_SIGNAL = f"""
INSERT INTO periscope.signal_events (at, actor, symbol, signal_id, kind, note)
VALUES ({_NOW}, %(actor)s, %(symbol)s, %(signal_id)s, %(kind)s, %(note)s) RETURNING event_id, at
"""  # noqa: S608
_ADD_KEY = f"""
INSERT INTO periscope.api_keys (at, actor, key_id, kind, details)
VALUES ({_NOW}, %(actor)s, %(key_id)s, %(kind)s, %(details)s)
"""  # noqa: S608
_ADD_PREFERENCE = f"""
INSERT INTO periscope.preferences (at, actor, name, value)
VALUES ({_NOW}, %(actor)s, %(name)s, %(value)s)
"""  # noqa: S608
INCIDENTS = "periscope_incidents"
"""Channel of the notification that each event of an incident sends when it is committed."""
TELL_ALERTS = f"""
SELECT event_id, at, pg_notify('{INCIDENTS}', json_build_object(
    'event_id', event_id, 'incident', left(incident, 500), 'event', kind)::text)
FROM added
"""  # noqa: S608
_ADD_ALERT = f"""
WITH added AS (
    INSERT INTO periscope.alert_events (at, actor, incident, kind, details)
    VALUES ({_NOW}, %(actor)s, %(incident)s, %(kind)s, %(details)s) RETURNING event_id, at, incident, kind
) {TELL_ALERTS}
"""  # noqa: S608
_OPEN_ALERTS = """
WITH last AS (
    SELECT DISTINCT ON (incident) incident, kind, event_id FROM periscope.alert_events
    WHERE kind IN ('raised', 'resolved')
        AND (%(incidents)s::text[] IS NULL OR incident = ANY(%(incidents)s))
        AND (%(until)s::timestamptz IS NULL OR at <= %(until)s)
    ORDER BY incident, event_id DESC
)
SELECT event.event_id, at, actor, event.incident, event.kind, details
FROM periscope.alert_events AS event JOIN last USING (incident)
WHERE last.kind = 'raised' AND event.event_id >= last.event_id
    AND (%(until)s::timestamptz IS NULL OR at <= %(until)s)
ORDER BY event.event_id
"""
_RECENT_ALERTS = """
WITH raised AS (
    SELECT event_id, incident FROM periscope.alert_events
    WHERE kind = 'raised' AND (%(until)s::timestamptz IS NULL OR at <= %(until)s)
    ORDER BY event_id DESC LIMIT %(limit)s
)
SELECT event_id, at, actor, incident, kind, details FROM periscope.alert_events
WHERE event_id >= (SELECT min(event_id) FROM raised) AND incident IN (SELECT incident FROM raised)
    AND (%(until)s::timestamptz IS NULL OR at <= %(until)s)
ORDER BY event_id
"""
_SIGNALS = """
SELECT event_id, at, actor, symbol, signal_id, kind, note FROM periscope.signal_events
WHERE symbol = %(symbol)s AND (%(until)s::timestamptz IS NULL OR at <= %(until)s)
ORDER BY event_id
"""
_KEYS = """
SELECT created.key_id, created.details, created.at,
    (SELECT min(at) FROM periscope.api_keys WHERE key_id = created.key_id AND kind = 'revoked'),
    (SELECT max(at) FROM periscope.api_keys WHERE key_id = created.key_id AND kind = 'used')
FROM periscope.api_keys AS created
WHERE created.kind = 'created' AND (%(key_id)s::text IS NULL OR created.key_id = %(key_id)s)
ORDER BY created.event_id
"""
_PREFERENCES = """
SELECT DISTINCT ON (name) name, value FROM periscope.preferences
WHERE actor = %(actor)s ORDER BY name, event_id DESC
"""
_AUDIT = """
SELECT entry_id, at, actor, action, target, outcome, detail, previous, digest FROM periscope.audit_log
WHERE entry_id > %(after)s ORDER BY entry_id LIMIT %(limit)s
"""


@dataclass(frozen=True, slots=True)
class SignalEvent:
    """What a person did about a signal: `kind` is ``acknowledged`` or ``reopened``."""

    event_id: int
    at: datetime
    actor: str
    symbol: str
    signal_id: str
    kind: str
    note: str | None


@dataclass(frozen=True, slots=True)
class AlertEvent:
    """What happened to an incident; `kind` is one of ``event_tables.ALERT_KINDS``."""

    event_id: int
    at: datetime
    actor: str
    incident: str
    kind: str
    details: dict[str, Any]


@dataclass(frozen=True, slots=True)
class KeyRecord:
    """A key as its events tell it; `details` holds name, role, scopes, expires_at and digest."""

    key_id: str
    details: dict[str, Any]
    created_at: datetime
    revoked_at: datetime | None
    last_used_at: datetime | None


class People(Sessions):
    """Events that people cause. Connects in the role that may only add them, where the database has it.

    Parameters
    ----------
    url : str
    clock : callable, optional
        Gives the time of events; the server's clock by default.
    """

    def __init__(self, url: str, *, clock: Callable[[], datetime] | None = None) -> None:
        super().__init__(url, role=COMMANDS)
        self._clock = clock

    def add_signal_event(
        self, act: Act, *, symbol: str, signal_id: str, kind: str, note: str | None
    ) -> SignalEvent:
        """Write down what a person did about a signal."""
        values = {"symbol": symbol, "signal_id": signal_id, "kind": kind, "note": note}
        rows = self._add(_ADD_SIGNAL, act, values)
        number, at = rows[0]
        return SignalEvent(number, at.astimezone(UTC), act.actor, **values)  # type: ignore[arg-type]

    def signal_events(self, symbol: str, *, until: datetime | None = None) -> list[SignalEvent]:
        """Return the events about signals of a symbol, oldest first."""
        rows = self._fetch(_SIGNALS, {"symbol": symbol, "until": until})
        return [SignalEvent(*map(_utc, row)) for row in rows]

    def add_alert_event(
        self, act: Act, *, incident: str, kind: str, details: dict[str, Any] | None = None
    ) -> AlertEvent:
        """Write down what a person did about an incident."""
        kept = None if details is None else Jsonb(details)
        number, at, _ = self._add(_ADD_ALERT, act, {"incident": incident, "kind": kind, "details": kept})[0]
        return AlertEvent(number, at.astimezone(UTC), act.actor, incident, kind, details or {})

    def open_alerts(
        self, *, incidents: Sequence[str] | None = None, until: datetime | None = None
    ) -> list[AlertEvent]:
        """Return the events of incidents that are open, or were at a time, since they were raised last."""
        asked = {"incidents": None if incidents is None else list(incidents), "until": until}
        return [alert_event(row) for row in self._fetch(_OPEN_ALERTS, asked)]

    def recent_alerts(self, *, limit: int, until: datetime | None = None) -> list[AlertEvent]:
        """Return the events of the incidents that were raised last, oldest first."""
        rows = self._fetch(_RECENT_ALERTS, {"limit": limit, "until": until})
        return [alert_event(row) for row in rows]

    def add_key_event(
        self, act: Act | None, *, actor: str, key_id: str, kind: str, details: dict[str, Any] | None = None
    ) -> None:
        """Write down that a key was created, used or revoked; without an act, nothing goes into the audit."""
        values = {
            "actor": actor,
            "key_id": key_id,
            "kind": kind,
            "details": None if details is None else Jsonb(details),
        }
        self._add(_ADD_KEY, act, values)

    def api_keys(self, key_id: str | None = None) -> list[KeyRecord]:
        """Return all keys in the order in which they were created, or the one of that id."""
        rows = self._fetch(_KEYS, {"key_id": key_id})
        return [KeyRecord(*map(_utc, row)) for row in rows]

    def set_preference(self, act: Act, *, name: str, value: object) -> None:
        """Write down what a person prefers; None takes it back."""
        self._add(_ADD_PREFERENCE, act, {"name": name, "value": None if value is None else Jsonb(value)})

    def preferences(self, actor: str) -> dict[str, Any]:
        """Return what a person prefers, by name."""
        rows = self._fetch(_PREFERENCES, {"actor": actor})
        return {name: value for name, value in rows if value is not None}

    def write_down(self, acts: Sequence[Act]) -> None:
        """Append acts to the audit log, in one transaction."""
        if not acts:
            return
        with self._session() as connection, connection.transaction():
            audit.append(connection, acts, self._now())

    def audit_log(self, *, after: int = 0, limit: int = _PAGE) -> list[AuditEntry]:
        """Return entries of the audit log after a number, oldest first."""
        rows = self._fetch(_AUDIT, {"after": after, "limit": limit})
        return [AuditEntry(*map(_utc, row)) for row in rows]

    def has_audit_digest(self, digest: str) -> bool:
        """Tell whether an entry of the audit log has a digest."""
        return bool(self._fetch("SELECT 1 FROM periscope.audit_log WHERE digest = %s", [digest]))

    def check_audit_log(self) -> ChainCheck:
        """Follow the whole chain of the audit log."""
        return audit.check(self._whole_audit_log())

    def _whole_audit_log(self) -> Iterator[AuditEntry]:
        after = 0
        while page := self.audit_log(after=after):
            yield from page
            after = page[-1].entry_id

    def _add(self, query: str, act: Act | None, values: Mapping[str, object]) -> list[tuple[Any, ...]]:
        """Add an event and its audit entry in one transaction: both are there or neither."""
        now = self._now()
        parameters = {"now": now, **({"actor": act.actor} if act is not None else {}), **values}
        with self._session() as connection, connection.transaction():
            cursor = connection.execute(query, parameters)
            rows = cursor.fetchall() if cursor.description is not None else []
            if act is not None:
                audit.append(connection, [act], now)
        return rows

    def _now(self) -> datetime | None:
        return self._clock() if self._clock is not None else None


def alert_event(row: Sequence[Any]) -> AlertEvent:
    """Return the event that a row of ``alert_events`` is."""
    number, at, actor, incident, kind, details = row
    return AlertEvent(number, at.astimezone(UTC), actor, incident, kind, details or {})


def _utc(value: Any) -> Any:
    return value.astimezone(UTC) if isinstance(value, datetime) else value
