"""Tables of what people do and what goes wrong: events, from which state is derived, and the audit log.

What belongs here: table definitions. What does not: queries (``people``), rows of publications.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import BigInteger, Column, Identity, Index, PrimaryKeyConstraint, Table
from sqlalchemy.dialects.postgresql import JSONB

from periscope_assets.store.columns import document, metadata, text, time


def event_table(name: str, columns: list[Column[Any]], comment: str, *looked_up_by: str) -> Table:
    """Return a table of numbered events, with an index on the columns by which they are looked up."""
    head = [
        Column("event_id", BigInteger, Identity(always=True), nullable=False, comment="order of arrival"),
        time("at", "when it happened, UTC"),
        text("actor", "who did it: subject of a key or token, or local"),
    ]
    index = [Index(f"{name}_{looked_up_by[0]}", *looked_up_by)] if looked_up_by else []
    constraint = PrimaryKeyConstraint("event_id", name=f"{name}_pkey")
    return Table(name, metadata, *head, *columns, constraint, *index, comment=comment)


signal_events = event_table(
    "signal_events",
    [
        text("symbol", "underlying of the signal"),
        text("signal_id", "signal that it is about"),
        text("kind", "acknowledged or reopened", among=("acknowledged", "reopened")),
        text("note", "what the person said, null for nothing", nullable=True),
    ],
    "what people did about signals",
    *("symbol", "signal_id"),
)

api_keys = event_table(
    "api_keys",
    [
        text("key_id", "public part of the key"),
        text("kind", "created, used or revoked", among=("created", "used", "revoked")),
        document("details", "of created: name, role, scopes, expires_at and digest of the secret"),
    ],
    "life of API keys; secrets are kept as digests only",
    "key_id",
)

preferences = event_table(
    "preferences",
    [
        text("name", "what is preferred"),
        Column("value", JSONB, nullable=True, comment="its value; null takes the preference back"),
    ],
    "what people prefer; the latest of an actor and name counts",
    *("actor", "name"),
)

ALERT_KINDS = ("raised", "resolved", "reminded", "acknowledged", "reopened")
DELIVERY_KINDS = ("decided", "suppressed", "sent", "failed")

alert_events = event_table(
    "alert_events",
    [
        text("incident", "what is deduplicated, e.g. run_failed:build_surfaces:2026-01-15|us-index"),
        text("kind", "raised, resolved, reminded, acknowledged or reopened", among=ALERT_KINDS),
        document("details", "of raised: the incident; of acknowledged: until when and a note"),
    ],
    "life of incidents",
    "incident",
)

alert_deliveries = event_table(
    "alert_deliveries",
    [
        Column("alert_id", BigInteger, nullable=False, comment="event of an incident that is told"),
        text("channel", "name of the channel; empty for none"),
        text("kind", "decided, suppressed, sent or failed", among=DELIVERY_KINDS),
        time("due_at", "of decided: when it is to be sent, UTC", nullable=True),
        text("note", "why it was suppressed or failed", nullable=True),
    ],
    "outbox of alerts: what is to be sent to whom, and what came of it",
    "alert_id",
)

audit_log = Table(
    "audit_log",
    metadata,
    Column("entry_id", BigInteger, primary_key=True, autoincrement=False, comment="1, 2, 3, without gaps"),
    time("at", "when it happened, UTC"),
    text("actor", "who: subject of a key or token, local, or anonymous"),
    text("action", "what was asked for, e.g. signals.acknowledge or GET /v1/chain"),
    text("target", "what it was about"),
    text("outcome", "done or denied", among=("done", "denied")),
    Column("detail", JSONB, nullable=False, comment="more about it; never a secret"),
    text("previous", "digest of the entry before, 64 zeros for the first"),
    text("digest", "SHA-256 of previous and this entry's content"),
    comment="every write of a person and every denied access, chained by digests",
)
