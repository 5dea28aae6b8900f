"""What every request passes after it has its id: checks of Host, Origin and sizes, and CORS.

What belongs here: plain ASGI middleware. What does not: anything that looks at a route, who asks.
"""

from __future__ import annotations

import ipaddress
from functools import lru_cache
from urllib.parse import urlsplit

from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.api.errors import problem
from app.api.identity import ANONYMOUS
from app.api.observed import redacted
from app.api.trail import Trail
from periscope_assets.settings import LOOPBACK_HOSTS, ApiSettings

UNGUARDED = frozenset({"/health", "/ready"})
LONGEST_QUERY, LONGEST_PATH = 8192, 1024
_ALLOWED = {
    "Access-Control-Allow-Methods": "GET, HEAD, POST",
    "Access-Control-Allow-Headers": "Authorization, Content-Type, If-None-Match, X-API-Key, X-Request-Id",
    "Access-Control-Max-Age": "600",
}
_EXPOSED = (
    b"access-control-expose-headers",
    b"ETag, RateLimit, RateLimit-Policy, Retry-After, X-Request-Id",
)


class TooLargeError(HTTPException):
    """A body grew beyond the limit while it was read."""

    def __init__(self, most: int) -> None:
        super().__init__(413, f"At most {most} bytes of body are read.")


class Guard:
    """Refuse requests that a page elsewhere could make a browser send, and what is too large.

    Parameters
    ----------
    app : ASGIApp
    origin_ports : frozenset of int
        Loopback ports whose pages may call the API.
    settings : ApiSettings
    trail : Trail
        Told whom it refused.
    """

    def __init__(
        self, app: ASGIApp, origin_ports: frozenset[int], settings: ApiSettings, trail: Trail
    ) -> None:
        self._app = app
        self._settings = settings
        self._trail = trail
        self._origin_ports = origin_ports
        self._hosts = LOOPBACK_HOSTS | {host.lower() for host in self._settings.allowed_hosts}
        self._origins = frozenset(self._settings.allowed_origins)
        self._known_hosts: set[bytes] = set()
        self._is_open = settings.is_open

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or answer 204 to a preflight, 403, 413 or 414."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        fields, state = scope["state"]["fields"], scope["state"]
        answer = self._too_long(scope, fields)
        origin = fields.get(b"origin")
        if answer is None and scope["path"] not in UNGUARDED:
            answer = self._refusal(scope, fields.get(b"host", b""), origin)
            if answer is None and origin is not None:
                state["added"] += [(b"access-control-allow-origin", origin), (b"vary", b"Origin"), _EXPOSED]
                if scope.get("method") == "OPTIONS" and b"access-control-request-method" in fields:
                    answer = Response(status_code=204, headers=_ALLOWED)
        if answer is not None:
            await answer(scope, receive, send)
        elif scope.get("method") in ("POST", "PUT", "PATCH"):
            await self._bounded(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    def _refusal(self, scope: Scope, host: bytes, origin: bytes | None) -> Response | None:
        refusal = self._judged(scope, host, origin)
        if refusal is not None:
            address = (scope.get("client") or ("?",))[0]
            asked = f"{scope.get('method', 'WEBSOCKET')} {redacted(scope['path'][:200])}"
            self._trail.denied(ANONYMOUS, asked, address, "Host or Origin is not allowed")
        return refusal

    def _judged(self, scope: Scope, host: bytes, origin: bytes | None) -> Response | None:
        identity = scope["state"]["request_id"]
        server = scope.get("server")
        if self._is_open and server is not None and not _is_loopback(server[0]):
            detail = "Without authentication it answers on loopback only."
            return problem(identity, 403, "host-not-allowed", "Host not allowed", detail)
        if host not in self._known_hosts:
            if _hostname(f"//{host.decode('latin-1')}") not in self._hosts:
                detail = "Host must be 127.0.0.1, localhost, [::1] or a configured one."
                return problem(identity, 403, "host-not-allowed", "Host not allowed", detail)
            if len(self._known_hosts) < 100:
                self._known_hosts.add(host)
        if origin is not None and not self._allowed(origin.decode("latin-1")):
            detail = "Origin must be one of this installation's own pages, or a configured one."
            return problem(identity, 403, "origin-not-allowed", "Origin not allowed", detail)
        return None

    def _allowed(self, origin: str) -> bool:
        is_own = _hostname(origin) in LOOPBACK_HOSTS and _port(origin) in self._origin_ports
        return is_own or origin in self._origins

    def _too_long(self, scope: Scope, fields: dict[bytes, bytes]) -> Response | None:
        identity, most = scope["state"]["request_id"], self._settings.max_body_bytes
        if len(scope["query_string"]) > LONGEST_QUERY or len(scope["path"]) > LONGEST_PATH:
            detail = f"At most {LONGEST_PATH} characters of path and {LONGEST_QUERY} of query are read."
            return problem(identity, 414, "uri-too-long", "URI too long", detail)
        length = fields.get(b"content-length", b"0")
        if not length.isdigit() or int(length[:20]) > most:
            return self._too_large(identity)
        return None

    def _too_large(self, identity: str) -> Response:
        detail = f"At most {self._settings.max_body_bytes} bytes of body are read."
        return problem(identity, 413, "body-too-large", "Body too large", detail)

    async def _bounded(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, reading no more than the limit of a body whose length nobody has told."""
        read = 0

        async def counted() -> Message:
            nonlocal read
            message = await receive()
            read += len(message.get("body", b""))
            if read > self._settings.max_body_bytes:
                raise TooLargeError(self._settings.max_body_bytes)
            return message

        await self._app(scope, counted, send)


@lru_cache(maxsize=256)
def _is_loopback(server: str) -> bool:
    """Tell whether an address of the server is loopback's; names and sockets in folders are taken for it."""
    try:
        return ipaddress.ip_address(server).is_loopback
    except ValueError:
        return True


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
