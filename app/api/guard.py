"""What every request passes first: a request id, and on loopback a check of Host and Origin.

What belongs here: plain ASGI middleware. What does not: anything that looks at a route.
"""

from __future__ import annotations

import re
import uuid
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.api.errors import problem

LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
UNGUARDED = frozenset({"/health", "/ready"})
_REQUEST_ID = re.compile(r"[A-Za-z0-9._\-]{1,64}", re.ASCII)


class Guard:
    """Refuse requests that a page elsewhere could make a browser send: DNS rebinding, cross-site.

    Parameters
    ----------
    app : ASGIApp
    origin_ports : frozenset of int
        Loopback ports whose pages may call the API.
    """

    def __init__(self, app: ASGIApp, origin_ports: frozenset[int]) -> None:
        self._app = app
        self._origin_ports = origin_ports

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on with its id, or answer 403."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        identity = _identity(headers)
        scope.setdefault("state", {})["request_id"] = identity

        async def stamped(message: Message) -> None:
            if message["type"] == "http.response.start":
                added = MutableHeaders(scope=message)
                added["X-Request-Id"] = identity
                added["X-Content-Type-Options"] = "nosniff"
            await send(message)

        refusal = None if scope["path"] in UNGUARDED else self._refusal(headers, identity)
        await (refusal or self._app)(scope, receive, stamped)

    def _refusal(self, headers: Headers, identity: str) -> Response | None:
        if _hostname(f"//{headers.get('host', '')}") not in LOOPBACK:
            detail = "Host must be 127.0.0.1, localhost or [::1]."
            return problem(identity, 403, "host-not-allowed", "Host not allowed", detail)
        origin = headers.get("origin")
        if origin is not None and not self._allowed(origin):
            detail = "Origin must be one of this installation's own pages."
            return problem(identity, 403, "origin-not-allowed", "Origin not allowed", detail)
        return None

    def _allowed(self, origin: str) -> bool:
        return _hostname(origin) in LOOPBACK and _port(origin) in self._origin_ports


def _identity(headers: Headers) -> str:
    offered = headers.get("x-request-id", "")
    return offered if _REQUEST_ID.fullmatch(offered) else uuid.uuid4().hex


def _hostname(url: str) -> str | None:
    try:
        return urlsplit(url).hostname
    except ValueError:
        return None


def _port(url: str) -> int | None:
    try:
        return urlsplit(url).port
    except ValueError:
        return None
