"""Symbols shared by processes: bit for bit what one process makes, whoever dies."""

from __future__ import annotations

import os
import signal
from contextlib import closing
from datetime import date

import pytest

from periscope_assets.defs.resources import open_pipeline
from periscope_assets.pipeline import FAILED
from periscope_assets.pipeline.pool import DIED, SymbolPool
from periscope_assets.store.connect import open_store

DAY = date(2026, 3, 20)
SYMBOLS = ["ACME", "NOPE", "BOLT"]


class Fragile:
    """A builder in whose process the symbol KILL ends everything."""

    def __init__(self, inner):
        self._inner = inner

    def build(self, dataset, symbols, session, run_id):
        if symbols == ["KILL"]:
            os.kill(os.getpid(), signal.SIGKILL)
        return self._inner.build(dataset, symbols, session, run_id)


def fragile(settings):
    return Fragile(open_pipeline(settings))


@pytest.fixture(scope="module")
def landed(new_home, tmp_path_factory):
    settings = new_home(tmp_path_factory.mktemp("pool") / "home", "pool")
    pipeline = open_pipeline(settings)
    pipeline.build("raw_chain", ["ACME", "BOLT"], DAY, "r0")
    yield settings
    pipeline.store.close()


def told(outcomes):
    return [
        (one.symbol, one.outcome, one.error, one.receipt and one.receipt.version, dict(one.quality))
        for one in outcomes
    ]


def rows(settings):
    with closing(open_store(settings)) as store:
        return {
            (entry.symbol, table): store.rows(entry, table).drop(columns="publication_id")
            for entry in store.heads("option_quotes")
            for table in ("options_snapshots", "quarantined_quotes")
        }


@pytest.mark.timeout(600)
def test_a_pool_makes_what_one_process_makes_and_outlives_a_killed_worker(landed):
    pool = SymbolPool(landed, 2, fragile)
    try:
        pooled = pool.build("option_quotes", [*SYMBOLS, "KILL"], DAY, "r1")
        assert [one.symbol for one in pooled] == [*SYMBOLS, "KILL"]
        assert [one.outcome for one in pooled] == ["published", FAILED, "published", FAILED]
        assert (pooled[3].error, pooled[3].is_transient) == (DIED, True)
        assert not pooled[1].is_transient
        assert "materialize it first" in pooled[1].error
        again = pool.build("option_quotes", SYMBOLS, DAY, "r2")
        assert [one.outcome for one in again] == ["unchanged", FAILED, "unchanged"]
    finally:
        pool.close()
    shared = rows(landed)
    with closing(open_store(landed)) as store, store._session() as connection:
        connection.execute("TRUNCATE periscope.publications, periscope.options_snapshots")
        connection.execute("TRUNCATE periscope.quarantined_quotes, periscope.lake_outbox")
    alone = open_pipeline(landed)
    alone.build("raw_chain", ["ACME", "BOLT"], DAY, "r0")
    assert told(alone.build("option_quotes", SYMBOLS, DAY, "r3")) == told(pooled[:3])
    alone.store.close()
    single = rows(landed)
    assert shared.keys() == single.keys()
    assert len(shared) == 4
    for key, frame in shared.items():
        assert frame.equals(single[key])
