"""A reply that may be sent many times: its bytes, their compressed forms, its validators.

What belongs here: ETag and 304, content coding. What does not: what the bytes say (``render``).
"""

from __future__ import annotations

import asyncio
import gzip
import hashlib
from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache

import brotli
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

LEAST_TO_COMPRESS = 1000
INLINE_BYTES = 100_000
"""Beyond this many bytes, compression does not hold up the event loop."""
_LARGE = 1_000_000
_MARKS = {b"br": "-br", b"gzip": "-gz", b"": ""}


class Reply(Response):
    """A successful reply of a reading route.

    Parameters
    ----------
    body : bytes
    media_type : str
    version : str
        Content version that the bytes show.
    known_at : datetime or None
        Watermark as of which the whole reply holds; None keeps it from being remembered.
    headers : mapping, optional
    """

    def __init__(
        self,
        body: bytes,
        media_type: str,
        version: str,
        known_at: datetime | None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(body, 200, media_type=media_type)
        self.known_at = known_at
        digest = hashlib.sha256(f"{version}\0{media_type}\0".encode() + body).hexdigest()[:40]
        self._digest = digest
        self._named = [(name.lower().encode(), value.encode()) for name, value in (headers or {}).items()]
        self._type = self.headers["content-type"].encode()
        self._coded: dict[bytes, tuple[bytes, list[tuple[bytes, bytes]]]] = {}
        self._code(b"", body)

    @property
    def size(self) -> int:
        """Bytes that it takes, with room for a compressed form of each kind."""
        return 2 * len(self.body) + 2000

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002
        """Send it, or 304 to who holds these very bytes."""
        fields = scope["state"]["fields"]
        coding = self._coding(fields.get(b"accept-encoding", b""))
        condition = fields.get(b"if-none-match")
        if condition is not None and self._matches(condition.decode("latin-1")):
            headers = [pair for pair in self._head(coding, b"") if pair[0] not in _OF_BODY]
            await send({"type": "http.response.start", "status": 304, "headers": headers})
            await send({"type": "http.response.body", "body": b""})
            return
        if coding not in self._coded:
            await self._compress(coding)
        body, head = self._coded[coding]
        await send({"type": "http.response.start", "status": 200, "headers": head})
        await send({"type": "http.response.body", "body": body})

    def _coding(self, accepted: bytes) -> bytes:
        if len(self.body) < LEAST_TO_COMPRESS:
            return b""
        offered = _accepted(accepted) if accepted else ()
        return next((coding for coding in (b"br", b"gzip") if coding in offered), b"")

    async def _compress(self, coding: bytes) -> None:
        work = _brotli if coding == b"br" else _gzip
        plain = bytes(self.body)
        is_small = len(plain) <= INLINE_BYTES
        self._code(coding, work(plain) if is_small else await asyncio.to_thread(work, plain))

    def _code(self, coding: bytes, body: bytes) -> None:
        self._coded[coding] = (body, self._head(coding, body))

    def _head(self, coding: bytes, body: bytes) -> list[tuple[bytes, bytes]]:
        head = [
            (b"content-type", self._type),
            (b"content-length", str(len(body)).encode()),
            (b"etag", f'"{self._digest}{_MARKS[coding]}"'.encode()),
            (b"cache-control", b"private, no-cache"),
            (b"vary", b"Accept, Accept-Encoding"),
            *self._named,
        ]
        return [*head, (b"content-encoding", coding)] if coding else head

    def _matches(self, condition: str) -> bool:
        """Tell whether If-None-Match names these bytes in any coding, by RFC 9110's weak comparison."""
        tags = {part.strip().removeprefix("W/") for part in condition.split(",")}
        return "*" in tags or not tags.isdisjoint({f'"{self._digest}{mark}"' for mark in _MARKS.values()})


_OF_BODY = frozenset({b"content-type", b"content-length", b"content-encoding"})


@lru_cache(maxsize=256)
def _accepted(header: bytes) -> frozenset[bytes]:
    """Return the codings of Accept-Encoding that are not refused with q=0."""
    found = set()
    for part in header.lower().split(b","):
        coding, _, weight = part.partition(b";")
        if weight.replace(b" ", b"") not in (b"q=0", b"q=0.0", b"q=0.00", b"q=0.000"):
            found.add(coding.strip())
    return frozenset(found)


def _gzip(body: bytes) -> bytes:
    return gzip.compress(body, 1 if len(body) > _LARGE else 6, mtime=0)


def _brotli(body: bytes) -> bytes:
    return bytes(brotli.compress(body, quality=1 if len(body) > _LARGE else 4))
