"""Both kinds of server that the store must behave alike on."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy.engine import make_url

from periscope_assets.store.embedded import ensure_database
from periscope_assets.store.lake import Lake
from periscope_assets.store.postgres import PostgresStore
from tests.conftest import PROJECT, emptied, required


def _script(*arguments: str) -> subprocess.CompletedProcess[str]:
    script = str(PROJECT / "infra" / "timescale.sh")
    return subprocess.run([script, *arguments], capture_output=True, text=True, stdin=subprocess.DEVNULL)


def on_server(url: str, database: str) -> str:
    return make_url(url).set(database=database).render_as_string(hide_password=False)


@pytest.fixture(scope="session")
def timescale_url() -> Iterator[str]:
    """URL of a real TimescaleDB server, started for the session."""
    if os.geteuid() != 0:
        required("timescale", "TimescaleDB for tests needs root (infra/timescale.sh)")
    started = _script("up")
    if started.returncode != 0:
        required("timescale", f"no TimescaleDB: {started.stderr.strip()[-300:]}")
    yield started.stdout.strip()
    _script("down")


# One worker runs all of them: there is one such server on a machine.
TIMESCALE = [pytest.mark.timescale, pytest.mark.timeout(900), pytest.mark.xdist_group("timescale")]


@pytest.fixture(params=["embedded", pytest.param("timescale", marks=TIMESCALE)])
def any_url(request: pytest.FixtureRequest) -> str:
    """An empty database of the current schema on each kind of server."""
    if request.param == "embedded":
        return str(request.getfixturevalue("store_url"))
    server = request.getfixturevalue("timescale_url")
    ensure_database(server, "store")
    return emptied(on_server(server, "store"))


class Clock:
    """A clock that stands still until it is told."""

    def __init__(self) -> None:
        self.now = datetime(2024, 1, 2, 21, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def step(self, **passed: float) -> datetime:
        self.now += timedelta(**passed)
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def any_store(any_url: str, clock: Callable[[], datetime], tmp_path: Path) -> Iterator[PostgresStore]:
    """A store on each kind of server, with a clock to step and a lake."""
    made = PostgresStore(any_url, clock=clock, lake=Lake((tmp_path / "lake").as_uri()))
    yield made
    made.close()
