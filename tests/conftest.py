"""Fixtures that every layer of tests may use."""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import psycopg
import pytest
from hypothesis import HealthCheck, settings

from periscope_assets.store.embedded import EmbeddedServer
from periscope_assets.store.lake import Lake
from periscope_assets.store.postgres import PostgresStore

PROJECT = Path(__file__).resolve().parents[1]

settings.register_profile("default", derandomize=True, deadline=None, max_examples=50, print_blob=True)
settings.register_profile(
    "nightly",
    derandomize=True,
    deadline=None,
    max_examples=10_000,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))


def required(capability: str, reason: str) -> None:
    """Skip for want of a capability, or fail where PERISCOPE_REQUIRE says that it must be there."""
    if capability in os.environ.get("PERISCOPE_REQUIRE", "").split(","):
        pytest.fail(f"{capability} is required here: {reason}", pytrace=False)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def recorded() -> Path:
    """Folder of the recorded chains, which are not part of the repository."""
    folder = Path(os.environ.get("PERISCOPE_TEST_DATA", PROJECT.parent / "shared" / "data"))
    if not folder.is_dir():
        required("data", f"no recorded chains: set PERISCOPE_TEST_DATA to their folder (looked in {folder})")
    return folder


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """An empty home of its own; a test that starts services in it stops them."""
    return tmp_path / "home"


@pytest.fixture(scope="session")
def pg_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedServer]:
    """One embedded server for all tests of a worker."""
    server = EmbeddedServer(tmp_path_factory.mktemp("server"))
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def migrated(pg_server: EmbeddedServer) -> str:
    """Name of a database of the current schema, to be copied and never used."""
    pg_server.ensure_database("migrated")
    store = PostgresStore(pg_server.url("migrated"))
    store.migrate()
    store.close()
    return "migrated"


_numbers = count(1)


@pytest.fixture
def store_url(pg_server: EmbeddedServer, migrated: str) -> Iterator[str]:
    """A fresh database of the current schema."""
    name = f"test_{next(_numbers)}"
    with psycopg.connect(pg_server.url("postgres"), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {migrated} STRATEGY file_copy")
        yield pg_server.url(name)
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def store(store_url: str, tmp_path: Path) -> Iterator[PostgresStore]:
    """A store on a fresh database, with a lake."""
    made = PostgresStore(store_url, lake=Lake((tmp_path / "lake").as_uri()))
    yield made
    made.close()
