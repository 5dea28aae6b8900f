"""Whether the process lives, whether it can serve, how it fares, and what it offers.

What belongs here: liveness (no database), readiness, metrics, the guide for language models. What does not:
data.
"""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST

from app.api.freshness import Freshness
from app.api.guide import guide
from app.api.observed import Metrics
from app.api.schemas import Health, Readiness

router = APIRouter(tags=["operations"])


def _text(example: str) -> dict[int | str, dict[str, Any]]:
    content = {"text/plain": {"schema": {"type": "string"}, "example": example}}
    return {200: {"content": content}}


@router.get("/health")
def health() -> Health:
    """Tell that the process answers; the store is not asked."""
    return Health(status="ok")


@router.get("/ready")
async def ready(request: Request) -> Readiness:
    """Tell that the store answers; 503 if it does not."""
    freshness: Freshness = request.app.state.freshness
    return Readiness(status="ready", known_at=await freshness.watermark())


@router.get("/metrics", response_class=Response, responses=_text("websocket_connections_active 3.0\n"))
def metrics(request: Request) -> Response:
    """Return counts and durations in Prometheus' text format."""
    kept: Metrics = request.app.state.metrics
    return Response(kept.exposition(), headers={"Content-Type": CONTENT_TYPE_LATEST})


@router.get("/llms.txt", response_class=Response, responses=_text("# Periscope\n"))
def llms_txt(request: Request) -> Response:
    """Return what a language model needs to know before it asks."""
    return Response(guide(request.app.openapi()), media_type="text/plain; charset=utf-8")
