"""The publish transaction: all of a batch becomes visible at one instant, or none of it.

What belongs here: locks, heads, the order of writes, the stamp. What does not: connections (``postgres``),
reads (``queries``). A commit becomes visible after any wall clock has stamped it, so `known_at` is handed
out by a one-row table: its row lock is held until the commit, and what it says is the watermark behind
which nothing more can appear.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

import psycopg
from sqlalchemy import Table

from periscope_analytics.conventions import check_symbol
from periscope_assets.store import copying, tables
from periscope_assets.store.frames import Columns, check, jsonable
from periscope_assets.store.lake import KeptPublication, Lake, check_version
from periscope_assets.store.objects import LakeUnavailableError
from periscope_assets.store.repository import (
    NO_SESSION,
    PUBLISHED,
    REJECTED,
    WITHDRAWN,
    Draft,
    LedgerEntry,
    Receipt,
)

logger = logging.getLogger(__name__)

CHANNEL = "periscope_publications"
STATUSES = frozenset({PUBLISHED, REJECTED, NO_SESSION, WITHDRAWN})
_LAKE_THREADS = 8

_LOCK = "SELECT pg_advisory_xact_lock(each) FROM unnest(%s::bigint[]) AS each"
_HEADS = """
SELECT latest.publication_id, latest.version, latest.status, latest.fence, latest.known_at,
    served.publication_id
FROM unnest(%s::text[], %s::text[], %s::timestamptz[]) WITH ORDINALITY AS d (dataset, symbol, as_of, position)
LEFT JOIN LATERAL (
    SELECT * FROM periscope.publications AS p
    WHERE p.dataset = d.dataset AND p.symbol = d.symbol AND p.as_of = d.as_of
    ORDER BY p.known_at DESC LIMIT 1
) AS latest ON true
LEFT JOIN LATERAL (
    SELECT p.publication_id FROM periscope.publications AS p
    WHERE p.dataset = d.dataset AND p.symbol = d.symbol AND p.as_of = d.as_of AND p.status <> 'rejected'
    ORDER BY p.known_at DESC LIMIT 1
) AS served ON true
ORDER BY d.position
"""
_RAISE_FENCES = """
UPDATE periscope.publications SET fence = %(fence)s
WHERE publication_id = ANY(%(ids)s) AND fence < %(fence)s
"""
_RESERVE = """
SELECT nextval(pg_get_serial_sequence('periscope.publications', 'publication_id'))
FROM generate_series(1, %s)
"""
_ENTER = """
WITH tick AS (
    UPDATE periscope.publish_clock
    SET known_at = greatest(
        coalesce(%(now)s::timestamptz, clock_timestamp()), known_at + interval '1 microsecond'
    )
    WHERE id = 1
    RETURNING known_at
), entered AS (
    INSERT INTO periscope.publications (publication_id, dataset, symbol, as_of, known_at, version,
        method_version, inputs, status, supersedes, fence, source, run_id, quality)
    SELECT e.publication_id, e.dataset, e.symbol, e.as_of, tick.known_at, e.version, e.method_version,
        e.inputs, e.status, e.supersedes, e.fence, e.source, e.run_id, e.quality
    FROM tick, jsonb_populate_recordset(null::periscope.publications, %(entries)s) AS e
    WHERE NOT EXISTS (
        SELECT 1 FROM periscope.publications AS p
        WHERE p.dataset = e.dataset AND p.symbol = e.symbol AND p.as_of = e.as_of AND p.fence > e.fence
    )
    RETURNING publication_id
), owed AS (
    INSERT INTO periscope.lake_outbox SELECT publication_id FROM entered WHERE %(has_lake)s
)
SELECT tick.known_at, (SELECT count(*) FROM entered), pg_notify(%(channel)s, json_build_object(
    'known_at', tick.known_at, 'publications', %(count)s::int, 'datasets', %(datasets)s::text[])::text)
FROM tick
"""


class OvertakenError(RuntimeError):
    """Someone published between our look at the heads and our entry; the transaction was rolled back."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """A checked draft; its rows are checked while they are written, if it turns out to be new."""

    draft: Draft

    @property
    def snapshot(self) -> tuple[str, str, datetime]:
        """What it is the content of."""
        return self.draft.dataset, self.draft.symbol, self.draft.as_of

    @property
    def n_rows(self) -> int:
        """Rows in all tables."""
        return sum(len(frame) for frame in self.draft.frames.values())

    def checked(self, name: str) -> Columns:
        """Return the content of one table, as the schema wants it.

        Raises
        ------
        ValueError
            If the frame is not of its table.
        """
        return check(tables.table(name), self.draft.frames[name])


@dataclass(frozen=True, slots=True)
class _Head:
    publication_id: int
    version: str
    status: str
    fence: int
    known_at: datetime


_Keep = Callable[[int, Draft, str, Columns], None]
"""Takes the checked rows of one table of a draft, for the lake."""


def prepare(draft: Draft) -> Prepared:
    """Check a draft before anything is locked or written.

    Raises
    ------
    ValueError
        If dataset, symbol, status, time, tables or rows are not what the schema knows; the message names
        the place.
    """
    check_symbol(draft.symbol)
    check_version(draft.version)
    if draft.dataset not in tables.DATASETS:
        raise ValueError(f"dataset {draft.dataset[:60]!r}: expected one of {', '.join(tables.DATASETS)}")
    if draft.status not in STATUSES:
        raise ValueError(f"status {draft.status[:60]!r}: expected one of {', '.join(sorted(STATUSES))}")
    if draft.as_of.tzinfo is None:
        raise ValueError(f"{draft.dataset} {draft.symbol}: as_of {draft.as_of} has no zone")
    expected = set(tables.DATASETS[draft.dataset]) if draft.status in (PUBLISHED, REJECTED) else set()
    if set(draft.frames) != expected:
        raise ValueError(
            f"{draft.dataset} {draft.symbol} {draft.status}: expected rows of the tables {sorted(expected)}, "
            f"got {sorted(draft.frames)}"
        )
    return Prepared(replace(draft, as_of=draft.as_of.astimezone(UTC)))


def publish(
    connection: psycopg.Connection[Any],
    batch: Sequence[Prepared],
    fence: int,
    *,
    now: datetime | None = None,
    lake: Lake | None = None,
) -> tuple[list[Receipt], list[KeptPublication]]:
    """Publish what is new in a batch in one transaction.

    Parameters
    ----------
    connection : Connection
        In autocommit mode.
    batch : sequence of Prepared
        Each snapshot at most once.
    fence : int
        Taken before the inputs of the batch were read.
    now : datetime, optional
        Clock of the caller; the server's without.
    lake : Lake, optional
        Gets the rows before they become visible.

    Returns
    -------
    receipts : list of Receipt
        One for each of the batch, in order.
    entries : list of KeptPublication
        Of what was published, with what the lake holds of its rows; the lake is still owed the entries.

    Raises
    ------
    OvertakenError
        If another writer broke the locking protocol; nothing was published.
    """
    with connection.transaction(), connection.cursor() as cursor:
        cursor.execute(_LOCK, [_lock_keys((each.draft.dataset, each.draft.symbol) for each in batch)])
        heads, served = _read_heads(cursor, batch)
        same = [head for each, head in zip(batch, heads, strict=True) if head and _is_same(each, head)]
        if same:
            cursor.execute(_RAISE_FENCES, {"fence": fence, "ids": [head.publication_id for head in same]})
        new = [
            (each, supersedes)
            for each, head, supersedes in zip(batch, heads, served, strict=True)
            if not _is_same(each, head) and (head is None or head.fence <= fence)
        ]
        if new:
            entries = _write(cursor, new, fence, now, lake)
        else:
            # Only fences were raised; they bind writers that die with the server: no wait for the disk.
            cursor.execute("SET LOCAL synchronous_commit = off")
            entries = []
    by_snapshot = {(one.entry.dataset, one.entry.symbol, one.entry.as_of): one.entry for one in entries}
    receipts = [
        _receipt(each, head, by_snapshot.get(each.snapshot)) for each, head in zip(batch, heads, strict=True)
    ]
    return receipts, entries


def confirm(connection: psycopg.Connection[Any], entry: LedgerEntry, fence: int) -> bool:
    """Raise the fence of an entry if it is still the latest of its snapshot, and return whether it is.

    Parameters
    ----------
    connection : Connection
        In autocommit mode.
    entry : LedgerEntry
    fence : int
        Taken before the inputs were read that gave this content again.
    """
    snapshot = [entry.dataset, entry.symbol, entry.as_of]
    with connection.transaction(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL synchronous_commit = off")
        cursor.execute(_LOCK, [_lock_keys([(entry.dataset, entry.symbol)])])
        latest = cursor.execute(_HEADS, [[each] for each in snapshot]).fetchone()
        if latest is None or latest[0] != entry.publication_id:
            return False
        cursor.execute(_RAISE_FENCES, {"fence": fence, "ids": [entry.publication_id]})
        return True


def _lock_keys(pairs: Iterable[tuple[str, str]]) -> list[int]:
    names = {f"periscope/{dataset}/{symbol}" for dataset, symbol in pairs}
    return sorted(int.from_bytes(sha256(name.encode()).digest()[:8], "big", signed=True) for name in names)


def _read_heads(
    cursor: psycopg.Cursor[Any], batch: Sequence[Prepared]
) -> tuple[list[_Head | None], list[int | None]]:
    snapshots = list(zip(*(each.snapshot for each in batch), strict=True))
    rows = cursor.execute(_HEADS, [list(column) for column in snapshots]).fetchall()
    return [None if row[0] is None else _Head(*row[:5]) for row in rows], [row[5] for row in rows]


def _is_same(each: Prepared, head: _Head | None) -> bool:
    return head is not None and (head.version, head.status) == (each.draft.version, each.draft.status)


def _write(
    cursor: psycopg.Cursor[Any],
    new: Sequence[tuple[Prepared, int | None]],
    fence: int,
    now: datetime | None,
    lake: Lake | None,
) -> list[KeptPublication]:
    batch = [each for each, _ in new]
    ids = [int(row[0]) for row in cursor.execute(_RESERVE, [len(batch)])]
    with ThreadPoolExecutor(_LAKE_THREADS) as pool:
        kept: list[tuple[int, str, Future[str]]] = []

        def keep(number: int, draft: Draft, name: str, columns: Columns) -> None:
            if lake is not None:
                kept.append((number, name, pool.submit(_write_to_lake, lake, draft, name, columns)))

        for name in dict.fromkeys(name for each in batch for name in each.draft.frames):
            _copy(cursor, name, list(zip(batch, ids, strict=True)), keep)
        objects: dict[int, dict[str, str]] = {number: {} for number in ids}
        for number, name, written in kept:
            objects[number][name] = written.result()
    entries = [
        _entry(each.draft, number, supersedes, fence)
        for (each, supersedes), number in zip(new, ids, strict=True)
    ]
    known_at = _enter(cursor, entries, now, has_lake=lake is not None)
    stamped = [replace(entry, known_at=known_at) for entry in entries]
    return [KeptPublication(entry, objects[entry.publication_id]) for entry in stamped]


def _copy(cursor: psycopg.Cursor[Any], name: str, batch: Sequence[tuple[Prepared, int]], keep: _Keep) -> None:
    table = tables.table(name)
    copying.copy(cursor, table, _encoded(table, batch, keep))


def _encoded(table: Table, batch: Sequence[tuple[Prepared, int]], keep: _Keep) -> Iterator[memoryview]:
    """Yield the rows of one table of a batch, checked and handed to the lake as they come up."""
    for each, number in batch:
        if table.name in each.draft.frames:
            columns = each.checked(table.name)
            keep(number, each.draft, table.name, columns)
            n_rows = len(each.draft.frames[table.name])
            yield from copying.encode(table, columns, n_rows, number, each.draft.as_of)


def _entry(draft: Draft, number: int, supersedes: int | None, fence: int) -> LedgerEntry:
    return LedgerEntry(
        publication_id=number,
        dataset=draft.dataset,
        symbol=draft.symbol,
        as_of=draft.as_of,
        known_at=draft.as_of,
        version=draft.version,
        method_version=draft.method_version,
        inputs=dict(draft.inputs),
        status=draft.status,
        supersedes=None if draft.status == REJECTED else supersedes,
        fence=fence,
        source=draft.source,
        run_id=draft.run_id,
        quality=jsonable(draft.quality),
        purged_at=None,
    )


def _enter(
    cursor: psycopg.Cursor[Any], entries: Sequence[LedgerEntry], now: datetime | None, *, has_lake: bool
) -> datetime:
    values = [{name: jsonable(getattr(entry, name)) for name in LedgerEntry.__slots__} for entry in entries]
    parameters = {
        "now": now,
        "entries": json.dumps(values),
        "has_lake": has_lake,
        "channel": CHANNEL,
        "count": len(entries),
        "datasets": sorted({entry.dataset for entry in entries}),
    }
    row = cursor.execute(_ENTER, parameters).fetchone()
    if row is None or row[1] != len(entries):
        raise OvertakenError("a writer without our locks published meanwhile")
    known_at: datetime = row[0]
    return known_at.astimezone(UTC)


def _receipt(each: Prepared, head: _Head | None, entry: LedgerEntry | None) -> Receipt:
    if entry is not None:
        return Receipt(
            *each.snapshot, PUBLISHED, entry.publication_id, entry.known_at, entry.version, each.n_rows
        )
    assert head is not None
    outcome = "unchanged" if _is_same(each, head) else "stale"
    return Receipt(
        *each.snapshot, outcome, head.publication_id, head.known_at.astimezone(UTC), head.version, 0
    )


def _write_to_lake(lake: Lake, draft: Draft, name: str, columns: Columns) -> str:
    return lake.write_dataset(name, draft.symbol, draft.as_of, draft.version, columns)


def settle(
    connection: psycopg.Connection[Any], lake: Lake, owed: Sequence[LedgerEntry | KeptPublication]
) -> None:
    """Append published entries to the lake's ledger and forget that they were owed.

    What fails stays owed and is logged: it is published already, and the next call for all that is owed
    takes it up.
    """

    def append(each: LedgerEntry | KeptPublication) -> int:
        kept = lake.described(each) if isinstance(each, LedgerEntry) else each
        lake.append_ledger(kept.entry, kept.objects)
        return kept.entry.publication_id

    try:
        with ThreadPoolExecutor(_LAKE_THREADS) as pool:
            done = list(pool.map(append, owed))
    except (LakeUnavailableError, FileNotFoundError) as error:
        logger.warning("%d ledger entries are not in the lake yet: %s", len(owed), error)
        return
    with connection.transaction():
        connection.execute("SET LOCAL synchronous_commit = off")
        connection.execute("DELETE FROM periscope.lake_outbox WHERE publication_id = ANY(%s)", [done])
