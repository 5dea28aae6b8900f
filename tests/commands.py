"""The ``periscope`` command in a process of its own, forked from one that has imported everything.

What belongs here: how tests run a command and wait for it. What does not: what it should answer. A command
that starts Python anew imports for seconds; ``test_cli`` does that for what is claimed about starting.
"""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

FORKED = multiprocessing.get_context("forkserver")
FORKED.set_forkserver_preload(
    [
        *("app.cli", "app.terminal.backfill", "app.terminal.backup", "app.terminal.building"),
        *("app.terminal.export", "app.terminal.ingest", "app.terminal.show", "app.terminal.status"),
        *("app.services.dagster_home", "app.services.supervisor", "periscope_assets.definitions"),
        *("periscope_assets.sources.opening", "periscope_assets.store.dump", "dagster_postgres", "s3fs"),
    ]
)


def _obey(arguments: tuple[str, ...], environment: dict[str, str], folder: str) -> None:
    """Become the command: its environment, its output, its exit code."""
    os.environ.clear()
    os.environ.update(environment)
    for number, name in ((1, "stdout"), (2, "stderr")):
        descriptor = os.open(Path(folder) / name, os.O_WRONLY | os.O_CREAT)
        os.dup2(descriptor, number)
        os.close(descriptor)
        setattr(sys, name, os.fdopen(number, "w", encoding="utf-8", closefd=False))
    sys.argv = ["periscope", *arguments]
    from app.cli import main

    main()


def run_command(
    arguments: tuple[str, ...], environment: Mapping[str, str], timeout: float
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end and return its exit code and what it printed.

    Raises
    ------
    TimeoutError
        If it takes longer; it is killed then.
    """
    with TemporaryDirectory() as folder:
        child = FORKED.Process(target=_obey, args=(arguments, dict(environment), folder))
        child.start()
        child.join(timeout)
        if child.exitcode is None:
            child.kill()
            child.join()
            raise TimeoutError(f"periscope {' '.join(arguments)}: not done in {timeout:.0f} s")
        printed = [
            path.read_text(encoding="utf-8") if (path := Path(folder) / name).exists() else ""
            for name in ("stdout", "stderr")
        ]
        return subprocess.CompletedProcess(arguments, child.exitcode, *printed)
