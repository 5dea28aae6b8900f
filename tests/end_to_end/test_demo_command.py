"""The demo as a new user meets it: built, read, served, found again, and gone without a trace."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import urllib.request

import pandas as pd
import pytest

from app.services import state
from app.services.processes import wait_until
from periscope_assets.store.tables import DATASETS
from tests.end_to_end.command_line import PATIENCE, SERVICES, Periscope, finish, free_ports

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]
TABLES = ("publications", "options_snapshots", "implied_vols", "svi_slices", "heston_calibrations")


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=60) as reply:
            return reply.status == 200
    except OSError:
        return False


def _assets(dagster: str) -> int:
    query = json.dumps({"query": "{ assetNodes { id } }"}).encode()
    request = urllib.request.Request(f"{dagster}/graphql", query, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as reply:
        return len(json.load(reply)["data"]["assetNodes"])


def _started(simulated):
    child = simulated.start("up")
    running = wait_until(
        lambda: (state.read_state(simulated.home) or _Nothing).phase == state.RUNNING, PATIENCE
    )
    assert running, finish(child)
    return child


class _Nothing:
    phase = None


def test_a_second_demo_writes_no_row_and_leaves_no_process(simulated):
    before = simulated.counts(*TABLES)
    assert before["options_snapshots"] > 1000
    assert before["svi_slices"] > 10
    assert "unchanged" in simulated.run("demo", "--exit", "--through", "2026-01-09").stdout
    assert simulated.counts(*TABLES) == before
    assert simulated.processes() == []


def test_what_was_built_can_be_shown(simulated):
    surface = simulated.run("show", "surface", "SIMX").stdout
    assert "SIMXW" in surface
    assert "certificate:" in surface
    assert simulated.show("surface", "SIMX")["svi_slices"]
    for view in ("chain", "skew", "heston", "signals"):
        assert "known_at" in simulated.run("show", view, "SIMBTC").stdout
    assert "SIMX" in simulated.run("status").stdout


def test_an_unknown_symbol_is_one_line_with_suggestions(simulated):
    result = simulated.run("show", "surface", "SIMY", code=2)
    assert result.stderr.count("\n") == 1
    assert "SIMX" in result.stderr


def test_rows_are_exported_with_their_stamp(simulated, tmp_path):
    for file_format, read in (("csv", pd.read_csv), ("parquet", pd.read_parquet)):
        simulated.run("export", "vol_surface", "SIMX", "--format", file_format, "--output", tmp_path)
        frame = read(next(tmp_path.glob(f"SIMX_svi_slices_*.{file_format}")))
        assert {"symbol", "as_of", "known_at", "version", "a", "b"} <= set(frame.columns)
        assert len(frame) == len(simulated.show("surface", "SIMX")["svi_slices"])


def test_one_partition_is_materialised_by_date_and_universe(simulated):
    result = simulated.run(
        "materialize", "--date", "2026-01-09", "--universe", "sim-index", "--select", "skew_metrics"
    )
    assert "SIMX" in result.stdout


def test_a_reader_that_stops_early_is_no_failure(simulated):
    pipe = f"{sys.executable} -m app.cli show chain SIMX --json | head -c 10"
    result = subprocess.run(
        pipe, shell=True, env=simulated.environment, capture_output=True, text=True, check=False
    )
    assert result.stdout.startswith("{")
    assert "unexpected" not in result.stderr


def test_an_interrupted_build_says_so_and_leaves_no_process(tmp_path):
    periscope = Periscope(tmp_path / "home")
    child = periscope.start("demo", "--exit", "--through", "2026-01-09")
    while not child.stdout.readline().startswith("Building"):
        assert child.poll() is None
    output = finish(child, signal.SIGTERM)
    assert child.returncode == 130, output
    assert "interrupted" in output
    assert "Traceback" not in output
    assert periscope.processes() == []


def test_services_answer_a_second_up_says_where_and_ctrl_c_leaves_nothing(simulated):
    child = _started(simulated)
    addresses = [f"http://127.0.0.1:{simulated.settings[f'PERISCOPE_PORTS__{name}']}" for name in SERVICES]
    assert all(
        _answers(address) for address in (addresses[0], addresses[1], f"{addresses[2]}/v1/surface/SIMX")
    )
    again = simulated.run("up").stdout
    assert all(address in again for address in addresses)
    assert "running" in simulated.run("status").stdout
    assert _assets(addresses[0]) == len(DATASETS)
    with urllib.request.urlopen(f"{addresses[2]}/v1/surface/SIMX", timeout=60) as reply:
        assert json.load(reply) == json.loads(simulated.run("show", "surface", "SIMX", "--json").stdout)
    output = finish(child)
    assert child.returncode == 0, output
    assert all(address in output for address in addresses)
    assert wait_until(lambda: not simulated.processes(), 60.0, every=0.5), simulated.processes()


def test_stop_ends_the_services_of_another_terminal(simulated):
    child = _started(simulated)
    assert "supervisor" in simulated.run("stop").stdout
    assert child.wait(timeout=PATIENCE) == 0
    assert simulated.processes() == []


def test_stop_finds_the_children_of_a_killed_supervisor(simulated):
    child = _started(simulated)
    finish(child, signal.SIGKILL)
    assert len(simulated.processes()) >= 4
    assert "dagster-webserver" in simulated.run("stop").stdout
    assert simulated.processes() == []


def test_a_busy_port_is_named_with_its_remedy_before_anything_starts(simulated):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        child = simulated.start("up", **{**free_ports(), "PERISCOPE_PORTS__API": port})
        output = child.communicate(timeout=PATIENCE)[0]
    assert child.returncode == 2
    assert output.count("\n") == 1
    assert port in output
    assert "PERISCOPE_PORTS__API" in output
    assert simulated.processes() == []
