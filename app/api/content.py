"""Rendered content by version: in memory, and shared through Redis where that is configured.

What belongs here: the two stores of bytes. What does not: whole replies (``kept``). A key names content
versions and representation, so that what is found is right for ever; what is lost is only made again.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from importlib.metadata import version
from threading import Lock
from typing import Protocol

from app.api.observed import Metrics
from app.api.shared import SharedRedis

PREFIX = f"periscope:content:{version('periscope')}:1:"
"""What another version rendered may look otherwise; raise the number when only the rendering changes."""
EXPIRE_SECONDS = 86_400
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
    """Bytes that processes share; whatever fails counts as not found.

    Parameters
    ----------
    redis : SharedRedis
    """

    def __init__(self, redis: SharedRedis) -> None:
        self._redis = redis

    def get(self, key: str) -> bytes | None:
        """See :class:`Contents`; bytes that are not what was put there count as none."""
        found = self._redis.ask("get", PREFIX + key)
        if not isinstance(found, bytes) or found[:_DIGEST] != _sealed(key, found[_DIGEST:]):
            return None
        return found[_DIGEST:]

    def put(self, key: str, content: bytes) -> None:
        """See :class:`Contents`."""
        self._redis.ask("set", PREFIX + key, _sealed(key, content) + content, ex=EXPIRE_SECONDS)


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
