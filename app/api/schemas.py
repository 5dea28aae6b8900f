"""Shapes of replies, for OpenAPI and for tests.

What belongs here: pydantic models of what is sent. What does not: behaviour; bodies are made by
``app.queries``.
"""

from __future__ import annotations

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, JsonValue

Row = dict[str, object]


class _Closed(BaseModel):
    model_config = ConfigDict(extra="forbid")


def _example(**said: JsonValue) -> ConfigDict:
    """Give a shape an example."""
    return ConfigDict(json_schema_extra={"example": said})


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
    next: str | None = Field(None, description="Cursor of the next page; absent on the last one")


class SurfaceData(_Closed):
    """Slices of the served surface with their numbers, its certificate, SVI beside it, vols on a grid."""

    surface_slices: list[Row] | None = None
    svi_slices: list[Row] | None = None
    surface_certificates: list[Row] | None = None
    surface_grid: list[Row] | None = None
    forwards: list[Row] | None = None
    surface_points: list[Row] | None = Field(None, description="The point asked for, in place of the rest")


class ChainData(_Closed):
    """Quotes beside implied vols, and refused quotes with their reasons."""

    chain: list[Row] | None = None
    rejected: list[Row] | None = None


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


class RowsReply(Envelope):
    """Rows by table."""

    data: dict[str, list[Row]]


class ComputedReply(_Closed):
    """Columns of results, one element for each option; null exactly where the status is not ok."""

    model_config = _example(
        dataset="price",
        as_of=None,
        known_at=None,
        version="3c9f0d1e5b7a48f2a6d4c1b0e9f8a7d6",
        status="computed",
        warnings=[],
        units={"price": "USD per unit of the underlying"},
        data={"price": [93.1, 138.2], "status": ["ok", "ok"]},
    )
    dataset: str
    as_of: None = Field(None, description="Nothing published went into it")
    known_at: None = None
    version: str = Field(description="Of the method")
    status: str
    warnings: list[str]
    units: dict[str, str]
    data: dict[str, list[float | str | None]]


class Note(_Closed):
    """What somebody says about a signal."""

    note: str | None = Field(None, max_length=500, examples=["Taken up by the index desk."])


class SignalEventReply(_Closed):
    """What was written down about a signal."""

    model_config = _example(
        symbol="SPX",
        signal_id="5f0e9a",
        kind="acknowledged",
        at="2026-01-02T21:07:12.5Z",
        actor="key:4f1d5e7a9b0c",
        note="Taken up by the index desk.",
    )
    symbol: str
    signal_id: str
    kind: str
    at: AwareDatetime
    actor: str
    note: str | None


class AlertAcknowledged(_Closed):
    """Who takes care of which incident for how long."""

    incident: str = Field(min_length=1, max_length=300, examples=["run_failed:build_surfaces:2026-01-15"])
    hours: float = Field(24.0, gt=0.0, le=720.0, allow_inf_nan=False)
    note: str | None = Field(None, max_length=500)


class AlertReopened(_Closed):
    """Which acknowledgement is taken back."""

    incident: str = Field(min_length=1, max_length=300, examples=["run_failed:build_surfaces:2026-01-15"])


class AlertEventReply(_Closed):
    """What was written down about an incident."""

    model_config = _example(
        incident="run_failed:build_surfaces:2026-01-15",
        kind="acknowledged",
        at="2026-01-15T22:07:12.5Z",
        actor="key:4f1d5e7a9b0c",
        until="2026-01-16T22:07:12.5Z",
        note=None,
    )
    incident: str
    kind: str
    at: AwareDatetime
    actor: str
    until: AwareDatetime | None = None
    note: str | None = None


class StrategyLeg(_Closed):
    """One leg: signed contracts of an option, or units of the underlying."""

    kind: str = Field(description="call, put or underlying", examples=["call"])
    quantity: float = Field(description="Positive is bought", examples=[1], allow_inf_nan=False)
    strike: float | None = Field(None, description="USD", examples=[6900], allow_inf_nan=False)
    expiry: str | None = Field(
        None,
        description="Date on which only one settles, or RFC 3339 settlement time",
        examples=["2026-02-20"],
        max_length=40,
    )
    price: float | None = Field(None, description="Paid per unit, default ask or bid", allow_inf_nan=False)


class StrategyAsked(_Closed):
    """A strategy on the served surface of a symbol."""

    model_config = _example(
        symbol="SPX",
        legs=[
            {"kind": "call", "quantity": 1, "strike": 6900, "expiry": "2026-02-20"},
            {"kind": "call", "quantity": -1, "strike": 7000, "expiry": "2026-02-20"},
        ],
    )
    symbol: str = Field(examples=["SPX"], max_length=40)
    legs: list[StrategyLeg] = Field(min_length=1, max_length=16)


class Health(_Closed):
    """The process answers."""

    model_config = _example(status="ok")
    status: str


class Readiness(_Closed):
    """The store answers; everything up to `known_at` is final."""

    model_config = _example(status="ready", known_at="2026-01-02T21:05:00Z")
    status: str
    known_at: AwareDatetime


class ParameterError(_Closed):
    """Which parameter is wrong, and how."""

    parameter: str
    message: str


class Problem(BaseModel):
    """RFC 9457 problem details; some types add members."""

    model_config = _example(
        type="urn:periscope:problem:not-built",
        title="Not published",
        status=404,
        detail="heston_fit SPX: nothing was published yet",
        request_id="7f9d1c0a5b3e4d2f8a6c9e1b0d3f5a7c",
        reason="not built yet",
        remedy="Run: periscope materialize --date 2026-01-02 --universe SPX --select heston_fit",
    )
    type: str
    title: str
    status: int
    detail: str
    request_id: str
    errors: list[ParameterError] | None = None
    suggestions: list[str] | None = None
    reason: str | None = None
    remedy: str | None = None
