"""Homes that several tests share."""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.end_to_end.command_line import Periscope, free_ports

UNIVERSES = json.dumps({"sim-index": ["SIMX"], "sim-crypto": ["SIMBTC"]})


@pytest.fixture(scope="session")
def demo_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home whose demo market has been materialised, once for all workers: copy it."""
    shared = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent
    made = shared / "demo" / "home"
    made.parent.mkdir(exist_ok=True)
    with (made.parent / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not made.exists():
            draft = Periscope(made.with_name("draft"), {"PERISCOPE_UNIVERSES": UNIVERSES})
            draft.run("demo", "--exit", "--through", "2026-01-09")
            assert draft.processes() == []
            draft.home.rename(made)
    return made


@pytest.fixture(scope="session")
def simulated(demo_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Periscope]:
    """A home whose demo market has been materialised."""
    home = tmp_path_factory.mktemp("simulated") / "home"
    # The files of the database belong to the account that it runs under.
    subprocess.run(["cp", "-a", demo_home, home], check=True)
    periscope = Periscope(home, {"PERISCOPE_UNIVERSES": UNIVERSES, **free_ports()})
    yield periscope
    periscope.run("stop")
    assert periscope.processes() == []


@pytest.fixture(scope="session")
def indices(tmp_path_factory: pytest.TempPathFactory, recorded: Path) -> Iterator[Periscope]:
    """A home that has taken in the three recorded quote tables."""
    periscope = Periscope(tmp_path_factory.mktemp("indices") / "home")
    periscope.first = periscope.run(
        "ingest", *sorted((recorded / "cboe-spx-spy-xsp-20230914").glob("*.csv.gz"))
    )
    yield periscope
    periscope.run("stop")
    assert periscope.processes() == []
