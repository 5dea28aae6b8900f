"""What an operator may set: environment variables ``PERISCOPE_*``, nested with ``__``.

What belongs here: names, defaults and checks of settings. What does not: reading them anywhere but in
composition roots (``definitions``, the command line, the app's and the API's entry points).
"""

from __future__ import annotations

import json
import math
import re
from datetime import date, datetime
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from periscope_analytics.conventions import NEW_YORK, check_symbol, listing
from periscope_assets.operations_settings import (
    AlertSettings,
    ExecutorSettings,
    LandingSettings,
    RunSettings,
    ScheduleSettings,
)

LOOPBACK_HOSTS = frozenset({"127.0.0.1", "localhost", "::1"})
LIVE_KINDS = frozenset({"massive", "cboe", "deribit"})
"""Kinds of source that quote the present."""
UNIVERSE_PATTERN = r"[a-z][a-z0-9-]{0,30}"


def default_home() -> Path:
    """Return ``.periscope`` beside pyproject.toml, or in the current folder for an installed package."""
    root = Path(__file__).resolve().parents[1]
    return (root if (root / "pyproject.toml").exists() else Path.cwd()) / ".periscope"


class DatabaseSettings(BaseModel):
    """Where the store's PostgreSQL is; none set means the embedded server of this home.

    Attributes
    ----------
    url : SecretStr or None
        Of the user who owns the schema.
    reader_url, commands_url : SecretStr or None
        Of users who only read, and who only add events; by default `url`, in roles that it made.
    """

    url: SecretStr | None = None
    reader_url: SecretStr | None = None
    commands_url: SecretStr | None = None

    @field_validator("url", "reader_url", "commands_url")
    @classmethod
    def _postgres(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and not re.match(r"postgres(ql)?(\+psycopg2?)?://", value.get_secret_value()):
            raise ValueError("expected postgresql://user:password@host:5432/database")
        return value


class LakeSettings(BaseModel):
    """Where raw bytes and Parquet rest: a folder or ``s3://bucket/prefix``; none set means this home's.

    With `compute_logs`, what Dagster's steps print goes to the bucket as well.
    """

    url: str | None = None
    compute_logs: bool = False

    @model_validator(mode="after")
    def _logs_need_a_bucket(self) -> LakeSettings:
        if self.compute_logs and not (self.url or "").startswith("s3://"):
            raise ValueError("compute_logs: expected a lake in a bucket, s3://bucket/prefix")
        return self

    @field_validator("url")
    @classmethod
    def _known_kind(cls, value: str | None) -> str | None:
        if value is not None and "://" in value and not value.startswith(("file://", "s3://")):
            raise ValueError("expected a folder, file:///folder or s3://bucket/prefix")
        return value


def _check_origin(value: str | None) -> str | None:
    """Let pass an origin that a key may be sent to: https, or plain http on loopback only."""
    if value is not None and not _ORIGIN.fullmatch(value):
        raise ValueError("expected https://host or https://host:port, or http on 127.0.0.1")
    return value


def _absolute(value: Path | None) -> Path | None:
    return None if value is None else value.expanduser().absolute()


_ORIGIN = re.compile(r"https://[A-Za-z0-9.\-]+(:[0-9]{1,5})?|http://(127\.0\.0\.1|localhost)(:[0-9]{1,5})?")
Origin = Annotated[str | None, AfterValidator(_check_origin)]
"""Address of a vendor in place of its own."""

OptionalPath = Annotated[Path | None, AfterValidator(_absolute)]


class SourceSettings(BaseModel):
    """Where chains come from when nothing has landed for a partition.

    Attributes
    ----------
    kind : {'simulated', 'files', 'massive', 'cboe', 'deribit'}
    seed, defects
        Of the simulated market.
    key : SecretStr or None
        Of a vendor that wants one (massive).
    url : str or None
    requests_per_second : float
    completeness : float
        Least share of the contracts on a vendor's own list without which a chain counts as partial.
    tickers : bool
        Ask Deribit for each instrument's ticker too, for sizes and deltas.
    dividends : Path or None
        CSV of symbol, ex_date, pay_date, amount, currency.
    bars : Path or None
        Folder of ``<symbol>.csv`` with date, open, high, low, close, volume.
    events : Path or None
        CSV of date, symbol, name: events that carry variance of their own, ``*`` for every symbol.
    closed_weight : float
        What a day without a session counts on the clock of variance; 1 is calendar time.
    """

    kind: Annotated[str, Field(pattern=r"^(simulated|files|massive|cboe|deribit)$")] = "simulated"
    seed: int = 20260102
    defects: bool = False
    dislocations: bool = True
    key: SecretStr | None = None
    url: Origin = None
    requests_per_second: Annotated[float, Field(gt=0, le=1000)] = 5.0
    completeness: Annotated[float, Field(gt=0, le=1)] = 0.99
    tickers: bool = False
    dividends: OptionalPath = None
    bars: OptionalPath = None
    events: OptionalPath = None
    closed_weight: Annotated[float, Field(gt=0, le=1)] = 1.0

    @field_validator("key")
    @classmethod
    def _plausible_key(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and not re.fullmatch(r"[!-~]{8,200}", value.get_secret_value()):
            raise ValueError("expected 8-200 printable characters without spaces")
        return value

    @model_validator(mode="after")
    def _keyed(self) -> SourceSettings:
        if self.kind == "massive" and self.key is None:
            raise ValueError("massive wants a key: set PERISCOPE_SOURCE__KEY")
        return self


class RateSettings(BaseModel):
    """Where the zero curve comes from.

    Attributes
    ----------
    kind : {'configured', 'treasury', 'file'}
        The rates below, the US Treasury's daily par yields, or a file of these.
    zero_rates : dict
        Continuously compounded rates by tenor in years; one tenor makes the curve flat.
    file : Path or None
        The Treasury's CSV of daily par yields, as downloaded.
    url : str or None
    """

    kind: Annotated[str, Field(pattern=r"^(configured|treasury|file)$")] = "configured"
    file: OptionalPath = None
    url: Origin = None
    zero_rates: dict[float, float] = Field(default_factory=lambda: {1.0: 0.0533})

    @field_validator("zero_rates")
    @classmethod
    def _plausible(cls, value: dict[float, float]) -> dict[float, float]:
        if not value or any(
            not 0 < tenor < math.inf or not -0.1 < rate < 1.0 for tenor, rate in value.items()
        ):
            raise ValueError(
                "expected at least one tenor > 0 years with a rate between -0.1 and 1.0, as decimals"
            )
        return dict(sorted(value.items()))

    @model_validator(mode="after")
    def _named(self) -> RateSettings:
        if self.kind == "file" and self.file is None:
            raise ValueError("kind file wants one: set PERISCOPE_RATES__FILE")
        return self


Port = Annotated[int, Field(ge=1, le=65535)]


class PortSettings(BaseModel):
    """Loopback ports of the services, one each."""

    dagster: Port = 3000
    app: Port = 8501
    api: Port = 8000
    code: Port = 4000

    @model_validator(mode="after")
    def _distinct(self) -> PortSettings:
        ports = self.model_dump()
        if len(set(ports.values())) < len(ports):
            told = ", ".join(f"{name} {port}" for name, port in ports.items())
            raise ValueError(f"expected different ports, got {told}")
        return self


class SignalSettings(BaseModel):
    """Limits of what is put before a desk; what exceeds them is published as filtered, with the reason."""

    min_confidence: Annotated[float, Field(ge=0.0, le=1.0)] = 0.6
    max_half_spread_iv: Annotated[float, Field(gt=0.0)] = 0.05
    max_per_expiry: Annotated[int, Field(ge=1)] = 5
    max_signals: Annotated[int, Field(ge=1)] = 25


class ScreenSettings(BaseModel):
    """How often the analyst app looks for news, in seconds."""

    refresh_seconds: Annotated[float, Field(ge=1.0, le=3600.0)] = 20.0


class RetentionSettings(BaseModel):
    """How many days of quotes `periscope purge` leaves in the database; none set means all."""

    quotes_days: Annotated[int, Field(ge=30)] | None = None


class ApiSettings(BaseModel):
    """How the API is reached, by whom, and within which bounds.

    Attributes
    ----------
    host : str
        Address to listen on.
    authentication : {'none', 'required'} or None
        By default none on loopback, required elsewhere; none elsewhere is refused.
    allowed_hosts : list of str
        Names by which it may be called besides loopback's, without ports.
    allowed_origins : list of str
        Pages that may call it besides this installation's own, e.g. ``https://desk.example``.
    jwt_issuer, jwt_audience, jwt_key, jwt_algorithm
        Tokens that are accepted besides API keys: of this issuer for this audience, signed with the private
        part of this public key (PEM) by this algorithm alone. The claim ``role`` names the role.
    requests_per_minute : int
        Of one key; loopback without a key is not limited.
    max_body_bytes, max_rows
        Largest request body, and most rows in one reply.
    cache_bytes : int
        Memory for replies.
    redis_url : SecretStr or None
        Shares rendered content between processes; without it, or while it is away, each has its own.
    otlp_endpoint : str or None
        Where traces are sent, e.g. ``http://127.0.0.1:4318/v1/traces``; off by default.
    log_requests : bool
        Log every request, not only those that fail or are slow.
    """

    host: Annotated[str, Field(pattern=r"^[A-Za-z0-9.:\-]{1,253}$")] = "127.0.0.1"
    authentication: Annotated[str, Field(pattern=r"^(none|required)$")] | None = None
    allowed_hosts: list[str] = Field(default_factory=list)
    allowed_origins: list[Annotated[str, Field(pattern=r"^https?://[A-Za-z0-9.\-]+(:[0-9]{1,5})?$")]] = Field(
        default_factory=list
    )
    jwt_issuer: str | None = None
    jwt_audience: str | None = None
    jwt_key: str | None = None
    jwt_algorithm: Annotated[str, Field(pattern=r"^(EdDSA|RS256)$")] = "EdDSA"
    requests_per_minute: Annotated[int, Field(ge=1)] = 1200
    max_body_bytes: Annotated[int, Field(ge=1024)] = 8 * 2**20
    max_rows: Annotated[int, Field(ge=1)] = 50_000
    cache_bytes: Annotated[int, Field(ge=0)] = 128 * 2**20
    redis_url: SecretStr | None = None
    otlp_endpoint: Annotated[str, Field(pattern=r"^https?://")] | None = None
    log_requests: bool = False

    @property
    def is_on_loopback(self) -> bool:
        """Whether only this machine can reach it."""
        return self.host in LOOPBACK_HOSTS

    @property
    def is_open(self) -> bool:
        """Whether whoever reaches it may do everything."""
        return (self.authentication or ("none" if self.is_on_loopback else "required")) == "none"

    @model_validator(mode="after")
    def _guarded(self) -> ApiSettings:
        if self.is_open and not self.is_on_loopback:
            raise ValueError(
                f"host {self.host} is not loopback: without authentication it does not start; leave out "
                "PERISCOPE_API__AUTHENTICATION and make a key with `periscope keys create`"
            )
        given = [self.jwt_issuer, self.jwt_audience, self.jwt_key]
        if any(given) and not all(given):
            raise ValueError("tokens want jwt_issuer, jwt_audience and jwt_key, all three")
        return self


class Settings(BaseSettings):
    """All settings of one home."""

    model_config = SettingsConfigDict(
        env_prefix="PERISCOPE_",
        env_nested_delimiter="__",
        env_ignore_empty=True,
        extra="forbid",
        frozen=True,
        hide_input_in_errors=True,
    )

    home: Path = Field(default_factory=default_home)
    database: DatabaseSettings = DatabaseSettings()
    lake: LakeSettings = LakeSettings()
    source: SourceSettings = SourceSettings()
    rates: RateSettings = RateSettings()
    ports: PortSettings = PortSettings()
    retention: RetentionSettings = RetentionSettings()
    signals: SignalSettings = SignalSettings()
    screen: ScreenSettings = ScreenSettings()
    api: ApiSettings = ApiSettings()
    schedules: ScheduleSettings = ScheduleSettings()
    landing: LandingSettings = LandingSettings()
    runs: RunSettings = RunSettings()
    alerts: AlertSettings = AlertSettings()
    executor: ExecutorSettings = ExecutorSettings()
    workers: Annotated[int, Field(ge=1, le=256)] = 1
    """Processes that share the symbols of a partition; 1: the run's own."""
    owner: Annotated[str, Field(pattern=r"^(team:[A-Za-z0-9_\-]+|[^@\s]+@[^@\s]+)$")] = "team:quants"
    """Of every asset in Dagster's catalogue: ``team:name`` or an address."""
    universes_file: OptionalPath = None
    """JSON of universes, in place of `universes`; Dagster follows its changes."""
    first_date: date = date(2020, 1, 1)
    universes: dict[str, list[str]] = Field(
        default_factory=lambda: {
            "sim-index": ["SIMX", "SIMN"],
            "sim-equity": ["ACME", "BOLT", "CRUX"],
            "sim-crypto": ["SIMBTC"],
        }
    )
    calendars: dict[str, str] = Field(default_factory=dict)
    """Calendar of a universe or bare symbol, by name of ``exchange_calendars``, in place of its listing's."""

    @field_validator("first_date")
    @classmethod
    def _past(cls, value: date) -> date:
        today = datetime.now(NEW_YORK).date()
        if value > today:
            raise ValueError(f"expected a date up to today, {today}, got {value}")
        return value

    @field_validator("home")
    @classmethod
    def _absolute(cls, value: Path) -> Path:
        return value.expanduser().absolute()

    @model_validator(mode="before")
    @classmethod
    def _read_universes(cls, values: dict[str, Any]) -> dict[str, Any]:
        path = values.get("universes_file")
        if path is None:
            return values
        try:
            return {**values, "universes": json.loads(Path(path).expanduser().read_text(encoding="utf-8"))}
        except (OSError, ValueError) as error:
            raise ValueError(
                f'universes_file {path}: {error}; expected JSON such as {{"us-index": ["SPX"]}}'
            ) from None

    @model_validator(mode="after")
    def _check_universes(self) -> Settings:
        if not self.universes:
            raise ValueError('universes: expected at least one, such as {"us-index": ["SPX"]}')
        for name, symbols in self.universes.items():
            if not re.fullmatch(UNIVERSE_PATTERN, name):
                raise ValueError(
                    f"universe {name[:40]!r}: expected 1-31 of a-z, 0-9 and -, starting with a letter"
                )
            if not symbols:
                raise ValueError(f"universe {name}: expected at least one symbol")
            for symbol in symbols:
                check_symbol(symbol)
        return self

    @model_validator(mode="after")
    def _check_calendars(self) -> Settings:
        if not self.calendars:
            return self
        # Imported here because it takes a second that nobody else needs.
        import exchange_calendars

        known = exchange_calendars.get_calendar_names(include_aliases=False)
        chosen: dict[str, str] = {}
        for universe, calendar in self.calendars.items():
            if calendar not in known:
                raise ValueError(
                    f"calendars: {calendar[:40]!r} of {universe[:40]!r} is none of {', '.join(known)}"
                )
            for symbol in self.members(universe):
                if chosen.setdefault(symbol, calendar) != calendar:
                    raise ValueError(f"calendars: {symbol} has two of them, {chosen[symbol]} and {calendar}")
        return self

    def calendar_of(self, symbol: str) -> str:
        """Return the name of the calendar whose sessions a symbol trades."""
        for universe, calendar in self.calendars.items():
            if symbol in self.members(universe):
                return calendar
        return listing(symbol).calendar

    def reread(self) -> Settings:
        """Return these settings with the universes that their file holds now.

        Raises
        ------
        ValueError
            If the file can't be read or what it holds is not valid.
        """
        return self if self.universes_file is None else Settings(**dict(self))

    @property
    def landing_url(self) -> str:
        """URL of the landing folder: the configured one or this home's."""
        return self.landing.url or str(self.home / "landing")

    @property
    def lake_url(self) -> str:
        """URL of the lake: the configured one or this home's folder, unescaped: fsspec decodes nothing."""
        return self.lake.url or str(self.home / "lake")

    def members(self, universe: str) -> list[str]:
        """Return the symbols of a universe; a bare symbol is a universe of itself.

        Raises
        ------
        ValueError
            If it is neither a configured universe nor a valid symbol.
        """
        return list(self.universes[universe]) if universe in self.universes else [check_symbol(universe)]
