"""The first schema: ledger, clock of publication, and the tables of the first assets."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from periscope_assets.store.migrations import first_models, first_surfaces
from periscope_assets.store.migrations.building import (
    BIGINT,
    BOOLEAN,
    DATE,
    DOUBLE,
    FILLED,
    INTEGER,
    JSON,
    NULLABLE,
    SCHEMA,
    SMALLINT,
    TEXT,
    TIME,
    columns,
    data_table,
)

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def _ledger() -> None:
    op.execute(sa.schema.CreateSequence(sa.Sequence("fence_seq", schema=SCHEMA)))
    op.create_table(
        "publications",
        sa.Column("publication_id", BIGINT, sa.Identity(always=False), primary_key=True),
        *columns(
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
        *columns(
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
    data_table(
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
    data_table(
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
    data_table(
        "rates",
        "zero curve",
        ["tenor_years"],
        ("tenor_years", DOUBLE, FILLED, "tenor, ACT/365F"),
        ("zero_rate", DOUBLE, FILLED, "continuously compounded zero rate, decimal"),
    )
    data_table(
        "underlying_bars",
        "daily bars of the underlying, of the sessions before the snapshot's",
        ["session"],
        ("session", DATE, FILLED, "session date of the bar, New York"),
        ("open", DOUBLE, FILLED, "first price, USD"),
        ("high", DOUBLE, FILLED, "highest price, USD"),
        ("low", DOUBLE, FILLED, "lowest price, USD"),
        ("close", DOUBLE, FILLED, "last price, USD"),
        ("volume", DOUBLE, NULLABLE, "shares or contracts traded; null where unknown"),
    )


def upgrade() -> None:
    _ledger()
    _market_data()
    first_surfaces.create()
    first_models.create()


def downgrade() -> None:
    op.execute(f"DROP SEQUENCE {SCHEMA}.fence_seq")
    for name in (
        "publications",
        "publish_clock",
        "lake_outbox",
        "options_snapshots",
        "quarantined_quotes",
        "rates",
        "underlying_bars",
        "forwards",
        "implied_vols",
        "surface_slices",
        "surface_quotes",
        "svi_slices",
        "surface_certificates",
        "surface_nodes",
        "skew_metrics",
        "positioning",
        "heston_calibrations",
        "sabr_calibrations",
        "ou_calibrations",
        "model_nodes",
        "mispricings",
        "trade_signals",
        "signal_scores",
    ):
        op.drop_table(name, schema=SCHEMA)
