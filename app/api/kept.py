"""Whole replies, kept by request and watermark: a request that comes again costs no route and no rendering.

What belongs here: the memory of replies and the middleware that answers from it. What does not: content by
version (``content``). A reply is a function of the request and of what was known, so that it is right as long
as the watermark stands; one that pins an earlier time is right for ever. Retention alone changes content
without moving the watermark, hence the limit in time.
"""

from __future__ import annotations

from collections import OrderedDict
from datetime import datetime
from time import monotonic

from starlette.types import ASGIApp, Receive, Scope, Send

from app.api.freshness import Freshness
from app.api.observed import Metrics
from app.api.reply import Reply
from periscope_assets.store.repository import StoreUnavailableError

KEEP_SECONDS = 60.0
Key = tuple[str, bytes, bytes, bytes]


class KeptReplies:
    """ASGI middleware in front of the routes.

    Parameters
    ----------
    app : ASGIApp
    freshness : Freshness
    metrics : Metrics
    max_bytes : int
        Upper bound of the memory that replies take.
    """

    def __init__(self, app: ASGIApp, *, freshness: Freshness, metrics: Metrics, max_bytes: int) -> None:
        self._app = app
        self._freshness = freshness
        self._metrics = metrics
        self._max_bytes = max_bytes
        self._replies: OrderedDict[Key, tuple[datetime, float, Reply, str]] = OrderedDict()
        self._bytes = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer from memory, or pass the request on and remember the reply if it allows it."""
        if scope["type"] != "http" or scope["method"] != "GET" or not scope["path"].startswith("/v1/"):
            await self._app(scope, receive, send)
            return
        state = scope["state"]
        fields = state["fields"]
        key = (scope["path"], scope["query_string"], fields.get(b"accept", b""), fields.get(b"host", b""))
        try:
            watermark = await self._freshness.watermark()
        except StoreUnavailableError:
            await self._app(scope, receive, send)
            return
        kept = self._replies.get(key)
        is_hit = kept is not None and kept[0] == watermark and kept[1] > monotonic()
        self._metrics.looked_up("reply", is_hit)
        if is_hit and kept is not None:
            self._replies.move_to_end(key)
            state["route"] = kept[3]
            await kept[2](scope, receive, send)
            return
        await self._app(scope, receive, send)
        reply = state.get("reply")
        if reply is not None and reply.known_at is not None and reply.known_at <= watermark:
            self._keep(key, (watermark, monotonic() + KEEP_SECONDS, reply, scope["route"].path))

    def _keep(self, key: Key, entry: tuple[datetime, float, Reply, str]) -> None:
        self._forget(key)
        if entry[2].size > self._max_bytes // 4:
            return
        self._replies[key] = entry
        self._bytes += entry[2].size
        while self._bytes > self._max_bytes:
            self._forget(next(iter(self._replies)))

    def _forget(self, key: Key) -> None:
        entry = self._replies.pop(key, None)
        if entry is not None:
            self._bytes -= entry[2].size
