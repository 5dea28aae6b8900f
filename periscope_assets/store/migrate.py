"""Bringing a database to the current schema: Alembic's revisions, then TimescaleDB's hypertables.

What belongs here: what may be run again on any database of ours. What does not: revisions (``migrations``).
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError

from periscope_assets.store import roles
from periscope_assets.store.tables import PER_CONTRACT_TABLES, SCHEMA, data_tables

logger = logging.getLogger(__name__)


def _include_name(name: str | None, kind: str, _parents: object) -> bool:
    return kind != "schema" or name == SCHEMA


CONTEXT_OPTIONS: dict[str, Any] = {
    "version_table": "schema_version",
    "version_table_schema": SCHEMA,
    "include_schemas": True,
    "include_name": _include_name,
    "compare_type": True,
}
CHUNK_DAYS, CHUNK_DAYS_PER_CONTRACT = 365, 30
COMPRESS_AFTER_DAYS = 60


def config(connection: Connection) -> Config:
    """Return Alembic's configuration for a connection; no file is read but the revisions."""
    result = Config()
    folder = Path(__file__).parent / "migrations"
    result.set_main_option("script_location", str(folder).replace("%", "%%"))
    result.attributes["connection"] = connection
    return result


def migrate(engine: Engine) -> None:
    """Bring a database to the current schema; several processes may ask at once.

    Raises
    ------
    RuntimeError
        If the database's schema is newer than this version of the code.
    """
    with engine.execution_options(isolation_level="READ COMMITTED").begin() as connection:
        connection.execute(text("SELECT pg_advisory_xact_lock(hashtext('periscope migrate'))"))
        connection.execute(text(f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}"))
        settings = config(connection)
        scripts = ScriptDirectory.from_config(settings)
        current = MigrationContext.configure(connection, opts=CONTEXT_OPTIONS).get_current_revision()
        if current is not None and current not in {script.revision for script in scripts.walk_revisions()}:
            raise RuntimeError(f"the database has schema {current}, newer than this code: update periscope")
        if current != scripts.get_current_head():
            command.upgrade(settings, "head")
        roles.ensure(connection)
        if has_timescale(connection):
            _make_hypertables(connection)
            if connection.execute(text("SHOW timescaledb.license")).scalar_one() == "timescale":
                compress(connection)


def has_timescale(connection: Connection) -> bool:
    """Tell whether this database has TimescaleDB, installing it where the server has it loaded."""
    found = connection.execute(text("SELECT 1 FROM pg_extension WHERE extname = 'timescaledb'")).first()
    # A plain user may not SHOW it, but finds no row here.
    query = "SELECT setting FROM pg_settings WHERE name = 'shared_preload_libraries'"
    loaded = connection.execute(text(query)).scalar()
    if found is not None or "timescaledb" not in (loaded or ""):
        return found is not None
    try:
        with connection.begin_nested():
            connection.execute(text("CREATE EXTENSION IF NOT EXISTS timescaledb"))
    except DBAPIError as error:
        logger.warning("TimescaleDB is loaded but not installed in this database: %s", error.orig)
        return False
    return True


def compress(connection: Connection) -> None:
    """Have old chunks of quotes compressed, which only the community licence may.

    A publication is one segment, so that reading one decompresses nothing else. Tables that are set up
    already are left alone: to set one up waits for all who use it.
    """
    for name in sorted(PER_CONTRACT_TABLES - _compressed(connection)):
        place = f"{SCHEMA}.{name}"
        connection.execute(
            text(
                f"ALTER TABLE {place} SET (timescaledb.compress, "
                "timescaledb.compress_segmentby = 'publication_id', timescaledb.compress_orderby = 'as_of')"
            )
        )
        connection.execute(
            text(
                "SELECT add_compression_policy(CAST(:place AS regclass), make_interval(days => :days), "
                "if_not_exists => true)"
            ),
            {"place": place, "days": COMPRESS_AFTER_DAYS},
        )


def _compressed(connection: Connection) -> set[str]:
    listed = text(
        "SELECT hypertable_name FROM timescaledb_information.hypertables "
        "WHERE hypertable_schema = :schema AND compression_enabled"
    )
    return set(connection.execute(listed, {"schema": SCHEMA}).scalars())


def _make_hypertables(connection: Connection) -> None:
    listed = text(
        "SELECT hypertable_name FROM timescaledb_information.hypertables WHERE hypertable_schema = :s"
    )
    made = set(connection.execute(listed, {"s": SCHEMA}).scalars())
    for table in data_tables():
        if table.name in made:
            continue
        days = CHUNK_DAYS_PER_CONTRACT if table.name in PER_CONTRACT_TABLES else CHUNK_DAYS
        connection.execute(
            text(
                "SELECT create_hypertable(CAST(:name AS regclass), 'as_of', create_default_indexes => false, "
                "migrate_data => true, chunk_time_interval => make_interval(days => :days))"
            ),
            {"name": f"{SCHEMA}.{table.name}", "days": days},
        )
