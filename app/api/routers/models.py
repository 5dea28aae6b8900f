"""Skew, term structure, model fits and what they make of the market; history and provenance.

What belongs here: routes that read what was computed. What does not: how it is read or rendered.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Response

from app.api.deps import AskDep, KnownDep, SymbolPath, check_parameters
from app.api.openapi import reading
from app.api.schemas import RowsReply
from app.queries.explain import explain
from app.queries.history import TABLES, Range, history
from periscope_assets.store.tables import DATASETS

router = APIRouter(prefix="/v1", tags=["models"], dependencies=[Depends(check_parameters)])

TERM = (
    *("basis", "tenor_days", "expiry_at", "forward", "atm_iv", "atm_iv_stderr", "forward_iv"),
    *("model_free_iv", "variance_iv", "quiet_iv", "event", "event_variance", "event_variance_stderr"),
    *("event_status", "status"),
)
_SKEW = {"basis": "constant_maturity", "tenor_days": 30.0, "rr_25": -0.042, "rr_25_stderr": 4e-4}
_HESTON = {"v0": 0.021, "kappa": 2.9, "theta": 0.045, "sigma": 0.9, "rho": -0.72, "grade": "a"}
_MISPRICING = {"contract": "SPX260220C06900000", "difference": 0.004, "stderr": 0.0011, "z_score": 2.1}
_LINEAGE = {"depth": 1, "dataset": "implied_vols", "version": "9f0d1e5b7a48f2a6", "state": "as used"}


@router.get("/skew/{symbol}", response_model=RowsReply, **reading("skew_metrics", "skew_metrics", _SKEW))
def skew(symbol: SymbolPath, ask: AskDep) -> Response:
    """Return vols at the money, risk reversals, butterflies and positioning, by expiry and tenor."""
    return ask.read("skew_metrics", symbol)


@router.get(
    "/term-structure/{symbol}",
    response_model=RowsReply,
    **reading("skew_metrics", "skew_metrics", {"tenor_days": 30.0, "atm_iv": 0.1512, "forward_iv": 0.16}),
)
def term_structure(symbol: SymbolPath, ask: AskDep) -> Response:
    """Return at-the-money, forward and model-free vols by expiry and constant maturity."""
    shape = replace(ask.shape, table="skew_metrics", fields=ask.shape.fields or TERM)
    return replace(ask, shape=shape).read("skew_metrics", symbol)


@router.get(
    "/heston/{symbol}", response_model=RowsReply, **reading("heston_fit", "heston_calibrations", _HESTON)
)
def heston(symbol: SymbolPath, ask: AskDep) -> Response:
    """Return the Heston fit with errors of its parameters."""
    return ask.read("heston_fit", symbol)


@router.get(
    "/mispricing/{symbol}", response_model=RowsReply, **reading("mispricing", "mispricings", _MISPRICING)
)
def mispricing(symbol: SymbolPath, ask: AskDep) -> Response:
    """Return market minus model vol by contract, with its error and z-score."""
    return ask.read("mispricing", symbol)


@router.get("/history/{symbol}", response_model=RowsReply, **reading("skew_metrics", "skew_metrics", _SKEW))
def history_of(
    symbol: SymbolPath,
    ask: KnownDep,
    of: Annotated[str, Query(description=f"Table: one of {', '.join(TABLES)}")] = "skew_metrics",
    start: Annotated[str | None, Query(description="RFC 3339 time, default 30 days before end")] = None,
    end: Annotated[str | None, Query(description="RFC 3339 time, default the last snapshot")] = None,
    every: Annotated[str | None, Query(description="Of each span its last snapshot: 1h, 1d, 1w")] = None,
    tenor_days: Annotated[float | None, Query(description="Only rows of this tenor")] = None,
) -> Response:
    """Return one table over a range of snapshots, as they were known."""
    asked = Range(start, end, every, tenor_days)
    return ask.respond(history(ask.queries, symbol, of, asked, known_at=ask.known_at))


@router.get("/explain/{symbol}", response_model=RowsReply, **reading("explain", "lineage", _LINEAGE))
def explain_numbers(
    symbol: SymbolPath,
    ask: AskDep,
    dataset: Annotated[str, Query(description=f"One of {', '.join(DATASETS)}")] = "vol_surface",
    expiry: Annotated[date | None, Query(description="Only quotes of this expiration date")] = None,
    contract: Annotated[str | None, Query(description="Only this contract", max_length=60)] = None,
) -> Response:
    """Return what is behind the numbers of a dataset: versions, methods, runs, quotes and rules."""
    return ask.respond(explain(ask.queries, symbol, dataset, expiry=expiry, contract=contract, **ask.times))
