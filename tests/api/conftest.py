"""A database in which the pipeline has published all datasets of one simulated underlying, and clients."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from app.api.main import create_app
from periscope_assets.pipeline import METHOD_VERSIONS, Pipeline
from periscope_assets.settings import Settings, SourceSettings
from periscope_assets.sources.opening import open_source
from periscope_assets.store.connect import open_store
from periscope_assets.store.embedded import EmbeddedServer
from periscope_assets.store.lake import Lake
from periscope_assets.store.people import People
from periscope_assets.store.postgres import PostgresStore
from periscope_assets.store.roles import READER
from tests.conftest import emptied

SYMBOL = "SIMN"
SESSIONS = (date(2026, 3, 19), date(2026, 3, 20))
ADDRESS = "http://127.0.0.1:8000"


@pytest.fixture(scope="session")
def published(pg_server: EmbeddedServer, tmp_path_factory: pytest.TempPathFactory) -> str:
    """URL of a database with two sessions of all datasets; tests add events of people only."""
    pg_server.ensure_database("api_published")
    url = emptied(pg_server.url("api_published"))
    home = tmp_path_factory.mktemp("published")
    settings = Settings(home=home, database={"url": url}, universes={"desk": [SYMBOL]})
    store = open_store(settings)
    pipeline = Pipeline(settings, store, Lake((home / "lake").as_uri()), open_source(SourceSettings()))
    for session in SESSIONS:
        for name in METHOD_VERSIONS:
            pipeline.build(name, [SYMBOL], session, "run-1")
    store.close()
    return url


@pytest.fixture(scope="module")
def client_of(
    published: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[..., TestClient]]:
    """Make clients of applications over that database; keywords are settings of the API."""
    with ExitStack() as opened:
        store = PostgresStore(published, role=READER)
        people = People(published)
        opened.callback(store.close)
        opened.callback(people.close)
        home: Path = tmp_path_factory.mktemp("home")

        def made(*, exporter: Any = None, **changed: Any) -> TestClient:
            settings = Settings(home=home, api=changed)
            app = create_app(settings, store, people, exporter=exporter)
            opened.callback(app.state.trail.close)
            return TestClient(app, base_url=ADDRESS, raise_server_exceptions=False)

        yield made


@pytest.fixture(scope="module")
def client(client_of: Callable[..., TestClient]) -> TestClient:
    """A client on loopback that need not say who it is."""
    return client_of()
