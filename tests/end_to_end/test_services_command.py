"""Services of a home: they answer, they are found again, and they leave nothing behind."""

from __future__ import annotations

import json
import signal
import socket
import urllib.request

import pytest

from app.services import state
from app.services.processes import wait_until
from periscope_assets.store.tables import DATASETS
from tests.end_to_end.command_line import SERVICES, finish, free_ports

pytestmark = [pytest.mark.xdist_group("simulated"), pytest.mark.slow]


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5) as reply:
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
    running = wait_until(lambda: (state.read_state(simulated.home) or _Nothing).phase == state.RUNNING, 90)
    assert running, finish(child)
    return child


class _Nothing:
    phase = None


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
    output = finish(child)
    assert child.returncode == 0, output
    assert all(address in output for address in addresses)
    assert wait_until(lambda: not simulated.processes(), 5.0), simulated.processes()


def test_stop_ends_the_services_of_another_terminal(simulated):
    child = _started(simulated)
    assert "supervisor" in simulated.run("stop").stdout
    assert child.wait(timeout=10) == 0
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
        output = child.communicate(timeout=60)[0]
    assert child.returncode == 2
    assert output.count("\n") == 1
    assert port in output
    assert "PERISCOPE_PORTS__API" in output
    assert simulated.processes() == []
