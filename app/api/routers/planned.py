"""Endpoints that are named and not built yet: 404 with the problem type ``not-built``.

What belongs here: their paths, so that a caller can tell "not yet" from "no such thing". Remove one when it
is built.
"""

from __future__ import annotations

from collections.abc import Iterable

from fastapi import APIRouter

from app.api.errors import NotBuiltError

PLANNED: tuple[tuple[str, str], ...] = ()
"""Methods and paths; at present everything that is named is built."""


def router_of(planned: Iterable[tuple[str, str]]) -> APIRouter:
    """Return routes that refuse."""
    router = APIRouter(include_in_schema=False)
    for method, path in planned:
        router.add_api_route(path, _refuse, methods=[method])
    return router


def _refuse() -> None:
    raise NotBuiltError(
        "This endpoint is planned and not built yet; GET /openapi.json lists the ones that are."
    )


router = router_of(PLANNED)
