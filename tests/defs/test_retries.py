"""What may pass is tried again and nothing else is; a stalled run does not publish over a newer one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import date, timedelta
from threading import Event, Thread

import dagster as dg
import pytest

from periscope_assets.definitions import materialize
from periscope_assets.pipeline import Pipeline, session_bounds
from periscope_assets.sources.base import SourceError, TransientSourceError
from periscope_assets.sources.simulated import SimulatedSource
from periscope_assets.store.connect import open_lake, open_store

FRIDAY = date(2026, 3, 20)
UNIVERSES = {"desk": ["SIMX", "CRUX"]}
RETRIES = 2


class Vendor:
    """A simulated vendor with a snapshot later at each call, and failures as told."""

    name = "simulated"

    def __init__(self, **failures: list[Exception]) -> None:
        self.asked: Counter[str] = Counter()
        self._failures = failures
        self._market = SimulatedSource(5)

    def fetch(self, symbol, session):
        self.asked[symbol] += 1
        if self._failures.get(symbol):
            raise self._failures[symbol].pop(0)
        (payload,) = self._market.fetch(symbol, session)
        stamp = payload.content.split(b",", 4)[3]
        later = stamp[:11] + b"%02d" % (14 + self.asked[symbol]) + stamp[13:]
        moved = payload.received_at + timedelta(minutes=self.asked[symbol])
        return (replace(payload, content=payload.content.replace(stamp, later, 1), received_at=moved),)

    def dividends(self, symbol):
        return self._market.dividends(symbol)


@pytest.fixture
def home(new_home, tmp_path):
    return new_home(tmp_path, "retries", universes=UNIVERSES, runs={"retries": RETRIES, "retry_seconds": 0.0})


@pytest.fixture
def store(home):
    with closing(open_store(home)) as opened:
        yield opened


def made_by(home, vendor):
    """Return a resource of a pipeline that asks this vendor."""

    @dg.resource
    def pipeline(_context) -> Iterator[Pipeline]:
        with closing(open_store(home)) as opened:
            yield Pipeline(home, opened, open_lake(home), vendor)

    return pipeline


def raw_chains(home, vendor):
    with dg.DagsterInstance.ephemeral() as instance:
        return materialize(
            home, instance, "desk", FRIDAY, FRIDAY, selection=["raw_chain"], pipeline=made_by(home, vendor)
        )


def busy() -> Exception:
    return TransientSourceError("simulated: busy; ask again later")


def test_what_passes_is_asked_again_until_it_has_passed(home):
    vendor = Vendor(SIMX=[busy(), busy()])
    summary = raw_chains(home, vendor)
    assert summary.success
    assert not summary.failures
    assert vendor.asked == {"SIMX": 3, "CRUX": 1}


def test_what_does_not_pass_is_named_in_the_end_and_neighbours_are_published(home, store):
    vendor = Vendor(SIMX=[busy() for _ in range(10)])
    summary = raw_chains(home, vendor)
    assert summary.success
    assert [(line.symbol, line.error) for line in summary.failures] == [("SIMX", str(busy()))]
    assert vendor.asked["SIMX"] == 1 + RETRIES
    assert store.head("raw_chain", "CRUX") is not None


def test_what_is_permanent_is_asked_once(home):
    vendor = Vendor(**{symbol: [SourceError("no such chain")] * 10 for symbol in UNIVERSES["desk"]})
    assert not raw_chains(home, vendor).success
    assert vendor.asked == {"SIMX": 1, "CRUX": 1}


def test_a_fresh_snapshot_is_asked_again_for_those_that_failed_alone(home, store):
    """A failure that passed must not end with the morning's snapshot served as if it were noon's."""
    vendor = Vendor()
    pipeline = Pipeline(home, store, open_lake(home), vendor)
    for symbol in UNIVERSES["desk"]:
        pipeline.raw_chain(symbol, FRIDAY, "morning", fresh=True)
    vendor._failures["SIMX"] = [busy()]
    for _attempt in range(2):
        made = pipeline.build("raw_chain", UNIVERSES["desk"], FRIDAY, "noon", fresh=True)
    assert "failed" not in {each.outcome for each in made}
    start, end = session_bounds(FRIDAY)
    assert {
        symbol: len(store.heads("raw_chain", symbol, start=start, end=end)) for symbol in vendor.asked
    } == {
        "SIMX": 2,
        "CRUX": 2,
    }
    assert vendor.asked == {"SIMX": 3, "CRUX": 2}


class Stalled(Vendor):
    """A vendor whose answer takes until it is let go."""

    def __init__(self) -> None:
        super().__init__()
        self.begun, self.go = Event(), Event()

    def fetch(self, symbol, session):
        found = super().fetch(symbol, session)
        self.begun.set()
        assert self.go.wait(120)
        return found


def test_a_stalled_run_does_not_publish_over_a_newer_one(home, store):
    stalled, outcomes = Stalled(), []
    with closing(open_store(home)) as other:
        slow = Pipeline(home, other, open_lake(home), stalled)
        thread = Thread(target=lambda: outcomes.extend(slow.raw_chain("SIMX", FRIDAY, "slow")))
        thread.start()
        try:
            assert stalled.begun.wait(120)
            (payload,) = stalled._market.fetch("SIMX", FRIDAY)
            stamp = payload.content.split(b",", 4)[3]
            same_time = payload.content.replace(stamp, stamp[:11] + b"15" + stamp[13:], 1)
            newer = Pipeline(home, store, open_lake(home), Vendor())
            newer._landed._source = _Fixed(replace(payload, content=same_time + b"\n"))
            (first,) = newer.raw_chain("SIMX", FRIDAY, "fast")
        finally:
            stalled.go.set()
            thread.join(120)
    assert first.outcome == "published"
    assert [each.outcome for each in outcomes] == ["stale"]
    assert store.head("raw_chain", "SIMX").run_id == "fast"


class _Fixed:
    name = "simulated"

    def __init__(self, payload) -> None:
        self._payload = payload

    def fetch(self, symbol, session):
        return (self._payload,)

    def dividends(self, symbol):
        return ()
