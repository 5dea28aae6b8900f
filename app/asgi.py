"""All that is served over HTTP in one application: the API, the stream and the agents' door.

Run: ``uvicorn app.asgi:create_default_app --factory --host 127.0.0.1``. What belongs here: putting them
together. What does not: anything of theirs.
"""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI

from app.agents import mcp_server
from app.api import main as api
from app.api.observed import configure_logs
from periscope_assets.settings import Settings


def create_app(settings: Settings, *arguments: Any, **options: Any) -> FastAPI:
    """Return the application; arguments are those of ``app.api.main.create_app``."""
    app = api.create_app(settings, *arguments, **options)
    mcp_server.mount(app, app.state.store.queries)
    return app


def create_default_app() -> FastAPI:
    """Return the application for the settings of the environment, its logs one JSON line each."""
    configure_logs()
    return api.settled(create_app(Settings()))
