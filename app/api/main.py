"""The API as an application: ``uvicorn app.api.main:create_default_app --factory --host 127.0.0.1``.

What belongs here: putting the parts together. What does not: routes, queries. It has no authentication yet,
so it answers only requests whose Host is loopback.
"""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI

from app.api import errors
from app.api.deps import StoreHandle
from app.api.guard import Guard
from app.api.routers import health, market, planned
from app.api.schemas import Problem
from periscope_assets.settings import Settings
from periscope_assets.store.repository import Reader

HOST = "127.0.0.1"
DESCRIPTION = """
Published options surfaces, as known at any time. Every reply names `as_of` (market time), `known_at` (ask
again with it and the same rows come back), `version` and `status`. Absent numbers are null, with a status
column that says why.
""".strip()


def create_app(settings: Settings, store: Reader | None = None) -> FastAPI:
    """Return the application.

    Parameters
    ----------
    settings : Settings
    store : Reader, optional
        Default: the store that `settings` name, opened with the first request that needs it.
    """
    problems: dict[int | str, dict[str, Any]] = {code: {"model": Problem} for code in (404, 410, 422, 503)}
    # The documentation pages of FastAPI load their script from elsewhere; nothing here needs a network.
    app = FastAPI(
        title="Periscope",
        version="1",
        description=DESCRIPTION,
        responses=problems,
        docs_url=None,
        redoc_url=None,
    )
    app.state.store = StoreHandle(lambda: store if store is not None else _open(settings))
    errors.install(app)
    for module in (health, market, planned):
        app.include_router(module.router)
    ports = frozenset({settings.ports.api, settings.ports.app, settings.ports.dagster})
    app.add_middleware(Guard, origin_ports=ports)
    return app


def create_default_app() -> FastAPI:
    """Return the application for the settings of the environment."""
    return create_app(Settings())


def _open(settings: Settings) -> Reader:
    from periscope_assets.store.connect import open_store

    return open_store(settings)
