"""Hearing of publications and incidents at once, by the notification that their transaction sends.

What belongs here: the connection that listens, and the ledger's query of who follows it. What does not: what
is done about a publication. A notification only says that there is something to read: whoever follows reads
the ledger from its own cursor, so that none can be lost with a connection.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event
from typing import Any

import psycopg
from psycopg import sql

from periscope_assets.store.people import INCIDENTS
from periscope_assets.store.publishing import CHANNEL

ALIVE_SECONDS = 15.0
"""How long nothing may be heard before the server is asked whether it is still there."""
STOP_SECONDS = 0.5
"""How soon a listener notices that it shall stop."""

TAIL = """
SELECT {columns} FROM periscope.publications
WHERE symbol = %(symbol)s AND dataset = ANY(%(datasets)s) AND {visible}
    AND (%(statuses)s::text[] IS NULL OR status = ANY(%(statuses)s))
ORDER BY known_at DESC FETCH FIRST %(limit)s ROWS WITH TIES
"""
"""What became known last of some datasets of a symbol; what became known at one instant is not divided."""


def heard(connection: psycopg.Connection[Any], stop: Event) -> Iterator[tuple[str, ...]]:
    """Yield once when listening has begun, then after each burst of notifications, until told to stop.

    What is yielded are the events of incidents among them, as JSON.

    Parameters
    ----------
    connection : Connection
        In autocommit mode; of nobody else.
    stop : Event
    """
    for channel in (CHANNEL, INCIDENTS):
        connection.execute(sql.SQL("LISTEN {}").format(sql.Identifier(channel)))
    yield ()
    quiet_since = time.monotonic()
    while not stop.is_set():
        if told := list(connection.notifies(timeout=STOP_SECONDS, stop_after=1)):
            quiet_since = time.monotonic()
            yield tuple(each.payload for each in told if each.channel == INCIDENTS)
        elif time.monotonic() - quiet_since > ALIVE_SECONDS:
            connection.execute("SELECT 1")
            quiet_since = time.monotonic()


@contextmanager
def own(connection: psycopg.Connection[Any]) -> Iterator[psycopg.Connection[Any]]:
    """Lend a connection in autocommit mode and close it."""
    try:
        connection.autocommit = True
        yield connection
    finally:
        connection.close()
