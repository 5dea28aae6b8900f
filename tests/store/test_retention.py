"""Old quotes go only when their raw bytes are safe, and what is gone says so, on each kind of server."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from hashlib import sha256

import psycopg
import pytest

from periscope_assets.store import publishing, retention
from periscope_assets.store.lake import RawManifest
from periscope_assets.store.postgres import PostgresStore
from periscope_assets.store.repository import PurgedError
from tests.conftest import emptied
from tests.store.store_samples import chain_draft, draft, forwards

OLD = [datetime(2024, 1, day, 20, tzinfo=UTC) for day in (3, 10)]
NEW = datetime(2024, 3, 1, 20, tzinfo=UTC)
BEFORE = datetime(2024, 2, 10, tzinfo=UTC)
"""Within the period from 18 January to 17 February: only what lies before 18 January may go."""


def land(store, as_of, content):
    digest = store.lake.land(content)
    raw = draft(
        f"r{digest[:8]}",
        dataset="raw_chain",
        as_of=as_of,
        frames={},
        inputs={"sha256": digest, "layout": "x"},
    )
    store.publish([raw], store.fence())
    store.publish(
        [chain_draft(f"q{digest[:8]}", as_of=as_of, inputs={"raw_chain": raw.version})], store.fence()
    )
    return digest


@pytest.fixture
def filled(any_store):
    for number, as_of in enumerate([*OLD, datetime(2024, 1, 25, 20, tzinfo=UTC), NEW]):
        any_store.digest = land(any_store, as_of, b"payload %d" % number)
    any_store.publish([draft("f", as_of=OLD[0])], any_store.fence())
    return any_store


def quotes(store):
    found = {}
    for entry in store.heads("option_quotes", "SPX"):
        try:
            found[entry.as_of] = len(store.rows(entry, "options_snapshots"))
        except PurgedError:
            found[entry.as_of] = "purged"
    return list(found.values())


def damage(store, content):
    digest = sha256(content).hexdigest()
    store.lake._objects.replace(f"raw/{digest[:2]}/{digest}.gz", b"damaged")


def test_whole_periods_go_and_say_so(filled, any_url, clock):
    now = clock.step(days=100)
    (plan,) = filled.purge(BEFORE, now=now, dry_run=True)
    assert quotes(filled) == [5, 5, 5, 5]
    (done,) = filled.purge(BEFORE, now=now)
    assert done == plan
    assert (done.kept, done.n_publications) == (None, 2)
    assert done.start <= OLD[0] < OLD[1] < done.end <= BEFORE
    assert quotes(filled) == ["purged", "purged", 5, 5]
    entry = filled.head("option_quotes", "SPX", as_of=OLD[0])
    assert entry.purged_at == now
    assert len(filled.rows(filled.head("forward_curve", "SPX"), "forwards")) == 3
    assert filled.purge(BEFORE, now=now) == []
    with pytest.raises(PurgedError, match="dropped 2 snapshots up to 2024-01-10 20:00 UTC"):
        filled.series("options_snapshots", "SPX", start=OLD[0], end=NEW)
    assert len(filled.series("options_snapshots", "SPX", start=OLD[1] + timedelta(1), end=NEW)) == 5


def test_a_replay_knows_what_was_purged(filled, any_url, clock):
    filled.purge(BEFORE, now=clock.step(days=100))
    before = filled.heads(statuses=None)
    emptied(any_url)
    filled.replay()
    assert filled.heads(statuses=None) == before
    assert quotes(filled) == ["purged", "purged", 5, 5]


def test_an_interrupted_purge_is_told_to_the_lake_by_the_next(filled, any_url, clock, monkeypatch):
    with monkeypatch.context() as patched:
        patched.setattr(retention, "_tell", lambda *_: None)
        filled.purge(BEFORE, now=clock.step(days=100))
    assert filled.lake.purges() == {}
    filled.purge(BEFORE, now=clock.now)
    assert len(filled.lake.purges()) == 2


@pytest.mark.parametrize("content", [b"payload 0", b"payload 1"])
def test_quotes_whose_raw_bytes_are_damaged_stay_with_their_whole_period(filled, clock, content):
    damage(filled, content)
    (period,) = filled.purge(BEFORE, now=clock.now)
    assert "is missing or damaged" in period.kept
    assert quotes(filled) == [5, 5, 5, 5]


def test_quotes_stay_when_a_page_beside_the_raw_object_is_damaged(filled, clock):
    store, page = filled, filled.lake.land(b"page 2")
    cover = sha256(b"payload 1").hexdigest()
    store.lake.register(
        RawManifest(cover, "cover", "x", "SPX", OLD[1].date(), (OLD[1],), 5, 9, companions={"page-2": page})
    )
    damage(store, b"page 2")
    (period,) = store.purge(BEFORE, now=clock.now)
    assert "is missing or damaged" in period.kept


def test_quotes_that_no_raw_object_is_known_of_stay(any_store, clock):
    any_store.publish([chain_draft("q", as_of=OLD[0])], any_store.fence())
    (period,) = any_store.purge(BEFORE, now=clock.now)
    assert "names no raw object" in period.kept
    assert quotes(any_store) == [5]


def test_a_correction_that_comes_in_meanwhile_is_not_lost(filled, any_url, clock, monkeypatch):
    original = retention._drop

    def late(*arguments):
        writer = PostgresStore(any_url, lake=filled.lake)
        writer.publish([chain_draft("late", n=9, as_of=OLD[0])], writer.fence())
        writer.close()
        return original(*arguments)

    monkeypatch.setattr(retention, "_drop", late)
    (period,) = filled.purge(BEFORE, now=clock.now)
    assert "published meanwhile" in period.kept
    assert quotes(filled) == [9, 5, 5, 5]


def test_a_writer_in_the_middle_is_waited_for(filled, any_url, clock, monkeypatch):
    """Its rows are in the table but not in the ledger when retention comes to drop them."""
    original, met = publishing._enter, []

    def meet(*arguments, **named):
        with psycopg.connect(any_url, options="-c lock_timeout=100ms") as connection:
            connection.autocommit = True
            with pytest.raises(psycopg.errors.LockNotAvailable):
                retention.purge(connection, filled.lake, BEFORE, now=clock.now)
            met.append(True)
        return original(*arguments, **named)

    monkeypatch.setattr(publishing, "_enter", meet)
    filled.publish([chain_draft("late", n=9, as_of=OLD[0])], filled.fence())
    assert met == [True]
    assert quotes(filled) == [9, 5, 5, 5]


def test_a_series_has_the_last_snapshot_of_each_span(any_store):
    stamps = [datetime(2024, 1, day, hour, tzinfo=UTC) for day in (1, 2, 9) for hour in (15, 20)]
    for number, as_of in enumerate(stamps):
        any_store.publish(
            [draft(f"v{number}", as_of=as_of, frames={"forwards": forwards(float(number))})],
            any_store.fence(),
        )
    then = any_store.watermark()
    any_store.publish(
        [draft("late", as_of=stamps[1], frames={"forwards": forwards(99.0)})], any_store.fence()
    )
    any_store.publish([draft("gone", as_of=stamps[5], status="withdrawn")], any_store.fence())
    span = {"start": stamps[0], "end": datetime(2024, 2, 1, tzinfo=UTC)}

    def firsts(**asked):
        found = any_store.series("forwards", "SPX", **span, **asked)
        first = found[found.expiry_at == found.expiry_at.min()]
        assert list(found.columns[:3]) == ["bucket", "publication_id", "as_of"]
        return dict(zip(first.bucket.dt.strftime("%m-%dT%H"), first.forward, strict=True))

    assert firsts() == {"01-01T15": 0.0, "01-01T20": 99.0, "01-02T15": 2.0, "01-02T20": 3.0, "01-09T15": 4.0}
    assert firsts(every=timedelta(days=1)) == {"01-01T00": 99.0, "01-02T00": 3.0, "01-09T00": 4.0}
    assert firsts(every=timedelta(days=7)) == {"01-01T00": 3.0, "01-08T00": 4.0}
    assert firsts(every=timedelta(days=1), known_at=then) == {
        "01-01T00": 1.0,
        "01-02T00": 3.0,
        "01-09T00": 5.0,
    }
    assert any_store.series("forwards", "NDX", **span).empty
    with pytest.raises(KeyError):
        any_store.series("publications", "SPX", **span)
