"""Processes are told apart by start time, groups end with their orphans, what ends is started again."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import psutil
import pytest

from app.services import state
from app.services.catalogue import Service
from app.services.processes import ProcessId, current, identify, spawn, stop_groups, wait_until
from app.services.state import AlreadyRunningError, HomeState, ServiceState, supervisor_lock
from app.services.stopping import stop_leftovers, stop_services
from app.services.supervisor import RESTARTS, ServiceFailedError, Supervisor, log_path
from periscope_assets.settings import Settings

SLEEPS = "import signal, sys; print('up', flush=True); signal.pause()"
STUBBORN = (
    "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); signal.pause()"
)
PARENT = (
    "import subprocess, sys, signal\n"
    f"child = subprocess.Popen([sys.executable, '-c', {SLEEPS!r}], stdout=subprocess.PIPE)\n"
    "child.stdout.readline(); print(child.pid, flush=True); signal.pause()"
)


def _started(tmp_path: Path, code: str, name: str = "one") -> tuple[subprocess.Popen[bytes], ProcessId, str]:
    log = tmp_path / f"{name}.log"
    child = spawn(["-c", code], log, {**os.environ, "PERISCOPE_HOME": str(tmp_path)})
    assert wait_until(lambda: log.exists() and log.read_text().endswith("\n"), 10.0)
    return child, identify(child.pid), log.read_text()


def test_a_process_is_itself_and_no_other():
    assert current().alive
    assert not ProcessId(os.getpid(), "another start").alive
    with pytest.raises(ProcessLookupError):
        identify(2**22 + 7)


def test_a_zombie_is_not_alive(tmp_path):
    child, identity, _ = _started(tmp_path, SLEEPS)
    child.kill()
    assert wait_until(lambda: not identity.alive, 5.0)
    assert identify(child.pid) == identity
    child.wait()


def test_a_group_ends_with_its_children_and_a_stubborn_one_is_killed(tmp_path):
    parent, leader, output = _started(tmp_path, PARENT)
    stubborn, other, _ = _started(tmp_path, STUBBORN, "stubborn")
    stop_groups([leader, other], f"PERISCOPE_HOME={tmp_path}", patience=0.5)
    assert not psutil.pid_exists(int(output)) or psutil.Process(int(output)).status() == psutil.STATUS_ZOMBIE
    assert (parent.wait(), stubborn.wait()) == (-signal.SIGTERM, -signal.SIGKILL)


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="orphans of a dead leader are found through /proc")
@pytest.mark.parametrize("reaped", [True, False])
def test_orphans_of_a_dead_leader_are_found_only_by_the_mark_of_their_home(tmp_path, reaped):
    parent, leader, output = _started(tmp_path, PARENT)
    orphan = psutil.Process(int(output))
    parent.kill()
    if reaped:
        parent.wait()
    stop_groups([leader], "PERISCOPE_HOME=/elsewhere", patience=0.2)
    assert orphan.is_running()
    stop_groups([leader], f"PERISCOPE_HOME={tmp_path}", patience=5.0)
    assert not orphan.is_running() or orphan.status() == psutil.STATUS_ZOMBIE
    parent.wait()


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="orphans of a dead leader are found through /proc")
def test_a_service_that_ends_is_started_again_until_it_is_given_up_and_what_it_started_goes_on(tmp_path):
    supervisor, said = Supervisor(Settings(home=tmp_path)), []
    supervisor._services = (Service("parent", "Parent", ("-c", PARENT)),)
    log = log_path(tmp_path, "parent")

    def kill_each() -> None:
        for n in range(1, RESTARTS + 2):
            assert wait_until(lambda n=n: log.read_text().count("\n") == n, 10.0)
            os.kill(state.read_state(tmp_path).services[0].process.pid, signal.SIGKILL)

    assert supervisor.start({}, said.append)
    killer = threading.Thread(target=kill_each)
    killer.start()
    with pytest.raises(ServiceFailedError, match=f"Parent ended with code -9.*again {RESTARTS} times"):
        supervisor.watch(said.append)
    killer.join()
    assert len(said) == 1 + RESTARTS
    orphans = [psutil.Process(int(line)) for line in log.read_text().splitlines()]
    assert all(orphan.is_running() for orphan in orphans)
    supervisor.stop()
    assert not any(each.is_running() and each.status() != psutil.STATUS_ZOMBIE for each in orphans)


def test_a_recycled_pid_is_left_alone(tmp_path):
    child, identity, _ = _started(tmp_path, SLEEPS)
    stranger = ProcessId(identity.pid, "started before")
    supervisor = ProcessId(identity.pid, "a dead supervisor")
    state.write_state(tmp_path, HomeState(supervisor, state.RUNNING, (ServiceState("api", stranger, None),)))
    assert stop_services(tmp_path) == []
    assert identity.alive
    assert state.read_state(tmp_path) is None
    child.kill()
    child.wait()


def test_leftovers_of_a_dead_supervisor_are_stopped(tmp_path):
    child, identity, _ = _started(tmp_path, SLEEPS)
    replaced, ended, _ = _started(tmp_path, SLEEPS, "replaced")
    dead = ProcessId(identity.pid, "a dead supervisor")
    services = (ServiceState("api", identity, "http://x"),)
    state.write_state(tmp_path, HomeState(dead, state.RUNNING, services, (ended,)))
    stop_leftovers(tmp_path)
    assert (child.wait(), replaced.wait()) == (-signal.SIGTERM, -signal.SIGTERM)
    assert state.read_state(tmp_path) is None


def test_the_state_comes_back_as_written_and_damage_is_no_state(tmp_path):
    written = HomeState(
        current(),
        state.STARTING,
        (ServiceState("api", current(), "http://127.0.0.1:8000"), ServiceState("dagster-daemon", None, None)),
        (current(),),
    )
    state.write_state(tmp_path, written)
    assert state.read_state(tmp_path) == written
    (tmp_path / "run" / "services.json").write_text("{")
    assert state.read_state(tmp_path) is None


def test_one_supervisor_a_home(tmp_path):
    code = (
        "from pathlib import Path; from app.services.state import supervisor_lock\n"
        f"supervisor_lock(Path({str(tmp_path)!r})).__enter__()"
    )
    with supervisor_lock(tmp_path):
        with pytest.raises(AlreadyRunningError), supervisor_lock(tmp_path):
            pass
        other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
        assert "AlreadyRunningError" in other.stderr
    with supervisor_lock(tmp_path):
        pass
