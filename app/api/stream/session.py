"""One client of the stream: what it says, and what is sent to it.

What belongs here: a socket's two directions. What does not: what topics carry (``board``), where that comes
from (``hub``).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from pydantic import ValidationError
from starlette.websockets import WebSocket, WebSocketDisconnect

from app.api.limits import Limiter
from app.api.stream import messages
from app.api.stream.hub import Hub
from app.api.stream.messages import Subscribe, Unsubscribe, error, message
from app.api.stream.outbox import Outbox
from app.queries.feed import Topic, parse_topic
from periscope_assets.store.repository import StoreUnavailableError

SEND_SECONDS = 60.0
"""How long a client may take none of what is sent before it is left."""
_POLICY, _TOO_BIG, _LATER = 1008, 1009, 1013

StillWelcome = Callable[[], Awaitable[str | None]]
"""Returns why a client is no longer believed, None if it is."""


class Left(Exception):  # noqa: N818
    """The connection ends: close code and reason."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code


class Session:
    """A connection that was accepted.

    Parameters
    ----------
    socket : WebSocket
    hub : Hub
    request_id, trace_id : str
    still_welcome : callable
        Asked now and then, so that a key that is revoked ends its streams too.
    """

    def __init__(
        self,
        socket: WebSocket,
        hub: Hub,
        request_id: str,
        trace_id: str,
        still_welcome: StillWelcome,
    ) -> None:
        self._socket = socket
        self._hub = hub
        self._request_id = request_id
        self._trace_id = trace_id
        self._still_welcome = still_welcome
        self._outbox = Outbox()
        self._lock = asyncio.Lock()
        self._limiter = Limiter(messages.MESSAGES_PER_MINUTE)

    async def run(self) -> None:
        """Serve the client until it leaves or is left."""
        if len(self._hub.listeners) >= messages.MOST_CLIENTS:
            await self._complain("too-many-connections", f"At most {messages.MOST_CLIENTS} are open at once.")
            await self._close(_LATER, "too many connections")
            return
        self._hub.join(self._outbox)
        works = [asyncio.ensure_future(work()) for work in (self._listen, self._send_all, self._watch)]
        try:
            await self._greet()
            await asyncio.wait(works, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._hub.leave(self._outbox, self._outbox.topics)
            for work in works:
                work.cancel()
            ends = await asyncio.gather(*works, return_exceptions=True)
        for end in ends:
            if isinstance(end, Left):
                await self._close(end.code, str(end))
            elif isinstance(end, Exception) and not isinstance(end, WebSocketDisconnect | RuntimeError):
                raise end

    async def _greet(self) -> None:
        """Say hello, once the store has been reached if that does not take long."""
        try:
            async with asyncio.timeout(2.0):
                await self._hub.went_live.wait()
        except TimeoutError:
            pass
        await self._send(messages.hello(self._trace_id, self._request_id, self._hub.seq, self._hub.state))

    async def _listen(self) -> None:
        while True:
            said = await self._socket.receive()
            if said["type"] == "websocket.disconnect":
                return
            text = said.get("text")
            if text is None:
                raise Left(_POLICY, "expected text")
            if len(text) > messages.LONGEST_MESSAGE:
                raise Left(_TOO_BIG, "message too long")
            if not self._limiter.take("").is_in_order:
                await self._complain("too-many-messages", "Slow down; the connection ends.")
                raise Left(_POLICY, "too many messages")
            await self._answer(text)

    async def _answer(self, text: str) -> None:
        try:
            asked = messages.REQUEST.validate_json(text)
        except ValidationError as wrong:
            first = wrong.errors(include_url=False, include_context=False, include_input=False)[0]
            place = ".".join(str(part)[:40] for part in first["loc"]) or "message"
            await self._complain("invalid-message", f"{place}: {first['msg']}"[:300], messages.id_of(text))
            return
        try:
            await (self._subscribe(asked) if isinstance(asked, Subscribe) else self._unsubscribe(asked))
        except StoreUnavailableError:
            detail = "The store is out of reach; subscribe again later."
            await self._complain("store-unavailable", detail, asked.id)

    async def _subscribe(self, asked: Subscribe) -> None:
        topics = asked.topics()
        if len({*self._outbox.topics, *topics}) > messages.MOST_TOPICS:
            await self._complain("too-many-topics", f"At most {messages.MOST_TOPICS} a connection.", asked.id)
            return
        unknown = [name for name in asked.resume if parse_topic(name) not in topics]
        if unknown:
            detail = f"resume: {unknown[0][:40]!r} is none of the topics subscribed to, such as surface:SPX"
            await self._complain("invalid-message", detail, asked.id)
            return
        channels = [await self._hub.channel(topic, self._outbox) for topic in topics]
        await self._send(self._ack("subscribed", asked, topics))
        for channel in channels:
            known = asked.resume.get(str(channel.topic))
            missed = None if known is None else channel.since(known)
            self._outbox.start(channel.topic, None if missed is None else known)
            for seq, content in missed or ():
                self._outbox.offer(channel.topic, seq, content)

    async def _unsubscribe(self, asked: Unsubscribe) -> None:
        topics = [topic for topic in asked.topics() if topic in self._outbox]
        for topic in topics:
            self._outbox.end(topic)
            self._hub.forget(self._outbox, topic)
        await self._send(self._ack("unsubscribed", asked, topics))

    def _ack(self, kind: str, asked: Subscribe | Unsubscribe, topics: list[Topic]) -> bytes:
        names = [str(topic) for topic in topics]
        return message(kind, self._trace_id, id=asked.id, request_id=self._request_id, topics=names)

    async def _send_all(self) -> None:
        while True:
            await self._outbox.wait()
            while (content := await self._next()) is not None:
                await self._send(content)

    async def _next(self) -> bytes | None:
        """Return what goes out next: what was dropped, then snapshots that are owed, then updates."""
        lagged = self._outbox.take_lagged()
        if lagged:
            names = [str(topic) for topic in lagged]
            return message("lagged", self._trace_id, topics=names, dropped=self._outbox.dropped)
        topic = self._outbox.next_owed()
        while topic is not None:
            try:
                channel = await self._hub.channel(topic)
                seq, content = await channel.snapshot()
            except StoreUnavailableError:
                await asyncio.sleep(0.2)
                await self._hub.went_live.wait()
                continue
            if self._outbox.settled(topic, seq):
                return content
            topic = self._outbox.next_owed()
        return self._outbox.next()

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(messages.HEARTBEAT_SECONDS)
            reason = await self._still_welcome()
            if reason is not None:
                await self._complain("unauthenticated", reason)
                raise Left(_POLICY, "no longer authenticated")

    async def _complain(self, code: str, detail: str, reply_to: str | None = None) -> None:
        await self._send(error(self._trace_id, self._request_id, code, detail, reply_to))

    async def _send(self, content: bytes) -> None:
        try:
            async with asyncio.timeout(SEND_SECONDS), self._lock:
                await self._socket.send_text(content.decode())
        except TimeoutError:
            raise Left(_LATER, "nothing was read for too long") from None

    async def _close(self, code: int, reason: str) -> None:
        try:
            async with asyncio.timeout(5.0):
                await self._socket.close(code, reason)
        except (TimeoutError, RuntimeError, WebSocketDisconnect):
            pass
