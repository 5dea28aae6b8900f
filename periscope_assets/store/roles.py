"""Database roles: one that only reads publications, one that only adds events.

What belongs here: which role may do what, and making them where the connecting user may. What does not:
connecting (``sessions``), roles of people (the app's).
"""

from __future__ import annotations

import logging

from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from periscope_assets.store.tables import EVENT_TABLES, SCHEMA

logger = logging.getLogger(__name__)

READER, COMMANDS = "periscope_reader", "periscope_commands"
PRIVATE_TABLES = frozenset({"api_keys", "audit_log"})
"""Tables that the reader does not see."""

_MAY_CREATE = "SELECT rolsuper OR rolcreaterole FROM pg_roles WHERE rolname = current_user"
_IS_MEMBER = "SELECT pg_has_role(current_user, :role, 'MEMBER')"
_LACKING = """
SELECT 1 FROM unnest(CAST(:names AS text[])) AS role
WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = role)
"""
_PENDING = """
SELECT 1 FROM pg_class WHERE relnamespace = CAST(:schema AS regnamespace) AND relkind IN ('r', 'p')
    AND NOT (
        has_table_privilege(:commands, oid, 'SELECT')
        AND (relname = ANY(:private) OR has_table_privilege(:reader, oid, 'SELECT'))
        AND (relname <> ALL(:events) OR has_table_privilege(:commands, oid, 'INSERT'))
    )
LIMIT 1
"""
_CREATE = """
DO $$ BEGIN
    CREATE ROLE {role} NOLOGIN;
EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
END $$
"""


def ensure(connection: Connection) -> bool:
    """Make the roles and give them what they need; return whether they are there.

    A user who may not create roles leaves them out: whoever connects then acts as that user, read-only where
    a reader is asked for.
    """
    names = [READER, COMMANDS]
    try:
        with connection.begin_nested():
            if connection.execute(text(_LACKING), {"names": names}).first() is not None:
                if not connection.execute(text(_MAY_CREATE)).scalar_one():
                    logger.info("this database user may not create the roles %s", ", ".join(names))
                    return False
                for role in names:
                    connection.execute(text(_CREATE.format(role=role)))
            if _is_pending(connection):
                _grant(connection)
    except DBAPIError as error:
        logger.warning("the roles %s could not be made or granted: %s", ", ".join(names), error.orig)
        return False
    return True


def _is_pending(connection: Connection) -> bool:
    asked = {
        "schema": SCHEMA,
        "reader": READER,
        "commands": COMMANDS,
        "private": sorted(PRIVATE_TABLES),
        "events": sorted(EVENT_TABLES),
    }
    return connection.execute(text(_PENDING), asked).first() is not None


def _grant(connection: Connection) -> None:
    events = ", ".join(f"{SCHEMA}.{name}" for name in sorted(EVENT_TABLES))
    private = ", ".join(f"{SCHEMA}.{name}" for name in sorted(PRIVATE_TABLES))
    for role in (READER, COMMANDS):
        if not connection.execute(text(_IS_MEMBER), {"role": role}).scalar_one():
            connection.execute(text(f"GRANT {role} TO CURRENT_USER"))
    for statement in (
        f"GRANT USAGE ON SCHEMA {SCHEMA} TO {READER}, {COMMANDS}",
        f"GRANT SELECT ON ALL TABLES IN SCHEMA {SCHEMA} TO {READER}, {COMMANDS}",
        f"REVOKE ALL ON {private} FROM {READER}",
        f"GRANT INSERT ON {events} TO {COMMANDS}",
    ):
        connection.execute(text(statement))
