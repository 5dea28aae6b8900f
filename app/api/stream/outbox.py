"""What waits to be sent to one client: bounded, and honest about what it dropped.

What belongs here: the queue and the order in which it goes out. What does not: the socket.
"""

from __future__ import annotations

import asyncio
from collections import deque

from app.api.stream import messages
from app.queries.feed import Topic


class Outbox:
    """Messages of one client. A client that can't keep up loses updates, and is told of which topics.

    Parameters
    ----------
    most : int, optional
        Messages that may wait.
    """

    def __init__(self, most: int | None = None) -> None:
        self._most = messages.MOST_QUEUED if most is None else most
        self._waiting: deque[tuple[Topic | None, int, bytes]] = deque()
        self._wake = asyncio.Event()
        self._sent: dict[Topic, int] = {}
        self._lagged: set[Topic] = set()
        self._owed: dict[Topic, None] = {}
        self.dropped = 0

    @property
    def topics(self) -> tuple[Topic, ...]:
        """What the client listens to."""
        return tuple(self._sent)

    def __contains__(self, topic: Topic) -> bool:
        return topic in self._sent

    def __len__(self) -> int:
        return len(self._sent)

    def offer(self, topic: Topic | None, seq: int, content: bytes) -> None:
        """Take a message without waiting. If too many wait, all updates are dropped and noted as lagged."""
        if len(self._waiting) >= self._most:
            if topic is None:
                return
            for dropped, _, _ in self._waiting:
                if dropped is not None and dropped in self._sent:
                    self._lagged.add(dropped)
            self.dropped += len(self._waiting)
            self._waiting.clear()
        if topic is not None and topic in self._lagged:
            self.dropped += 1
        else:
            self._waiting.append((topic, seq, content))
        self._wake.set()

    def start(self, topic: Topic, seq: int | None) -> None:
        """Begin a topic after a sequence number, or with a snapshot.

        What waits of it already, told while it was being subscribed to, comes again in its order.
        """
        self._waiting = deque(each for each in self._waiting if each[0] != topic)
        self._sent[topic] = -1 if seq is None else seq
        if seq is None:
            self._owed[topic] = None
        self._wake.set()

    def end(self, topic: Topic) -> None:
        """Send nothing more of a topic."""
        self._sent.pop(topic, None)
        self._owed.pop(topic, None)
        self._lagged.discard(topic)

    def take_lagged(self) -> list[Topic]:
        """Return the topics of which updates were dropped; a snapshot is owed of each from now on."""
        lagged, self._lagged = sorted(self._lagged, key=str), set()
        self._owed |= dict.fromkeys(lagged)
        return lagged

    def next_owed(self) -> Topic | None:
        """Return a topic of which a snapshot is owed, None if there is none."""
        return next(iter(self._owed), None)

    def settled(self, topic: Topic, seq: int) -> bool:
        """Note that a snapshot goes out; tell whether it is still wanted."""
        self._owed.pop(topic, None)
        if topic not in self._sent:
            return False
        self._sent[topic] = seq
        return True

    def next(self) -> bytes | None:
        """Return the next message that the client has not, None if there is none now."""
        while self._waiting:
            topic, seq, content = self._waiting.popleft()
            if topic is None:
                return content
            if seq > self._sent.get(topic, seq):
                self._sent[topic] = seq
                return content
        return None

    async def wait(self) -> None:
        """Wait until there may be something to send."""
        await self._wake.wait()
        self._wake.clear()
