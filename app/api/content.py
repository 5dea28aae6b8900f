"""Rendered content by version: in memory, and shared through Redis where that is configured.

What belongs here: the two stores of bytes. What does not: whole replies (``kept``). A key names content
versions and representation, so that what is found is right for ever; what is lost is only made again.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from importlib.metadata import version
from threading import Lock
from time import monotonic
from typing import Any, Protocol

from app.api.observed import Metrics, logger

PREFIX = f"periscope:content:{version('periscope')}:1:"
"""What another version rendered may look otherwise; raise the number when only the rendering changes."""
EXPIRE_SECONDS = 86_400
AWAY_SECONDS = 5.0
"""How long Redis is left alone after it failed."""
TIMEOUT_SECONDS = 0.25
_DIGEST = 32


class Contents(Protocol):
    """Bytes by key."""

    def get(self, key: str) -> bytes | None:
        """Return what was put there, None if nothing or no longer."""

    def put(self, key: str, content: bytes) -> None:
        """Remember bytes."""


class InMemory:
    """Bytes of this process, the least recently used given up first."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._lock = Lock()
        self._kept: OrderedDict[str, bytes] = OrderedDict()
        self._bytes = 0

    def get(self, key: str) -> bytes | None:
        """See :class:`Contents`."""
        with self._lock:
            found = self._kept.get(key)
            if found is not None:
                self._kept.move_to_end(key)
            return found

    def put(self, key: str, content: bytes) -> None:
        """See :class:`Contents`."""
        if len(content) > self._max_bytes // 4:
            return
        with self._lock:
            self._bytes += len(content) - len(self._kept.pop(key, b""))
            self._kept[key] = content
            while self._bytes > self._max_bytes:
                self._bytes -= len(self._kept.popitem(last=False)[1])


class InRedis:
    """Bytes that processes share. Whatever fails counts as not found, and is left alone for a while.

    Parameters
    ----------
    url : str
    """

    def __init__(self, url: str) -> None:
        import redis

        self._client: Any = redis.Redis.from_url(
            url, socket_timeout=TIMEOUT_SECONDS, socket_connect_timeout=TIMEOUT_SECONDS
        )
        self._errors = (redis.RedisError, OSError)
        self._back_at = 0.0

    def get(self, key: str) -> bytes | None:
        """See :class:`Contents`; bytes that are not what was put there count as none."""
        found = self._ask("get", PREFIX + key)
        if not isinstance(found, bytes) or found[:_DIGEST] != _sealed(key, found[_DIGEST:]):
            return None
        return found[_DIGEST:]

    def put(self, key: str, content: bytes) -> None:
        """See :class:`Contents`."""
        self._ask("set", PREFIX + key, _sealed(key, content) + content, ex=EXPIRE_SECONDS)

    def _ask(self, command: str, *arguments: Any, **options: Any) -> object:
        if monotonic() < self._back_at:
            return None
        try:
            return getattr(self._client, command)(*arguments, **options)
        except self._errors as error:
            self._back_at = monotonic() + AWAY_SECONDS
            logger().warning("redis is away: content is made anew", error=type(error).__name__)
            return None


class Layered:
    """Memory first, then Redis; what Redis has is taken into memory."""

    def __init__(self, near: Contents, far: Contents | None, metrics: Metrics) -> None:
        self._near, self._far, self._metrics = near, far, metrics

    def get(self, key: str) -> bytes | None:
        """See :class:`Contents`."""
        found = self._near.get(key)
        if found is None and self._far is not None:
            found = self._far.get(key)
            if found is not None:
                self._near.put(key, found)
        self._metrics.looked_up("content", found is not None)
        return found

    def put(self, key: str, content: bytes) -> None:
        """See :class:`Contents`."""
        self._near.put(key, content)
        if self._far is not None:
            self._far.put(key, content)


def _sealed(key: str, content: bytes) -> bytes:
    return hashlib.sha256(key.encode() + b"\0" + content).digest()
