"""Underlyings, chains and surfaces.

What belongs here: routes that read published market data. What does not: how it is read or rendered.
"""

from __future__ import annotations

from datetime import date
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response

from app.api.deps import QueriesDep, SymbolPath, WhenDep, check_parameters
from app.api.render import respond
from app.api.schemas import ChainReply, SurfaceReply, UnderlyingsReply
from app.queries.core import SURFACE_POINTS
from app.queries.surface import COORDINATES, MOST_POINTS

router = APIRouter(prefix="/v1", tags=["market"], dependencies=[Depends(check_parameters)])


@router.get("/underlyings", response_model=UnderlyingsReply)
def underlyings(request: Request, queries: QueriesDep, when: WhenDep) -> Response:
    """List the symbols that have quotes, with their latest surface and figures."""
    return respond(request, queries.underlyings(known_at=when.known_at))


@router.get("/surface/{symbol}", response_model=SurfaceReply)
def surface(
    request: Request,
    symbol: SymbolPath,
    queries: QueriesDep,
    when: WhenDep,
    coordinate: Annotated[
        str, Query(description=f"Spacing of the grid: {', '.join(COORDINATES)}")
    ] = COORDINATES[0],
    points: Annotated[
        int, Query(ge=2, le=MOST_POINTS, description="Grid points for each expiry")
    ] = SURFACE_POINTS,
) -> Response:
    """Return the surface: slices, certificate, forwards and a grid of vols inside the quoted strikes."""
    answer = queries.surface(
        symbol,
        as_of=when.as_of,
        known_at=when.known_at,
        version=when.version,
        coordinate=coordinate,
        points=points,
    )
    return respond(request, answer)


@router.get("/chain/{symbol}", response_model=ChainReply)
def chain(
    request: Request,
    symbol: SymbolPath,
    queries: QueriesDep,
    when: WhenDep,
    expiry: Annotated[date | None, Query(description="Only this expiration date")] = None,
) -> Response:
    """Return quotes beside their implied vols, and refused quotes with reasons."""
    answer = queries.chain(
        symbol, as_of=when.as_of, known_at=when.known_at, version=when.version, expiry=expiry
    )
    return respond(request, answer)
