"""Partitions: calendar days in New York by universe.

What belongs here: the partitions definition and the reading of its keys. What does not: which symbols a
universe holds (``settings``), which days are sessions (``sources.calendars``).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import dagster as dg

from periscope_assets.settings import Settings

DATE, UNIVERSE = "date", "universe"


@dataclass(frozen=True, slots=True)
class Partition:
    """One session date of one universe, and the key under which Dagster knows it."""

    key: str
    session: date
    universe: str


def _days(settings: Settings) -> dg.DailyPartitionsDefinition:
    return dg.DailyPartitionsDefinition(
        start_date=settings.first_date.isoformat(), timezone="America/New_York", end_offset=1
    )


def partitions(settings: Settings) -> dg.MultiPartitionsDefinition:
    """Return date x universe; today is a partition, universes are registered when first built."""
    universes = dg.DynamicPartitionsDefinition(name=UNIVERSE)
    return dg.MultiPartitionsDefinition({DATE: _days(settings), UNIVERSE: universes})


def last_date(settings: Settings) -> date:
    """Return the last date that is a partition by now: today in New York."""
    return date.fromisoformat(str(_days(settings).get_last_partition_key()))


def key_of(session: date, universe: str) -> dg.MultiPartitionKey:
    """Return the key of a session date of a universe."""
    return dg.MultiPartitionKey({DATE: session.isoformat(), UNIVERSE: universe})


def read_key(key: str) -> Partition:
    """Return what a partition key names.

    Raises
    ------
    ValueError
        If it is not ``date|universe``.
    """
    day, separator, universe = key.partition("|")
    if not separator or not universe:
        raise ValueError(f"partition key {key[:60]!r}: expected date|universe")
    return Partition(str(key), date.fromisoformat(day), universe)


def register(instance: dg.DagsterInstance, universes: list[str]) -> None:
    """Make universes known to Dagster; those that are known already stay as they are."""
    instance.add_dynamic_partitions(UNIVERSE, universes)
