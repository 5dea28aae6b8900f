"""``periscope mcp``: the agents' tools over standard input and output.

What belongs here: what one command needs around them. What does not: the tools (``app.agents``).
"""

from __future__ import annotations

import anyio

from app.agents.mcp_server import serve_stdio
from app.queries import Queries
from app.queries.caching import CachedReader
from app.terminal.reading import load_settings


def mcp() -> None:
    """Serve until the input ends; the store is opened with the first question that needs it."""
    from app.services.database import database
    from periscope_assets.store.connect import open_reader

    settings = load_settings()
    with database(settings):
        reader = open_reader(settings)
        try:
            queries = Queries(CachedReader(reader), lazy=True)
            anyio.run(serve_stdio, lambda: queries)
        finally:
            reader.close()
