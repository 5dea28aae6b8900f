"""The real command in its own process, in a home of its own."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import psycopg

from periscope_assets.store.embedded import EmbeddedServer
from tests.commands import run_command

SERVICES = ("DAGSTER", "APP", "API")
PATIENCE = 480.0
"""Seconds that a command may take on a slow machine before a test fails."""
ROWS = "SELECT count(*) FROM periscope."


@dataclass
class Periscope:
    """One home, and the command run in it."""

    home: Path
    settings: Mapping[str, str] = field(default_factory=dict)

    @property
    def environment(self) -> dict[str, str]:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("PERISCOPE_")}
        return {**inherited, "PERISCOPE_HOME": str(self.home), **self.settings}

    def command(self, *arguments: str | Path) -> list[str]:
        return [sys.executable, "-m", "app.cli", *map(str, arguments)]

    def run(self, *arguments: str | Path, code: int = 0) -> subprocess.CompletedProcess[str]:
        result = run_command(tuple(map(str, arguments)), self.environment, PATIENCE)
        assert result.returncode == code, result.stdout + result.stderr
        assert "Traceback" not in result.stdout + result.stderr
        return result

    def start(self, *arguments: str, **settings: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            self.command(*arguments),
            env={**self.environment, **settings},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def show(self, view: str, symbol: str, *more: str) -> dict[str, list[dict[str, object]]]:
        return json.loads(self.run("show", view, symbol, "--json", *more).stdout)["data"]

    def counts(self, *tables: str) -> dict[str, int]:
        """Return the number of rows of each table, read beside the command."""
        server = EmbeddedServer(self.home)
        ran = server.is_running()
        server.start()
        try:
            with psycopg.connect(server.url()) as connection:
                return {name: connection.execute(ROWS + name).fetchone()[0] for name in tables}
        finally:
            if not ran:
                server.stop()

    def processes(self) -> list[psutil.Process]:
        """Return every process that carries this home in its environment or is its database."""
        mark = str(self.home)
        found = []
        for process in psutil.process_iter():
            try:
                here = process.environ().get("PERISCOPE_HOME") == mark or process.cwd().startswith(mark)
            except (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
                continue
            if here and process.pid != os.getpid():
                found.append(process)
        return found


def free_ports() -> dict[str, str]:
    """Return settings that put each service on a port nobody uses."""
    names = (*SERVICES, "CODE")
    sockets = [socket.socket() for _ in names]
    try:
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return {
            f"PERISCOPE_PORTS__{name}": str(one.getsockname()[1])
            for name, one in zip(names, sockets, strict=True)
        }
    finally:
        for one in sockets:
            one.close()


def finish(child: subprocess.Popen[str], number: int = signal.SIGINT, timeout: float = PATIENCE) -> str:
    """Signal a process, wait for it and return what it printed."""
    child.send_signal(number)
    return child.communicate(timeout=timeout)[0]
