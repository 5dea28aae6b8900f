"""Underlyings, chains, forwards and surfaces.

What belongs here: routes that read published market data. What does not: how it is read or rendered.
"""

from __future__ import annotations

from datetime import date
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Response

from app.api.deps import AskDep, KnownDep, SymbolPath, check_parameters
from app.api.openapi import reading
from app.api.schemas import ChainReply, RowsReply, SurfaceReply, UnderlyingsReply
from app.queries.core import SURFACE_POINTS
from app.queries.points import Point, surface_points
from app.queries.surface import COORDINATES, MOST_POINTS

router = APIRouter(prefix="/v1", tags=["market"], dependencies=[Depends(check_parameters)])
ExpiryQuery = Annotated[date | None, Query(description="Expiration date", examples=["2026-02-20"])]

_SURFACE = {"expiry": "2026-02-20", "root": "SPX", "log_moneyness": -0.05, "strike": 6540.2, "iv": 0.1731}
_QUOTE = {"contract": "SPX260220C06900000", "strike": 6900.0, "is_call": True, "bid": 81.2, "mid_iv": 0.1502}
_FORWARD = {"expiry": "2026-02-20", "forward": 6877.41, "forward_stderr": 0.04, "status": "ok"}
_NODE = {"axis": "delta", "tenor_days": 30.0, "coordinate": 0.25, "iv": 0.1389, "iv_stderr": 0.0004}
_SYMBOL = {"symbol": "SPX", "as_of": "2026-01-02T21:00:00Z", "status": "published", "atm_iv_30d": 0.1512}


@router.get("/underlyings", response_model=UnderlyingsReply, **reading("underlyings", "underlyings", _SYMBOL))
def underlyings(ask: KnownDep) -> Response:
    """List the symbols that have quotes, with their latest surface and figures."""
    return ask.respond(ask.queries.underlyings(known_at=ask.known_at))


@router.get(
    "/surface/{symbol}", response_model=SurfaceReply, **reading("vol_surface", "surface_grid", _SURFACE)
)
def surface(
    symbol: SymbolPath,
    ask: AskDep,
    coordinate: Annotated[
        str, Query(description=f"Spacing of the grid: {', '.join(COORDINATES)}")
    ] = COORDINATES[0],
    points: Annotated[
        int, Query(ge=2, le=MOST_POINTS, description="Grid points for each expiry")
    ] = SURFACE_POINTS,
    strike: Annotated[float | None, Query(description="One point: its strike, USD")] = None,
    delta: Annotated[
        float | None, Query(description="One point: magnitude of its forward delta, 0 to 1")
    ] = None,
    expiry: ExpiryQuery = None,
    days: Annotated[float | None, Query(description="One point: calendar days to its maturity")] = None,
    is_call: Annotated[bool, Query(description="Side that delta means")] = True,
) -> Response:
    """Return the surface: slices, certificate, forwards and a grid of vols inside the quoted strikes.

    With strike or delta, and expiry or days, return that point alone with its error.
    """
    if (strike, delta, expiry, days) != (None, None, None, None):
        point = Point(strike, delta, expiry, days, is_call)
        return ask.respond(surface_points(ask.queries, symbol, point, **ask.times))
    return ask.respond(ask.queries.surface(symbol, coordinate=coordinate, points=points, **ask.times))


@router.get(
    "/surface/{symbol}/nodes", response_model=RowsReply, **reading("surface_grid", "surface_nodes", _NODE)
)
def surface_nodes(symbol: SymbolPath, ask: AskDep) -> Response:
    """Return the surface at constant maturities by delta and moneyness, each node with its error."""
    return ask.read("surface_grid", symbol)


@router.get(
    "/surface/{symbol}/parameters",
    response_model=RowsReply,
    **reading("vol_surface", "surface_slices", {"expiry": "2026-02-20", "atm_iv": 0.1512, "status": "ok"}),
)
def surface_parameters(symbol: SymbolPath, ask: AskDep) -> Response:
    """Return the numbers from which anybody evaluates the surface, its certificate and its residuals."""
    return ask.read("vol_surface", symbol)


@router.get("/chain/{symbol}", response_model=ChainReply, **reading("chain", "chain", _QUOTE))
def chain(symbol: SymbolPath, ask: AskDep, expiry: ExpiryQuery = None) -> Response:
    """Return quotes beside their implied vols, and refused quotes with reasons."""
    return ask.respond(ask.queries.chain(symbol, expiry=expiry, **ask.times))


@router.get("/forwards/{symbol}", response_model=RowsReply, **reading("forward_curve", "forwards", _FORWARD))
def forwards(symbol: SymbolPath, ask: AskDep) -> Response:
    """Return forward and discount by expiry with their errors."""
    return ask.read("forward_curve", symbol)
