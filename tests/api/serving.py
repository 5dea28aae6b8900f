"""Real servers on loopback, on a port that the system chose."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import uvicorn
from fastapi import FastAPI

PATIENCE = 60.0
"""Seconds that a test waits for something on a slow machine before it fails."""


class Served:
    """An application in a thread, on the same port after it is stopped and started again.

    Parameters
    ----------
    make : callable
        Makes the application, anew for each start.
    """

    def __init__(self, make: Callable[[], FastAPI]) -> None:
        self._make = make
        self._port = 0
        self._server: uvicorn.Server | None = None
        self._thread: threading.Thread | None = None
        self.app: FastAPI | None = None

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def start(self) -> Served:
        listener = socket.create_server(("127.0.0.1", self._port))
        self._port = listener.getsockname()[1]
        self.app = self._make()
        config = uvicorn.Config(self.app, log_config=None, access_log=False, timeout_graceful_shutdown=2)
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._run, args=(self._server, listener))
        self._thread.start()
        return self

    @staticmethod
    def _run(server: uvicorn.Server, listener: socket.socket) -> None:
        with listener:
            server.run(sockets=[listener])

    def stop(self) -> None:
        assert self._server is not None
        assert self._thread is not None
        self._server.should_exit = True
        self._thread.join(timeout=PATIENCE)
        assert not self._thread.is_alive()

    def __enter__(self) -> Served:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()


@contextmanager
def served(app: FastAPI) -> Iterator[str]:
    """Yield the address of an application that is served meanwhile."""
    with Served(lambda: app) as server:
        yield server.base
