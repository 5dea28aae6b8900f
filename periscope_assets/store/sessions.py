"""Connections to PostgreSQL: a pool, the role that they act in, and failures as the store's own.

What belongs here: connecting. What does not: queries.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import psycopg
from psycopg import sql
from sqlalchemy import create_engine
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from periscope_assets.store.repository import StoreUnavailableError
from periscope_assets.store.roles import READER

_OPTIONS = (
    "-c timezone=UTC -c search_path=public -c lock_timeout=60s -c idle_in_transaction_session_timeout=120s"
)
_READ_ONLY = "-c default_transaction_read_only=on"
_MAY_BE = "SELECT 1 FROM pg_roles WHERE rolname = %s AND pg_has_role(current_user, oid, 'MEMBER')"
_POOL_SIZE, _POOL_OVERFLOW = 5, 20
_TAG = re.compile(r"[A-Za-z0-9._\-]{1,80}", re.ASCII)
_tags: ContextVar[str] = ContextVar("periscope_sql_tags", default="")


class tagged:  # noqa: N801
    """Write names and values as a comment behind the SQL of this context, e.g. the id of a request.

    Values that could end the comment, or are long, are left out. A class, since it is around every request
    and a generator would take three times as long.
    """

    def __init__(self, **tags: str) -> None:
        kept = ",".join([f"{name}='{value}'" for name, value in tags.items() if _TAG.fullmatch(value)])
        self._tag = f" /* {kept} */" if kept else ""

    def __enter__(self) -> None:
        self._token = _tags.set(self._tag)

    def __exit__(self, *_: object) -> None:
        _tags.reset(self._token)


def commented(query: Any) -> Any:
    """Return a query with the comment of this context behind it."""
    tags = _tags.get()
    if not tags:
        return query
    return query + tags if isinstance(query, str) else query + sql.SQL(tags)


class Sessions:
    """Pooled connections to one database.

    Parameters
    ----------
    url : str
        ``postgresql://...``; a SQLAlchemy driver in it is ignored.
    role : str, optional
        Database role to act in where it exists and the URL's user belongs to it; default: that user.
    """

    def __init__(self, url: str, *, role: str | None = None) -> None:
        self._url = _parse(url)
        self._role = role
        self._engine = create_engine(
            "postgresql+psycopg://",
            creator=self._connect,
            isolation_level="AUTOCOMMIT",
            pool_size=_POOL_SIZE,
            max_overflow=_POOL_OVERFLOW,
            pool_pre_ping=True,
        )

    @property
    def address(self) -> str:
        """Where the database is, without the password."""
        host = self._url.host or self._url.query.get("host") or "localhost"
        port = f":{self._url.port}" if self._url.port else ""
        return f"{self._url.username or ''}@{host}{port}/{self._url.database or ''}".removeprefix("@")

    def close(self) -> None:
        """Close all connections; new ones are opened if it is used again."""
        self._engine.dispose()

    def _fetch(self, query: Any, parameters: Any = None, *, binary: bool = False) -> list[tuple[Any, ...]]:
        with self._session() as connection, connection.cursor(binary=binary) as cursor:
            return cursor.execute(commented(query), parameters).fetchall()

    def _connect(self) -> psycopg.Connection[Any]:
        arguments = self._url.translate_connect_args(username="user", database="dbname") | dict(
            self._url.query
        )
        ours = f"{_OPTIONS} {_READ_ONLY}" if self._role == READER else _OPTIONS
        options = f"{ours} {arguments.pop('options', '')}".strip()
        connection = psycopg.connect(
            **arguments, options=options, connect_timeout=10, application_name="periscope"
        )
        if self._role is not None:
            _act_as(connection, self._role)
        return connection

    @contextmanager
    def _session(self) -> Iterator[psycopg.Connection[Any]]:
        """Lend a pooled connection in autocommit mode."""
        with self._translated(None):
            pooled = self._engine.raw_connection()
        try:
            connection: Any = pooled.driver_connection
            with self._translated(connection):
                yield connection
            if connection.closed:
                pooled.invalidate()
        finally:
            pooled.close()

    @contextmanager
    def _translated(self, connection: psycopg.Connection[Any] | None) -> Iterator[None]:
        """Turn the driver's errors of reaching and keeping the server into the store's."""
        try:
            yield
        except (
            psycopg.OperationalError,
            psycopg.errors.UndefinedTable,
            PoolTimeoutError,
            DBAPIError,
        ) as error:
            if connection is not None and not connection.closed:
                connection.rollback()
            cause = error.orig if isinstance(error, DBAPIError) else error
            raise StoreUnavailableError(f"PostgreSQL at {self.address}: {_reason(cause)}") from error


def _act_as(connection: psycopg.Connection[Any], role: str) -> None:
    """Take on a role for good, if there is one that this user may take on."""
    connection.autocommit = True
    if connection.execute(_MAY_BE, [role]).fetchone() is not None:
        connection.execute(sql.SQL("SET SESSION ROLE {}").format(sql.Identifier(role)))
    connection.autocommit = False


def _parse(url: str) -> URL:
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise ValueError("database URL: expected postgresql://user:password@host:port/database") from None
    if parsed.drivername.split("+")[0] not in ("postgresql", "postgres"):
        raise ValueError(f"database URL: expected postgresql://, got {parsed.drivername}://")
    return parsed


def _reason(error: BaseException | None) -> str:
    if isinstance(error, psycopg.errors.UndefinedTable):
        return "it has no schema of ours yet; `periscope up` makes it"
    lines: Sequence[str] = str(error).strip().splitlines() or ["no answer"]
    if isinstance(error, psycopg.errors.DiskFull):
        return f"{lines[0]}; free some space on the disk of the database"
    return f"{lines[0]}; start it with `periscope up`, or check PERISCOPE_DATABASE__URL"
