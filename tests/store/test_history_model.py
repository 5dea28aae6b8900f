"""As-served history against a small model: late, repeated, rejected, withdrawn and stale publications."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)

from periscope_assets.store.postgres import PostgresStore
from periscope_assets.store.repository import PUBLISHED, REJECTED, WITHDRAWN
from tests.conftest import emptied
from tests.store.store_samples import draft

SNAPSHOTS = [datetime(2024, 1, day, 20, tzinfo=UTC) for day in (2, 3, 4)]
STATUSES = st.sampled_from([PUBLISHED, PUBLISHED, PUBLISHED, REJECTED, WITHDRAWN])
ASKED = st.sampled_from([(PUBLISHED,), (REJECTED,), (PUBLISHED, REJECTED)])


class History(RuleBasedStateMachine):
    """Each publication is appended to a list; a read filters that list."""

    url: str

    @initialize()
    def empty(self):
        self.now = datetime(2024, 2, 1, tzinfo=UTC)
        self.store = PostgresStore(emptied(self.url), clock=lambda: self.now)
        self.ledger: list[tuple[datetime, datetime, str, str]] = []
        self.fences: dict[datetime, int] = {}
        self.fence_taken = self.store.fence()

    def teardown(self):
        if hasattr(self, "store"):
            self.store.close()

    @rule(seconds=st.integers(-100, 100))
    def time_passes(self, seconds):
        self.now += timedelta(seconds=seconds)

    @rule()
    def take_fence(self):
        self.fence_taken = self.store.fence()

    @rule(as_of=st.sampled_from(SNAPSHOTS), version=st.sampled_from("abc"), status=STATUSES)
    def publish(self, as_of, version, status):
        content = draft(version, as_of=as_of, status=status, forward=float(ord(version)))
        (receipt,) = self.store.publish([content], self.fence_taken)
        latest = next((each for each in reversed(self.ledger) if each[0] == as_of), None)
        if latest is not None and latest[2:] == (version, status):
            assert receipt.outcome == "unchanged"
        elif self.fences.get(as_of, 0) > self.fence_taken:
            assert receipt.outcome == "stale"
            return
        else:
            assert receipt.outcome == "published"
            last = self.ledger[-1][1] if self.ledger else datetime(1970, 1, 1, tzinfo=UTC)
            assert receipt.known_at == max(self.now, last + timedelta(microseconds=1))
            self.ledger.append((as_of, receipt.known_at, version, status))
        self.fences[as_of] = max(self.fences.get(as_of, 0), self.fence_taken)

    @rule(as_of=st.sampled_from(SNAPSHOTS))
    def find_the_same_again(self, as_of):
        entry = self.store.head(
            "forward_curve", "SPX", as_of=as_of, statuses=(PUBLISHED, REJECTED, WITHDRAWN)
        )
        if entry is None:
            return
        assert self.store.confirm(entry, self.fence_taken)
        self.fences[as_of] = max(self.fences[as_of], self.fence_taken)

    def expected(self, known_at, statuses):
        """Return version and status served for each snapshot, as the list tells it."""
        found = {}
        for as_of, stamp, version, status in self.ledger:
            if stamp <= known_at and status in (*statuses, WITHDRAWN):
                found[as_of] = (version, status)
        return {as_of: each for as_of, each in sorted(found.items()) if each[1] in statuses}

    @precondition(lambda self: self.ledger)
    @rule(data=st.data(), statuses=ASKED, at=st.sampled_from(SNAPSHOTS), offset=st.sampled_from([-1, 0, 1]))
    def read(self, data, statuses, at, offset):
        stamp = data.draw(st.sampled_from(self.ledger))[1] + timedelta(microseconds=offset)
        expected = self.expected(stamp, statuses)
        heads = self.store.heads("forward_curve", "SPX", known_at=stamp, statuses=statuses)
        assert {entry.as_of: (entry.version, entry.status) for entry in heads} == expected
        asked = {"known_at": stamp, "statuses": statuses}
        exact = self.store.head("forward_curve", "SPX", as_of=at, **asked)
        assert (exact and (exact.version, exact.status)) == expected.get(at)
        before = self.store.head("forward_curve", "SPX", at_or_before=at, **asked)
        assert (before and before.as_of) == max((each for each in expected if each <= at), default=None)
        latest = self.store.head("forward_curve", "SPX", **asked)
        assert (latest and latest.as_of) == max(expected, default=None)
        if latest is not None:
            assert self.store.rows(latest, "forwards").forward.iloc[0] == ord(latest.version)


@pytest.mark.parametrize("examples", [15, pytest.param(500, marks=pytest.mark.nightly)])
def test_history_agrees_with_the_model(store_url, examples):
    History.url = store_url
    run_state_machine_as_test(
        History, settings=settings(max_examples=examples, stateful_step_count=30, deadline=None)
    )
