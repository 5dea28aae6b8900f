"""What the ledger promises, on each kind of server."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pandas as pd
import pytest

from periscope_assets.store.repository import NO_SESSION, PUBLISHED, REJECTED, WITHDRAWN, PurgedError
from tests.store.store_samples import AS_OF, LATER, chain_draft, draft, forwards, quotes


def publish(store, *drafts, fence=None):
    return store.publish(drafts, store.fence() if fence is None else fence)


def served(store, **asked):
    entry = store.head("forward_curve", "SPX", **asked)
    return None if entry is None else store.rows(entry, "forwards").forward.iloc[0]


def test_what_is_published_is_read_back_bit_for_bit(any_store):
    (receipt,) = publish(any_store, chain_draft(n=30))
    entry = any_store.head("option_quotes", "SPX")
    assert (receipt.outcome, receipt.n_rows, receipt.version) == ("published", 32, "v1")
    assert (entry.publication_id, entry.known_at) == (receipt.publication_id, receipt.known_at)
    assert (entry.inputs, entry.quality["median_residual"]) == ({"option_quotes": "q1"}, 0.01)
    rows = any_store.rows(entry, "options_snapshots")
    assert set(rows.publication_id) == {receipt.publication_id}
    assert set(rows.as_of) == {pd.Timestamp(AS_OF)}
    pd.testing.assert_frame_equal(
        rows.drop(columns=["publication_id", "as_of"]),
        quotes(30).astype({"expiry_at": "datetime64[us, UTC]"}),
        check_exact=True,
    )
    refused = any_store.rows(entry, "quarantined_quotes")
    assert refused.record.tolist() == [{"bid": 2.0, "ask": 1.0, "last": None}] * 2
    assert refused.contract.isna().tolist() == [False, True]


def test_equal_content_is_a_no_op_and_returning_content_is_a_new_publication(any_store, clock):
    (first,) = publish(any_store, draft("a", forward=1.0))
    clock.step(hours=1)
    (again,) = publish(any_store, draft("a", forward=99.0))
    assert (again.outcome, again.publication_id, again.n_rows) == ("unchanged", first.publication_id, 0)
    assert again.known_at == first.known_at
    publish(any_store, draft("b", forward=2.0))
    (back,) = publish(any_store, draft("a", forward=1.0))
    assert back.outcome == "published"
    assert any_store.head("forward_curve", "SPX").supersedes == back.publication_id - 1
    assert served(any_store) == 1.0
    assert len(any_store.follow(datetime(2000, 1, 1, tzinfo=UTC))) == 3


def test_reads_of_what_was_known_then_stay_the_same_for_ever(any_store, clock):
    publish(any_store, draft("a", forward=1.0))
    then = any_store.watermark()
    clock.step(days=1)
    publish(any_store, draft("b", forward=2.0), draft("c", forward=3.0, as_of=LATER))
    assert served(any_store, known_at=then) == 1.0
    assert served(any_store, known_at=then - timedelta(microseconds=1)) is None
    assert served(any_store, as_of=AS_OF) == 2.0
    assert served(any_store) == 3.0
    assert served(any_store, at_or_before=LATER - timedelta(seconds=1)) == 2.0
    assert served(any_store, at_or_before=AS_OF - timedelta(seconds=1)) is None
    assert served(any_store, known_at=clock.step(days=99)) == 3.0
    assert [entry.as_of for entry in any_store.heads("forward_curve", "SPX")] == [AS_OF, LATER]
    assert [entry.version for entry in any_store.heads(known_at=then)] == ["a"]
    assert [entry.version for entry in any_store.heads(start=AS_OF, end=LATER)] == ["b"]


def test_a_rejected_publication_leaves_the_last_good_one_served(any_store):
    publish(any_store, draft("a", forward=1.0))
    publish(any_store, draft("b", forward=2.0, status=REJECTED))
    assert served(any_store) == 1.0
    assert served(any_store, statuses=(PUBLISHED, REJECTED)) == 2.0
    assert [entry.version for entry in any_store.heads(statuses=(REJECTED,))] == ["b"]
    assert [entry.version for entry in any_store.heads(statuses=None)] == ["b"]
    assert any_store.head("forward_curve", "SPX", statuses=(REJECTED,)).supersedes is None
    publish(any_store, draft("c", forward=3.0))
    assert served(any_store) == 3.0
    assert any_store.head("forward_curve", "SPX").supersedes == 1


def test_a_withdrawn_publication_takes_its_snapshot_out(any_store):
    publish(any_store, draft("a", forward=1.0), draft("b", forward=2.0, as_of=LATER))
    publish(any_store, draft("gone", status=WITHDRAWN, as_of=LATER))
    assert served(any_store) == 1.0
    assert served(any_store, as_of=LATER) is None
    assert [entry.version for entry in any_store.heads()] == ["a"]
    assert [entry.status for entry in any_store.heads(statuses=None)] == [PUBLISHED, WITHDRAWN]
    publish(any_store, draft("b", forward=2.0, as_of=LATER))
    assert served(any_store) == 2.0


def test_no_session_has_an_entry_and_no_rows(any_store):
    publish(any_store, draft("none", status=NO_SESSION))
    assert served(any_store) is None
    assert any_store.head("forward_curve", "SPX", statuses=(NO_SESSION,)).version == "none"


def test_a_stale_writer_is_skipped_and_its_neighbours_go_on(any_store):
    old = any_store.fence()
    publish(any_store, draft("new", forward=2.0))
    stale, fresh = publish(any_store, draft("old"), draft("old", symbol="NDX"), fence=old)
    assert (stale.outcome, stale.version, stale.n_rows) == ("stale", "new", 0)
    assert fresh.outcome == "published"
    assert served(any_store) == 2.0


def test_a_no_op_raises_the_fence_of_what_it_confirmed(any_store):
    publish(any_store, draft("a"))
    between = any_store.fence()
    publish(any_store, draft("a"))
    (receipt,) = publish(any_store, draft("b"), fence=between)
    assert receipt.outcome == "stale"


def test_confirming_content_keeps_older_readers_of_inputs_from_publishing_over_it(any_store):
    publish(any_store, draft("a"))
    between, later = any_store.fence(), any_store.fence()
    entry = any_store.head("forward_curve", "SPX")
    assert any_store.confirm(entry, later)
    assert publish(any_store, draft("b"), fence=between)[0].outcome == "stale"
    assert any_store.confirm(entry, between)
    assert publish(any_store, draft("b"), fence=between)[0].outcome == "stale"
    assert publish(any_store, draft("b"))[0].outcome == "published"


def test_what_was_overtaken_can_not_be_confirmed(any_store):
    publish(any_store, draft("a"))
    entry, mine = any_store.head("forward_curve", "SPX"), any_store.fence()
    publish(any_store, draft("b"), fence=mine)
    assert not any_store.confirm(entry, any_store.fence())
    assert publish(any_store, draft("a"))[0].outcome == "published"


def test_known_at_increases_even_when_the_clock_stands_still_or_goes_back(any_store, clock):
    (first,) = publish(any_store, draft("a"))
    (second,) = publish(any_store, draft("b"))
    clock.step(days=-400)
    (third,) = publish(any_store, draft("c"))
    assert first.known_at == clock.now + timedelta(days=400)
    assert second.known_at - first.known_at == third.known_at - second.known_at == timedelta(microseconds=1)
    assert any_store.watermark() == third.known_at


def test_follow_never_divides_what_became_known_at_one_instant(any_store):
    publish(any_store, *(draft("a", symbol=symbol) for symbol in ("SPX", "NDX", "RUT")))
    publish(any_store, draft("b"))
    start = datetime(2000, 1, 1, tzinfo=UTC)
    page = any_store.follow(start, limit=2)
    assert sorted(entry.symbol for entry in page) == ["NDX", "RUT", "SPX"]
    assert [entry.version for entry in any_store.follow(page[-1].known_at, limit=2)] == ["b"]
    assert any_store.follow(any_store.watermark()) == []


def test_the_lake_holds_what_the_database_holds(any_store):
    publish(any_store, draft("a", forward=1.0))
    publish(any_store, draft("b", forward=2.0, status=REJECTED))
    kept = list(any_store.lake.ledger())
    assert kept == any_store.follow(datetime(2000, 1, 1, tzinfo=UTC))
    for entry in kept:
        rows = any_store.rows(entry, "forwards").drop(columns=["publication_id", "as_of"])
        found = any_store.lake.read_dataset("forwards", entry.symbol, entry.as_of, entry.version)
        pd.testing.assert_frame_equal(found, rows)


def test_purged_is_not_empty(any_store, any_url):
    import psycopg

    publish(any_store, draft("a"))
    entry = any_store.head("forward_curve", "SPX")
    with psycopg.connect(any_url) as connection:
        connection.execute("UPDATE periscope.publications SET purged_at = now()")
        connection.execute("DELETE FROM periscope.forwards")
    with pytest.raises(PurgedError, match="forward_curve SPX 2024-01-02T20:00:00Z"):
        any_store.rows(entry, "forwards")


def test_a_batch_with_one_bad_draft_publishes_nothing(any_store):
    bad = replace(draft("a", symbol="NDX"), frames={"forwards": forwards().drop(columns="discount")})
    with pytest.raises(ValueError, match=r"forwards: missing columns \['discount'\]"):
        publish(any_store, draft("a"), bad)
    assert any_store.heads() == []
    assert publish(any_store, draft("a"))[0].outcome == "published"


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"symbol": "../x"}, "symbol"),
        ({"symbol": "SPX'; DROP"}, "symbol"),
        ({"dataset": "nonsense"}, "dataset 'nonsense'"),
        ({"status": "maybe"}, "status 'maybe'"),
        ({"as_of": datetime(2024, 1, 2)}, "no zone"),
        ({"frames": {}}, r"expected rows of the tables \['forwards'\]"),
        ({"version": "a/b"}, "version 'a/b'"),
    ],
)
def test_drafts_that_no_reader_could_place_are_refused(any_store, changed, message):
    with pytest.raises(ValueError, match=message):
        publish(any_store, draft(**changed))


def test_two_drafts_of_one_snapshot_are_refused(any_store):
    with pytest.raises(ValueError, match="several drafts"):
        publish(any_store, draft("a"), draft("b"))


def test_nothing_asked_is_nothing_done(any_store):
    assert any_store.publish([], any_store.fence()) == []
    assert any_store.heads() == []
    assert any_store.watermark() == datetime(1970, 1, 1, tzinfo=UTC)
