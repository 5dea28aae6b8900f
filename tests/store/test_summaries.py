"""Questions about the ledger that jump along its key, and series of some columns and rows only."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from tests.store.store_samples import draft, forwards

DAYS = [datetime(2024, 1, day, 21, tzinfo=UTC) for day in (2, 3, 4)]


@pytest.fixture
def filled(any_store):
    for symbol in ("SPX", "NDX", "RUT"):
        for number, as_of in enumerate(DAYS):
            frames = {"forwards": forwards(100.0 * number)}
            any_store.publish(
                [draft(f"{symbol}{number}", symbol=symbol, as_of=as_of, frames=frames)], any_store.fence()
            )
    return any_store


def test_symbols_are_those_known_at_the_time(filled):
    then = filled.watermark()
    filled.publish([draft("late", symbol="AAA")], filled.fence())
    assert filled.symbols("forward_curve") == ["AAA", "NDX", "RUT", "SPX"]
    assert filled.symbols("forward_curve", known_at=then) == ["NDX", "RUT", "SPX"]
    assert filled.symbols("forward_curve", known_at=DAYS[0] - timedelta(days=900)) == []
    assert filled.symbols("vol_surface") == []


def test_recent_snapshots_are_the_heads_of_each_symbol_latest_first(filled):
    then = filled.watermark()
    filled.publish([draft("gone", symbol="NDX", as_of=DAYS[2], status="withdrawn")], filled.fence())
    filled.publish([draft("again", symbol="SPX", as_of=DAYS[2])], filled.fence())
    filled.publish([draft("bad", symbol="RUT", as_of=DAYS[2], status="rejected")], filled.fence())

    def found(**asked):
        entries = filled.recent("forward_curve", ["SPX", "NDX", "RUT", "XXX"], **asked)
        return [entry.version for entry in entries]

    assert found() == ["NDX1", "RUT2", "again"]
    assert found(limit=2) == ["NDX1", "NDX0", "RUT2", "RUT1", "again", "SPX1"]
    assert found(known_at=then) == ["NDX2", "RUT2", "SPX2"]
    assert found(statuses=("rejected",)) == ["bad"]


def test_a_series_of_some_columns_and_rows(filled):
    first = forwards()["expiry_at"].min()
    span = {"start": DAYS[0], "end": DAYS[2] + timedelta(days=1)}
    asked = {"columns": ["forward"], "only": {"expiry_at": first}}
    found = filled.series("forwards", "SPX", **span, **asked)
    assert list(found.columns) == ["bucket", "publication_id", "as_of", "forward"]
    assert found["forward"].tolist() == [0.0, 100.0, 200.0]
    with pytest.raises(KeyError):
        filled.series("forwards", "SPX", **span, columns=["no_such_column"])
