"""THE schema: every table, its natural key, the meaning and unit of each column.

What belongs here: table definitions, from which migrations, writes, checks, column metadata and docs are
driven. What does not: queries. Data tables are keyed by ``(publication_id, as_of, natural key)`` and are only
inserted into.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    Date,
    Identity,
    Index,
    Sequence,
    SmallInteger,
    Table,
    UniqueConstraint,
)
from sqlalchemy.dialects.postgresql import JSONB

from periscope_assets.store import event_tables, model_tables, surface_tables
from periscope_assets.store.columns import SCHEMA as SCHEMA
from periscope_assets.store.columns import contract as _contract
from periscope_assets.store.columns import count as _count
from periscope_assets.store.columns import data_table as _data_table
from periscope_assets.store.columns import metadata as metadata
from periscope_assets.store.columns import number as _number
from periscope_assets.store.columns import text as _text
from periscope_assets.store.columns import time as _time

fence_sequence = Sequence("fence_seq", metadata=metadata)


publications = Table(
    "publications",
    metadata,
    Column("publication_id", BigInteger, Identity(always=False), primary_key=True),
    _text("dataset", "asset that made it"),
    _text("symbol", "underlying"),
    _time("as_of", "market time of the snapshot, UTC"),
    _time("known_at", "when it became visible, UTC"),
    _text("version", "content version"),
    _text("method_version", "version of code and settings"),
    Column("inputs", JSONB, nullable=False, comment="version of each input, by name"),
    _text("status", "published, rejected, no_session or withdrawn"),
    Column("supersedes", BigInteger, nullable=True, comment="publication that was served before"),
    Column("fence", BigInteger, nullable=False, comment="order in which inputs were read"),
    _text("source", "where the market data came from"),
    _text("run_id", "Dagster run"),
    Column("quality", JSONB, nullable=False, comment="counts and figures of the content"),
    _time("purged_at", "when retention dropped the rows", nullable=True),
    UniqueConstraint("dataset", "symbol", "as_of", "known_at", name="publications_content_key"),
    Index("publications_known_at", "known_at"),
    comment="the ledger: one row per change of content of a dataset, symbol and snapshot",
)

publish_clock = Table(
    "publish_clock",
    metadata,
    Column("id", SmallInteger, primary_key=True, comment="always 1"),
    _time("known_at", "watermark: the latest known_at that was given out"),
    comment="one row; its lock is the mutex of known_at",
)

lake_outbox = Table(
    "lake_outbox",
    metadata,
    Column("publication_id", BigInteger, primary_key=True, comment="ledger entry"),
    comment="ledger entries that the lake has not confirmed yet",
)

options_snapshots = _data_table(
    "options_snapshots",
    ["contract"],
    [
        *_contract(),
        Column("expiry", Date, nullable=False, comment="expiration date"),
        _text("root", "option root"),
        _text("settlement", "am, pm or utc08", among=("am", "pm", "utc08")),
        _text("style", "european or american", among=("european", "american")),
        _text("quote_unit", "usd, or coin for inverse options", among=("usd", "coin")),
        _number("bid", "best bid in quote_unit; null as the vendor left it", least=0.0),
        _number("ask", "best ask in quote_unit", least=0.0),
        _number("bid_size", "contracts at the bid", least=0.0),
        _number("ask_size", "contracts at the ask", least=0.0),
        _number("last", "last trade in quote_unit", least=0.0),
        _number("volume", "contracts traded in the session", least=0.0),
        _number("open_interest", "open contracts of the prior session", least=0.0),
        _number("vendor_iv", "vendor's implied vol, decimal"),
        _number("vendor_delta", "vendor's delta"),
        _number("vendor_mark", "vendor's mark in quote_unit"),
        _number("underlying_price", "vendor's spot, or forward of the expiry for coin-quoted chains, USD"),
        _number("multiplier", "units of the underlying per contract", nullable=False, above=0.0),
        _time("quoted_at", "when the quote was made, UTC; null where the vendor does not say", nullable=True),
        _text("flags", "rules that flagged the quote, joined by +; null for none", nullable=True),
        Column("raw_line", BigInteger, nullable=False, comment="line of the raw file, from 1"),
    ],
    "accepted quotes",
)

quarantined_quotes = _data_table(
    "quarantined_quotes",
    ["raw_line", "side"],
    [
        Column("raw_line", BigInteger, nullable=False, comment="line of the raw file, from 1"),
        _text("side", "call or put: which half of the line in two-sided layouts"),
        _text("contract", "vendor's contract symbol", nullable=True),
        _text("reason", "reason code"),
        _count("rule_version", "version of the rule that refused it"),
        _text("detail", "one sentence with the numbers"),
        Column("record", JSONB, nullable=False, comment="the parsed row"),
    ],
    "refused quotes: raw = options_snapshots + quarantined_quotes",
)

rates = _data_table(
    "rates",
    ["tenor_years"],
    [
        _number("tenor_years", "tenor, ACT/365F", nullable=False),
        _number("zero_rate", "continuously compounded zero rate, decimal", nullable=False),
    ],
    "zero curve",
)

GATHERED = (surface_tables, model_tables, event_tables)
"""Modules whose tables are part of this schema."""

underlying_bars = _data_table(
    "underlying_bars",
    ["session"],
    [
        Column("session", Date, nullable=False, comment="session date of the bar, New York"),
        _number("open", "first price, USD", nullable=False, above=0.0),
        _number("high", "highest price, USD", nullable=False, above=0.0),
        _number("low", "lowest price, USD", nullable=False, above=0.0),
        _number("close", "last price, USD", nullable=False, above=0.0),
        _number("volume", "shares or contracts traded; null where unknown", least=0.0),
    ],
    "daily bars of the underlying, of the sessions before the snapshot's",
)

LEDGER_TABLES = frozenset({"publications", "publish_clock", "lake_outbox"})
EVENT_TABLES = frozenset(
    {"signal_events", "api_keys", "preferences", "audit_log", "alert_events", "alert_deliveries"}
)
"""What people do and what goes wrong: append-only, no content of a publication."""
PER_CONTRACT_TABLES = frozenset(
    {"options_snapshots", "quarantined_quotes", "implied_vols", "surface_quotes", "mispricings"},
)

DATASETS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "raw_chain": (),
        "option_quotes": ("options_snapshots", "quarantined_quotes"),
        "underlying_bars": ("underlying_bars",),
        "rate_curve": ("rates",),
        "forward_curve": ("forwards",),
        "implied_vols": ("implied_vols",),
        "vol_surface": ("surface_slices", "surface_quotes", "surface_certificates", "svi_slices"),
        "surface_grid": ("surface_nodes",),
        "skew_metrics": ("skew_metrics", "positioning"),
        "heston_fit": ("heston_calibrations",),
        "sabr_fit": ("sabr_calibrations",),
        "ou_fit": ("ou_calibrations",),
        "model_bands": ("model_nodes",),
        "mispricing": ("mispricings",),
        "trade_signals": ("trade_signals",),
        "signal_scorecard": ("signal_scores",),
    }
)
"""Tables that hold the rows of each dataset."""


def table(name: str) -> Table:
    """Return the table of that name.

    Raises
    ------
    KeyError
        If the schema has none.
    """
    return metadata.tables[f"{SCHEMA}.{name}"]


def data_tables() -> list[Table]:
    """Return the tables that hold rows of publications, in the order in which they are defined."""
    return [each for each in metadata.tables.values() if each.name not in LEDGER_TABLES | EVENT_TABLES]


def natural_key(of: Table) -> list[str]:
    """Return the columns that tell the rows of one publication apart."""
    return [column.name for column in of.primary_key.columns][2:]


def content_columns(of: Table) -> list[Column[Any]]:
    """Return the columns that a publisher fills in: all but `publication_id` and `as_of`."""
    return list(of.columns)[2:]
