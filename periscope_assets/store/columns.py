"""Columns of the schema: one constructor for each kind, and what all data tables have in common.

What belongs here: how a column or a data table is declared. What does not: tables (``tables`` and the modules
that it gathers).
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Date,
    DateTime,
    Double,
    Integer,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
)
from sqlalchemy.dialects.postgresql import JSONB

SCHEMA = "periscope"
AMONG, ABOVE, LEAST = "among", "above", "least"
"""What a column's `info` may say of its values, for checks of frames."""

metadata = MetaData(schema=SCHEMA)


def text(name: str, comment: str, *, nullable: bool = False, among: tuple[str, ...] = ()) -> Column[Any]:
    """Return a column of text, whose values are `among` some."""
    return Column(name, Text, nullable=nullable, comment=comment, info={AMONG: among} if among else {})


def number(
    name: str, comment: str, *, nullable: bool = True, above: float | None = None, least: float | None = None
) -> Column[Any]:
    """Return a column of doubles, greater than `above`, not less than `least`."""
    bounds = {key: value for key, value in ((ABOVE, above), (LEAST, least)) if value is not None}
    return Column(name, Double, nullable=nullable, comment=comment, info=bounds)


def count(name: str, comment: str, *, nullable: bool = False) -> Column[Any]:
    """Return a column of integers."""
    return Column(name, Integer, nullable=nullable, comment=comment)


def flag(name: str, comment: str, *, nullable: bool = False) -> Column[Any]:
    """Return a column of booleans."""
    return Column(name, Boolean, nullable=nullable, comment=comment)


def time(name: str, comment: str, *, nullable: bool = False) -> Column[Any]:
    """Return a column of instants, UTC."""
    return Column(name, DateTime(timezone=True), nullable=nullable, comment=comment)


def document(name: str, comment: str) -> Column[Any]:
    """Return a column of JSON documents, null where there is none."""
    return Column(name, JSONB, nullable=True, comment=comment)


def expiry() -> list[Column[Any]]:
    """Return the columns that of an expiry: AM- and PM-settled options of one date differ in it."""
    return [
        time("expiry_at", "settlement instant, UTC"),
        Column("expiry", Date, nullable=False, comment="expiration date"),
        text("root", "option root, e.g. SPX or SPXW; several are joined by +"),
        number("tau_years", "time to settlement, ACT/365F to the minute", nullable=False),
    ]


def event() -> list[Column[Any]]:
    """Return the columns of the calendar's events between the expiry before and a row's own."""
    return [
        text("event", "days and names of events since the expiry before, joined by ;", nullable=True),
        time("event_at", "instant of the first of them, UTC", nullable=True),
        number("event_variance", "total variance that the expiries imply for them"),
        number("event_variance_stderr", "one-sigma error of event_variance"),
        text(
            "event_status", "ok, or unidentified: not above its error, or more than the rise", nullable=True
        ),
    ]


def contract() -> list[Column[Any]]:
    """Return the columns that name one contract."""
    return [
        text("contract", "vendor's contract symbol, OCC without padding for US listings"),
        time("expiry_at", "settlement instant, UTC"),
        number("strike", "strike, parsed and never computed, USD", nullable=False, above=0.0),
        flag("is_call", "true for a call"),
    ]


def data_table(name: str, key: list[str], columns: list[Column[Any]], comment: str) -> Table:
    """Return a table of publications' rows, keyed by publication, snapshot and natural key."""
    head = [
        Column("publication_id", BigInteger, nullable=False, comment="ledger entry this row belongs to"),
        time("as_of", "market time of the snapshot, UTC"),
    ]
    constraint = PrimaryKeyConstraint("publication_id", "as_of", *key, name=f"{name}_pkey")
    return Table(name, metadata, *head, *columns, constraint, comment=comment)
