"""An empty database rebuilt from the lake: the same ledger, rows and answers, on each kind of server."""

from __future__ import annotations

import multiprocessing
import os
import signal
from datetime import UTC, datetime

import psycopg
import pytest

from periscope_assets.store import replay, tables
from periscope_assets.store.lake import LakeCorruptError
from periscope_assets.store.postgres import PostgresStore
from periscope_assets.store.replay import NotEmptyError
from periscope_assets.store.repository import NO_SESSION, REJECTED, WITHDRAWN, PurgedError
from tests.conftest import emptied
from tests.store.store_samples import AS_OF, LATER, chain_draft, draft

START = datetime(2000, 1, 1, tzinfo=UTC)


def history(store, clock):
    """Corrections, a withdrawal, a rejection, one version at two snapshots of a day, raw bytes."""
    batches = [
        [
            draft(
                "raw",
                dataset="raw_chain",
                frames={},
                inputs={"sha256": store.lake.land(b"bytes"), "layout": "x"},
            )
        ],
        [chain_draft("a", n=40), chain_draft("a", n=40, symbol="NDX")],
        [chain_draft("b", n=50)],
        [draft("f", forward=1.0), draft("f", forward=2.0, as_of=AS_OF.replace(hour=21))],
        [draft("bad", status=REJECTED, forward=3.0)],
        [draft("gone", status=WITHDRAWN, as_of=LATER)],
        [draft("f", forward=1.0, as_of=LATER)],
        [draft("none", status=NO_SESSION, symbol="RUT")],
    ]
    for drafts in batches:
        clock.step(minutes=1)
        store.publish(drafts, store.fence())


def contents(store):
    """Everything a reader may see, as of every instant at which something became known."""
    ledger = store.follow(START, limit=100_000)
    rows = {}
    for entry in ledger:
        held = entry.status in ("published", "rejected") and entry.purged_at is None
        for name in tables.DATASETS[entry.dataset] if held else ():
            rows[entry.publication_id, name] = store.rows(entry, name).to_json(
                double_precision=15, date_format="iso"
            )
    then = {each.known_at: store.heads(known_at=each.known_at, statuses=None) for each in ledger}
    return store.watermark(), ledger, rows, then


def test_everything_is_as_it_was(any_store, any_url, clock):
    history(any_store, clock)
    before, fence = contents(any_store), any_store.fence()
    emptied(any_url)
    made = any_store.replay()
    assert contents(any_store) == before
    assert (made.n_publications, made.n_raw, made.is_renumbered) == (len(before[1]), 1, False)
    assert made.known_at == any_store.watermark()
    assert any_store.fence() >= fence
    (again,) = any_store.publish([chain_draft("b", n=50)], any_store.fence())
    (later,) = any_store.publish([chain_draft("c", n=3)], any_store.fence())
    assert (again.outcome, later.outcome) == ("unchanged", "published")
    assert later.publication_id > max(entry.publication_id for entry in before[1])


def test_an_empty_lake_leaves_an_empty_database(any_store):
    made = any_store.replay()
    assert (made.n_publications, made.known_at) == (0, None)
    assert any_store.publish([draft("a")], any_store.fence())[0].outcome == "published"


def test_what_was_purged_stays_purged(store, store_url, clock):
    history(store, clock)
    entry = store.head("option_quotes", "NDX")
    store.lake.append_purge(clock.now, [entry.publication_id])
    emptied(store_url)
    store.replay()
    entry = store.head("option_quotes", "NDX")
    assert entry.purged_at == clock.now
    with pytest.raises(PurgedError, match="option_quotes NDX"):
        store.rows(entry, "options_snapshots")


def test_a_database_that_holds_something_is_left_alone(store, clock):
    history(store, clock)
    before = contents(store)
    with pytest.raises(NotEmptyError, match=r"periscope\.publications has rows"):
        store.replay()
    assert contents(store) == before


def forget(lake, key):
    lake._objects._fs.rm(lake._objects._path(key))


DAMAGE = [("raw", "changed"), ("raw", "missing"), ("datasets", "changed"), ("datasets", "missing")]


@pytest.mark.parametrize(("kind", "damage"), [*DAMAGE, ("ledger", "changed")])
def test_a_damaged_lake_is_named_and_nothing_is_written(store, store_url, clock, kind, damage):
    history(store, clock)
    key = store.lake._objects.keys(kind)[0]
    if damage == "missing":
        forget(store.lake, key)
    else:
        store.lake._objects.replace(key, b"x" + store.lake._objects.read(key)[:-1])
    emptied(store_url)
    with pytest.raises(LakeCorruptError):
        store.replay()
    assert store.follow(START) == []
    assert store.publish([draft("a")], store.fence())[0].outcome == "published"


def test_a_kill_in_the_middle_leaves_it_empty_and_the_next_one_finishes(store, store_url, clock, monkeypatch):
    history(store, clock)
    before = contents(store)
    emptied(store_url)
    monkeypatch.setattr(replay, "PUBLICATIONS_AT_A_TIME", 2)

    def run():
        batches, original = iter(range(3)), replay._write

        def write(*arguments):
            if next(batches, None) is None:
                os.kill(os.getpid(), signal.SIGKILL)
            return original(*arguments)

        replay._write = write
        PostgresStore(store_url, lake=store.lake).replay()

    worker = multiprocessing.get_context("fork").Process(target=run)
    worker.start()
    worker.join(60)
    assert worker.exitcode == -signal.SIGKILL
    assert store.follow(START) == []
    store.replay()
    assert contents(store) == before


def test_two_databases_that_wrote_one_lake_become_one_history(store, store_url, clock):
    history(store, clock)
    emptied(store_url)
    clock.step(hours=1)
    store.publish([chain_draft("z", n=7)], store.fence())
    emptied(store_url)
    assert store.replay().is_renumbered
    *_, previous, found = [
        each for each in store.follow(START) if each.symbol == "SPX" and each.dataset == "option_quotes"
    ]
    assert (found.version, len(store.rows(found, "options_snapshots"))) == ("z", 7)
    assert (previous.version, found.supersedes) == ("b", previous.publication_id)
    assert len(store.rows(previous, "options_snapshots")) == 50


def test_a_replay_waits_for_a_writer_in_the_middle_rather_than_mix_with_it(store, store_url):
    with psycopg.connect(store_url) as other, psycopg.connect(store_url) as waiting:
        other.execute("SELECT * FROM periscope.publish_clock FOR UPDATE")
        waiting.execute("SET lock_timeout = '50ms'")
        with pytest.raises(psycopg.errors.LockNotAvailable):
            replay.replay(waiting, store.lake)
