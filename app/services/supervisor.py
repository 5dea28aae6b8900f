"""Runs the services of a home in the foreground and leaves none behind.

What belongs here: start, readiness, watch and stop. What does not: what is printed (callers pass `say`).
"""

from __future__ import annotations

import signal
import subprocess
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from app.services import catalogue, state
from app.services.catalogue import Service
from app.services.processes import ProcessId, current, identify, spawn, stop_groups, wait_until
from app.services.state import HomeState, ServiceState
from periscope_assets.settings import Settings

READY_SECONDS = 120.0
STOP_SECONDS = 10.0
RESTARTS, RESTART_SECONDS = 3, 600.0
"""How often in how many seconds a service that ended by itself is started again, before it is given up."""
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class ServiceFailedError(RuntimeError):
    """A service ended at its start or again and again, or did not answer; the message names its log."""


class PortBusyError(RuntimeError):
    """A port is taken; the message names the setting that moves it."""


class Supervisor:
    """The services of one home. Use inside :func:`app.services.state.supervisor_lock`."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._services = catalogue.services(settings)
        self._children: dict[str, subprocess.Popen[bytes]] = {}
        self._identities: dict[str, ProcessId] = {}
        self._environment: dict[str, str] = {}
        self._ended: list[ProcessId] = []
        self._ends: defaultdict[str, list[float]] = defaultdict(list)
        self._wake = threading.Event()
        self._asked_to_stop = False

    def check_ports(self) -> None:
        """Look for taken ports before anything starts.

        Raises
        ------
        PortBusyError
            Naming every taken port and the setting that moves it.
        """
        taken = [
            one for one in self._services if one.port is not None and not catalogue.port_is_free(one.port)
        ]
        if taken:
            raise PortBusyError(
                "; ".join(f"port {one.port} ({one.title}) is in use: set {one.setting}" for one in taken)
            )

    def record(self, phase: str) -> None:
        """Write down what runs, so that ``stop`` finds it from another terminal or after a kill."""
        entries = tuple(
            ServiceState(one.name, self._identities.get(one.name), one.address) for one in self._services
        )
        state.write_state(self._settings.home, HomeState(current(), phase, entries, tuple(self._ended)))

    @contextmanager
    def signals(self) -> Iterator[None]:
        """Turn Ctrl-C, SIGTERM and SIGHUP into a request to stop."""
        heeded = [
            number
            for number in _SIGNALS
            if signal.getsignal(number) is not signal.SIG_IGN or number != signal.SIGHUP
        ]
        before = {number: signal.signal(number, self._ask_to_stop) for number in heeded}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def start(self, variables: Mapping[str, str], say: Callable[[str], None]) -> bool:
        """Start every service and wait until each answers; return False when asked to stop meanwhile.

        Raises
        ------
        ServiceFailedError
            If one ends or does not answer in time.
        """
        self._environment = catalogue.environment(self._settings, variables)
        for service in self._services:
            self._spawn(service)
            self.record(state.STARTING)
            if service.comes_first and not self._wait_ready(service):
                return False
        for service in self._services:
            if not self._wait_ready(service):
                return False
            say(f"{service.title:<15} {service.address or 'running'}")
        self.record(state.RUNNING)
        return True

    def watch(self, say: Callable[[str], None]) -> None:
        """Stay until asked to stop; start a service that ended by itself again.

        What it had started goes on: a run outlives the daemon that launched it.

        Raises
        ------
        ServiceFailedError
            If one ends again and again.
        """
        while not self._asked_to_stop:
            self._wake.wait()
            self._wake.clear()
            if not self._asked_to_stop:
                self._start_again(say)

    def stop(self) -> None:
        """Stop every child with its whole group, and forget the state."""
        leaders = [*self._identities.values(), *self._ended]
        stop_groups(leaders, home_mark(self._settings.home), patience=STOP_SECONDS)
        state.clear_state(self._settings.home)

    def _ask_to_stop(self, _number: int, _frame: object) -> None:
        self._asked_to_stop = True
        self._wake.set()

    def _spawn(self, service: Service) -> None:
        child = spawn(list(service.command), log_path(self._settings.home, service.name), self._environment)
        self._children[service.name] = child
        self._identities[service.name] = identify(child.pid)
        threading.Thread(target=self._wake_when_ended, args=(child,), daemon=True).start()

    def _wake_when_ended(self, child: subprocess.Popen[bytes]) -> None:
        child.wait()
        self._wake.set()

    def _wait_ready(self, service: Service) -> bool:
        def settled() -> bool:
            self._raise_if_ended()
            return self._asked_to_stop or catalogue.answers(service)

        if not wait_until(settled, READY_SECONDS):
            log = log_path(self._settings.home, service.name)
            raise ServiceFailedError(
                f"{service.title} did not answer within {READY_SECONDS:.0f} s: see {log}"
            )
        return not self._asked_to_stop

    def _raise_if_ended(self) -> None:
        for service, what in self._gone():
            raise ServiceFailedError(f"{service.title} {what}")

    def _start_again(self, say: Callable[[str], None]) -> None:
        for service, what in self._gone():
            now = time.monotonic()
            ends = [*(end for end in self._ends[service.name] if now - end < RESTART_SECONDS), now]
            if len(ends) > RESTARTS:
                raise ServiceFailedError(f"{service.title} {what}; it was started again {RESTARTS} times")
            self._ends[service.name] = ends
            self._ended.append(self._identities[service.name])
            self._spawn(service)
            self.record(state.RUNNING)
            say(f"{service.title} was started again: it {what}")

    def _gone(self) -> Iterator[tuple[Service, str]]:
        """Yield the services that have ended by themselves, and what there is to say of it."""
        for service in self._services:
            child = self._children.get(service.name)
            if child is not None and child.poll() is not None:
                log = log_path(self._settings.home, service.name)
                yield service, f"ended with code {child.returncode}: see {log}"


def log_path(home: Path, name: str) -> Path:
    """Return the log file of a service."""
    return home / "logs" / f"{name}.log"


def home_mark(home: Path) -> str:
    """Return what every process of a home carries in its environment."""
    return f"PERISCOPE_HOME={home}"
