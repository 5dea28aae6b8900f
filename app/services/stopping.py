"""Stops the services of a home from outside: another terminal, or after the supervisor was killed.

What belongs here: ending what the state file records. What does not: starting anything.
"""

from __future__ import annotations

import os
import signal
from pathlib import Path

from app.services import state
from app.services.processes import ProcessId, stop_groups, wait_until
from app.services.supervisor import STOP_SECONDS, home_mark


def stop_services(home: Path) -> list[str]:
    """Stop the supervisor of a home, then what is left of its services; return what was running."""
    recorded = state.read_state(home)
    if recorded is None:
        return []
    names = [one.name for one in recorded.services if one.process is not None and one.process.alive]
    if recorded.live:
        names.append("supervisor")
        _stop_supervisor(recorded.supervisor)
    stop_leftovers(home)
    return names


def stop_leftovers(home: Path) -> None:
    """Stop what a dead supervisor left running."""
    recorded = state.read_state(home)
    if recorded is None or recorded.live:
        return
    leaders = [one.process for one in recorded.services if one.process is not None]
    leaders += recorded.ended
    stop_groups(leaders, home_mark(home), patience=STOP_SECONDS)
    state.clear_state(home)


def _stop_supervisor(supervisor: ProcessId) -> None:
    """End a supervisor politely, or for good when it does not listen."""
    for number, patience in ((signal.SIGTERM, 3 * STOP_SECONDS), (signal.SIGKILL, STOP_SECONDS)):
        if not supervisor.alive:
            return
        os.kill(supervisor.pid, number)
        if wait_until(lambda: not supervisor.alive, patience):
            return
