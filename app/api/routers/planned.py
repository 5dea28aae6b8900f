"""Endpoints that are named and not built yet: 404 with the problem type ``not-built``.

What belongs here: their paths, so that a caller can tell "not yet" from "no such thing". Remove one when it
is built.
"""

from __future__ import annotations

from fastapi import APIRouter

from app.api.errors import NotBuiltError

PLANNED = (("GET", "/v1/alerts"),)

router = APIRouter(include_in_schema=False)


def _refuse() -> None:
    raise NotBuiltError(
        "This endpoint is planned and not built yet; GET /openapi.json lists the ones that are."
    )


for _method, _path in PLANNED:
    router.add_api_route(_path, _refuse, methods=[_method])
