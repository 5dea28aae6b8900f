"""The first schema: ledger, clock of publication, and the tables of the first assets."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

SCHEMA = "periscope"
TEXT, BOOLEAN, DATE = sa.Text(), sa.Boolean(), sa.Date()
DOUBLE: sa.Double[float] = sa.Double()
SMALLINT, INTEGER, BIGINT = sa.SmallInteger(), sa.Integer(), sa.BigInteger()
TIME, JSON = sa.DateTime(timezone=True), JSONB()
FILLED, NULLABLE = False, True


def _columns(*described: tuple[str, Any, bool, str]) -> list[sa.Column[Any]]:
    return [
        sa.Column(name, kind, nullable=nullable, comment=comment)
        for name, kind, nullable, comment in described
    ]


def _data_table(name: str, comment: str, key: list[str], *described: tuple[str, Any, bool, str]) -> None:
    head = _columns(
        ("publication_id", BIGINT, FILLED, "ledger entry this row belongs to"),
        ("as_of", TIME, FILLED, "market time of the snapshot, UTC"),
    )
    primary_key = sa.PrimaryKeyConstraint("publication_id", "as_of", *key, name=f"{name}_pkey")
    op.create_table(name, *head, *_columns(*described), primary_key, schema=SCHEMA, comment=comment)


def _ledger() -> None:
    op.execute(sa.schema.CreateSequence(sa.Sequence("fence_seq", schema=SCHEMA)))
    op.create_table(
        "publications",
        sa.Column("publication_id", BIGINT, sa.Identity(always=False), primary_key=True),
        *_columns(
            ("dataset", TEXT, FILLED, "asset that made it"),
            ("symbol", TEXT, FILLED, "underlying"),
            ("as_of", TIME, FILLED, "market time of the snapshot, UTC"),
            ("known_at", TIME, FILLED, "when it became visible, UTC"),
            ("version", TEXT, FILLED, "content version"),
            ("method_version", TEXT, FILLED, "version of code and settings"),
            ("inputs", JSON, FILLED, "version of each input, by name"),
            ("status", TEXT, FILLED, "published, rejected, no_session or withdrawn"),
            ("supersedes", BIGINT, NULLABLE, "publication that was served before"),
            ("fence", BIGINT, FILLED, "order in which inputs were read"),
            ("source", TEXT, FILLED, "where the market data came from"),
            ("run_id", TEXT, FILLED, "Dagster run"),
            ("quality", JSON, FILLED, "counts and figures of the content"),
            ("purged_at", TIME, NULLABLE, "when retention dropped the rows"),
        ),
        sa.UniqueConstraint("dataset", "symbol", "as_of", "known_at", name="publications_content_key"),
        schema=SCHEMA,
        comment="the ledger: one row per change of content of a dataset, symbol and snapshot",
    )
    op.create_index("publications_known_at", "publications", ["known_at"], schema=SCHEMA)
    op.create_table(
        "publish_clock",
        sa.Column("id", SMALLINT, primary_key=True, comment="always 1"),
        *_columns(
            ("known_at", TIME, FILLED, "watermark: the latest known_at that was given out"),
        ),
        schema=SCHEMA,
        comment="one row; its lock is the mutex of known_at",
    )
    op.create_table(
        "lake_outbox",
        sa.Column("publication_id", BIGINT, primary_key=True, comment="ledger entry"),
        schema=SCHEMA,
        comment="ledger entries that the lake has not confirmed yet",
    )
    op.execute("INSERT INTO periscope.publish_clock (id, known_at) VALUES (1, '1970-01-01T00:00:00Z')")


def _market_data() -> None:
    _data_table(
        "options_snapshots",
        "accepted quotes",
        ["contract"],
        ("contract", TEXT, FILLED, "vendor's contract symbol, OCC without padding for US listings"),
        ("expiry_at", TIME, FILLED, "settlement instant, UTC"),
        ("strike", DOUBLE, FILLED, "strike, parsed and never computed, USD"),
        ("is_call", BOOLEAN, FILLED, "true for a call"),
        ("expiry", DATE, FILLED, "expiration date"),
        ("root", TEXT, FILLED, "option root"),
        ("settlement", TEXT, FILLED, "am, pm or utc08"),
        ("style", TEXT, FILLED, "european or american"),
        ("quote_unit", TEXT, FILLED, "usd, or coin for inverse options"),
        ("bid", DOUBLE, NULLABLE, "best bid in quote_unit; null as the vendor left it"),
        ("ask", DOUBLE, NULLABLE, "best ask in quote_unit"),
        ("bid_size", DOUBLE, NULLABLE, "contracts at the bid"),
        ("ask_size", DOUBLE, NULLABLE, "contracts at the ask"),
        ("last", DOUBLE, NULLABLE, "last trade in quote_unit"),
        ("volume", DOUBLE, NULLABLE, "contracts traded in the session"),
        ("open_interest", DOUBLE, NULLABLE, "open contracts of the prior session"),
        ("vendor_iv", DOUBLE, NULLABLE, "vendor's implied vol, decimal"),
        ("vendor_delta", DOUBLE, NULLABLE, "vendor's delta"),
        ("vendor_mark", DOUBLE, NULLABLE, "vendor's mark in quote_unit"),
        (
            "underlying_price",
            DOUBLE,
            NULLABLE,
            "vendor's spot, or forward of the expiry for coin-quoted chains, USD",
        ),
        ("multiplier", DOUBLE, FILLED, "units of the underlying per contract"),
        ("quoted_at", TIME, NULLABLE, "when the quote was made, UTC; null where the vendor does not say"),
        ("flags", TEXT, NULLABLE, "rules that flagged the quote, joined by +; null for none"),
        ("raw_line", BIGINT, FILLED, "line of the raw file, from 1"),
    )
    _data_table(
        "quarantined_quotes",
        "refused quotes: raw = options_snapshots + quarantined_quotes",
        ["raw_line", "side"],
        ("raw_line", BIGINT, FILLED, "line of the raw file, from 1"),
        ("side", TEXT, FILLED, "call or put: which half of the line in two-sided layouts"),
        ("contract", TEXT, NULLABLE, "vendor's contract symbol"),
        ("reason", TEXT, FILLED, "reason code"),
        ("rule_version", INTEGER, FILLED, "version of the rule that refused it"),
        ("detail", TEXT, FILLED, "one sentence with the numbers"),
        ("record", JSON, FILLED, "the parsed row"),
    )
    _data_table(
        "rates",
        "zero curve",
        ["tenor_years"],
        ("tenor_years", DOUBLE, FILLED, "tenor, ACT/365F"),
        ("zero_rate", DOUBLE, FILLED, "continuously compounded zero rate, decimal"),
    )


def _surfaces() -> None:
    _data_table(
        "forwards",
        "forward and discount by expiry",
        ["expiry_at"],
        ("expiry_at", TIME, FILLED, "settlement instant, UTC"),
        ("expiry", DATE, FILLED, "expiration date"),
        ("root", TEXT, FILLED, "option root, e.g. SPX or SPXW; several are joined by +"),
        ("tau_years", DOUBLE, FILLED, "time to settlement, ACT/365F to the minute"),
        ("forward", DOUBLE, NULLABLE, "forward from put-call parity, USD"),
        ("forward_stderr", DOUBLE, NULLABLE, "one-sigma error of the forward, USD"),
        ("discount", DOUBLE, NULLABLE, "discount factor to settlement"),
        ("parity_residual", DOUBLE, NULLABLE, "weighted median absolute parity residual, USD"),
        ("n_strikes", INTEGER, FILLED, "strikes quoted on both sides"),
        ("n_used", INTEGER, FILLED, "strikes used"),
        ("status", TEXT, FILLED, "ok or why there is no forward"),
    )
    _data_table(
        "implied_vols",
        "implied vols and greeks by contract",
        ["contract"],
        ("contract", TEXT, FILLED, "vendor's contract symbol, OCC without padding for US listings"),
        ("expiry_at", TIME, FILLED, "settlement instant, UTC"),
        ("strike", DOUBLE, FILLED, "strike, parsed and never computed, USD"),
        ("is_call", BOOLEAN, FILLED, "true for a call"),
        ("tau_years", DOUBLE, FILLED, "time to settlement, ACT/365F to the minute"),
        ("forward", DOUBLE, NULLABLE, "forward used, USD"),
        ("log_moneyness", DOUBLE, NULLABLE, "k = ln(strike / forward)"),
        ("bid_iv", DOUBLE, NULLABLE, "vol of the bid, decimal"),
        ("mid_iv", DOUBLE, NULLABLE, "vol of the mid, decimal"),
        ("ask_iv", DOUBLE, NULLABLE, "vol of the ask, decimal"),
        ("iv_stderr", DOUBLE, NULLABLE, "one-sigma error of mid_iv from the spread, decimal"),
        ("bid_status", TEXT, FILLED, "ok or why there is no bid_iv"),
        ("status", TEXT, FILLED, "ok or why there is no mid_iv"),
        ("ask_status", TEXT, FILLED, "ok or why there is no ask_iv"),
        (
            "early_exercise_premium",
            DOUBLE,
            NULLABLE,
            "American minus European value at mid_iv, in quote_unit",
        ),
        ("delta", DOUBLE, NULLABLE, "forward delta, undiscounted"),
        ("gamma", DOUBLE, NULLABLE, "per USD squared of forward"),
        ("vega", DOUBLE, NULLABLE, "per 1.00 vol, USD"),
        ("theta", DOUBLE, NULLABLE, "per calendar day, USD"),
        ("rho", DOUBLE, NULLABLE, "per 1.00 rate, USD"),
        ("vanna", DOUBLE, NULLABLE, "d delta / d vol"),
        ("volga", DOUBLE, NULLABLE, "d vega / d vol, USD"),
        ("is_otm", BOOLEAN, FILLED, "on the out-of-the-money side of the forward"),
    )
    _data_table(
        "svi_slices",
        "raw SVI by expiry",
        ["expiry_at"],
        ("expiry_at", TIME, FILLED, "settlement instant, UTC"),
        ("expiry", DATE, FILLED, "expiration date"),
        ("root", TEXT, FILLED, "option root, e.g. SPX or SPXW; several are joined by +"),
        ("tau_years", DOUBLE, FILLED, "time to settlement, ACT/365F to the minute"),
        ("forward", DOUBLE, NULLABLE, "forward, USD"),
        ("discount", DOUBLE, NULLABLE, "discount factor to settlement"),
        ("a", DOUBLE, NULLABLE, "raw SVI a, total variance"),
        ("b", DOUBLE, NULLABLE, "raw SVI b"),
        ("rho", DOUBLE, NULLABLE, "raw SVI rho"),
        ("m", DOUBLE, NULLABLE, "raw SVI m, log-moneyness"),
        ("sigma", DOUBLE, NULLABLE, "raw SVI sigma, log-moneyness"),
        ("atm_iv", DOUBLE, NULLABLE, "vol at k = 0, decimal"),
        ("rmse_bps", DOUBLE, NULLABLE, "vega-weighted root mean square error, vol bps"),
        ("max_error_bps", DOUBLE, NULLABLE, "largest absolute error, vol bps"),
        ("inside_share", DOUBLE, NULLABLE, "share of vega-weighted quotes inside their bid and ask"),
        ("min_g", DOUBLE, NULLABLE, "least Gatheral-Jacquier g on the grid"),
        ("k_min", DOUBLE, NULLABLE, "least quoted log-moneyness"),
        ("k_max", DOUBLE, NULLABLE, "greatest quoted log-moneyness"),
        ("n_quotes", INTEGER, FILLED, "out-of-the-money quotes of the expiry"),
        ("n_used", INTEGER, FILLED, "quotes used in the fit"),
        ("status", TEXT, FILLED, "ok or why there is no fit"),
    )
    _data_table(
        "surface_certificates",
        "no-arbitrage certificate of a surface",
        [],
        ("is_free", BOOLEAN, FILLED, "no butterfly and no calendar arbitrage on the grid"),
        ("min_g", DOUBLE, NULLABLE, "least g over all slices"),
        (
            "min_calendar",
            DOUBLE,
            NULLABLE,
            "least difference of total variance between neighbouring expiries",
        ),
        ("left_wing", DOUBLE, NULLABLE, "greatest slope of the left wings, must be at most 2"),
        ("right_wing", DOUBLE, NULLABLE, "greatest slope of the right wings, must be at most 2"),
        ("n_slices", INTEGER, FILLED, "slices examined"),
        ("n_butterfly", INTEGER, FILLED, "grid points with g < 0"),
        ("n_calendar", INTEGER, FILLED, "grid points where total variance falls"),
        ("grid_k_min", DOUBLE, NULLABLE, "least log-moneyness of the grid"),
        ("grid_k_max", DOUBLE, NULLABLE, "greatest log-moneyness of the grid"),
        ("grid_n_k", INTEGER, FILLED, "log-moneyness points of the grid"),
        ("status", TEXT, FILLED, "ok or why it could not be certified"),
    )
    _data_table(
        "skew_metrics",
        "skew and term structure",
        ["basis", "tenor_days"],
        ("basis", TEXT, FILLED, "expiry or constant_maturity"),
        ("tenor_days", DOUBLE, FILLED, "days to settlement"),
        ("expiry_at", TIME, NULLABLE, "settlement instant, UTC, for basis expiry"),
        ("forward", DOUBLE, NULLABLE, "forward, USD"),
        ("atm_iv", DOUBLE, NULLABLE, "vol at k = 0, decimal"),
        ("rr_25", DOUBLE, NULLABLE, "25-delta risk reversal: call vol - put vol, decimal"),
        ("bf_25", DOUBLE, NULLABLE, "25-delta butterfly: mean of the two - ATM, decimal"),
        ("rr_10", DOUBLE, NULLABLE, "10-delta risk reversal, decimal"),
        ("bf_10", DOUBLE, NULLABLE, "10-delta butterfly, decimal"),
        ("slope", DOUBLE, NULLABLE, "d iv / d k at k = 0"),
        ("curvature", DOUBLE, NULLABLE, "d2 iv / d k2 at k = 0"),
        ("forward_iv", DOUBLE, NULLABLE, "forward vol from the previous tenor to this one, decimal"),
        ("model_free_iv", DOUBLE, NULLABLE, "square root of model-free variance, decimal"),
        ("status", TEXT, FILLED, "ok or why the metrics are absent"),
    )


def _models_and_signals() -> None:
    _data_table(
        "heston_calibrations",
        "Heston parameters of a surface",
        [],
        ("v0", DOUBLE, NULLABLE, "initial variance"),
        ("kappa", DOUBLE, NULLABLE, "mean reversion, per year"),
        ("theta", DOUBLE, NULLABLE, "long-run variance"),
        ("sigma", DOUBLE, NULLABLE, "vol of variance"),
        ("rho", DOUBLE, NULLABLE, "correlation"),
        ("v0_stderr", DOUBLE, NULLABLE, "one-sigma error"),
        ("kappa_stderr", DOUBLE, NULLABLE, "one-sigma error"),
        ("theta_stderr", DOUBLE, NULLABLE, "one-sigma error"),
        ("sigma_stderr", DOUBLE, NULLABLE, "one-sigma error"),
        ("rho_stderr", DOUBLE, NULLABLE, "one-sigma error"),
        ("rmse_bps", DOUBLE, NULLABLE, "root mean square error, vol bps"),
        ("max_error_bps", DOUBLE, NULLABLE, "largest absolute error, vol bps"),
        ("feller_satisfied", BOOLEAN, NULLABLE, "2 kappa theta >= sigma^2"),
        ("n_quotes", INTEGER, FILLED, "quotes used"),
        ("n_iterations", INTEGER, FILLED, "optimiser iterations"),
        ("n_evaluations", INTEGER, FILLED, "objective evaluations"),
        ("status", TEXT, FILLED, "ok or why there is no fit"),
    )
    _data_table(
        "mispricings",
        "market against model by contract",
        ["contract"],
        ("contract", TEXT, FILLED, "vendor's contract symbol, OCC without padding for US listings"),
        ("expiry_at", TIME, FILLED, "settlement instant, UTC"),
        ("strike", DOUBLE, FILLED, "strike, parsed and never computed, USD"),
        ("is_call", BOOLEAN, FILLED, "true for a call"),
        ("market_iv", DOUBLE, NULLABLE, "mid vol, decimal"),
        ("model_iv", DOUBLE, NULLABLE, "Heston vol, decimal"),
        ("difference", DOUBLE, NULLABLE, "market_iv - model_iv, decimal"),
        ("stderr", DOUBLE, NULLABLE, "one-sigma error of the difference, decimal"),
        ("half_spread_iv", DOUBLE, NULLABLE, "half of ask_iv - bid_iv, decimal"),
        ("z_score", DOUBLE, NULLABLE, "difference over the robust spread of the surface's differences"),
        (
            "edge_usd",
            DOUBLE,
            NULLABLE,
            "model minus market value net of half-spread, USD per unit; null inside",
        ),
        ("status", TEXT, FILLED, "ok or why there is no difference"),
    )
    _data_table(
        "trade_signals",
        "ranked trade signals",
        ["signal_id"],
        ("signal_id", TEXT, FILLED, "deterministic: hash of generator, contract, snapshot and direction"),
        ("generator", TEXT, FILLED, "which rule made it"),
        ("contract", TEXT, FILLED, "vendor's contract symbol, OCC without padding for US listings"),
        ("expiry_at", TIME, FILLED, "settlement instant, UTC"),
        ("strike", DOUBLE, FILLED, "strike, parsed and never computed, USD"),
        ("is_call", BOOLEAN, FILLED, "true for a call"),
        ("direction", TEXT, FILLED, "buy or sell"),
        ("edge_iv", DOUBLE, NULLABLE, "absolute difference net of half-spread, vol"),
        ("edge_usd", DOUBLE, NULLABLE, "edge in money net of half-spread, USD per unit"),
        ("edge_stderr", DOUBLE, NULLABLE, "one-sigma error of edge_iv, vol"),
        ("z_score", DOUBLE, NULLABLE, "z-score of the mispricing"),
        ("confidence", DOUBLE, NULLABLE, "0 to 1"),
        ("rank", INTEGER, FILLED, "1 is best in the snapshot"),
        ("state", TEXT, FILLED, "pending when published"),
        ("reason", TEXT, FILLED, "why, in one sentence with its numbers"),
    )


def upgrade() -> None:
    _ledger()
    _market_data()
    _surfaces()
    _models_and_signals()


def downgrade() -> None:
    op.execute(f"DROP SEQUENCE {SCHEMA}.fence_seq")
    for name in (
        "publications",
        "publish_clock",
        "lake_outbox",
        "options_snapshots",
        "quarantined_quotes",
        "rates",
        "forwards",
        "implied_vols",
        "svi_slices",
        "surface_certificates",
        "skew_metrics",
        "heston_calibrations",
        "mispricings",
        "trade_signals",
    ):
        op.drop_table(name, schema=SCHEMA)
