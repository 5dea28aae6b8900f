"""Incidents and the outbox of their alerts: events only."""

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

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def _events(name: str, comment: str, index: str, *described: tuple[str, Any, bool, str]) -> None:
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
    op.create_index(f"{name}_{index}", name, [index], schema=SCHEMA)
    op.execute(
        f"CREATE TRIGGER {name}_append_only BEFORE UPDATE OR DELETE ON {SCHEMA}.{name} "
        f"FOR EACH STATEMENT EXECUTE FUNCTION {SCHEMA}.refuse_change()"
    )


def upgrade() -> None:
    _events(
        "alert_events",
        "life of incidents",
        "incident",
        (
            "incident",
            TEXT,
            FILLED,
            "what is deduplicated, e.g. run_failed:build_surfaces:2026-01-15|us-index",
        ),
        ("kind", TEXT, FILLED, "raised, resolved, reminded, acknowledged or reopened"),
        ("details", JSON, NULLABLE, "of raised: the incident; of acknowledged: until when and a note"),
    )
    _events(
        "alert_deliveries",
        "outbox of alerts: what is to be sent to whom, and what came of it",
        "alert_id",
        ("alert_id", BIGINT, FILLED, "event of an incident that is told"),
        ("channel", TEXT, FILLED, "name of the channel; empty for none"),
        ("kind", TEXT, FILLED, "decided, suppressed, sent or failed"),
        ("due_at", TIME, NULLABLE, "of decided: when it is to be sent, UTC"),
        ("note", TEXT, NULLABLE, "why it was suppressed or failed"),
    )


def downgrade() -> None:
    for name in ("alert_events", "alert_deliveries"):
        op.drop_table(name, schema=SCHEMA)
