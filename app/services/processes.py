"""Processes told apart for certain: a pid counts only together with its start time.

What belongs here: identity, life and death of processes and process groups. What does not: which are run.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

_PROC = Path("/proc")
_STATE, _GROUP, _SESSION, _START = 0, 2, 3, 19
"""Positions in /proc/<pid>/stat after the command name."""


@dataclass(frozen=True, slots=True)
class ProcessId:
    """A process that can't be confused with a later one of the same pid.

    Attributes
    ----------
    pid : int
    started : str
        Opaque start time: differs between any two processes that had the same pid.
    """

    pid: int
    started: str

    @property
    def alive(self) -> bool:
        """Whether this very process runs (a zombie does not)."""
        return _look(self.pid) == (True, self.started)


def identify(pid: int) -> ProcessId:
    """Return the identity of a process; a dead child that nobody has waited for still has one.

    Raises
    ------
    ProcessLookupError
        If there is none with that pid.
    """
    found = _look(pid)
    if found is None:
        raise ProcessLookupError(pid)
    return ProcessId(pid, found[1])


def current() -> ProcessId:
    """Return the identity of this process."""
    return identify(os.getpid())


def _look(pid: int) -> tuple[bool, str] | None:
    """Return whether a process runs (is no zombie) and its opaque start time."""
    if _PROC.is_dir():
        fields = _stat(pid)
        return None if fields is None else (fields[_STATE] not in "ZX", f"{_boot_id()}:{fields[_START]}")
    listing = subprocess.run(  # noqa: S603
        ["/bin/ps", "-o", "stat=,lstart=", "-p", str(pid)], capture_output=True, text=True, check=False
    )
    state, _, started = listing.stdout.strip().partition(" ")
    return (not state.startswith("Z"), started.strip()) if started else None


def _stat(pid: int) -> list[str] | None:
    try:
        text = (_PROC / str(pid) / "stat").read_text()
    except OSError:
        return None
    return text[text.rindex(")") + 2 :].split()


def _boot_id() -> str:
    try:
        return (_PROC / "sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return "unknown"


def stop_groups(leaders: Iterable[ProcessId], mark: str, *, patience: float = 10.0) -> None:
    """End process groups: SIGTERM, then SIGKILL to whatever is left when patience runs out.

    Parameters
    ----------
    leaders : iterable of ProcessId
        Leaders of their groups (and sessions), alive or not.
    mark : str
        ``NAME=value`` in the environment of every member; tells orphans of a dead leader from strangers.
    patience : float
        Seconds.
    """
    groups = tuple(leaders)
    for number in (signal.SIGTERM, signal.SIGKILL):
        for leader in groups:
            if _group_alive(leader, mark):
                _signal_group(leader.pid, number)
        if wait_until(lambda: not any(_group_alive(leader, mark) for leader in groups), patience):
            return


def _group_alive(leader: ProcessId, mark: str) -> bool:
    return leader.alive or any(_orphans(leader, mark))


def _orphans(leader: ProcessId, mark: str) -> Iterator[int]:
    """Yield members of the group of a dead leader; none when the pid belongs to another process by now."""
    if not _PROC.is_dir() or _look(leader.pid) not in (None, (False, leader.started)):
        return
    for entry in _PROC.iterdir():
        if not entry.name.isdigit():
            continue
        fields = _stat(int(entry.name))
        if fields is None or fields[_STATE] in "ZX" or int(fields[_GROUP]) != leader.pid:
            continue
        if _marked(entry, mark):
            yield int(entry.name)


def _marked(entry: Path, mark: str) -> bool:
    try:
        return mark.encode() in (entry / "environ").read_bytes().split(b"\0")
    except OSError:
        return False


def _signal_group(group: int, number: int) -> None:
    try:
        os.killpg(group, number)
    except ProcessLookupError:
        return


def wait_until(condition: Callable[[], bool], timeout: float, *, every: float = 0.05) -> bool:
    """Look at a condition until it holds or `timeout` seconds have passed; return whether it held."""
    pause = threading.Event()
    for _ in range(max(1, round(timeout / every))):
        if condition():
            return True
        pause.wait(every)
    return condition()


def spawn(command: list[str], log: Path, environment: dict[str, str]) -> subprocess.Popen[bytes]:
    """Start a process as leader of its own session, with its output appended to a log file."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        return subprocess.Popen(  # noqa: S603
            [sys.executable, *command],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=environment,
            start_new_session=True,
        )
