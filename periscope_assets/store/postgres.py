"""The store on PostgreSQL, with or without TimescaleDB.

What belongs here: as-served reads, and handing drafts to ``publishing``. What does not:
connections (``sessions``), the schema (``tables``), how it changes (``migrate``), settings (``connect``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import cached_property, lru_cache
from threading import Event
from typing import Any

import pandas as pd
import psycopg
from psycopg import sql
from psycopg.types.numeric import Int4BinaryLoader, Int8BinaryLoader
from sqlalchemy import Table

from periscope_analytics.conventions import check_symbol
from periscope_assets.store import (
    listening,
    migrate,
    publishing,
    replay,
    retention,
    series,
    summaries,
    tables,
)
from periscope_assets.store.frames import typed
from periscope_assets.store.lake import KeptPublication, Lake
from periscope_assets.store.replay import Replayed
from periscope_assets.store.repository import (
    PUBLISHED,
    WITHDRAWN,
    Draft,
    LedgerEntry,
    PurgedError,
    Receipt,
)
from periscope_assets.store.retention import Period
from periscope_assets.store.sessions import Sessions, commented

_COUNTED: dict[str, Any] = {"timestamptz": Int8BinaryLoader, "date": Int4BinaryLoader}
"""Times and dates of rows come as the wire has them: frames count too, and most columns are of them."""
_ATTEMPTS = 3
_COLUMNS = ", ".join(LedgerEntry.__slots__)
_VISIBLE = """
known_at <= least(%(known_at)s::timestamptz, (SELECT known_at FROM periscope.publish_clock))
"""
_HEAD = f"""
SELECT * FROM (
    SELECT DISTINCT ON (as_of) {_COLUMNS} FROM periscope.publications
    WHERE dataset = %(dataset)s AND symbol = %(symbol)s AND {_VISIBLE} AND {{snapshot}}
        AND status = ANY(%(deciding)s)
    ORDER BY as_of DESC, known_at DESC
) AS head
WHERE status = ANY(%(statuses)s) LIMIT 1
"""  # noqa: S608
_HEADS = f"""
SELECT * FROM (
    SELECT DISTINCT ON (dataset, symbol, as_of) {_COLUMNS} FROM periscope.publications
    WHERE {_VISIBLE} AND {{conditions}}
    ORDER BY dataset, symbol, as_of, known_at DESC
) AS head
WHERE %(statuses)s::text[] IS NULL OR status = ANY(%(statuses)s)
ORDER BY dataset, symbol, as_of
"""  # noqa: S608
_FOLLOW = f"""
SELECT * FROM (
    SELECT {_COLUMNS} FROM periscope.publications
    WHERE known_at > %(after)s AND known_at <= (SELECT known_at FROM periscope.publish_clock)
    ORDER BY known_at FETCH FIRST %(limit)s ROWS WITH TIES
) AS page
ORDER BY known_at, publication_id
"""  # noqa: S608
_OWED = f"SELECT {_COLUMNS} FROM periscope.publications JOIN periscope.lake_outbox USING (publication_id)"  # noqa: S608


class PostgresStore(Sessions):
    """A store that reads and publishes.

    Parameters
    ----------
    url : str
        ``postgresql://...``; a SQLAlchemy driver in it is ignored.
    clock : callable, optional
        Gives the time that publications become known at; the server's clock by default. It may stand still
        or go back: `known_at` still increases.
    lake : Lake, optional
        Gets a copy of all rows and ledger entries.
    role : str, optional
        Database role to act in; see ``Sessions``.
    """

    def __init__(
        self,
        url: str,
        *,
        clock: Callable[[], datetime] | None = None,
        lake: Lake | None = None,
        role: str | None = None,
    ) -> None:
        super().__init__(url, role=role)
        self._clock = clock
        self.lake = lake

    def migrate(self) -> None:
        """Bring the database to the current schema, and the lake's ledger up to date."""
        with self._translated(None):
            migrate.migrate(self._engine)
        self.settle_lake()

    def fence(self) -> int:
        """Return a number greater than every fence taken before."""
        return int(self._fetch("SELECT nextval('periscope.fence_seq')")[0][0])

    def publish(self, drafts: Sequence[Draft], fence: int) -> list[Receipt]:
        """Publish drafts in one transaction and return one receipt each, in order.

        Raises
        ------
        ValueError
            If a draft is not as the schema wants it, or two are of one snapshot; nothing is published then.
        StoreUnavailableError
            If the database can't be reached or gives up; nothing is published then.
        """
        batch = [publishing.prepare(draft) for draft in drafts]
        if len({each.snapshot for each in batch}) < len(batch):
            raise ValueError("several drafts are of one dataset, symbol and as_of")
        if not batch:
            return []
        with self._session() as connection:
            receipts, entries = self._publish(connection, batch, fence)
            if self.lake is not None and entries:
                publishing.settle(connection, self.lake, entries)
        return receipts

    def confirm(self, entry: LedgerEntry, fence: int) -> bool:
        """Raise the fence of an entry whose content was found anew; see ``repository.Publisher``."""
        with self._session() as connection:
            return publishing.confirm(connection, entry, fence)

    def settle_lake(self) -> None:
        """Append the ledger entries that the lake is owed since a writer was killed after its commit."""
        if self.lake is None:
            return
        with self._session() as connection:
            owed = [_entry(row) for row in connection.execute(_OWED)]
            if owed:
                publishing.settle(connection, self.lake, owed)

    def replay(self) -> Replayed:
        """Write all publications of the lake into this database, which must be empty; see ``replay``.

        Raises
        ------
        NotEmptyError, LakeCorruptError
            Nothing is written then.
        """
        if self.lake is None:
            raise ValueError("a store without a lake has nothing to replay")
        with self._session() as connection:
            return replay.replay(connection, self.lake)

    def watermark(self) -> datetime:
        """Return the latest `known_at` that is visible and final; in 1970 if nothing was published yet."""
        stamp: datetime = self._fetch("SELECT known_at FROM periscope.publish_clock")[0][0]
        return stamp.astimezone(UTC)

    def head(
        self,
        dataset: str,
        symbol: str,
        *,
        as_of: datetime | None = None,
        at_or_before: datetime | None = None,
        known_at: datetime | None = None,
        statuses: Sequence[str] = (PUBLISHED,),
    ) -> LedgerEntry | None:
        """Return the entry served for a dataset and symbol; see ``repository.Reader``."""
        snapshot = "as_of <= %(at_or_before)s" if at_or_before is not None else "true"
        parameters = {
            "dataset": dataset,
            "symbol": check_symbol(symbol),
            "as_of": as_of,
            "at_or_before": at_or_before,
            "known_at": known_at,
            "statuses": list(statuses),
            "deciding": [*statuses, WITHDRAWN],
        }
        query = _HEAD.format(snapshot="as_of = %(as_of)s" if as_of is not None else snapshot)
        rows = self._fetch(query, parameters)
        return _entry(rows[0]) if rows else None

    def heads(
        self,
        dataset: str | None = None,
        symbol: str | None = None,
        *,
        start: datetime | None = None,
        end: datetime | None = None,
        known_at: datetime | None = None,
        statuses: Sequence[str] | None = (PUBLISHED,),
    ) -> list[LedgerEntry]:
        """Return one head per dataset, symbol and snapshot; see ``repository.Reader``."""
        wanted = {
            "dataset = %(dataset)s": dataset,
            "symbol = %(symbol)s": symbol,
            "as_of >= %(start)s": start,
            "as_of < %(end)s": end,
            "status = ANY(%(deciding)s)": statuses,
        }
        conditions = [condition for condition, value in wanted.items() if value is not None]
        parameters = {
            "dataset": dataset,
            "symbol": symbol,
            "start": start,
            "end": end,
            "known_at": known_at,
            "statuses": None if statuses is None else list(statuses),
            "deciding": [*(statuses or ()), WITHDRAWN],
        }
        query = _HEADS.format(conditions=" AND ".join(conditions) or "true")
        return [_entry(row) for row in self._fetch(query, parameters)]

    def latest(self, *, known_at: datetime | None = None) -> list[LedgerEntry]:
        """Return the last snapshot of each dataset and symbol; see ``repository.Reader``."""
        query = summaries.LATEST.format(columns=_COLUMNS, visible=_VISIBLE)
        return [_entry(row) for row in self._fetch(query, {"known_at": known_at})]

    def counts(
        self, dataset: str | None = None, *, known_at: datetime | None = None
    ) -> dict[tuple[str, str], int]:
        """Return how many snapshots are served; see ``repository.Reader``."""
        parameters = {
            "dataset": dataset,
            "known_at": known_at,
            "statuses": [PUBLISHED],
            "deciding": [PUBLISHED, WITHDRAWN],
        }
        rows = self._fetch(summaries.COUNTS.format(visible=_VISIBLE), parameters)
        return {(row[0], row[1]): int(row[2]) for row in rows}

    def symbols(self, dataset: str, *, known_at: datetime | None = None) -> list[str]:
        """Return the symbols of a dataset; see ``repository.Reader``."""
        query = summaries.SYMBOLS.format(visible=_VISIBLE)
        return [row[0] for row in self._fetch(query, {"dataset": dataset, "known_at": known_at})]

    def recent(
        self,
        dataset: str,
        symbols: Sequence[str],
        *,
        limit: int = 1,
        known_at: datetime | None = None,
        statuses: Sequence[str] = (PUBLISHED,),
    ) -> list[LedgerEntry]:
        """Return the latest snapshots of several symbols; see ``repository.Reader``."""
        parameters = {
            "dataset": dataset,
            "symbols": [check_symbol(symbol) for symbol in symbols],
            "limit": limit,
            "known_at": known_at,
            "statuses": list(statuses),
            "deciding": [*statuses, WITHDRAWN],
        }
        query = summaries.RECENT.format(columns=_COLUMNS, visible=_VISIBLE)
        return [_entry(row) for row in self._fetch(query, parameters)]

    def rows(self, entry: LedgerEntry, table: str) -> pd.DataFrame:
        """Return the rows of one publication, in the table's column order and the order of its natural key.

        Raises
        ------
        PurgedError
            If retention has dropped the rows.
        KeyError
            If the schema has no such table.
        """
        found = tables.table(table)
        names = [column.name for column in found.columns]
        rows = self._rows_of(found, [entry], names)
        if entry.purged_at is not None or (not rows and self._is_purged(entry)):
            raise PurgedError(_purged(entry))
        return typed(found, names, rows)

    def history(
        self, entries: Sequence[LedgerEntry], table: str, columns: Sequence[str] = ()
    ) -> pd.DataFrame:
        """Return the rows of several publications of one dataset; see ``repository.Reader``."""
        found = tables.table(table)
        for entry in entries:
            if entry.purged_at is not None:
                raise PurgedError(_purged(entry))
        names = ["publication_id", "as_of", *columns] if columns else [each.name for each in found.columns]
        return typed(found, names, self._rows_of(found, entries, names) if entries else [])

    def _rows_of(
        self, table: Table, entries: Sequence[LedgerEntry], names: Sequence[str]
    ) -> list[tuple[Any, ...]]:
        """Return rows by `as_of` and natural key; the range of `as_of` spares the other chunks."""
        stamps = [entry.as_of for entry in entries]
        ids = [entry.publication_id for entry in entries]
        parameters = [ids, min(stamps), max(stamps)]
        with self._session() as connection, connection.cursor(binary=True) as cursor:
            for kind, loader in _COUNTED.items():
                cursor.adapters.register_loader(kind, loader)
            query = commented(_rows_query(table.name, tuple(names)))
            return cursor.execute(query, parameters).fetchall()

    def series(
        self,
        table: str,
        symbol: str,
        *,
        start: datetime,
        end: datetime,
        every: timedelta | None = None,
        known_at: datetime | None = None,
        statuses: Sequence[str] = (PUBLISHED,),
        columns: Sequence[str] = (),
        only: Mapping[str, object] | None = None,
    ) -> pd.DataFrame:
        """Return the rows of the snapshots of a range, of each span the last; see ``repository.Reader``."""
        parameters = {
            "dataset": series.dataset_of(table),
            "symbol": check_symbol(symbol),
            "start": start,
            "end": end,
            "every": every or timedelta(microseconds=1),
            "known_at": known_at,
            "statuses": list(statuses),
            "deciding": [*statuses, WITHDRAWN],
            **series.parameters(only or {}),
        }
        query = series.query(table, tuple(columns), tuple(only or ()), has_timescale=self._has_timescale)
        rows = self._fetch(query, parameters, binary=True)
        purged = [row for row in rows if row[2] is not None]
        if purged:
            raise PurgedError(
                f"{parameters['dataset']} {symbol}: retention has dropped {len(purged)} snapshots up to "
                f"{purged[-1][1]:%Y-%m-%d %H:%M} UTC; ask for what came after, or replay the lake elsewhere"
            )
        return series.frame(table, rows, columns)

    def purge(self, before: datetime, *, now: datetime, dry_run: bool = False) -> list[Period]:
        """Drop old quotes whose raw bytes are verified in the lake; see ``retention``."""
        if self.lake is None:
            raise ValueError("a store without a lake has nothing to verify quotes against")
        with self._session() as connection:
            return retention.purge(connection, self.lake, before, now=now, dry_run=dry_run)

    def follow(self, after: datetime, *, limit: int = 1000) -> list[LedgerEntry]:
        """Return what became known after an instant; see ``repository.Reader``."""
        return [_entry(row) for row in self._fetch(_FOLLOW, {"after": after, "limit": limit})]

    def tail(
        self,
        symbol: str,
        datasets: Sequence[str],
        *,
        limit: int,
        statuses: Sequence[str] | None = None,
        known_at: datetime | None = None,
    ) -> list[LedgerEntry]:
        """Return what became known last of a symbol; see ``repository.Follower``."""
        parameters = {
            "symbol": check_symbol(symbol),
            "datasets": list(datasets),
            "limit": limit,
            "statuses": None if statuses is None else list(statuses),
            "known_at": known_at,
        }
        query = listening.TAIL.format(columns=_COLUMNS, visible=_VISIBLE)
        return [_entry(row) for row in self._fetch(query, parameters)][::-1]

    def listen(self, stop: Event) -> Iterator[tuple[str, ...]]:
        """Yield when something may have become known; see ``repository.Follower``."""
        with self._translated(None), listening.own(self._connect()) as connection:
            yield from listening.heard(connection, stop)

    def _publish(
        self, connection: psycopg.Connection[Any], batch: Sequence[publishing.Prepared], fence: int
    ) -> tuple[list[Receipt], list[KeptPublication]]:
        for attempt in range(1, _ATTEMPTS + 1):
            now = self._clock() if self._clock is not None else None
            try:
                return publishing.publish(connection, batch, fence, now=now, lake=self.lake)
            except publishing.OvertakenError:
                if attempt == _ATTEMPTS:
                    raise
        raise AssertionError("unreachable")

    @cached_property
    def _has_timescale(self) -> bool:
        return bool(self._fetch("SELECT 1 FROM pg_extension WHERE extname = 'timescaledb'"))

    def _is_purged(self, entry: LedgerEntry) -> bool:
        query = "SELECT purged_at IS NOT NULL FROM periscope.publications WHERE publication_id = %s"
        return any(row[0] for row in self._fetch(query, [entry.publication_id]))


@lru_cache(maxsize=256)
def _rows_query(table: str, names: tuple[str, ...]) -> str:
    order = ["as_of", "publication_id", *tables.natural_key(tables.table(table))]
    query = sql.SQL(
        "SELECT {} FROM {} WHERE publication_id = ANY(%s) AND as_of BETWEEN %s AND %s ORDER BY {}"
    ).format(
        sql.SQL(", ").join(map(sql.Identifier, names)),
        sql.Identifier(tables.SCHEMA, table),
        sql.SQL(", ").join(map(sql.Identifier, order)),
    )
    return query.as_string()


def _purged(entry: LedgerEntry) -> str:
    return (
        f"{entry.dataset} {entry.symbol} {entry.as_of:%Y-%m-%dT%H:%M:%SZ}: the rows of publication "
        f"{entry.publication_id} were dropped by retention; its raw object is in the lake"
    )


def _entry(row: Sequence[Any]) -> LedgerEntry:
    cells: list[Any] = [cell.astimezone(UTC) if isinstance(cell, datetime) else cell for cell in row]
    return LedgerEntry(*cells)
