"""What a home knows about its running services: one lock, one state file.

What belongs here: who may run services and what runs. What does not: starting or ending (``supervisor``).
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from app.services.processes import ProcessId

MATERIALISING, STARTING, RUNNING = "materialising", "starting", "running"


@dataclass(frozen=True, slots=True)
class ServiceState:
    """One service as recorded.

    Attributes
    ----------
    name : str
    process : ProcessId or None
        None until it has been started.
    address : str or None
        URL at which it answers; None when it has none.
    """

    name: str
    process: ProcessId | None
    address: str | None


@dataclass(frozen=True, slots=True)
class HomeState:
    """The supervisor of a home and its services.

    Attributes
    ----------
    supervisor : ProcessId
    phase : str
    services : tuple of ServiceState
    ended : tuple of ProcessId
        Services that ended by themselves and were started again; what they had started may go on.
    """

    supervisor: ProcessId
    phase: str
    services: tuple[ServiceState, ...]
    ended: tuple[ProcessId, ...] = ()

    @property
    def live(self) -> bool:
        """Whether the supervisor that wrote this still runs."""
        return self.supervisor.alive


class AlreadyRunningError(RuntimeError):
    """Another supervisor holds the lock of this home."""


def run_folder(home: Path) -> Path:
    """Return the folder of lock and state, made if needed and open to its owner only."""
    folder = home / "run"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return folder


@contextmanager
def supervisor_lock(home: Path) -> Iterator[None]:
    """Hold the one lock that lets a process run the services of a home.

    Raises
    ------
    AlreadyRunningError
        If another process holds it.
    """
    with (run_folder(home) / "services.lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise AlreadyRunningError(str(home)) from error
        yield


def write_state(home: Path, state: HomeState) -> None:
    """Record a state in one step: a reader sees the old one or the new one."""
    path = run_folder(home) / "services.json"
    draft = path.with_name(f"services.{os.getpid()}.tmp")
    draft.write_text(json.dumps(asdict(state), indent=2))
    draft.replace(path)


def read_state(home: Path) -> HomeState | None:
    """Return the recorded state; None when there is none or it can't be read."""
    try:
        return _parse(json.loads((home / "run" / "services.json").read_text()))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def clear_state(home: Path) -> None:
    """Forget what was recorded."""
    (home / "run" / "services.json").unlink(missing_ok=True)


def _parse(document: dict[str, Any]) -> HomeState:
    services = tuple(
        ServiceState(one["name"], ProcessId(**one["process"]) if one["process"] else None, one["address"])
        for one in document["services"]
    )
    ended = tuple(ProcessId(**one) for one in document.get("ended", ()))
    return HomeState(ProcessId(**document["supervisor"]), document["phase"], services, ended)
