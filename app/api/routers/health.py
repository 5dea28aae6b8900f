"""Whether the process lives and whether it can serve.

What belongs here: liveness (no database) and readiness. What does not: data.
"""

from __future__ import annotations

from fastapi import APIRouter

from app.api.deps import QueriesDep
from app.api.schemas import Health, Readiness

router = APIRouter(tags=["operations"])


@router.get("/health")
def health() -> Health:
    """Tell that the process answers; the store is not asked."""
    return Health(status="ok")


@router.get("/ready")
def ready(queries: QueriesDep) -> Readiness:
    """Tell that the store answers; 503 if it does not."""
    return Readiness(status="ready", known_at=queries.watermark())
