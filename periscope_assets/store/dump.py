"""Copies of whole databases in a folder, with checksums: what the lake does not hold, and what it does.

What belongs here: tables and sequences of one schema to compressed text and back. What does not: the lake,
rebuilding from it (``replay``), which databases there are (the commands).

Rows go through COPY in text form, which gives doubles back bit for bit and is the same on plain PostgreSQL,
on TimescaleDB and across major versions.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import pyarrow as pa
from psycopg import sql
from sqlalchemy import MetaData, create_engine
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError

from periscope_assets.store.repository import StoreUnavailableError

FORMAT = 1
CHUNK = 1 << 20
_SEQUENCES = (
    "SELECT sequencename, last_value FROM pg_sequences WHERE schemaname = %s AND last_value IS NOT NULL"
)


class BackupError(RuntimeError):
    """A backup can't be written, read or restored; the message is one line and says why."""


@dataclass(frozen=True, slots=True)
class Database:
    """One database of a backup: where it is and which of its schemas is kept.

    Attributes
    ----------
    name : str
        In the backup, and of its folder.
    url : str
        ``postgresql://...``; a SQLAlchemy driver in it is ignored.
    schema : str
    seeded : collection of str
        Tables that may hold rows in a database that counts as empty.
    revision : str
        Table that names the version of the schema.
    """

    name: str
    url: str
    schema: str
    seeded: Collection[str]
    revision: str


@dataclass(frozen=True, slots=True)
class TableDump:
    """One table of a backup."""

    name: str
    columns: list[str]
    n_rows: int
    sha256: str


@dataclass(frozen=True, slots=True)
class DatabaseDump:
    """One database of a backup."""

    revision: list[str]
    tables: list[TableDump]
    sequences: dict[str, int]


def backup(databases: Collection[Database], folder: Path, *, now: datetime) -> dict[str, DatabaseDump]:
    """Write a backup into a new folder; all of it is there or none.

    Raises
    ------
    BackupError
        If the folder exists or can't be written.
    StoreUnavailableError
        If a database can't be reached.
    """
    if folder.exists():
        raise BackupError(f"{folder} exists: name a folder that does not")
    aside = folder.with_name(f"{folder.name}.partial")
    try:
        aside.mkdir(parents=True, mode=0o700)
    except OSError as error:
        raise BackupError(
            f"{aside} can't be made; is it left of a backup that was killed? {error}"
        ) from error
    try:
        dumps = {each.name: _dump(each, aside / each.name) for each in databases}
        document = {
            "format": FORMAT,
            "made_at": now.astimezone(UTC).isoformat(),
            "databases": {name: asdict(each) for name, each in dumps.items()},
        }
        (aside / "backup.json").write_text(json.dumps(document, indent=1), encoding="utf-8")
        aside.rename(folder)
    except BaseException as error:
        shutil.rmtree(aside, ignore_errors=True)
        if isinstance(error, OSError):
            raise BackupError(f"{folder} can't be written: {error}") from error
        raise
    return dumps


def read(folder: Path) -> dict[str, DatabaseDump]:
    """Return what a backup holds, every file of it checked.

    Raises
    ------
    BackupError
        If it is no backup of ours, or a file of it is not what it was.
    """
    try:
        document = json.loads((folder / "backup.json").read_text(encoding="utf-8"))
        if document["format"] != FORMAT:
            raise BackupError(f"{folder} has format {document['format']}, this periscope reads {FORMAT}")
        dumps = {
            name: DatabaseDump(
                each["revision"], [TableDump(**table) for table in each["tables"]], each["sequences"]
            )
            for name, each in document["databases"].items()
        }
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BackupError(f"{folder} is no backup that `periscope backup` wrote: {error}") from error
    for name, dump in dumps.items():
        for table in dump.tables:
            path = _path(folder / name, table.name)
            if not path.is_file() or _digest(path) != table.sha256:
                raise BackupError(f"{path}: missing, or not the bytes that were written")
    return dumps


def restore(database: Database, dump: DatabaseDump, folder: Path, *, again: bool = False) -> None:
    """Write one database of a backup into a database of the same schema without content, in one transaction.

    Parameters
    ----------
    database : Database
    dump : DatabaseDump
    folder : Path
        The whole backup's, as :func:`read` checked it.
    again : bool
        A restore into this database was interrupted: what it left is replaced.

    Raises
    ------
    BackupError
        If the database holds something, or has another schema; nothing is written then.
    StoreUnavailableError
        If it can't be reached.
    """
    with _connected(database) as connection, connection.transaction():
        present = set(_tables(database))
        missing = sorted({table.name for table in dump.tables} - present)
        if missing or _revision(connection, database) != dump.revision:
            raise BackupError(
                f"database {database.name} has another schema than the backup, {', '.join(dump.revision)}: "
                "restore with the version of periscope that wrote it"
            )
        if not present:
            return
        if not again:
            _refuse_content(connection, database, sorted(present - set(database.seeded)))
        names = sql.SQL(", ").join(sql.Identifier(database.schema, name) for name in present)
        connection.execute(sql.SQL("TRUNCATE {}").format(names))
        for table in dump.tables:
            _load(connection, database, table, folder / database.name)
        for name, value in dump.sequences.items():
            connection.execute("SELECT setval(%s, %s)", [f"{database.schema}.{name}", value])


def summary(dumps: Mapping[str, DatabaseDump]) -> dict[str, int]:
    """Return the number of rows of each database of a backup."""
    return {name: sum(table.n_rows for table in each.tables) for name, each in dumps.items()}


def _dump(database: Database, folder: Path) -> DatabaseDump:
    folder.mkdir(mode=0o700)
    with _connected(database) as connection:
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        with connection.transaction():
            tables = [
                _save(connection, database.schema, name, columns, folder)
                for name, columns in _tables(database).items()
            ]
            sequences = dict(connection.execute(_SEQUENCES, [database.schema]).fetchall())
            return DatabaseDump(_revision(connection, database), tables, sequences)


def _save(
    connection: psycopg.Connection[Any], schema: str, name: str, columns: list[str], folder: Path
) -> TableDump:
    # A hypertable has no rows of its own: only a query finds those of its chunks.
    query = sql.SQL("COPY (SELECT {} FROM {}) TO STDOUT").format(
        sql.SQL(", ").join(map(sql.Identifier, columns)), sql.Identifier(schema, name)
    )
    path = _path(folder, name)
    with connection.cursor() as cursor:
        with cursor.copy(query) as copy, pa.CompressedOutputStream(str(path), "zstd") as file:
            for block in copy:
                file.write(block)
        return TableDump(name, columns, cursor.rowcount, _digest(path))


def _load(connection: psycopg.Connection[Any], database: Database, table: TableDump, folder: Path) -> None:
    statement = sql.SQL("COPY {} ({}) FROM STDIN").format(
        sql.Identifier(database.schema, table.name), sql.SQL(", ").join(map(sql.Identifier, table.columns))
    )
    with connection.cursor() as cursor:
        with (
            cursor.copy(statement) as copy,
            pa.CompressedInputStream(str(_path(folder, table.name)), "zstd") as file,
        ):
            while block := file.read(CHUNK):
                copy.write(block)
        if cursor.rowcount != table.n_rows:
            raise BackupError(f"{table.name}: {cursor.rowcount} rows came in, {table.n_rows} were written")


def _tables(database: Database) -> dict[str, list[str]]:
    """Return the columns of each table, tables that others refer to first."""
    url = make_url(database.url).set(drivername="postgresql+psycopg")
    engine, metadata = create_engine(url), MetaData(schema=database.schema)
    try:
        metadata.reflect(engine, schema=database.schema)
    finally:
        engine.dispose()
    return {
        table.name: [column.name for column in table.columns if column.computed is None]
        for table in metadata.sorted_tables
    }


def _revision(connection: psycopg.Connection[Any], database: Database) -> list[str]:
    found = connection.execute(
        "SELECT to_regclass(%s)", [f"{database.schema}.{database.revision}"]
    ).fetchone()
    if found is None or found[0] is None:
        return []
    query = sql.SQL("SELECT version_num FROM {} ORDER BY 1").format(
        sql.Identifier(database.schema, database.revision)
    )
    return [row[0] for row in connection.execute(query)]


def _refuse_content(connection: psycopg.Connection[Any], database: Database, names: Collection[str]) -> None:
    for name in names:
        query = sql.SQL("SELECT EXISTS (SELECT FROM {})").format(sql.Identifier(database.schema, name))
        row = connection.execute(query).fetchone()
        if row is not None and row[0]:
            raise BackupError(
                f"database {database.name} is not empty ({database.schema}.{name} has rows): restore writes "
                "only into an empty one; set PERISCOPE_HOME to a new folder, or PERISCOPE_DATABASE__URL"
            )


@contextmanager
def _connected(database: Database) -> Iterator[psycopg.Connection[Any]]:
    url = make_url(database.url).set(drivername="postgresql").render_as_string(hide_password=False)
    try:
        with psycopg.connect(url, autocommit=True, application_name="periscope backup") as connection:
            yield connection
    except (psycopg.OperationalError, DBAPIError) as error:
        reason = str(error).strip().splitlines()[0]
        raise StoreUnavailableError(f"database {database.name}: {reason}") from error


def _path(folder: Path, table: str) -> Path:
    return folder / f"{table}.copy.zst"


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
