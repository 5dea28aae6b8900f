"""An empty database rebuilt from the lake: every publication with its own number, rows and `known_at`.

What belongs here: reading the lake's ledger, checking what it names, and writing it back in one transaction.
What does not: building datasets anew (``pipeline``), copies of a whole database (``dump``).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import pandas as pd
import psycopg
from psycopg import sql
from sqlalchemy import Table

from periscope_assets.store import copying, tables
from periscope_assets.store.frames import Columns, check, jsonable
from periscope_assets.store.lake import KeptPublication, Lake, LakeCorruptError
from periscope_assets.store.repository import REJECTED, LedgerEntry

PUBLICATIONS_AT_A_TIME, _THREADS = 64, 8
_RAW = "raw_chain"
_ENTER = """
INSERT INTO periscope.publications ({columns})
SELECT {columns} FROM jsonb_populate_recordset(null::periscope.publications, %s)
"""
_FINISH = """
WITH numbers AS (
    SELECT setval(pg_get_serial_sequence('periscope.publications', 'publication_id'), max(publication_id)),
        setval('periscope.fence_seq', max(fence))
    FROM periscope.publications
)
UPDATE periscope.publish_clock SET known_at = (SELECT max(known_at) FROM periscope.publications)
FROM numbers WHERE id = 1
"""


class NotEmptyError(RuntimeError):
    """Something is there that would be overwritten; the message says what, and the remedy."""


@dataclass(frozen=True, slots=True)
class Replayed:
    """What a replay wrote.

    Attributes
    ----------
    n_publications, n_rows : int
    n_raw : int
        Raw objects whose sha256 was verified.
    known_at : datetime or None
        Watermark; None when the lake's ledger is empty.
    is_renumbered : bool
        Whether the ledger held publications of several databases under the same numbers.
    """

    n_publications: int
    n_rows: int
    n_raw: int
    known_at: datetime | None
    is_renumbered: bool


@dataclass(frozen=True, slots=True)
class _Content:
    entry: LedgerEntry
    columns: dict[str, Columns]
    n_rows: dict[str, int]


def replay(connection: psycopg.Connection[Any], lake: Lake) -> Replayed:
    """Write all publications of a lake into an empty database, in one transaction.

    Parameters
    ----------
    connection : Connection
        In autocommit mode, to a database of the current schema.
    lake : Lake

    Raises
    ------
    NotEmptyError
        If the database holds publications already.
    LakeCorruptError
        If an object is missing, can't be read, or has another sha256 than its name or the ledger says;
        nothing is written then.
    """
    with connection.transaction(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL idle_in_transaction_session_timeout = 0")
        cursor.execute("SELECT known_at FROM periscope.publish_clock FOR UPDATE")
        _refuse_unless_empty(cursor)
        kept, is_renumbered = _numbered(list(lake.publications()))
        n_rows, verified = 0, _RawObjects(lake)
        with ThreadPoolExecutor(_THREADS) as pool:
            for start in range(0, len(kept), PUBLICATIONS_AT_A_TIME):
                batch = kept[start : start + PUBLICATIONS_AT_A_TIME]
                raw = {e.entry.inputs["sha256"]: e.entry for e in batch if _is_raw(e.entry)}
                list(pool.map(verified.verify, raw.values()))
                n_rows += _write(cursor, list(pool.map(lambda each: _read(lake, each), batch)))
        if kept:
            cursor.execute(_FINISH)
    known_at = kept[-1].entry.known_at if kept else None
    return Replayed(len(kept), n_rows, verified.count, known_at, is_renumbered)


def _refuse_unless_empty(cursor: psycopg.Cursor[Any]) -> None:
    for each in (tables.table("publications"), *tables.data_tables()):
        query = sql.SQL("SELECT EXISTS (SELECT FROM {})").format(sql.Identifier(tables.SCHEMA, each.name))
        row = cursor.execute(query).fetchone()
        if row is not None and row[0]:
            raise NotEmptyError(
                f"the database is not empty: {tables.SCHEMA}.{each.name} has rows; replay writes only into "
                "an empty one (another PERISCOPE_HOME, or another PERISCOPE_DATABASE__URL)"
            )


def _is_raw(entry: LedgerEntry) -> bool:
    return entry.dataset == _RAW and "sha256" in entry.inputs


def _numbered(kept: Sequence[KeptPublication]) -> tuple[list[KeptPublication], bool]:
    """Return publications whose numbers are unique; numbered anew where several databases wrote this lake."""
    if len({each.entry.publication_id for each in kept}) == len(kept):
        return list(kept), False
    served: dict[tuple[str, str, datetime], int] = {}
    result = []
    for number, each in enumerate(kept, 1):
        entry = each.entry
        snapshot = (entry.dataset, entry.symbol, entry.as_of)
        supersedes = None if entry.status == REJECTED else served.get(snapshot)
        if entry.status != REJECTED:
            served[snapshot] = number
        renumbered = replace(entry, publication_id=number, supersedes=supersedes)
        result.append(KeptPublication(renumbered, each.objects))
    return result, True


class _RawObjects:
    """Raw objects, each of them verified once."""

    def __init__(self, lake: Lake) -> None:
        self._lake = lake
        self._seen: set[str] = set()

    @property
    def count(self) -> int:
        return len(self._seen)

    def verify(self, entry: LedgerEntry) -> None:
        digest = entry.inputs["sha256"]
        if digest in self._seen:
            return
        try:
            self._seen.update(self._lake.verify_raw(digest, entry.symbol, entry.as_of))
        except FileNotFoundError as error:
            raise LakeCorruptError(f"{self._lake.url}: raw object {digest} is missing") from error


def _read(lake: Lake, kept: KeptPublication) -> _Content:
    entry, columns, n_rows = kept.entry, {}, {}
    if entry.purged_at is None:
        for name, digest in kept.objects.items():
            try:
                frame = lake.read_dataset(name, entry.symbol, entry.as_of, entry.version, digest)
            except FileNotFoundError as error:
                raise LakeCorruptError(f"{lake.url}: rows of {name} are missing: {error}") from error
            table = tables.table(name)
            columns[name], n_rows[name] = check(table, _completed(table, frame)), len(frame)
    return _Content(entry, columns, n_rows)


def _completed(table: Table, frame: pd.DataFrame) -> pd.DataFrame:
    """Return rows with nulls in columns that the schema did not have yet when they were written."""
    later = [each.name for each in tables.content_columns(table) if each.nullable and each.name not in frame]
    return frame.assign(**dict.fromkeys(later))


def _write(cursor: psycopg.Cursor[Any], batch: Sequence[_Content]) -> int:
    for name in dict.fromkeys(name for each in batch for name in each.columns):
        copying.copy(cursor, tables.table(name), _encoded(name, batch))
    values = [{name: jsonable(getattr(each.entry, name)) for name in LedgerEntry.__slots__} for each in batch]
    columns = sql.SQL(", ").join(map(sql.Identifier, LedgerEntry.__slots__))
    cursor.execute(sql.SQL(_ENTER).format(columns=columns), [json.dumps(values)])
    return sum(sum(each.n_rows.values()) for each in batch)


def _encoded(name: str, batch: Sequence[_Content]) -> Iterator[memoryview]:
    for each in batch:
        if name in each.columns:
            entry, table = each.entry, tables.table(name)
            yield from copying.encode(
                table, each.columns[name], each.n_rows[name], entry.publication_id, entry.as_of
            )
