"""The outermost layer: a request's id, its span, its count and log line, and a reply whatever fails.

What belongs here: what holds for every request; HEAD is GET whose body is kept back. What does not: decisions
about it (``guard``, ``doorkeeper``).
"""

from __future__ import annotations

import re
import secrets
from time import perf_counter

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.api.errors import problem
from app.api.observed import Metrics, logger
from app.api.tracing import Span, Tracing

SLOW_SECONDS = 1.0
_REQUEST_ID = re.compile(rb"[A-Za-z0-9._\-]{1,64}")
_SECURE = [
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-site"),
]
_STRICT = (b"strict-transport-security", b"max-age=31536000")
_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE"})
_UNKNOWN = "unmatched"


class Front:
    """ASGI middleware around everything else.

    Parameters
    ----------
    app : ASGIApp
    metrics : Metrics
    tracing : Tracing
    log_all : bool
        Log every request, not only those that fail or are slow.
    is_remote : bool
        Reached from elsewhere, hence through TLS: browsers are told to insist on it.
    """

    def __init__(
        self, app: ASGIApp, *, metrics: Metrics, tracing: Tracing, log_all: bool, is_remote: bool
    ) -> None:
        self._app = app
        self._metrics = metrics
        self._tracing = tracing
        self._log_all = log_all
        self._always = [*_SECURE, _STRICT] if is_remote else _SECURE

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on; what it raises becomes a problem with the request's id."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        started, status, is_done = perf_counter(), 0, False
        fields: dict[bytes, bytes] = dict(scope["headers"])
        offered = fields.get(b"x-request-id", b"")
        identity = offered.decode() if _REQUEST_ID.fullmatch(offered) else secrets.token_hex(16)
        added: list[tuple[bytes, bytes]] = [(b"x-request-id", identity.encode()), *self._always]
        state = scope.setdefault("state", {})
        state |= {"request_id": identity, "fields": fields, "added": added}

        async def stamped(message: Message) -> None:
            nonlocal status, is_done
            if message["type"].endswith("response.start"):
                status = message["status"]
                message["headers"] = [*message.get("headers", ()), *added]
            elif message["type"].endswith("response.body"):
                is_done = not message.get("more_body", False)
                if method == "HEAD":
                    message = {**message, "body": b""}
            elif message["type"] == "websocket.accept":
                status = 101
            await send(message)

        method = scope["method"] if scope.get("method") in _METHODS else scope["type"].upper()
        if method == "HEAD":
            scope = {**scope, "method": "GET"}
        with self._tracing.request(identity, method, fields) as span:
            state["trace_id"] = span.trace_id
            try:
                await self._app(scope, receive, stamped)
            except Exception:
                logger().exception("request failed", request_id=identity, trace_id=span.trace_id)
                if (status and not is_done) or scope["type"] == "websocket":
                    raise
                if not status:
                    await _unexpected(identity)(scope, receive, stamped)
            finally:
                self._account(scope, method, status, perf_counter() - started, span)

    def _account(self, scope: Scope, method: str, status: int, seconds: float, span: Span) -> None:
        state = scope["state"]
        route = state.get("route") or getattr(scope.get("route"), "path", None) or _UNKNOWN
        self._metrics.answered(method, route, status, seconds)
        span.end(method, route, status)
        is_slow = seconds > SLOW_SECONDS and scope["type"] == "http"
        if self._log_all or status >= 500 or is_slow:
            logger().info(
                "request",
                request_id=state["request_id"],
                trace_id=span.trace_id,
                method=method,
                route=route,
                status=status,
                milliseconds=round(1e3 * seconds, 3),
                actor=getattr(state.get("actor"), "name", None),
            )


def _unexpected(identity: str) -> ASGIApp:
    detail = "Something failed on the server; its log has the request id."
    return problem(identity, 500, "internal", "Internal error", detail)
