"""Events and trading time of surfaces; volume against its own history."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from periscope_assets.store.migrations.building import (
    DOUBLE,
    INTEGER,
    JSON,
    NULLABLE,
    SCHEMA,
    TEXT,
    TIME,
    columns,
)

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def _event() -> list[sa.Column[object]]:
    return columns(
        ("event", TEXT, NULLABLE, "days and names of events since the expiry before, joined by ;"),
        ("event_at", TIME, NULLABLE, "instant of the first of them, UTC"),
        ("event_variance", DOUBLE, NULLABLE, "total variance that the expiries imply for them"),
        ("event_variance_stderr", DOUBLE, NULLABLE, "one-sigma error of event_variance"),
        (
            "event_status",
            TEXT,
            NULLABLE,
            "ok, or unidentified: not above its error, or more than the rise",
        ),
    )


def _added() -> dict[str, list[sa.Column[object]]]:
    return {
        "surface_slices": [
            *columns(
                (
                    "clock_years",
                    DOUBLE,
                    NULLABLE,
                    "trading time to settlement, years; null without a calendar",
                )
            ),
            *_event(),
            *columns(
                (
                    "time_shares",
                    JSON,
                    NULLABLE,
                    "share of the rise in total variance since the expiry before, by tau",
                )
            ),
        ],
        "skew_metrics": [
            *columns(
                (
                    "quiet_iv",
                    DOUBLE,
                    NULLABLE,
                    "vol at k = 0 without events, by trading time, decimal; null without a calendar",
                )
            ),
            *_event(),
        ],
        "positioning": columns(
            ("call_volume_z", DOUBLE, NULLABLE, "call volume against earlier sessions, in their deviations"),
            ("put_volume_z", DOUBLE, NULLABLE, "put volume against earlier sessions, in their deviations"),
            ("volume_basis", TEXT, NULLABLE, "whose sessions: expiry, maturity, or null without enough"),
            ("n_volume_history", INTEGER, NULLABLE, "sessions of that history"),
        ),
    }


def upgrade() -> None:
    for table, added in _added().items():
        for column in added:
            op.add_column(table, column, schema=SCHEMA)


def downgrade() -> None:
    for table, added in _added().items():
        for column in added:
            op.drop_column(table, column.name, schema=SCHEMA)
