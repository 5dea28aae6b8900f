"""Prices, implied vols and strategies of what a client describes.

What belongs here: reading bodies and sending columns. What does not: the computation (``app.queries``).
Bodies of many numbers are read and written by a parser in native code, without a model for each number.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from datetime import date, datetime
from typing import Annotated, Any

import numpy as np
from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic_core import from_json, to_json
from starlette.exceptions import HTTPException

from app.api.deps import AskDep, check_parameters
from app.api.observed import Metrics
from app.api.openapi import reading
from app.api.schemas import ComputedReply, RowsReply, StrategyAsked, StrategyLeg
from app.queries import UNITS, InvalidParameterError
from app.queries.pricing import Computed, price, vols
from app.queries.strategy import AskedLeg, build_strategy
from app.queries.times import parse_time

router = APIRouter(prefix="/v1", tags=["compute"], dependencies=[Depends(check_parameters)])
_NUMBERS = {"oneOf": [{"type": "number"}, {"type": "array", "items": {"type": "number"}, "minItems": 1}]}
_FLAGS = {"oneOf": [{"type": "boolean"}, {"type": "array", "items": {"type": "boolean"}, "minItems": 1}]}
_LEG = {"kind": "call", "quantity": 1.0, "strike": 6900.0, "price": 118.4, "price_stderr": 0.3, "delta": 0.47}
_ONE = {"forward": 6877.41, "strike": [6700, 6900], "tau_years": 0.134, "is_call": [False, True]}


def _body(known: str, error: str, example: Mapping[str, object]) -> dict[str, Any]:
    """Describe a body of columns."""
    required = ["forward", "strike", "tau_years", known]
    properties = dict.fromkeys((*required, error, "discount"), _NUMBERS) | {"is_call": _FLAGS}
    schema = {
        "type": "object",
        "properties": properties,
        "required": [*required, "is_call"],
        "additionalProperties": False,
        "description": "A single value applies to all options; lists have one length.",
    }
    content = {"application/json": {"schema": schema, "example": dict(example)}}
    return {"openapi_extra": {"requestBody": {"required": True, "content": content}}}


@router.post(
    "/price",
    response_model=ComputedReply,
    name="price",
    **_body("vol", "vol_stderr", {**_ONE, "vol": [0.168, 0.15], "discount": 0.995}),
)
async def price_options(
    request: Request, greeks: Annotated[bool, Query(description="Greeks besides prices")] = False
) -> Response:
    """Return Black-76 prices, and greeks if wanted, of up to 100,000 options."""
    return await _computed(request, "price", lambda asked: price(asked, greeks=greeks))


@router.post(
    "/implied-vol",
    response_model=ComputedReply,
    name="implied_vol",
    **_body("price", "price_stderr", {**_ONE, "price": [62.1, 118.4]}),
)
async def implied_vols(request: Request) -> Response:
    """Return Black-76 implied vols of up to 100,000 prices, each with its status."""
    return await _computed(request, "implied_vol", vols)


@router.post("/strategy", response_model=RowsReply, **reading("strategy", "legs", _LEG))
def strategy(ask: AskDep, asked: StrategyAsked) -> Response:
    """Value legs on the served surface: cost, greeks, profile, break-evens, odds and scenarios."""
    legs = [_leg(number, leg) for number, leg in enumerate(asked.legs)]
    metrics: Metrics = ask.request.app.state.metrics
    with metrics.calculating("strategy"):
        answer = build_strategy(ask.queries, asked.symbol, legs, **ask.times)
    return ask.respond(answer, is_kept=False)


async def _computed(
    request: Request, name: str, compute: Callable[[Mapping[str, object]], Computed]
) -> Response:
    kind = request.headers.get("content-type", "application/json").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise HTTPException(415, "Expected a body of application/json.")
    raw = await request.body()
    metrics: Metrics = request.app.state.metrics

    def work() -> bytes:
        with metrics.calculating(name):
            return _rendered(name, compute(_parsed(raw)))

    return Response(await asyncio.to_thread(work), media_type="application/json")


def _parsed(raw: bytes) -> Mapping[str, object]:
    try:
        body = from_json(raw, allow_inf_nan=False)
    except ValueError:
        raise InvalidParameterError("body", "expected JSON") from None
    if not isinstance(body, dict):
        raise InvalidParameterError("body", "expected an object of columns")
    return body


def _rendered(name: str, found: Computed) -> bytes:
    columns = {key: _nulled(values) for key, values in found.columns.items()}
    said: dict[str, object] = {
        "dataset": name,
        "as_of": None,
        "known_at": None,
        "version": found.version,
        "status": "computed",
        "warnings": [],
        "units": dict(UNITS),
        "data": {**columns, "status": found.status},
    }
    return to_json(said)


def _nulled(values: np.ndarray) -> list[float | None]:
    """Return a column with None for NaN."""
    cells: list[float | None] = values.tolist()
    for i in np.flatnonzero(np.isnan(values)).tolist():
        cells[i] = None
    return cells


def _leg(number: int, leg: StrategyLeg) -> AskedLeg:
    return AskedLeg(leg.kind, leg.quantity, leg.strike, _expiry(number, leg.expiry), leg.price)


def _expiry(number: int, text: str | None) -> datetime | date | None:
    """Return a settlement time or an expiration date."""
    if text is None:
        return None
    try:
        return date.fromisoformat(text) if len(text) == 10 else parse_time(text, "expiry", allow_date=False)
    except ValueError:
        expected = "expected a date such as 2026-02-20, or an RFC 3339 time"
        raise InvalidParameterError(f"legs[{number}].expiry", expected) from None
