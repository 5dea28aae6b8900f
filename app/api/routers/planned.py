"""Endpoints that are named and not built yet: 404 with the problem type ``not-built``.

What belongs here: their paths, so that a caller can tell "not yet" from "no such thing". Remove one when it
is built; at present there is none.
"""

from __future__ import annotations

from collections.abc import Iterable

from fastapi import APIRouter

from app.api.errors import NotBuiltError

PLANNED: tuple[tuple[str, str], ...] = ()


def refusing(planned: Iterable[tuple[str, str]]) -> APIRouter:
    """Return routes, by method and path, that say that they are not built yet."""
    made = APIRouter(include_in_schema=False)
    for method, path in planned:
        made.add_api_route(path, _refuse, methods=[method])
    return made


def _refuse() -> None:
    raise NotBuiltError(
        "This endpoint is planned and not built yet; GET /openapi.json lists the ones that are."
    )


router = refusing(PLANNED)
