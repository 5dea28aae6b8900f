"""What each tool takes: closed models, so that a slip in an argument is refused and not ignored.

What belongs here: arguments, their bounds and their descriptions. What does not: what is done with them.
"""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from periscope_analytics.conventions import SYMBOL_PATTERN
from periscope_assets.store.tables import DATASETS

DEFAULT_ROWS, MOST_ROWS, MOST_PRICED = 20, 200, 200

Symbol = Annotated[
    str,
    Field(pattern=f"^{SYMBOL_PATTERN.pattern}$", max_length=15, description="Underlying, such as SPX"),
]
Time = Annotated[str, Field(max_length=40)]
Column = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,60}$")]
Number = Annotated[float, Field(allow_inf_nan=False, ge=-1e15, le=1e15)]
Numbers = Annotated[list[Number], Field(min_length=1, max_length=MOST_PRICED)]


class Arguments(BaseModel):
    """No argument that is not named here is taken."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


class Paged(Arguments):
    """What comes in pages."""

    limit: int = Field(DEFAULT_ROWS, ge=1, le=MOST_ROWS, description="Most rows in this answer")
    cursor: str | None = Field(None, max_length=400, description="`next` of the page before")
    fields: list[Column] | None = Field(None, max_length=60, description="Columns in place of the usual ones")


class Pinned(Paged):
    """A symbol at a time."""

    symbol: Symbol
    as_of: Time | None = Field(None, description="Latest snapshot at or before this RFC 3339 time")
    known_at: Time | None = Field(None, description="As it was known at this RFC 3339 time")
    version: str | None = Field(
        None, min_length=8, max_length=64, pattern=r"^[A-Za-z0-9]+$", description="Content version"
    )


class Find(Paged):
    """Search for underlyings."""

    query: str | None = Field(None, max_length=15, description="Part of a symbol; none for all")
    known_at: Time | None = Field(None, description="As it was known at this RFC 3339 time")


class Chain(Pinned):
    """Quotes with their implied vols."""

    expiry: date | None = Field(None, description="Only this expiration date")
    side: Literal["call", "put"] | None = None
    strike_from: Number | None = Field(None, description="Least strike, USD")
    strike_to: Number | None = Field(None, description="Greatest strike, USD")
    rejected: bool = Field(False, description="Quotes that a rule refused, with the reason, instead")


class Surface(Pinned):
    """The served surface, or one point of it."""

    strike: Number | None = Field(None, description="One point: its strike, USD")
    delta: Number | None = Field(None, description="One point: magnitude of the forward delta, 0 to 1")
    expiry: date | None = Field(None, description="One point: its expiration date")
    days: Number | None = Field(None, description="One point: calendar days to its maturity")
    is_call: bool = Field(True, description="Side that delta means")

    @property
    def is_point(self) -> bool:
        """Whether a point is asked for."""
        return any(each is not None for each in (self.strike, self.delta, self.expiry, self.days))


class Skew(Pinned):
    """Skew and term structure."""

    basis: Literal["expiry", "constant_maturity"] = "constant_maturity"


class Fits(Pinned):
    """Parameters of a model."""

    model: Literal["heston", "sabr", "ou"] = "heston"


class Signals(Pinned):
    """Trade signals."""


class Price(Arguments):
    """Options to price by Black-76, or prices to turn into implied vols."""

    forward: Number | Numbers
    strike: Number | Numbers
    tau_years: Number | Numbers = Field(description="Years to settlement, ACT/365F")
    is_call: bool | Annotated[list[bool], Field(min_length=1, max_length=MOST_PRICED)]
    vol: Number | Numbers | None = Field(None, description="Vols as decimals; then prices are returned")
    vol_stderr: Number | Numbers | None = Field(None, description="Errors of the vols")
    price: Number | Numbers | None = Field(None, description="Prices; then implied vols are returned")
    price_stderr: Number | Numbers | None = Field(None, description="Errors of the prices")
    discount: Number | Numbers = 1.0
    greeks: bool = False


class Explain(Pinned):
    """What is behind the numbers of a dataset."""

    dataset: Literal[tuple(DATASETS)] = "vol_surface"  # type: ignore[valid-type]
    expiry: date | None = Field(None, description="Only quotes of this expiration date")
    contract: str | None = Field(None, min_length=1, max_length=60, description="Only this contract")
    table: Literal["lineage", "quotes", "refused", "rules"] = "lineage"
