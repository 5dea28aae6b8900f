"""The stream, followed for as long as somebody listens: reconnecting, going on, noticing gaps.

What belongs here: the client's side of ``/v1/stream``. What does not: rows; a message's ``href`` says where
they are.
"""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidStatus, WebSocketException

Message = dict[str, Any]
FIRST_PAUSE, LONGEST_PAUSE = 0.05, 10.0
QUIET_BEATS = 3.0
"""Heartbeats that may fail to come before the connection is given up."""
_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
_FINAL = frozenset({400, 401, 403, 404})
"""Answers that stay the same however often one asks."""


class Stream:
    """Snapshots and updates of topics, in order and without gaps.

    Iterate over it (``async for`` or ``for``) to get messages of the types ``snapshot`` and ``update``,
    ``incidents`` if it follows alerts, and ``status`` when the server's store goes away or comes back. After
    a pause it goes on where it was; what can't be gone on from starts again with a snapshot.

    Parameters
    ----------
    base : str
        E.g. ``http://127.0.0.1:8000``.
    symbols, channels : sequence of str
        Channels are chain, surface, signals and alerts.
    key : str, optional
        API key or token.
    seqs : dict of str to int, optional
        Where to go on, by ``channel:SYMBOL``: the `seqs` of an earlier stream.

    Attributes
    ----------
    seqs : dict of str to int
        Last sequence number of each topic.
    gaps, reconnects, lags : int
        How often an update did not follow the one before, the connection was made anew, and the server
        dropped updates because this client was slow.
    connected_at : float or None
        When it last subscribed, on the monotonic clock.
    """

    def __init__(
        self,
        base: str,
        symbols: Sequence[str],
        channels: Sequence[str] = ("surface",),
        *,
        key: str | None = None,
        seqs: dict[str, int] | None = None,
    ) -> None:
        self._address = _address(base)
        self._symbols, self._channels = list(symbols), list(channels)
        self._headers = {} if key is None else {"X-API-Key": key}
        self.seqs: dict[str, int] = dict(seqs or {})
        self.gaps = self.reconnects = self.lags = 0
        self.connected_at: float | None = None
        self._socket: ClientConnection | None = None
        self._resyncing: set[str] = set()

    async def __aiter__(self) -> AsyncIterator[Message]:
        """Yield messages for good.

        Raises
        ------
        PermissionError
            If the server does not let this client in.
        ValueError
            If it does not take the subscription.
        """
        pause = FIRST_PAUSE
        while True:
            try:
                async with connect(
                    self._address,
                    additional_headers=self._headers,
                    max_size=2**24,
                    open_timeout=10,
                    proxy=None if urlsplit(self._address).hostname in _LOOPBACK else True,
                ) as self._socket:
                    async for message in self._messages(self._socket):
                        pause = FIRST_PAUSE
                        yield message
            except InvalidStatus as refused:
                if refused.response.status_code in _FINAL:
                    raise PermissionError(f"{self._address} answers {refused.response.status_code}") from None
            except (OSError, WebSocketException, TimeoutError):
                pass
            self.reconnects += 1
            await asyncio.sleep(pause * random.uniform(0.5, 1.5))  # noqa: S311
            pause = min(LONGEST_PAUSE, 2.0 * pause)

    def __iter__(self) -> Iterator[Message]:
        """Yield messages in a program without an event loop; see :meth:`__aiter__`."""
        with asyncio.Runner() as runner:
            messages = self.__aiter__()
            while True:
                yield runner.run(_next(messages))

    async def drop(self) -> None:
        """Let go of the connection as if it had broken."""
        if self._socket is not None:
            self._socket.transport.abort()

    async def _messages(self, socket: ClientConnection) -> AsyncIterator[Message]:
        hello = await _read(socket, 30.0)
        patience = QUIET_BEATS * float(hello.get("heartbeat_seconds", 15.0))
        self._resyncing.clear()
        await self._subscribe(socket, self.seqs)
        self.connected_at = time.monotonic()
        while True:
            message = await _read(socket, patience)
            kind = message["type"]
            if kind == "error":
                self._complain(message)
                await self._retry(socket, message)
            elif kind == "lagged":
                self.lags += 1
            elif kind in ("status", "incidents") or (
                kind in ("snapshot", "update") and await self._fits(socket, message)
            ):
                yield message

    async def _fits(self, socket: ClientConnection, message: Message) -> bool:
        """Note a topic's sequence number; ask for a snapshot where an update does not follow it."""
        topic = f"{message['channel']}:{message['symbol']}"
        known = self.seqs.get(topic)
        if message["type"] == "snapshot":
            self._resyncing.discard(topic)
        elif topic in self._resyncing:
            return False
        else:
            if known is not None and message["seq"] <= known:
                return False
            if message["prev"] != known:
                self.gaps += 1
                self._resyncing.add(topic)
                await self._subscribe(socket, {}, [message["symbol"]], [message["channel"]])
                return False
        self.seqs[topic] = message["seq"]
        return True

    async def _subscribe(
        self,
        socket: ClientConnection,
        seqs: dict[str, int],
        symbols: Sequence[str] | None = None,
        channels: Sequence[str] | None = None,
    ) -> None:
        asked = {
            "op": "subscribe",
            "symbols": list(symbols or self._symbols),
            "channels": list(channels or self._channels),
            "resume": seqs,
        }
        await socket.send(json.dumps(asked))

    async def _retry(self, socket: ClientConnection, message: Message) -> None:
        if message["code"] == "store-unavailable":
            await asyncio.sleep(random.uniform(0.2, 1.0))  # noqa: S311
            await self._subscribe(socket, self.seqs)

    @staticmethod
    def _complain(message: Message) -> None:
        if message["code"] in ("unauthenticated", "forbidden"):
            raise PermissionError(message["detail"])
        if message["code"] in ("invalid-message", "too-many-topics"):
            raise ValueError(message["detail"])


async def _read(socket: ClientConnection, patience: float) -> Message:
    async with asyncio.timeout(patience):
        found: Message = json.loads(await socket.recv())
    return found


async def _next(messages: AsyncIterator[Message]) -> Message:
    return await anext(messages)


def _address(base: str) -> str:
    parts = urlsplit(base)
    scheme = {"http": "ws", "https": "wss"}.get(parts.scheme, parts.scheme)
    return urlunsplit((scheme, parts.netloc, f"{parts.path.rstrip('/')}/v1/stream", "", ""))
