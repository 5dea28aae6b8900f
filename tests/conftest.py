"""Fixtures that every layer of tests may use."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from hypothesis import HealthCheck, settings

from periscope_assets.store import tables
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


LONGEST = (
    "end_to_end/test_demo_command.py",
    "store/test_embedded.py",
    "store/test_concurrency.py",
    "store/test_disk_full.py",
    "store/test_dump.py",
    "store/test_replay.py",
    "app/test_browser.py",
    "end_to_end/test_control_room.py",
    "app/test_browser_desk.py",
    "end_to_end/test_lost_workers.py",
    "end_to_end/test_ingest_command.py",
    "end_to_end/test_backup_command.py",
    "analytics/test_fuzz.py",
    "defs/test_scale_out.py",
    "end_to_end/test_every_row.py",
    "app/test_states.py",
    "analytics/test_served_recorded.py",
    "analytics/test_heston_range.py",
)
"""Files that begin first, so that no worker is left with a long one at the end.

The first compiles most kernels; those of the store need none and keep the other worker from doing the same.
"""


def required(capability: str, reason: str) -> None:
    """Skip for want of a capability, or fail where PERISCOPE_REQUIRE says that it must be there."""
    if capability in os.environ.get("PERISCOPE_REQUIRE", "").split(","):
        pytest.fail(f"{capability} is required here: {reason}", pytrace=False)
    pytest.skip(reason)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the longest files; let walks in a real browser be repeated.

    On a machine that others share, a page can miss any limit.
    """
    places = {PROJECT / "tests" / name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: places.get(item.path, len(LONGEST)))
    for item in items:
        if item.get_closest_marker("browser"):
            item.add_marker(pytest.mark.flaky(reruns=2))


@pytest.fixture(scope="session")
def recorded() -> Path:
    """Folder of the recorded chains, which are not part of the repository."""
    folder = Path(os.environ.get("PERISCOPE_TEST_DATA", PROJECT.parent / "shared" / "data"))
    if not folder.is_dir():
        required("data", f"no recorded chains: set PERISCOPE_TEST_DATA to their folder (looked in {folder})")
    return folder


MAIN = sys.modules["__main__"]


@pytest.fixture(autouse=True)
def main_module() -> None:
    """Give every test the main module that the process began with.

    Streamlit's AppTest leaves a page in its place, and a process that is spawned then runs that page.
    """
    sys.modules["__main__"] = MAIN


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """An empty home of its own; a test that starts services in it stops them."""
    return tmp_path / "home"


@pytest.fixture(scope="session")
def pg_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedServer]:
    """One embedded server for all tests of a worker; it does not wait for the disk."""
    server = EmbeddedServer(tmp_path_factory.mktemp("server"))
    server.start()
    with psycopg.connect(server.url("postgres"), autocommit=True) as connection:
        connection.execute("ALTER SYSTEM SET fsync = off")
        connection.execute("SELECT pg_reload_conf()")
    yield server
    server.stop()


def emptied(url: str) -> str:
    """Migrate a database or empty it, ending whatever still uses it, and return its URL."""
    store = PostgresStore(url)
    store.migrate()
    store.close()
    names = ", ".join(f"{tables.SCHEMA}.{each.name}" for each in tables.metadata.tables.values())
    with psycopg.connect(url) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        connection.execute(f"TRUNCATE {names} RESTART IDENTITY")
        connection.execute("ALTER SEQUENCE periscope.fence_seq RESTART")
        connection.execute("INSERT INTO periscope.publish_clock VALUES (1, '1970-01-01T00:00:00Z')")
    return url


@pytest.fixture
def store_url(pg_server: EmbeddedServer) -> str:
    """An empty database of the current schema."""
    pg_server.ensure_database("store")
    return emptied(pg_server.url("store"))


@pytest.fixture
def store(store_url: str, tmp_path: Path) -> Iterator[PostgresStore]:
    """A store on an empty database, with a lake."""
    made = PostgresStore(store_url, lake=Lake((tmp_path / "lake").as_uri()))
    yield made
    made.close()
