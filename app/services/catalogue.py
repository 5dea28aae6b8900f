"""Which services a home runs, and how each is known to answer.

What belongs here: commands, ports and readiness of Dagster, app and API. What does not: their lifetime.
"""

from __future__ import annotations

import http.client
import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import app
from app.services.dagster_home import workspace_file
from periscope_assets.settings import Settings

HOST = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Service:
    """One process to run.

    Attributes
    ----------
    name, title : str
        For files and for people.
    command : tuple of str
        Arguments of the Python interpreter.
    port : int or None
        Loopback port it listens on; None when it has none.
    health : str or None
        Path that answers 200 once the service is up; None if it speaks no HTTP: that it listens is enough.
    setting : str
        Environment variable that moves the port.
    comes_first : bool
        Whether what is named after it starts only once it answers.
    """

    name: str
    title: str
    command: tuple[str, ...]
    port: int | None = None
    health: str | None = "/"
    setting: str = ""
    comes_first: bool = False

    @property
    def address(self) -> str | None:
        """URL for people; None when there is nothing for them."""
        return None if self.port is None or self.health is None else f"http://{HOST}:{self.port}"


def services(settings: Settings) -> tuple[Service, ...]:
    """Return the services of a home in the order in which they start."""
    ports = settings.ports
    workspace = ("--workspace", str(workspace_file(settings)))
    page = str(Path(app.__file__).with_name("screen.py"))
    return (
        Service(
            "api",
            "API",
            (
                "-m",
                "uvicorn",
                "app.asgi:create_default_app",
                "--factory",
                "--host",
                settings.api.host,
                "--port",
                str(ports.api),
                "--no-access-log",
                "--no-server-header",
                "--ws-max-size",
                "65536",
                "--ws-per-message-deflate",
                "false",
            ),
            ports.api,
            "/health",
            "PERISCOPE_PORTS__API",
        ),
        Service(
            "app",
            "app",
            ("-m", "streamlit", "run", page, *_streamlit_options(ports.app)),
            ports.app,
            "/_stcore/health",
            "PERISCOPE_PORTS__APP",
        ),
        Service(
            "dagster-code",
            "Dagster code",
            (
                *("-m", "dagster", "code-server", "start", "--module-name", "periscope_assets.definitions"),
                *("--host", HOST, "--port", str(ports.code), "--use-python-environment-entry-point"),
            ),
            ports.code,
            None,
            "PERISCOPE_PORTS__CODE",
            comes_first=True,
        ),
        Service(
            "dagster-webserver",
            "Dagster",
            ("-m", "dagster_webserver", "--host", HOST, "--port", str(ports.dagster), *workspace),
            ports.dagster,
            "/server_info",
            "PERISCOPE_PORTS__DAGSTER",
        ),
        Service("dagster-daemon", "Dagster daemon", ("-m", "dagster._daemon", "run", *workspace)),
    )


def _streamlit_options(port: int) -> tuple[str, ...]:
    options = {
        "server.address": HOST,
        "server.port": port,
        "server.headless": "true",
        "server.fileWatcherType": "none",
        "browser.gatherUsageStats": "false",
        "browser.serverAddress": HOST,
    }
    return tuple(f"--{name}={value}" for name, value in options.items())


def environment(settings: Settings, extra: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of the children: ours, this home made explicit, unbuffered output."""
    explicit = {"PERISCOPE_HOME": str(settings.home), "PYTHONUNBUFFERED": "1", "PYTHONSAFEPATH": "1"}
    return {**os.environ, **explicit, **extra}


def port_is_free(port: int) -> bool:
    """Whether a service could listen on a loopback port now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def answers(service: Service) -> bool:
    """Whether a service replies 200 on its health path, or listens if it has none but a port."""
    if service.port is None:
        return True
    if service.health is None:
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            return probe.connect_ex((HOST, service.port)) == 0
    connection = http.client.HTTPConnection(HOST, service.port, timeout=2.0)
    try:
        connection.request("GET", service.health)
        return connection.getresponse().status == http.client.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
