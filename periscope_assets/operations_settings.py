"""Settings of operation: whom to tell of what goes wrong, and what runs the graph.

What belongs here: parts of ``settings.Settings``. What does not: reading them.
"""

from __future__ import annotations

from datetime import time
from typing import Annotated, Literal

from pydantic import BaseModel, Field, SecretStr, field_validator, model_validator

from periscope_analytics.conventions import NEW_YORK

Tier = Literal["page", "notify", "digest"]
TIERS: tuple[Tier, ...] = ("page", "notify", "digest")
"""How urgent something is: at once at any hour, at once outside quiet hours, once a day together."""


class ChannelSettings(BaseModel):
    """Where messages go.

    Attributes
    ----------
    url : SecretStr
        As Apprise writes it: ``slack://...``, ``tgram://...``, ``mailto://...``, ``pagerduty://...``,
        ``jsons://host/path`` for a webhook. It holds the credential and is shown nowhere.
    tiers : list of {'page', 'notify', 'digest'}
        What this channel is told.
    """

    url: SecretStr
    tiers: Annotated[list[Tier], Field(min_length=1)] = list(TIERS)

    @field_validator("url")
    @classmethod
    def _is_url(cls, value: SecretStr) -> SecretStr:
        scheme, found, rest = value.get_secret_value().partition("://")
        if not (found and rest and scheme.isalnum()):
            raise ValueError("expected an Apprise URL such as slack://... or jsons://host/path")
        return value


class AlertSettings(BaseModel):
    """Who is told of incidents, how and when.

    Attributes
    ----------
    channels : dict of str to ChannelSettings
        By a name of lower-case letters, digits and dashes.
    quiet_from, quiet_until : time or None
        Hours, New York, in which only pages are sent; what else comes up is sent when they end.
    digest_at : time
        When the digest is sent, New York.
    heartbeat_url : SecretStr or None
        Asked for once a minute while Dagster's daemon lives: a dead-man's switch that calls when it stops.
    dagster_url : str or None
        Where people reach Dagster's pages, for links; default: loopback.
    runbook_url : str
        Where ``docs/operations.md`` is read.
    stale_minutes : int
        A surface is stale when none was published for so long while its market is open or has closed since.
    stalled_minutes : int
        A run that said nothing for so long has stalled.
    signal_confidence : float
        Least confidence of a trade signal that is told.
    per_tick : int
        Most messages that one tick sends on one channel.
    """

    channels: dict[Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,30}$")], ChannelSettings] = Field(
        default_factory=dict
    )
    quiet_from: time | None = None
    quiet_until: time | None = None
    digest_at: time = time(8, 0)
    heartbeat_url: SecretStr | None = None
    dagster_url: Annotated[str, Field(pattern=r"^https?://")] | None = None
    runbook_url: str = "docs/operations.md"
    stale_minutes: Annotated[int, Field(ge=1)] = 120
    stalled_minutes: Annotated[int, Field(ge=1)] = 30
    signal_confidence: Annotated[float, Field(ge=0.0, le=1.0)] = 0.8
    per_tick: Annotated[int, Field(ge=1)] = 1000

    @field_validator("heartbeat_url")
    @classmethod
    def _is_http(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and not value.get_secret_value().startswith(("https://", "http://")):
            raise ValueError("expected https://...")
        return value

    @model_validator(mode="after")
    def _both_ends(self) -> AlertSettings:
        if (self.quiet_from is None) != (self.quiet_until is None):
            raise ValueError("quiet hours want quiet_from and quiet_until, both")
        return self


ALERT_ZONE = NEW_YORK
"""Zone of quiet hours and of the digest."""


class ExecutorSettings(BaseModel):
    """What runs the steps of a run.

    Attributes
    ----------
    kind : {'in_process', 'multiprocess', 'celery'}
        One process for the run, one for each step, or workers that take steps from a queue.
    broker_url : SecretStr or None
        Redis that carries steps to celery workers, and their results back: ``redis://host:6379/0``.
    max_concurrent : int
        Steps of a run at a time, of multiprocess.
    """

    kind: Literal["in_process", "multiprocess", "celery"] = "in_process"
    broker_url: SecretStr | None = None
    max_concurrent: Annotated[int, Field(ge=1)] = 2

    @field_validator("broker_url")
    @classmethod
    def _is_redis(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and not value.get_secret_value().startswith(("redis://", "rediss://")):
            raise ValueError("expected redis://host:port/database")
        return value

    @model_validator(mode="after")
    def _reachable(self) -> ExecutorSettings:
        if self.kind == "celery" and self.broker_url is None:
            raise ValueError("celery wants a broker: set PERISCOPE_EXECUTOR__BROKER_URL=redis://host:port/0")
        return self


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
