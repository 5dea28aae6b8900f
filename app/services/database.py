"""The embedded database as a shared guest: up while a command needs it, down when the last one leaves.

What belongs here: who keeps the embedded server of a home up. What does not: its start (``store.embedded``).
"""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from app.services.state import run_folder
from periscope_assets.settings import Settings
from periscope_assets.store.embedded import EmbeddedServer


@contextmanager
def database(settings: Settings) -> Iterator[None]:
    """Keep the embedded server of this home running for the length of the context.

    The last command out stops it, if a command started it: a server started otherwise is left alone.
    Does nothing when a database URL is set.
    """
    if settings.database.url is not None:
        yield
        return
    server = EmbeddedServer(settings.home)
    with (run_folder(settings.home) / "database.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_SH)
        try:
            if not server.is_running():
                _marker(settings.home).touch()
                server.start()
            yield
        finally:
            _leave(lock, server, settings.home)


def stop_database(settings: Settings) -> bool:
    """Stop the embedded server whoever uses it; return whether one was running."""
    server = EmbeddedServer(settings.home)
    running = server.is_running()
    server.stop()
    _marker(settings.home).unlink(missing_ok=True)
    return running


def _marker(home: Path) -> Path:
    return run_folder(home) / "database.by-command"


def _leave(lock: IO[str], server: EmbeddedServer, home: Path) -> None:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return
    if _marker(home).exists():
        server.stop()
        _marker(home).unlink(missing_ok=True)
