"""Retention: old quotes leave the database once the bytes they came from are verified in the lake.

What belongs here: which periods may go, and dropping them. What does not: when it runs (the command), the
lake's own lifecycle (the bucket's rules). Publications stay, marked with `purged_at`; the lake keeps raw
bytes, Parquet and ledger.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import groupby
from typing import Any

import psycopg
from psycopg import sql

from periscope_assets.store import tables
from periscope_assets.store.lake import Lake, LakeCorruptError
from periscope_assets.store.migrate import CHUNK_DAYS_PER_CONTRACT
from periscope_assets.store.objects import LakeUnavailableError

DATASET = "option_quotes"
PERIOD = timedelta(days=CHUNK_DAYS_PER_CONTRACT)
"""What goes at once: one chunk of a hypertable, on plain PostgreSQL the same days."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_CANDIDATES = """
SELECT q.publication_id, q.symbol, q.as_of, raw.sha256, owed.publication_id IS NOT NULL
FROM periscope.publications AS q
LEFT JOIN LATERAL (
    SELECT r.inputs ->> 'sha256' AS sha256 FROM periscope.publications AS r
    WHERE r.dataset = 'raw_chain' AND r.symbol = q.symbol AND r.as_of = q.as_of
        AND r.version = q.inputs ->> 'raw_chain'
    LIMIT 1
) AS raw ON true
LEFT JOIN periscope.lake_outbox AS owed USING (publication_id)
WHERE q.dataset = %(dataset)s AND q.status IN ('published', 'rejected') AND q.purged_at IS NULL
    AND q.as_of >= %(start)s AND q.as_of < %(end)s
ORDER BY q.as_of
"""
_PURGED = """
SELECT purged_at, array_agg(publication_id) FROM periscope.publications
WHERE purged_at IS NOT NULL GROUP BY purged_at
"""


@dataclass(frozen=True, slots=True)
class Period:
    """What became of the quotes of one period.

    Attributes
    ----------
    start, end : datetime
        ``start <= as_of < end``.
    n_publications : int
    kept : str or None
        Why they stay; None if they went, or would.
    """

    start: datetime
    end: datetime
    n_publications: int
    kept: str | None


@dataclass(frozen=True, slots=True)
class _Candidate:
    publication_id: int
    symbol: str
    as_of: datetime
    sha256: str | None
    is_owed: bool


def purge(
    connection: psycopg.Connection[Any], lake: Lake, before: datetime, *, now: datetime, dry_run: bool = False
) -> list[Period]:
    """Drop the quotes of whole periods that end at or before an instant, each in one transaction.

    Parameters
    ----------
    connection : Connection
        In autocommit mode.
    lake : Lake
    before : datetime
    now : datetime
        Becomes their `purged_at`.
    dry_run : bool
        Verify and report only.

    Raises
    ------
    LakeUnavailableError
        If the lake can't be read or written: nothing further is dropped then.
    """
    end = _floor(before)
    found = _candidates(connection, _EPOCH - 100 * PERIOD, end)
    verified: dict[str, str | None] = {}
    periods = []
    for start, group in groupby(found, key=lambda each: _floor(each.as_of)):
        held = list(group)
        kept = next((why for each in held if (why := _why_kept(lake, each, verified))), None)
        if kept is None and not dry_run:
            kept = _drop(connection, start, held, now)
        periods.append(Period(start, start + PERIOD, len(held), kept))
    if not dry_run:
        _tell(connection, lake)
    return periods


def _floor(instant: datetime) -> datetime:
    return _EPOCH + (instant - _EPOCH) // PERIOD * PERIOD


def _candidates(connection: psycopg.Connection[Any], start: datetime, end: datetime) -> list[_Candidate]:
    rows = connection.execute(_CANDIDATES, {"dataset": DATASET, "start": start, "end": end})
    return [_Candidate(*row) for row in rows]


def _why_kept(lake: Lake, each: _Candidate, verified: dict[str, str | None]) -> str | None:
    name = f"{each.symbol} {each.as_of.astimezone(UTC):%Y-%m-%d %H:%M}"
    if each.is_owed:
        return f"{name}: its ledger entry is not in the lake yet"
    if each.sha256 is None:
        return f"{name}: the ledger names no raw object of it"
    if each.sha256 not in verified:
        try:
            lake.verify_raw(each.sha256, each.symbol, each.as_of)
            verified[each.sha256] = None
        except (FileNotFoundError, LakeCorruptError) as error:
            if isinstance(error, LakeUnavailableError):
                raise
            verified[each.sha256] = f"raw object {each.sha256[:12]} is missing or damaged"
    problem = verified[each.sha256]
    return None if problem is None else f"{name}: {problem}"


def _drop(
    connection: psycopg.Connection[Any], start: datetime, held: Sequence[_Candidate], now: datetime
) -> str | None:
    names = tables.DATASETS[DATASET]
    ids = [each.publication_id for each in held]
    with connection.transaction():
        # Writers are waited for and kept out: rows that came in after the verification would go unmarked.
        connection.execute(
            sql.SQL("LOCK TABLE {} IN SHARE ROW EXCLUSIVE MODE").format(
                sql.SQL(", ").join(sql.Identifier(tables.SCHEMA, name) for name in names)
            )
        )
        if {each.publication_id for each in _candidates(connection, start, start + PERIOD)} != set(ids):
            return "something was published meanwhile; it goes next time"
        connection.execute(
            "UPDATE periscope.publications SET purged_at = %s WHERE publication_id = ANY(%s)", [now, ids]
        )
        for name in names:
            _drop_rows(connection, name, start, ids)
    return None


def _drop_rows(connection: psycopg.Connection[Any], name: str, start: datetime, ids: Sequence[int]) -> None:
    hypertable = connection.execute(
        "SELECT to_regclass('timescaledb_information.hypertables') IS NOT NULL"
    ).fetchone()
    if hypertable is not None and hypertable[0]:
        connection.execute(
            "SELECT drop_chunks(%s::regclass, older_than => %s::timestamptz, newer_than => %s::timestamptz)",
            [f"{tables.SCHEMA}.{name}", start + PERIOD, start],
        )
    connection.execute(
        sql.SQL("DELETE FROM {} WHERE as_of >= %s AND as_of < %s AND publication_id = ANY(%s)").format(
            sql.Identifier(tables.SCHEMA, name)
        ),
        [start, start + PERIOD, list(ids)],
    )


def _tell(connection: psycopg.Connection[Any], lake: Lake) -> None:
    """Let the lake know what is purged, also what an interrupted purge did not tell it."""
    known = set(lake.purges())
    groups: Iterable[tuple[datetime, list[int]]] = connection.execute(_PURGED).fetchall()
    for purged_at, ids in groups:
        if missing := set(ids) - known:
            lake.append_purge(purged_at, sorted(missing))
