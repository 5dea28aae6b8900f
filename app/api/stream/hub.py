"""From the database's notifications to the topics that somebody listens to: one thread for a whole process.

What belongs here: following the ledger, telling topics, saying when the store is away. What does not: sockets
(``session``), the order of a topic's messages (``board``).
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Coroutine, Sequence
from datetime import datetime
from threading import Event, Thread
from typing import Any

from app.api.observed import logger
from app.api.stream import messages
from app.api.stream.board import Channel, Listener
from app.queries.feed import ALERTS, Feed, Topic, grouped, sequence
from periscope_assets.store.repository import LedgerEntry, StoreUnavailableError

MOST_CHANNELS = 4096
_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 5.0
_PAGE = 1000
_SPELL = 50
"""Messages after which others get their turn."""


class Hub:
    """All that the clients of one process listen to.

    Parameters
    ----------
    feed : callable
        Opens the feed, in a thread; may raise ``StoreUnavailableError``.
    heartbeat_seconds : float
    """

    def __init__(
        self, feed: Callable[[], Feed], heartbeat_seconds: float = messages.HEARTBEAT_SECONDS
    ) -> None:
        self._open = feed
        self._heartbeat_seconds = heartbeat_seconds
        self._stop = Event()
        self._thread: Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._beating: asyncio.Task[None] | None = None
        self._channels: dict[Topic, Channel] = {}
        self._cursor: datetime | None = None
        self.listeners: set[Listener] = set()
        self.state = "starting"
        self.went_live = asyncio.Event()

    @property
    def seq(self) -> int:
        """Sequence number up to which everything was told; 0 before the store was reached."""
        return 0 if self._cursor is None else sequence(self._cursor)

    def join(self, listener: Listener) -> None:
        """Count a listener in; the first one starts the thread."""
        self.listeners.add(listener)
        if self._thread is None:
            self._loop = asyncio.get_running_loop()
            self._thread = Thread(target=self._follow, name="publications", daemon=True)
            self._thread.start()
            self._beating = asyncio.ensure_future(self._beat())

    def leave(self, listener: Listener, topics: Sequence[Topic]) -> None:
        """Forget a listener."""
        self.listeners.discard(listener)
        for topic in topics:
            self.forget(listener, topic)

    async def channel(self, topic: Topic, listener: Listener | None = None) -> Channel:
        """Return a topic's channel, ready to be listened to; with a listener, it is told from now on.

        Raises
        ------
        StoreUnavailableError
            If the store is away.
        """
        found = self._channels.get(topic)
        if found is None:
            feed = await asyncio.to_thread(self._open)
            # Another client may have asked for it meanwhile.
            found = self._channels.get(topic)
            if found is None:
                self._tidy()
                found = self._channels[topic] = Channel(topic, feed)
        if listener is None:
            await found.seeded()
            return found
        found.listeners.add(listener)
        try:
            await found.seeded()
        except BaseException:
            found.listeners.discard(listener)
            raise
        return found

    def forget(self, listener: Listener, topic: Topic) -> None:
        """Tell a listener no more of a topic."""
        found = self._channels.get(topic)
        if found is not None:
            found.listeners.discard(listener)

    async def close(self) -> None:
        """Stop following."""
        self._stop.set()
        if self._beating is not None:
            self._beating.cancel()
        if self._thread is not None:
            await asyncio.to_thread(self._thread.join, 10.0)

    def _tidy(self) -> None:
        """Forget channels that nobody listens to, once there are many."""
        if len(self._channels) > MOST_CHANNELS:
            self._channels = {topic: each for topic, each in self._channels.items() if each.listeners}

    def _follow(self) -> None:
        """Follow the ledger for good (in the thread): read on whenever the store says that there is more."""
        pause = _FIRST_PAUSE
        while not self._stop.is_set():
            try:
                feed = self._open()
                for incidents in feed.listen(self._stop):
                    self._catch_up(feed)
                    if incidents:
                        self._run(self._warn(incidents))
                    pause = _FIRST_PAUSE
            except StoreUnavailableError as error:
                self._run(self._away(str(error)))
            except Exception:
                logger().exception("following publications failed")
                self._run(self._away("the stream failed; the server's log says why"))
            self._stop.wait(pause * random.uniform(0.5, 1.5))  # noqa: S311
            pause = min(_LONGEST_PAUSE, 2.0 * pause)

    def _catch_up(self, feed: Feed) -> None:
        after = self._cursor
        if after is None:
            after = feed.watermark()
            self._run(self._tell((), after))
        while not self._stop.is_set():
            entries = feed.follow(after, _PAGE)
            if entries:
                after = entries[-1].known_at
            self._run(self._tell(entries, after))
            if len(entries) < _PAGE:
                return

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        """Do something on the event loop and wait for it, so that reading never runs ahead of telling."""
        if self._loop is None or self._loop.is_closed():
            work.close()
            self._stop.set()
            return
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        while not self._stop.is_set():
            try:
                future.result(0.5)
                return
            except TimeoutError:
                if future.done():
                    raise
        future.cancel()

    async def _tell(self, entries: Sequence[LedgerEntry], up_to: datetime) -> None:
        trace_id = messages.new_trace()
        for i, news in enumerate(grouped(self._channels, entries)):
            channel = self._channels.get(news.topic)
            if channel is not None:
                channel.tell(news, trace_id)
            if i % _SPELL == _SPELL - 1:
                await asyncio.sleep(0)
        self._cursor = up_to
        if self.state != "live":
            if self.state == "degraded":
                self._broadcast(messages.message("status", trace_id, state="live", detail="", seq=self.seq))
            self.state = "live"
            self.went_live.set()

    async def _warn(self, incidents: Sequence[str]) -> None:
        """Tell whoever listens to alerts of any symbol what happened to incidents."""
        content = messages.incidents(incidents, messages.new_trace())
        channels = [each for topic, each in self._channels.items() if topic.channel == ALERTS]
        for listener in {each for channel in channels for each in channel.listeners}:
            listener.offer(None, 0, content)

    async def _away(self, reason: str) -> None:
        if self.state != "degraded":
            trace_id = messages.new_trace()
            logger().warning("the stream has lost the store", reason=reason, trace_id=trace_id)
            detail = "The store is out of reach; what is published meanwhile follows when it is back."
            self._broadcast(
                messages.message("status", trace_id, state="degraded", detail=detail, seq=self.seq)
            )
        self.state = "degraded"
        self.went_live.clear()

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(self._heartbeat_seconds)
            self._broadcast(
                messages.message("heartbeat", messages.new_trace(), seq=self.seq, state=self.state)
            )

    def _broadcast(self, content: bytes) -> None:
        for listener in tuple(self.listeners):
            listener.offer(None, 0, content)
