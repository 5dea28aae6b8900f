"""What is being listened to: each topic's latest messages and who wants them.

What belongs here: a topic's order of messages, made once for all clients. What does not: the database's
notifications (``hub``), sockets (``session``).
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Protocol

from app.api.stream import messages
from app.queries.feed import Feed, News, Topic

KEPT = 64
"""News of a topic from which a client can go on after a pause; one that has missed more gets a snapshot."""


class Listener(Protocol):
    """Somebody who wants the messages of topics."""

    def offer(self, topic: Topic | None, seq: int, content: bytes) -> None:
        """Take a message without waiting; drop it if too many wait already."""


class Channel:
    """A topic, its last messages and its listeners.

    Parameters
    ----------
    topic : Topic
    feed : Feed
    """

    def __init__(self, topic: Topic, feed: Feed) -> None:
        self.topic = topic
        self.listeners: set[Listener] = set()
        self.seq = 0
        self._feed = feed
        self._kept: deque[tuple[int, int, bytes]] = deque(maxlen=KEPT)
        self._early: list[tuple[News, str]] = []
        self._is_seeded = False
        self._seeding: asyncio.Task[None] | None = None
        self._snapshot: tuple[int, asyncio.Task[bytes]] | None = None

    async def seeded(self) -> None:
        """Wait until what became known before has been read.

        Raises
        ------
        StoreUnavailableError
            If it can't be read; the next one who asks tries again.
        """
        if self._is_seeded:
            return
        if self._seeding is None or self._seeding.done():
            self._seeding = asyncio.ensure_future(self._seed())
        await asyncio.shield(self._seeding)

    async def _seed(self) -> None:
        past = await asyncio.to_thread(self._feed.tail, self.topic, KEPT + 1)
        if past:
            self.seq = past[0].seq if len(past) > KEPT else 0
            for news in past[1:] if len(past) > KEPT else past:
                self._take(news, messages.new_trace())
        self._is_seeded = True
        early, self._early = self._early, []
        for news, trace_id in early:
            self.tell(news, trace_id)

    def tell(self, news: News, trace_id: str) -> None:
        """Tell all listeners; what came before it was known what went before is told when that is."""
        if not self._is_seeded:
            self._early.append((news, trace_id))
            return
        if news.seq <= self.seq:
            return
        content = self._take(news, trace_id)
        for listener in self.listeners:
            listener.offer(self.topic, news.seq, content)

    def since(self, seq: int) -> list[tuple[int, bytes]] | None:
        """Return sequence numbers and messages after one, None if it is no number of the messages kept."""
        if seq == self.seq:
            return []
        kept = list(self._kept)
        for i, (prev, _, _) in enumerate(kept):
            if prev == seq:
                return [(each[1], each[2]) for each in kept[i:]]
        return None

    async def snapshot(self) -> tuple[int, bytes]:
        """Return where the topic stands; made once for each sequence number.

        Raises
        ------
        StoreUnavailableError
            If it can't be read.
        """
        await self.seeded()
        if self._snapshot is None or self._snapshot[0] != self.seq or _failed(self._snapshot[1]):
            self._snapshot = self.seq, asyncio.ensure_future(self._stand(self.seq))
        seq, made = self._snapshot
        return seq, await asyncio.shield(made)

    async def _stand(self, seq: int) -> bytes:
        served = await asyncio.to_thread(self._feed.served, self.topic, seq)
        return messages.snapshot(self.topic, seq, served)

    def _take(self, news: News, trace_id: str) -> bytes:
        content = messages.update(news, self.seq, trace_id)
        self._kept.append((self.seq, news.seq, content))
        self.seq = news.seq
        return content


def _failed(made: asyncio.Task[bytes]) -> bool:
    return made.done() and (made.cancelled() or made.exception() is not None)
