"""The API as an application: ``uvicorn app.api.main:create_default_app --factory --host 127.0.0.1``.

What belongs here: putting the parts together. What does not: routes, queries. On loopback it asks nobody for
a key; settings that would open it elsewhere without one are refused.
"""

from __future__ import annotations

import gc
import threading
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI

from app.api import errors, openapi
from app.api.content import InMemory, InRedis, Layered
from app.api.deps import Handle, StoreHandle
from app.api.doorkeeper import Doorkeeper
from app.api.freshness import Freshness
from app.api.front import Front
from app.api.guard import Guard
from app.api.identity import Identities
from app.api.kept import KeptReplies
from app.api.measured import MeasuredReader
from app.api.observed import Metrics, configure_logs
from app.api.routers import alerts, compute, health, market, models, signals, stream
from app.api.shared import SharedRedis
from app.api.stream.hub import Hub
from app.api.tracing import Tracing
from app.api.trail import Trail
from app.queries.feed import Feed
from periscope_assets.settings import Settings
from periscope_assets.store.people import People
from periscope_assets.store.repository import Follower, StoreUnavailableError

HOST = "127.0.0.1"
FULL_COLLECTION_SECONDS = 60.0
_NEVER = 2**30
DESCRIPTION = """
Published options surfaces, as known at any time. Every reply names `as_of` (market time), `known_at` (ask
again with it and the same rows come back), `version` and `status`. Absent numbers are null, with a status
column that says why. Send `Accept: text/csv`, Arrow or Parquet for tables.
""".strip()


def create_app(
    settings: Settings, store: Follower | None = None, people: People | None = None, *, exporter: Any = None
) -> FastAPI:
    """Return the application.

    Parameters
    ----------
    settings : Settings
    store : Follower, optional
        Default: the store that `settings` name, opened with the first request that needs it.
    people : People, optional
        Default: that of the settings; none where `store` is given.
    exporter : SpanExporter, optional
        Takes traces in place of the configured endpoint.

    Raises
    ------
    ValueError
        If the public key of tokens is none.
    """
    api = settings.api
    # The documentation pages of FastAPI load their script from elsewhere; nothing here needs a network.
    app = FastAPI(
        title="Periscope",
        version="1",
        description=DESCRIPTION,
        responses=openapi.PROBLEMS,
        docs_url=None,
        redoc_url=None,
        generate_unique_id_function=lambda route: route.name,
        lifespan=_lifespan,
    )
    state = app.state
    state.settings, state.metrics = settings, Metrics()
    reader = Handle(lambda: store if store is not None else _reader(settings))
    state.store = StoreHandle(lambda: MeasuredReader(reader(), state.metrics))
    state.hub = Hub(Handle(lambda: Feed(reader())))
    state.people = Handle(lambda: _people(settings, store, people))
    state.redis = None if api.redis_url is None else SharedRedis(api.redis_url.get_secret_value())
    far = None if state.redis is None else InRedis(state.redis)
    state.contents = Layered(InMemory(api.cache_bytes // 2), far, state.metrics)
    state.freshness = Freshness(lambda: state.store.queries().watermark())
    state.trail = Trail(None if store is not None and people is None else state.people)
    state.tracing = Tracing(api.otlp_endpoint, exporter)
    errors.install(app)
    for module in (health, market, models, signals, alerts, compute, stream):
        app.include_router(module.router)
    openapi.install(app)
    _wrap(app, settings)
    return app


def _wrap(app: FastAPI, settings: Settings) -> None:
    """Put the layers around the routes, the innermost first."""
    api, state = settings.api, app.state
    state.identities = Identities(api, state.people, state.trail.used)
    ports = frozenset({settings.ports.api, settings.ports.app, settings.ports.dagster})
    app.add_middleware(
        KeptReplies, freshness=state.freshness, metrics=state.metrics, max_bytes=api.cache_bytes // 2
    )
    app.add_middleware(
        Doorkeeper,
        identities=state.identities,
        per_minute=api.requests_per_minute,
        redis=state.redis,
        trail=state.trail,
    )
    app.add_middleware(Guard, origin_ports=ports, settings=api, trail=state.trail)
    app.add_middleware(
        Front,
        metrics=state.metrics,
        tracing=state.tracing,
        log_all=api.log_requests,
        is_remote=not api.is_on_loopback,
    )


def create_default_app() -> FastAPI:
    """Return the application for the settings of the environment, its logs one JSON line each."""
    configure_logs()
    return settled(create_app(Settings()))


def settled(app: FastAPI) -> FastAPI:
    """Return the application of a process that serves nothing else.

    What is loaded stays for good. To look through everything else for garbage holds up replies for up to
    half a second: that happens once a minute, and not after every so many requests.
    """
    import periscope_assets.store.connect  # noqa: F401

    gc.collect()
    gc.freeze()
    gc.set_threshold(*gc.get_threshold()[:2], _NEVER)
    threading.Thread(target=_collect_now_and_then, name="garbage", daemon=True).start()
    return app


def _collect_now_and_then() -> None:
    while True:
        time.sleep(FULL_COLLECTION_SECONDS)
        gc.collect()


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    yield
    await app.state.hub.close()
    app.state.trail.close()
    app.state.tracing.close()


def _reader(settings: Settings) -> Follower:
    from periscope_assets.store.connect import open_reader

    return open_reader(settings)


def _people(settings: Settings, store: Follower | None, people: People | None) -> People:
    if people is not None:
        return people
    if store is not None:
        raise StoreUnavailableError("this application was given no store of events")
    from periscope_assets.store.connect import open_people

    return open_people(settings)
