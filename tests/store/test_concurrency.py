"""Many writers, killed writers, readers in between: nothing is lost, nothing half-published is seen."""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
import threading
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from periscope_assets.store import publishing
from periscope_assets.store.lake import Lake, RawManifest
from periscope_assets.store.postgres import PostgresStore
from periscope_assets.store.repository import StoreUnavailableError
from tests.conftest import emptied
from tests.store.store_samples import AS_OF, chain_draft, draft

FORK = multiprocessing.get_context("fork")
WRITERS = 16
PATIENCE = 600.0
START = datetime(2000, 1, 1, tzinfo=UTC)


@pytest.fixture(params=[5, pytest.param(100, marks=pytest.mark.nightly)])
def rounds(request):
    return request.param


def in_processes(number, target, *arguments):
    """Run a function in processes of their own and return what they answer."""
    answers = FORK.Queue()
    workers = [FORK.Process(target=target, args=(index, answers, *arguments)) for index in range(number)]
    for each in workers:
        each.start()
    found = [answers.get(timeout=PATIENCE) for _ in workers]
    for each in workers:
        each.join(30)
    return found


def write_rounds(index, answers, url, rounds, barrier):
    store = PostgresStore(url)
    barrier.wait()
    receipts = []
    for number in range(rounds):
        content = draft(f"w{index}-{number}", forward=1000.0 * index + number)
        receipts += store.publish([content], store.fence())
    answers.put((index, receipts))


def test_writers_of_one_partition_are_linearizable(any_url, rounds):
    found = in_processes(WRITERS, write_rounds, any_url, rounds, FORK.Barrier(WRITERS))
    store = PostgresStore(any_url)
    receipts = [receipt for _, given in found for receipt in given]
    ledger = store.follow(START, limit=100_000)
    published = [receipt for receipt in receipts if receipt.outcome == "published"]
    assert {receipt.outcome for receipt in receipts} <= {"published", "stale"}
    assert {each.publication_id for each in ledger} == {each.publication_id for each in published}
    assert [each.supersedes for each in ledger] == [None, *(each.publication_id for each in ledger[:-1])]
    assert [each.fence for each in ledger] == sorted(each.fence for each in ledger)
    assert len({each.known_at for each in ledger}) == len(ledger)
    for entry in ledger:
        index, number = map(int, entry.version.removeprefix("w").split("-"))
        then = store.head("forward_curve", "SPX", known_at=entry.known_at)
        assert then == entry
        assert store.rows(entry, "forwards").forward.iloc[0] == 1000.0 * index + number
    store.close()


def write_symbols(index, answers, url, rounds, barrier):
    store = PostgresStore(url)
    barrier.wait()
    for number in range(rounds):
        batch = [draft(f"{index}-{number}", symbol=f"S{index}{letter}") for letter in "ABC"]
        store.publish(batch if number % 2 else batch[::-1], store.fence())
    answers.put(index)


def test_a_follower_loses_nothing_under_concurrent_writers(any_url, rounds):
    seen, done = [], threading.Event()

    def follow():
        store, cursor = PostgresStore(any_url), START
        while True:
            finished = done.is_set()
            page = store.follow(cursor, limit=4)
            seen.extend(page)
            cursor = page[-1].known_at if page else cursor
            if finished and not page:
                return

    barrier = FORK.Barrier(WRITERS)
    follower = threading.Thread(target=follow)
    answers = FORK.Queue()
    arguments = (answers, any_url, rounds, barrier)
    workers = [FORK.Process(target=write_symbols, args=(index, *arguments)) for index in range(WRITERS)]
    for each in workers:
        each.start()
    follower.start()
    for each in workers:
        each.join(PATIENCE)
    done.set()
    follower.join(60)
    numbers = [entry.publication_id for entry in seen]
    assert len(numbers) == len(set(numbers)) == WRITERS * rounds * 3
    assert [entry.known_at for entry in seen] == sorted(entry.known_at for entry in seen)


def test_what_a_reader_was_told_stays_true_while_others_write(any_url, rounds):
    answers, barrier = FORK.Queue(), FORK.Barrier(4)
    arguments = (answers, any_url, rounds, barrier)
    workers = [FORK.Process(target=write_rounds, args=(index, *arguments)) for index in range(4)]
    for each in workers:
        each.start()
    store, told = PostgresStore(any_url), []
    while any(each.is_alive() for each in workers):
        asked = store.watermark()
        told.append((asked, store.head("forward_curve", "SPX", known_at=asked)))
        while not answers.empty():
            answers.get()
    for asked, entry in told:
        again = store.head("forward_curve", "SPX", known_at=asked)
        assert (again and again.publication_id) == (entry and entry.publication_id)
    store.close()


def die(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)


POINTS = {
    "before its rows are in the lake": (publishing, "_write_to_lake"),
    "before its rows": (publishing, "_copy"),
    "before its ledger entry": (publishing, "_enter"),
    "before the lake knows": (publishing, "settle"),
}


@pytest.mark.parametrize("point", POINTS)
def test_a_writer_killed_at_a_point_leaves_old_or_new_and_a_rerun_converges(any_url, any_store, point):
    owner, name = POINTS[point]

    def write():
        setattr(owner, name, die)
        store = PostgresStore(any_url, lake=Lake(any_store.lake.url))
        store.publish([chain_draft("new", n=50)], store.fence())

    any_store.publish([chain_draft("old", n=40)], any_store.fence())
    worker = FORK.Process(target=write)
    worker.start()
    worker.join(60)
    assert worker.exitcode == -signal.SIGKILL
    expected = "new" if point == "before the lake knows" else "old"
    converges(any_store, expected)


def converges(store, expected=None):
    """What is served is whole; a re-run ends with the new version, in the database and in the lake."""
    entry = store.head("option_quotes", "SPX")
    assert entry.version in ({"old", "new"} if expected is None else {expected})
    assert len(store.rows(entry, "options_snapshots")) == {"old": 40, "new": 50}[entry.version]
    store.publish([chain_draft("new", n=50)], store.fence())
    store.migrate()
    assert store.head("option_quotes", "SPX").version == "new"
    # A no-op raises the fence of a head that the lake holds already.
    kept = [replace(each, fence=0) for each in store.lake.ledger()]
    assert kept == [replace(each, fence=0) for each in store.follow(START)]
    rows = store.rows(store.head("option_quotes", "SPX"), "options_snapshots")
    kept = store.lake.read_dataset("options_snapshots", "SPX", entry.as_of, "new")
    assert kept.equals(rows.drop(columns=["publication_id", "as_of"]))


def manifest(digest, number):
    stamp = AS_OF + timedelta(seconds=number)
    return RawManifest(digest, f"{number}.csv", "x", "SPX", AS_OF.date(), (stamp,), 1, 1, stamp)


@pytest.mark.parametrize(
    "kills", [8, pytest.param(200, marks=[pytest.mark.nightly, pytest.mark.timeout(1800)])]
)
def test_an_ingest_killed_at_any_moment_leaves_old_or_new_and_no_unreadable_object(store_url, store, kills):
    def write(seed):
        lake = Lake(store.lake.url)
        writer, draws = PostgresStore(store_url, lake=lake), random.Random(seed)
        for number in range(10_000):
            content = draws.randbytes(draws.choice([10, 1_000, 300_000]))
            lake.register(manifest(lake.land(content), 10_000 * seed + number))
            version, n = [("new", 50), ("old", 40)][number % 2]
            writer.publish([chain_draft(version, n=n)], writer.fence())

    store.publish([chain_draft("old", n=40)], store.fence())
    draws, seen = random.Random(20260102), set()
    for number in range(kills):
        worker = FORK.Process(target=write, args=(number,))
        before = store.watermark()
        worker.start()
        while store.watermark() == before:
            pass
        time.sleep(draws.uniform(0.0, 0.03))
        os.kill(worker.pid, signal.SIGKILL)
        worker.join(30)
        converges(store)
        landed = {each.sha256 for each in store.lake.manifests("SPX", AS_OF.date())}
        assert all(store.lake.read_raw(digest) for digest in landed - seen)
        seen |= landed
    assert seen
    ledger = store.follow(START, limit=100_000)
    assert [each.entry.publication_id for each in store.lake.publications()] == [
        e.publication_id for e in ledger
    ]
    before = store.head("option_quotes", "SPX")
    emptied(store_url)
    assert store.replay().n_publications == len(ledger)
    assert replace(store.head("option_quotes", "SPX"), fence=0) == replace(before, fence=0)


def test_a_lost_connection_is_a_clear_error_and_the_store_recovers(any_url, any_store):
    any_store.publish([draft("a")], any_store.fence())
    with psycopg.connect(any_url, autocommit=True) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
    assert any_store.head("forward_curve", "SPX").version == "a"


def test_a_restart_in_the_middle_of_a_publish_is_a_clear_error_and_nothing_is_half_visible(
    any_url, any_store, monkeypatch
):
    def cut(*_, **__):
        with psycopg.connect(any_url, autocommit=True) as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        return original(*_, **__)

    original = publishing._enter
    with monkeypatch.context() as patched:
        patched.setattr(publishing, "_enter", cut)
        with pytest.raises(StoreUnavailableError, match="terminating connection"):
            any_store.publish([draft("a")], any_store.fence())
    assert any_store.heads() == []
    any_store.publish([draft("a")], any_store.fence())
    assert any_store.head("forward_curve", "SPX").version == "a"


def test_no_server_is_a_clear_error_without_the_password(tmp_path):
    store = PostgresStore(f"postgresql://me:hunter2@/db?host={tmp_path}")
    with pytest.raises(StoreUnavailableError) as caught:
        store.watermark()
    assert f"me@{tmp_path}/db" in str(caught.value)
    assert "hunter2" not in str(caught.value)
    assert "PERISCOPE_DATABASE__URL" in str(caught.value)


@pytest.mark.parametrize("url", ["", "nonsense", "mysql://me:hunter2@host/db"])
def test_a_url_that_is_none_is_refused_without_showing_it(url):
    with pytest.raises(ValueError, match="database URL: expected postgresql://") as caught:
        PostgresStore(url)
    assert "hunter2" not in str(caught.value)
