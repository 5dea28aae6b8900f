"""Files taken in by a process that is killed at any moment: published whole, or not at all."""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
import time
from datetime import UTC, date, datetime, timedelta

import pytest

from periscope_assets.pipeline import FAILED, Pipeline, land
from periscope_assets.settings import Settings
from periscope_assets.sources.base import RawPayload
from periscope_assets.sources.simulated import SimulatedSource
from periscope_assets.store.lake import Lake
from periscope_assets.store.postgres import PostgresStore

FORK = multiprocessing.get_context("fork")
SESSION = date(2026, 1, 2)
FIRST = datetime(2026, 1, 2, 21, tzinfo=UTC)
A_WORKER = 10_000
"""Revisions that one worker may land."""
INTEREST = 10
"""Cell of the open interest, which says here which revision of the file it is."""


def revision(plain: bytes, number: int) -> RawPayload:
    title, names, first, *others = plain.decode().splitlines(keepends=True)
    cells = first.split(",")
    cells[INTEREST] = str(number)
    content = "".join([title, names, ",".join(cells), *others]).encode()
    return RawPayload(f"{number}.csv", content, FIRST + timedelta(seconds=number))


def build(pipeline: Pipeline) -> None:
    made = [
        one
        for name in ("raw_chain", "option_quotes")
        for one in pipeline.build(name, ["ACME"], SESSION, "run")
    ]
    assert [one.error for one in made if one.outcome == FAILED] == []


def served(store: PostgresStore, n_raw: int) -> int:
    """Return the revision that is served, 0 for none; its rows are all there."""
    head = store.head("option_quotes", "ACME")
    if head is None:
        return 0
    rows, refused = (store.rows(head, name) for name in ("options_snapshots", "quarantined_quotes"))
    assert len(rows) + len(refused) == n_raw
    return int(rows.sort_values("raw_line")["open_interest"].iloc[0])


@pytest.mark.parametrize(
    "kills", [8, pytest.param(200, marks=[pytest.mark.nightly, pytest.mark.timeout(1800)])]
)
def test_a_killed_ingest_leaves_old_or_new_and_the_next_one_finishes(store_url, store, tmp_path, kills):
    (raw,) = SimulatedSource(1).fetch("ACME", SESSION)
    plain = raw.content
    n_raw = len(plain.splitlines()) - 2
    pipeline = Pipeline(Settings(home=tmp_path), store, store.lake)

    def ingest(worker: int) -> None:
        lake = Lake(store.lake.url)
        own = Pipeline(Settings(home=tmp_path), PostgresStore(store_url, lake=lake), lake)
        for number in range(A_WORKER):
            land(lake, revision(plain, worker * A_WORKER + number))
            build(own)

    def finish() -> float:
        """Build what has landed last, and return the seconds that it took."""
        start = time.monotonic()
        build(pipeline)
        return time.monotonic() - start

    for last in (1, 2):
        land(store.lake, revision(plain, last))
        usual = finish()
    draws, seen = random.Random(4), set()
    for worker in range(1, kills + 1):
        child = FORK.Process(target=ingest, args=(worker,))
        child.start()
        time.sleep(draws.uniform(0.0, 4 * usual))
        os.kill(child.pid, signal.SIGKILL)
        child.join(30)
        landed = store.lake.manifests("ACME", SESSION)
        assert all(store.lake.read_raw(each.sha256) for each in landed if each.sha256 not in seen)
        seen |= {each.sha256 for each in landed}
        assert last <= served(store, n_raw)
        finish()
        last = int(landed[-1].name.removesuffix(".csv"))
        assert served(store, n_raw) == last
    assert len(seen) > 2
    store.settle_lake()
    assert [each.publication_id for each in store.lake.ledger()] == [
        each.publication_id for each in store.follow(datetime(2000, 1, 1, tzinfo=UTC), limit=100_000)
    ]
