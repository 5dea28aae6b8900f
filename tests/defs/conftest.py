"""A home whose database is on the test server."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from periscope_assets.settings import Settings
from periscope_assets.store.embedded import EmbeddedServer
from tests.conftest import emptied

UNIVERSES = {"desk": ["SIMX", "NOPE", "CRUX", "SIMBTC"], "broken": ["NOPE"]}


@pytest.fixture(scope="session")
def new_home(pg_server: EmbeddedServer) -> Callable[[Path, str], Settings]:
    """Return settings with an empty database of a name and a lake of their own."""

    def opened(folder: Path, database: str, **changed: Any) -> Settings:
        pg_server.ensure_database(database)
        url = emptied(pg_server.url(database))
        return Settings(**{"home": folder, "database": {"url": url}, "universes": UNIVERSES, **changed})

    return opened
