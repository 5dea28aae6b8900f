"""Real servers on loopback: the API under uvicorn in a thread, to be stopped and started again."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn

PATIENCE = 120.0
"""Seconds that a test waits for something on a slow machine before it fails."""


class Served:
    """An application on a port of its own, the same one after a restart.

    Parameters
    ----------
    make : callable
        Makes the application, anew for each start.
    """

    def __init__(self, make: Callable[[], Any]) -> None:
        self._make = make
        self.port = 0
        self._server: uvicorn.Server | None = None
        self._thread: threading.Thread | None = None
        self.app: Any = None

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> Served:
        listener = socket.create_server(("127.0.0.1", self.port))
        self.port = listener.getsockname()[1]
        self.app = self._make()
        config = uvicorn.Config(
            self.app, log_level="error", timeout_graceful_shutdown=2, ws_per_message_deflate=False
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, kwargs={"sockets": [listener]}, daemon=True)
        self._thread.start()
        return self

    def stop(self) -> None:
        assert self._server is not None
        assert self._thread is not None
        self._server.should_exit = True
        self._thread.join(PATIENCE)
        assert not self._thread.is_alive()

    def __enter__(self) -> Served:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()


@contextmanager
def serving(app: Any) -> Iterator[str]:
    """Yield the address of an application that is served meanwhile."""
    with Served(lambda: app) as server:
        yield server.base
