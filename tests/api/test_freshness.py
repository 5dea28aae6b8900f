"""The watermark: asked once for many, ahead of time, and never older than the lease."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from threading import Event

import pytest

from app.api import freshness
from app.api.freshness import Freshness
from periscope_assets.store.repository import StoreUnavailableError
from tests.api.served import PATIENCE

START = datetime(2026, 1, 2, 21, tzinfo=UTC)


class Store:
    """Counts how often it is asked; answers when it may."""

    def __init__(self) -> None:
        self.asked, self.fails = 0, False
        self.may_answer = Event()
        self.may_answer.set()

    def watermark(self) -> datetime:
        self.asked += 1
        assert self.may_answer.wait(PATIENCE)
        if self.fails:
            raise StoreUnavailableError("away")
        return START + timedelta(seconds=self.asked)


@pytest.fixture
def clock(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(freshness, "monotonic", lambda: now[0])
    return now


def test_many_ask_at_once_and_the_store_is_asked_once(clock):
    store = Store()

    async def play():
        found = Freshness(store.watermark)
        return await asyncio.gather(*(found.watermark() for _ in range(50)))

    assert set(asyncio.run(play())) == {START + timedelta(seconds=1)}
    assert store.asked == 1


def test_nobody_waits_while_the_next_answer_is_fetched_and_none_is_older_than_the_lease(clock):
    store = Store()

    async def play():
        found = Freshness(store.watermark)
        first = await found.watermark()
        clock[0] += 0.6 * freshness.LEASE_SECONDS
        store.may_answer.clear()
        assert [await found.watermark() for _ in range(3)] == [first] * 3
        while store.asked < 2:
            await asyncio.sleep(0.01)
        clock[0] += 1.5 * freshness.LEASE_SECONDS
        late = asyncio.ensure_future(found.watermark())
        await asyncio.sleep(0.05)
        assert not late.done()
        store.may_answer.set()
        return first, await late

    first, third = asyncio.run(play())
    # The second answer was on its way when the last one asked: it may not know what was published meanwhile.
    assert (third - first, store.asked) == (timedelta(seconds=2), 3)


def test_a_failure_is_told_to_who_needs_an_answer_and_the_next_one_asks_again(clock):
    store = Store()

    async def play():
        found = Freshness(store.watermark)
        first = await found.watermark()
        store.fails = True
        clock[0] += 0.6 * freshness.LEASE_SECONDS
        assert await found.watermark() == first
        while store.asked < 2:
            await asyncio.sleep(0.01)
        clock[0] += freshness.LEASE_SECONDS
        with pytest.raises(StoreUnavailableError):
            await found.watermark()
        store.fails = False
        return first, await found.watermark()

    first, again = asyncio.run(play())
    assert again > first
