"""From settings to a store: where the database and the lake of a home are, and that they are ready.

What belongs here: choosing between the embedded server and a configured one. What does not: reading the
environment.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

import psycopg
from sqlalchemy.engine import make_url

from periscope_assets.settings import Settings
from periscope_assets.store.alerts import AlertLog
from periscope_assets.store.embedded import EmbeddedServer, check_database, ensure_database
from periscope_assets.store.lake import Lake
from periscope_assets.store.people import People
from periscope_assets.store.postgres import PostgresStore
from periscope_assets.store.repository import StoreUnavailableError
from periscope_assets.store.roles import READER

DATABASE = "periscope"


def open_lake(settings: Settings) -> Lake:
    """Return the lake of the settings."""
    return Lake(settings.lake_url)


def open_store(settings: Settings, *, clock: Callable[[], datetime] | None = None) -> PostgresStore:
    """Return the store of the settings, its server started and its schema current.

    Parameters
    ----------
    settings : Settings
    clock : callable, optional
        Passed to the store.

    Raises
    ------
    StoreUnavailableError
        If its database can't be reached or made.
    """
    store = PostgresStore(_store_url(settings), clock=clock, lake=open_lake(settings))
    store.migrate()
    return store


def open_reader(settings: Settings) -> PostgresStore:
    """Return a store that can only read, acting in the readers' role where the database has it.

    With a URL of its own for readers nothing is migrated: that is for who owns the schema.

    Raises
    ------
    StoreUnavailableError
        If its database can't be reached or made.
    """
    if settings.database.reader_url is not None:
        return PostgresStore(settings.database.reader_url.get_secret_value(), role=READER)
    open_store(settings).close()
    return PostgresStore(_store_url(settings), role=READER)


def open_people(settings: Settings) -> People:
    """Return the events that people cause, acting in the commands' role where the database has it.

    Raises
    ------
    StoreUnavailableError
        If its database can't be reached or made.
    """
    if settings.database.commands_url is not None:
        return People(settings.database.commands_url.get_secret_value())
    open_store(settings).close()
    return People(_store_url(settings))


def open_alerts(settings: Settings, *, clock: Callable[[], datetime] | None = None) -> AlertLog:
    """Return the events of incidents and of their delivery; see :func:`open_people`.

    Raises
    ------
    StoreUnavailableError
        If its database can't be reached or made.
    """
    if settings.database.commands_url is not None:
        return AlertLog(settings.database.commands_url.get_secret_value(), clock=clock)
    open_store(settings).close()
    return AlertLog(_store_url(settings), clock=clock)


def database_url(settings: Settings, database: str = DATABASE) -> str:
    """Return the URL of a database on the store's server, for libraries on psycopg2 such as Dagster's.

    The server is started and the database made if need be.

    Returns
    -------
    str
        ``postgresql+psycopg2://user:password@host/database``; for the embedded server with ``?host=<socket
        folder>``.

    Raises
    ------
    StoreUnavailableError
        If the server can't be reached, or the database is missing and may not be made.
    """
    if settings.database.url is None:
        url = make_url(_embedded_url(settings, database))
    else:
        url = make_url(settings.database.url.get_secret_value())
        if database != DATABASE:
            _ensure_on_server(settings, database)
            url = url.set(database=check_database(database))
    return url.set(drivername="postgresql+psycopg2").render_as_string(hide_password=False)


def _store_url(settings: Settings) -> str:
    if settings.database.url is not None:
        return settings.database.url.get_secret_value()
    return _embedded_url(settings, DATABASE)


def _embedded_url(settings: Settings, database: str) -> str:
    server = EmbeddedServer(settings.home)
    server.start()
    server.ensure_database(database)
    return server.url(database)


def _ensure_on_server(settings: Settings, database: str) -> None:
    assert settings.database.url is not None
    url = make_url(settings.database.url.get_secret_value()).set(drivername="postgresql")
    try:
        ensure_database(url.render_as_string(hide_password=False), database)
    except psycopg.Error as error:
        reason = str(error).strip().splitlines()[0]
        raise StoreUnavailableError(
            f"database {database} on {url.host or url.query.get('host')}: {reason}"
        ) from error
