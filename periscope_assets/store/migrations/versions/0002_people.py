"""What people do: events about signals, keys and preferences, and the audit log. Nothing of it is changed."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

from periscope_assets.store.migrations.building import (
    BIGINT,
    FILLED,
    JSON,
    NULLABLE,
    SCHEMA,
    TEXT,
    TIME,
    columns,
)

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

TABLES = ("signal_events", "api_keys", "preferences", "audit_log")


def _events(name: str, comment: str, index: list[str], *described: tuple[str, Any, bool, str]) -> None:
    op.create_table(
        name,
        sa.Column("event_id", BIGINT, sa.Identity(always=True), nullable=False, comment="order of arrival"),
        *columns(
            ("at", TIME, FILLED, "when it happened, UTC"),
            ("actor", TEXT, FILLED, "who did it: subject of a key or token, or local"),
            *described,
        ),
        sa.PrimaryKeyConstraint("event_id", name=f"{name}_pkey"),
        schema=SCHEMA,
        comment=comment,
    )
    op.create_index(f"{name}_{index[0]}", name, index, schema=SCHEMA)


def _audit_log() -> None:
    op.create_table(
        "audit_log",
        sa.Column("entry_id", BIGINT, primary_key=True, autoincrement=False, comment="1, 2, 3, without gaps"),
        *columns(
            ("at", TIME, FILLED, "when it happened, UTC"),
            ("actor", TEXT, FILLED, "who: subject of a key or token, local, or anonymous"),
            (
                "action",
                TEXT,
                FILLED,
                "what was asked for, e.g. signals.acknowledge or GET /v1/chain",
            ),
            ("target", TEXT, FILLED, "what it was about"),
            ("outcome", TEXT, FILLED, "done or denied"),
            ("detail", JSON, FILLED, "more about it; never a secret"),
            ("previous", TEXT, FILLED, "digest of the entry before, 64 zeros for the first"),
            ("digest", TEXT, FILLED, "SHA-256 of previous and this entry's content"),
        ),
        schema=SCHEMA,
        comment="every write of a person and every denied access, chained by digests",
    )


def upgrade() -> None:
    _events(
        "signal_events",
        "what people did about signals",
        ["symbol", "signal_id"],
        ("symbol", TEXT, FILLED, "underlying of the signal"),
        ("signal_id", TEXT, FILLED, "signal that it is about"),
        ("kind", TEXT, FILLED, "acknowledged or reopened"),
        ("note", TEXT, NULLABLE, "what the person said, null for nothing"),
    )
    _events(
        "api_keys",
        "life of API keys; secrets are kept as digests only",
        ["key_id"],
        ("key_id", TEXT, FILLED, "public part of the key"),
        ("kind", TEXT, FILLED, "created, used or revoked"),
        ("details", JSON, NULLABLE, "of created: name, role, scopes, expires_at and digest of the secret"),
    )
    _events(
        "preferences",
        "what people prefer; the latest of an actor and name counts",
        ["actor", "name"],
        ("name", TEXT, FILLED, "what is preferred"),
        ("value", JSON, NULLABLE, "its value; null takes the preference back"),
    )
    _audit_log()
    op.execute(
        f"CREATE FUNCTION {SCHEMA}.refuse_change() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION '%: rows are only ever added', TG_TABLE_NAME; END $$"
    )
    for name in TABLES:
        op.execute(
            f"CREATE TRIGGER {name}_append_only BEFORE UPDATE OR DELETE ON {SCHEMA}.{name} "
            f"FOR EACH STATEMENT EXECUTE FUNCTION {SCHEMA}.refuse_change()"
        )


def downgrade() -> None:
    for name in TABLES:
        op.drop_table(name, schema=SCHEMA)
    op.execute(f"DROP FUNCTION {SCHEMA}.refuse_change()")
