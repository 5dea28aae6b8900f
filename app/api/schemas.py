"""Shapes of replies, for OpenAPI and for tests.

What belongs here: pydantic models of what is sent. What does not: behaviour; bodies are made by
``app.queries``.
"""

from __future__ import annotations

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

Row = dict[str, object]


class _Closed(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Envelope(_Closed):
    """What every reply says about its content."""

    dataset: str
    symbol: str | None
    as_of: AwareDatetime | None = Field(description="Market time of the snapshot")
    known_at: AwareDatetime = Field(description="Ask again with it and the same rows come back")
    published_at: AwareDatetime | None = Field(description="When this version became visible")
    version: str
    status: str = Field(description="published, stale, superseded or rejected")
    source: str
    run_id: str
    quality: dict[str, object]
    parts: dict[str, str] = Field(description="Version of every dataset in the answer")
    warnings: list[str]
    units: dict[str, str]


class SurfaceData(_Closed):
    """Slices of the served surface with their numbers, its certificate, SVI beside it, vols on a grid."""

    surface_slices: list[Row]
    svi_slices: list[Row]
    surface_certificates: list[Row]
    surface_grid: list[Row]
    forwards: list[Row] | None = None


class ChainData(_Closed):
    """Quotes beside implied vols, and refused quotes with their reasons."""

    chain: list[Row]
    rejected: list[Row]


class UnderlyingsData(_Closed):
    """One row for each symbol with quotes."""

    underlyings: list[Row]


class SurfaceReply(Envelope):
    """The surface of one snapshot."""

    data: SurfaceData


class ChainReply(Envelope):
    """The chain of one snapshot."""

    data: ChainData


class UnderlyingsReply(Envelope):
    """What there is."""

    data: UnderlyingsData


class Health(_Closed):
    """The process answers."""

    status: str


class Readiness(_Closed):
    """The store answers; everything up to `known_at` is final."""

    status: str
    known_at: AwareDatetime


class ParameterError(_Closed):
    """Which parameter is wrong, and how."""

    parameter: str
    message: str


class Problem(BaseModel):
    """RFC 9457 problem details; some types add members."""

    type: str
    title: str
    status: int
    detail: str
    request_id: str
    errors: list[ParameterError] | None = None
    suggestions: list[str] | None = None
    reason: str | None = None
    remedy: str | None = None
