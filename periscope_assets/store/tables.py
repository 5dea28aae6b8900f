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
    Boolean,
    Column,
    Date,
    DateTime,
    Double,
    Identity,
    Index,
    Integer,
    MetaData,
    PrimaryKeyConstraint,
    Sequence,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
)
from sqlalchemy.dialects.postgresql import JSONB

SCHEMA = "periscope"
metadata = MetaData(schema=SCHEMA)
fence_sequence = Sequence("fence_seq", metadata=metadata)


def _text(name: str, comment: str, *, nullable: bool = False) -> Column[Any]:
    return Column(name, Text, nullable=nullable, comment=comment)


def _number(name: str, comment: str, *, nullable: bool = True) -> Column[Any]:
    return Column(name, Double, nullable=nullable, comment=comment)


def _count(name: str, comment: str, *, nullable: bool = False) -> Column[Any]:
    return Column(name, Integer, nullable=nullable, comment=comment)


def _flag(name: str, comment: str, *, nullable: bool = False) -> Column[Any]:
    return Column(name, Boolean, nullable=nullable, comment=comment)


def _time(name: str, comment: str, *, nullable: bool = False) -> Column[Any]:
    return Column(name, DateTime(timezone=True), nullable=nullable, comment=comment)


def _expiry() -> list[Column[Any]]:
    """Columns that name one expiry: AM- and PM-settled options of one date differ in `expiry_at`."""
    return [
        _time("expiry_at", "settlement instant, UTC"),
        Column("expiry", Date, nullable=False, comment="expiration date"),
        _text("root", "option root, e.g. SPX or SPXW; several are joined by +"),
        _number("tau_years", "time to settlement, ACT/365F to the minute", nullable=False),
    ]


def _contract() -> list[Column[Any]]:
    return [
        _text("contract", "vendor's contract symbol, OCC without padding for US listings"),
        _time("expiry_at", "settlement instant, UTC"),
        _number("strike", "strike, parsed and never computed, USD", nullable=False),
        _flag("is_call", "true for a call"),
    ]


def _data_table(name: str, key: list[str], columns: list[Column[Any]], comment: str) -> Table:
    head = [
        Column("publication_id", BigInteger, nullable=False, comment="ledger entry this row belongs to"),
        _time("as_of", "market time of the snapshot, UTC"),
    ]
    constraint = PrimaryKeyConstraint("publication_id", "as_of", *key, name=f"{name}_pkey")
    return Table(name, metadata, *head, *columns, constraint, comment=comment)


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
        _text("settlement", "am, pm or utc08"),
        _text("style", "european or american"),
        _text("quote_unit", "usd, or coin for inverse options"),
        _number("bid", "best bid in quote_unit; null as the vendor left it"),
        _number("ask", "best ask in quote_unit"),
        _number("bid_size", "contracts at the bid"),
        _number("ask_size", "contracts at the ask"),
        _number("last", "last trade in quote_unit"),
        _number("volume", "contracts traded in the session"),
        _number("open_interest", "open contracts of the prior session"),
        _number("vendor_iv", "vendor's implied vol, decimal"),
        _number("vendor_delta", "vendor's delta"),
        _number("vendor_mark", "vendor's mark in quote_unit"),
        _number("underlying_price", "vendor's spot, or forward of the expiry for coin-quoted chains, USD"),
        _number("multiplier", "units of the underlying per contract", nullable=False),
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

forwards = _data_table(
    "forwards",
    ["expiry_at"],
    [
        *_expiry(),
        _number("forward", "forward from put-call parity, USD"),
        _number("forward_stderr", "one-sigma error of the forward, USD"),
        _number("discount", "discount factor to settlement"),
        _number("parity_residual", "weighted median absolute parity residual, USD"),
        _count("n_strikes", "strikes quoted on both sides"),
        _count("n_used", "strikes used"),
        _text("status", "ok or why there is no forward"),
    ],
    "forward and discount by expiry",
)

implied_vols = _data_table(
    "implied_vols",
    ["contract"],
    [
        *_contract(),
        _number("tau_years", "time to settlement, ACT/365F to the minute", nullable=False),
        _number("forward", "forward used, USD"),
        _number("log_moneyness", "k = ln(strike / forward)"),
        _number("bid_iv", "vol of the bid, decimal"),
        _number("mid_iv", "vol of the mid, decimal"),
        _number("ask_iv", "vol of the ask, decimal"),
        _number("iv_stderr", "one-sigma error of mid_iv from the spread, decimal"),
        _text("bid_status", "ok or why there is no bid_iv"),
        _text("status", "ok or why there is no mid_iv"),
        _text("ask_status", "ok or why there is no ask_iv"),
        _number("early_exercise_premium", "American minus European value at mid_iv, in quote_unit"),
        _number("delta", "forward delta, undiscounted"),
        _number("gamma", "per USD squared of forward"),
        _number("vega", "per 1.00 vol, USD"),
        _number("theta", "per calendar day, USD"),
        _number("rho", "per 1.00 rate, USD"),
        _number("vanna", "d delta / d vol"),
        _number("volga", "d vega / d vol, USD"),
        _flag("is_otm", "on the out-of-the-money side of the forward"),
    ],
    "implied vols and greeks by contract",
)

svi_slices = _data_table(
    "svi_slices",
    ["expiry_at"],
    [
        *_expiry(),
        _number("forward", "forward, USD"),
        _number("discount", "discount factor to settlement"),
        _number("a", "raw SVI a, total variance"),
        _number("b", "raw SVI b"),
        _number("rho", "raw SVI rho"),
        _number("m", "raw SVI m, log-moneyness"),
        _number("sigma", "raw SVI sigma, log-moneyness"),
        _number("atm_iv", "vol at k = 0, decimal"),
        _number("rmse_bps", "vega-weighted root mean square error, vol bps"),
        _number("max_error_bps", "largest absolute error, vol bps"),
        _number("inside_share", "share of vega-weighted quotes inside their bid and ask"),
        _number("min_g", "least Gatheral-Jacquier g on the grid"),
        _number("k_min", "least quoted log-moneyness"),
        _number("k_max", "greatest quoted log-moneyness"),
        _count("n_quotes", "out-of-the-money quotes of the expiry"),
        _count("n_used", "quotes used in the fit"),
        _text("status", "ok or why there is no fit"),
    ],
    "raw SVI by expiry",
)

surface_certificates = _data_table(
    "surface_certificates",
    [],
    [
        _flag("is_free", "no butterfly and no calendar arbitrage on the grid"),
        _number("min_g", "least g over all slices"),
        _number("min_calendar", "least difference of total variance between neighbouring expiries"),
        _number("left_wing", "greatest slope of the left wings, must be at most 2"),
        _number("right_wing", "greatest slope of the right wings, must be at most 2"),
        _count("n_slices", "slices examined"),
        _count("n_butterfly", "grid points with g < 0"),
        _count("n_calendar", "grid points where total variance falls"),
        _number("grid_k_min", "least log-moneyness of the grid"),
        _number("grid_k_max", "greatest log-moneyness of the grid"),
        _count("grid_n_k", "log-moneyness points of the grid"),
        _text("status", "ok or why it could not be certified"),
    ],
    "no-arbitrage certificate of a surface",
)

skew_metrics = _data_table(
    "skew_metrics",
    ["basis", "tenor_days"],
    [
        _text("basis", "expiry or constant_maturity"),
        _number("tenor_days", "days to settlement", nullable=False),
        _time("expiry_at", "settlement instant, UTC, for basis expiry", nullable=True),
        _number("forward", "forward, USD"),
        _number("atm_iv", "vol at k = 0, decimal"),
        _number("rr_25", "25-delta risk reversal: call vol - put vol, decimal"),
        _number("bf_25", "25-delta butterfly: mean of the two - ATM, decimal"),
        _number("rr_10", "10-delta risk reversal, decimal"),
        _number("bf_10", "10-delta butterfly, decimal"),
        _number("slope", "d iv / d k at k = 0"),
        _number("curvature", "d2 iv / d k2 at k = 0"),
        _number("forward_iv", "forward vol from the previous tenor to this one, decimal"),
        _number("model_free_iv", "square root of model-free variance, decimal"),
        _text("status", "ok or why the metrics are absent"),
    ],
    "skew and term structure",
)

heston_calibrations = _data_table(
    "heston_calibrations",
    [],
    [
        _number("v0", "initial variance"),
        _number("kappa", "mean reversion, per year"),
        _number("theta", "long-run variance"),
        _number("sigma", "vol of variance"),
        _number("rho", "correlation"),
        _number("v0_stderr", "one-sigma error"),
        _number("kappa_stderr", "one-sigma error"),
        _number("theta_stderr", "one-sigma error"),
        _number("sigma_stderr", "one-sigma error"),
        _number("rho_stderr", "one-sigma error"),
        _number("rmse_bps", "root mean square error, vol bps"),
        _number("max_error_bps", "largest absolute error, vol bps"),
        _flag("feller_satisfied", "2 kappa theta >= sigma^2", nullable=True),
        _count("n_quotes", "quotes used"),
        _count("n_iterations", "optimiser iterations"),
        _count("n_evaluations", "objective evaluations"),
        _text("status", "ok or why there is no fit"),
    ],
    "Heston parameters of a surface",
)

mispricings = _data_table(
    "mispricings",
    ["contract"],
    [
        *_contract(),
        _number("market_iv", "mid vol, decimal"),
        _number("model_iv", "Heston vol, decimal"),
        _number("difference", "market_iv - model_iv, decimal"),
        _number("stderr", "one-sigma error of the difference, decimal"),
        _number("half_spread_iv", "half of ask_iv - bid_iv, decimal"),
        _number("z_score", "difference over the robust spread of the surface's differences"),
        _number("edge_usd", "model minus market value net of half-spread, USD per unit; null inside"),
        _text("status", "ok or why there is no difference"),
    ],
    "market against model by contract",
)

trade_signals = _data_table(
    "trade_signals",
    ["signal_id"],
    [
        _text("signal_id", "deterministic: hash of generator, contract, snapshot and direction"),
        _text("generator", "which rule made it"),
        *_contract(),
        _text("direction", "buy or sell"),
        _number("edge_iv", "absolute difference net of half-spread, vol"),
        _number("edge_usd", "edge in money net of half-spread, USD per unit"),
        _number("edge_stderr", "one-sigma error of edge_iv, vol"),
        _number("z_score", "z-score of the mispricing"),
        _number("confidence", "0 to 1"),
        _count("rank", "1 is best in the snapshot"),
        _text("state", "pending when published"),
        _text("reason", "why, in one sentence with its numbers"),
    ],
    "ranked trade signals",
)

LEDGER_TABLES = frozenset({"publications", "publish_clock", "lake_outbox"})
PER_CONTRACT_TABLES = frozenset(
    {"options_snapshots", "quarantined_quotes", "implied_vols", "mispricings"},
)

DATASETS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "raw_chain": (),
        "option_quotes": ("options_snapshots", "quarantined_quotes"),
        "rate_curve": ("rates",),
        "forward_curve": ("forwards",),
        "implied_vols": ("implied_vols",),
        "vol_surface": ("svi_slices", "surface_certificates"),
        "skew_metrics": ("skew_metrics",),
        "heston_fit": ("heston_calibrations",),
        "mispricing": ("mispricings",),
        "trade_signals": ("trade_signals",),
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
    return [each for each in metadata.tables.values() if each.name not in LEDGER_TABLES]


def natural_key(of: Table) -> list[str]:
    """Return the columns that tell the rows of one publication apart."""
    return [column.name for column in of.primary_key.columns][2:]


def content_columns(of: Table) -> list[Column[Any]]:
    """Return the columns that a publisher fills in: all but `publication_id` and `as_of`."""
    return list(of.columns)[2:]
