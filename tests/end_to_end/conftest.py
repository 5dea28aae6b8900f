"""Homes that several tests share."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.end_to_end.command_line import Periscope, free_ports


@pytest.fixture(scope="session")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Periscope]:
    """A home whose demo market has been materialised."""
    universes = json.dumps({"sim-index": ["SIMX"], "sim-crypto": ["SIMBTC"]})
    home = tmp_path_factory.mktemp("simulated") / "home"
    periscope = Periscope(home, {"PERISCOPE_UNIVERSES": universes, **free_ports()})
    periscope.run("demo", "--exit", "--through", "2026-01-09")
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
