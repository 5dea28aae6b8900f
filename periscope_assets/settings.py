"""What an operator may set: environment variables ``PERISCOPE_*``, nested with ``__``.

What belongs here: names, defaults and checks of settings. What does not: reading them anywhere but in
composition roots (``definitions``, the command line, the app's and the API's entry points).
"""

from __future__ import annotations

import math
import re
from datetime import date, datetime
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from periscope_analytics.conventions import NEW_YORK, check_symbol

UNIVERSE_PATTERN = r"[a-z][a-z0-9-]{0,30}"


def default_home() -> Path:
    """Return ``.periscope`` beside pyproject.toml, or in the current folder for an installed package."""
    root = Path(__file__).resolve().parents[1]
    return (root if (root / "pyproject.toml").exists() else Path.cwd()) / ".periscope"


class DatabaseSettings(BaseModel):
    """Where the store's PostgreSQL is; none set means the embedded server of this home."""

    url: SecretStr | None = None

    @field_validator("url")
    @classmethod
    def _postgres(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and not re.match(r"postgres(ql)?(\+psycopg2?)?://", value.get_secret_value()):
            raise ValueError("expected postgresql://user:password@host:5432/database")
        return value


class LakeSettings(BaseModel):
    """Where raw bytes and Parquet rest: a folder or ``s3://bucket/prefix``; none set means this home's."""

    url: str | None = None

    @field_validator("url")
    @classmethod
    def _known_kind(cls, value: str | None) -> str | None:
        if value is not None and "://" in value and not value.startswith(("file://", "s3://")):
            raise ValueError("expected a folder, file:///folder or s3://bucket/prefix")
        return value


class SourceSettings(BaseModel):
    """Where chains come from when nothing has landed for a partition."""

    kind: Annotated[str, Field(pattern=r"^(simulated|files)$")] = "simulated"
    seed: int = 20260102
    defects: bool = False


class RateSettings(BaseModel):
    """The configured zero curve: continuously compounded rates by tenor in years; one tenor makes it flat."""

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


Port = Annotated[int, Field(ge=1, le=65535)]


class PortSettings(BaseModel):
    """Loopback ports of the services, one each."""

    dagster: Port = 3000
    app: Port = 8501
    api: Port = 8000

    @model_validator(mode="after")
    def _distinct(self) -> PortSettings:
        if len({self.dagster, self.app, self.api}) < 3:
            raise ValueError(
                f"expected three different ports, got dagster {self.dagster}, app {self.app}, api {self.api}"
            )
        return self


class Settings(BaseSettings):
    """All settings of one home."""

    model_config = SettingsConfigDict(
        env_prefix="PERISCOPE_",
        env_nested_delimiter="__",
        env_ignore_empty=True,
        extra="forbid",
        frozen=True,
    )

    home: Path = Field(default_factory=default_home)
    database: DatabaseSettings = DatabaseSettings()
    lake: LakeSettings = LakeSettings()
    source: SourceSettings = SourceSettings()
    rates: RateSettings = RateSettings()
    ports: PortSettings = PortSettings()
    first_date: date = date(2020, 1, 1)
    universes: dict[str, list[str]] = Field(
        default_factory=lambda: {
            "sim-index": ["SIMX", "SIMN"],
            "sim-equity": ["ACME", "BOLT", "CRUX"],
            "sim-crypto": ["SIMBTC"],
        }
    )

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
