"""API keys: made, listed, revoked, recognised.

What belongs here: the form ``psk_<id>_<secret>``, its digest, and what a key allows. What does not: HTTP.
A secret has 256 random bits, so that a plain SHA-256 of it tells nothing and is quick to compare.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from app.commands.actors import Actor, Role, require, role_of
from periscope_assets.store.audit import Act
from periscope_assets.store.people import KeyRecord, People

SCOPES = ("read", "compute", "signals", "alerts", "stream", "agents", "metrics", "admin")
"""What a key may be limited to; without scopes it may do whatever its role may."""
KEY_PATTERN = re.compile(r"psk_([0-9a-f]{12})_([A-Za-z0-9_-]{43})", re.ASCII)
_NAME = re.compile(r"[^\x00-\x1f\x7f]{1,80}")


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key without its secret."""

    key_id: str
    name: str
    role: Role
    scopes: tuple[str, ...]
    expires_at: datetime | None
    created_at: datetime
    revoked_at: datetime | None
    last_used_at: datetime | None

    def state(self, now: datetime) -> str:
        """Return ``active``, ``expired`` or ``revoked``."""
        if self.revoked_at is not None:
            return "revoked"
        return "expired" if self.expires_at is not None and self.expires_at <= now else "active"


def create(
    people: People,
    actor: Actor,
    *,
    name: str,
    role: Role,
    scopes: Sequence[str] = (),
    expires_at: datetime | None = None,
) -> tuple[str, str]:
    """Make a key and return its id and the whole key, which is nowhere else and shown once.

    Raises
    ------
    ValueError
        If the name, a scope or the expiry can't be one.
    DeniedError
        If the actor is no admin.
    """
    if not _NAME.fullmatch(name):
        raise ValueError("name: expected 1 to 80 printable characters")
    if unknown := sorted({*scopes} - {*SCOPES}):
        raise ValueError(f"scope {unknown[0][:40]!r}: expected one of {', '.join(SCOPES)}")
    if expires_at is not None and expires_at.tzinfo is None:
        raise ValueError("expires_at: a time without UTC offset")
    require(people, actor, Role.ADMIN, "keys.create", name)
    key_id, secret = secrets.token_hex(6), secrets.token_urlsafe(32)
    until = None if expires_at is None else expires_at.astimezone(UTC).isoformat()
    shown = {"name": name, "role": role.label, "scopes": sorted({*scopes}), "expires_at": until}
    people.add_key_event(
        Act(actor.name, "keys.create", key_id, detail=shown),
        actor=actor.name,
        key_id=key_id,
        kind="created",
        details={**shown, "digest": _digest(secret)},
    )
    return key_id, f"psk_{key_id}_{secret}"


def list(people: People, actor: Actor) -> Sequence[ApiKey]:  # noqa: A001
    """Return all keys, oldest first.

    Raises
    ------
    DeniedError
        If the actor is no admin.
    """
    require(people, actor, Role.ADMIN, "keys.list", "all")
    return tuple(_key(record) for record in people.api_keys())


def revoke(people: People, actor: Actor, key_id: str) -> None:
    """Make a key worthless from now on.

    Raises
    ------
    LookupError
        If there is no such key.
    DeniedError
        If the actor is no admin.
    """
    require(people, actor, Role.ADMIN, "keys.revoke", key_id[:40])
    found = people.api_keys(key_id)
    if not found:
        raise LookupError(f"no API key {key_id[:40]!r}: `periscope keys list` shows them")
    if found[0].revoked_at is None:
        act = Act(actor.name, "keys.revoke", key_id)
        people.add_key_event(act, actor=actor.name, key_id=key_id, kind="revoked")


def recognise(people: People, presented: str, now: datetime) -> tuple[ApiKey | None, str]:
    """Return the key that is presented and ``active``; otherwise what is wrong with it.

    Returns
    -------
    key : ApiKey or None
        None where it is malformed, unknown or has another secret.
    state : {'active', 'expired', 'revoked', 'unknown'}
    """
    parts = KEY_PATTERN.fullmatch(presented)
    found = people.api_keys(parts[1]) if parts else []
    stored = str(found[0].details["digest"]) if found else _digest("")
    fits = hmac.compare_digest(_digest(parts[2] if parts else "-"), stored)
    if not found or not fits:
        return None, "unknown"
    key = _key(found[0])
    return key, key.state(now)


def mark_used(people: People, key_id: str) -> None:
    """Remember that a key was used just now."""
    people.add_key_event(None, actor=f"key:{key_id}", key_id=key_id, kind="used")


def _digest(secret: str) -> str:
    return hashlib.sha256(f"periscope api key\0{secret}".encode()).hexdigest()


def _key(record: KeyRecord) -> ApiKey:
    details, until = record.details, record.details["expires_at"]
    return ApiKey(
        record.key_id,
        details["name"],
        role_of(details["role"]),
        tuple(details["scopes"]),
        None if until is None else datetime.fromisoformat(until),
        record.created_at,
        record.revoked_at,
        record.last_used_at,
    )
