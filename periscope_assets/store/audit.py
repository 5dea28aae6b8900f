"""The audit log: every write of a person and every denied access, each entry chained to the one before.

What belongs here: appending within a transaction of the caller, reading, and the check of the chain. What
does not: who may do what (the app's roles).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import psycopg
from psycopg.types.json import Jsonb

DONE, DENIED = "done", "denied"
FIRST = "0" * 64
_LOCK = "SELECT pg_advisory_xact_lock(hashtext('periscope audit_log'))"
_LAST = """
SELECT entry_id, digest, coalesce(%s::timestamptz, clock_timestamp())
FROM (SELECT 1) AS one LEFT JOIN (
    SELECT entry_id, digest FROM periscope.audit_log ORDER BY entry_id DESC LIMIT 1
) AS last ON true
"""
_APPEND = """
INSERT INTO periscope.audit_log
    (entry_id, at, actor, action, target, outcome, detail, previous, digest)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)
"""


@dataclass(frozen=True, slots=True)
class Act:
    """Something that a person did or was denied.

    Attributes
    ----------
    actor : str
        Subject of a key or token, ``local``, or ``anonymous``.
    action, target : str
        What, and to what.
    outcome : {'done', 'denied'}
    detail : mapping
        JSON values; never a secret.
    """

    actor: str
    action: str
    target: str
    outcome: str = DONE
    detail: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """An act as it was written down."""

    entry_id: int
    at: datetime
    actor: str
    action: str
    target: str
    outcome: str
    detail: Mapping[str, object]
    previous: str
    digest: str

    def expected_digest(self) -> str:
        """Return the digest that this content has."""
        at = self.at.astimezone(UTC).isoformat(timespec="microseconds")
        content = [self.previous, self.entry_id, at, self.actor, self.action, self.target, self.outcome]
        text = json.dumps([*content, self.detail], sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class ChainCheck:
    """What became of checking the chain: entries seen, the last digest, and the first fault or None."""

    n_entries: int
    digest: str
    fault: str | None


def append(connection: psycopg.Connection[Any], acts: Sequence[Act], now: datetime | None = None) -> None:
    """Write acts down at the end of the chain, inside the caller's transaction."""
    connection.execute(_LOCK)
    row = connection.execute(_LAST, [now]).fetchone()
    assert row is not None
    number, digest, at = row[0] or 0, row[1] or FIRST, row[2].astimezone(UTC)
    rows = []
    for number, act in enumerate(acts, number + 1):  # noqa: B020
        detail = json.loads(json.dumps(dict(act.detail)))
        entry = AuditEntry(number, at, act.actor, act.action, act.target, act.outcome, detail, digest, "")
        digest = entry.expected_digest()
        rows.append((*_content(entry), Jsonb(detail), entry.previous, digest))
    with connection.cursor() as cursor:
        cursor.executemany(_APPEND, rows)


def check(entries: Iterable[AuditEntry]) -> ChainCheck:
    """Follow the chain from its first entry: numbers without gaps, each digest that of its content."""
    count, digest = 0, FIRST
    for entry in entries:
        if entry.entry_id != count + 1:
            return ChainCheck(count, digest, f"entry {count + 1} is missing, {entry.entry_id} follows")
        if entry.previous != digest:
            return ChainCheck(count, digest, f"entry {entry.entry_id} does not follow from the one before")
        if entry.digest != entry.expected_digest():
            return ChainCheck(count, digest, f"entry {entry.entry_id} is not what was written")
        count, digest = entry.entry_id, entry.digest
    return ChainCheck(count, digest, None)


def _content(entry: AuditEntry) -> tuple[object, ...]:
    return entry.entry_id, entry.at, entry.actor, entry.action, entry.target, entry.outcome
