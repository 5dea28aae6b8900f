"""How Dagster runs what it builds: schedules, the landing folder, runs.

What belongs here: these parts of the settings. What does not: the whole (``settings``), reading them.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, Field, field_validator


class ScheduleSettings(BaseModel):
    """When Dagster builds by itself.

    Attributes
    ----------
    enabled : bool
        Whether schedules and automation run from the start; otherwise they are switched on in Dagster's page.
    intraday_minutes : {5, 10, 15, 20, 30, 60}
        Between snapshots while a market is open.
    close_delay_minutes : int
        From the close of a session to its end-of-day build.
    """

    enabled: bool = False
    intraday_minutes: Literal[5, 10, 15, 20, 30, 60] = 30
    close_delay_minutes: Annotated[int, Field(ge=0, le=120)] = 45


class LandingSettings(BaseModel):
    """Where files are dropped to be taken in: a folder or ``s3://bucket/prefix``; none set means this home's.

    Attributes
    ----------
    url : str or None
    settle_seconds : float
        A file is read once its size and time have not changed for so long.
    """

    url: str | None = None
    settle_seconds: Annotated[float, Field(ge=0.0, le=30.0)] = 3.0

    @field_validator("url")
    @classmethod
    def _known_kind(cls, value: str | None) -> str | None:
        if value is not None and "://" in value and not value.startswith(("file://", "s3://")):
            raise ValueError("expected a folder, file:///folder or s3://bucket/prefix")
        return value


class RunSettings(BaseModel):
    """How Dagster runs what it builds.

    Attributes
    ----------
    batch_days : int
        Dates of one universe that a run of a backfill builds.
    max_concurrent : int
        Runs at a time.
    per_vendor : int
        Runs at a time that may ask a vendor.
    retries : int
        Of a step whose failure may pass, and of a run whose worker died.
    retry_seconds : float
        Before the first retry of a step; twice as long before each further one.
    max_runtime_minutes : int
        After which a run is ended.
    """

    batch_days: Annotated[int, Field(ge=1, le=1000)] = 50
    max_concurrent: Annotated[int, Field(ge=1, le=1000)] = 4
    per_vendor: Annotated[int, Field(ge=1, le=100)] = 1
    retries: Annotated[int, Field(ge=0, le=10)] = 2
    retry_seconds: Annotated[float, Field(ge=0.0, le=600.0)] = 10.0
    max_runtime_minutes: Annotated[int, Field(ge=1)] = 240
