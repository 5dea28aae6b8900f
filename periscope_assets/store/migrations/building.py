"""How revisions create tables: one line for each column.

What belongs here: helpers of revisions. What does not: tables, and anything that follows the current schema:
a revision stays what it was.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

SCHEMA = "periscope"
TEXT, BOOLEAN, DATE = sa.Text(), sa.Boolean(), sa.Date()
DOUBLE: sa.Double[float] = sa.Double()
SMALLINT, INTEGER, BIGINT = sa.SmallInteger(), sa.Integer(), sa.BigInteger()
TIME, JSON = sa.DateTime(timezone=True), JSONB()
FILLED, NULLABLE = False, True


def columns(*described: tuple[str, Any, bool, str]) -> list[sa.Column[Any]]:
    """Return columns from name, type, whether null is allowed, and comment."""
    return [
        sa.Column(name, kind, nullable=nullable, comment=comment)
        for name, kind, nullable, comment in described
    ]


def data_table(name: str, comment: str, key: list[str], *described: tuple[str, Any, bool, str]) -> None:
    """Create a table of publications' rows."""
    head = columns(
        ("publication_id", BIGINT, FILLED, "ledger entry this row belongs to"),
        ("as_of", TIME, FILLED, "market time of the snapshot, UTC"),
    )
    primary_key = sa.PrimaryKeyConstraint("publication_id", "as_of", *key, name=f"{name}_pkey")
    op.create_table(name, *head, *columns(*described), primary_key, schema=SCHEMA, comment=comment)
