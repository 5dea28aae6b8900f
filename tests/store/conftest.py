"""Both kinds of server that the store must behave alike on."""

from __future__ import annotations

import fcntl
import os
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest
from sqlalchemy.engine import make_url

from periscope_assets.store.embedded import ensure_database
from periscope_assets.store.lake import Lake
from periscope_assets.store.postgres import PostgresStore
from tests.conftest import PROJECT, emptied, required


def _script(*arguments: str) -> subprocess.CompletedProcess[str]:
    script = str(PROJECT / "infra" / "timescale.sh")
    return subprocess.run([script, *arguments], capture_output=True, text=True, stdin=subprocess.DEVNULL)


@pytest.fixture(scope="session")
def timescale_url() -> Iterator[str]:
    """URL of a database of this process on a real TimescaleDB; the last user of the server stops it."""
    if os.geteuid() != 0:
        required("timescale", "TimescaleDB for tests needs root (infra/timescale.sh)")
    with (Path(tempfile.gettempdir()) / "periscope-timescale.lock").open("w") as users:
        fcntl.flock(users, fcntl.LOCK_SH)
        started = _script("up")
        if started.returncode != 0:
            required("timescale", f"no TimescaleDB: {started.stderr.strip()[-300:]}")
        server, name = started.stdout.strip(), f"store_{os.getpid()}"
        ensure_database(server, name)
        yield make_url(server).set(database=name).render_as_string(hide_password=False)
        with psycopg.connect(server, autocommit=True) as connection:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)")
        with suppress(BlockingIOError):
            fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
            _script("down")


# One worker runs all of them, so that the server is started once.
TIMESCALE = [pytest.mark.timescale, pytest.mark.timeout(900)]


@pytest.fixture(params=["embedded", pytest.param("timescale", marks=TIMESCALE)])
def any_url(request: pytest.FixtureRequest) -> str:
    """An empty database of the current schema on each kind of server."""
    if request.param == "embedded":
        return str(request.getfixturevalue("store_url"))
    return emptied(request.getfixturevalue("timescale_url"))


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
