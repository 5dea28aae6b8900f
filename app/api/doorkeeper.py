"""Lets in who may come in: identity, role, scope and rate of every request, before any route sees it.

What belongs here: the decision and its refusals. What does not: the table of rules (``policy``), proof of
identity (``identity``).
"""

from __future__ import annotations

from collections.abc import Mapping

from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from app.api.errors import problem, unavailable
from app.api.identity import ANONYMOUS, Identities, Refused
from app.api.limits import SharedLimiter
from app.api.observed import redacted
from app.api.policy import Rule, rule_for
from app.api.shared import SharedRedis
from app.api.trail import Trail
from app.commands.actors import LOCAL, Actor
from periscope_assets.store.repository import StoreUnavailableError

CHALLENGE = 'Bearer realm="periscope"'


class Doorkeeper:
    """ASGI middleware; puts the :class:`Actor` into the state of what it lets in.

    Whoever is not believed has the same rate as a key, by address.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        identities: Identities,
        per_minute: int,
        redis: SharedRedis | None,
        trail: Trail,
    ) -> None:
        self._app = app
        self._identities = identities
        self._limiter = SharedLimiter("actor", per_minute, redis)
        self._failures = SharedLimiter("address", per_minute, redis)
        self._trail = trail

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on with its actor, or answer 401, 403, 429 or 503."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        method = scope["method"] if scope["type"] == "http" else "WEBSOCKET"
        rule = rule_for(method, scope["path"])
        refusal = None if rule.role is None else await self._refusal(scope, method, rule)
        await (refusal or self._app)(scope, receive, send)

    async def _refusal(self, scope: Scope, method: str, rule: Rule) -> Response | None:
        state = scope["state"]
        try:
            actor = await self._identities.of(state["fields"])
        except StoreUnavailableError as error:
            return unavailable(state["request_id"], error, is_open=False)
        if isinstance(actor, Refused):
            return await self._not_believed(scope, _asked(scope, method), actor)
        state["actor"] = actor
        if actor is not LOCAL:
            allowance = await self._limiter.take_shared(actor.name)
            state["added"] += self._limiter.headers(allowance)
            if not allowance.is_in_order:
                return _too_many(scope, allowance.wait_seconds)
        if rule.lets_in(actor):
            return None
        return self._not_allowed(scope, _asked(scope, method), actor, rule)

    async def _not_believed(self, scope: Scope, action: str, refused: Refused) -> Response:
        address = (scope.get("client") or ("?",))[0]
        self._trail.denied(refused.who, action, address, refused.reason)
        allowance = await self._failures.take_shared(address)
        if not allowance.is_in_order:
            return _too_many(scope, allowance.wait_seconds)
        detail = f"Authentication is required: {refused.reason}."
        error = "" if refused.who == ANONYMOUS and "no key" in refused.reason else ', error="invalid_token"'
        headers = {"WWW-Authenticate": CHALLENGE + error}
        return _problem(scope, 401, "unauthenticated", "Not authenticated", detail, headers)

    def _not_allowed(self, scope: Scope, action: str, actor: Actor, rule: Rule) -> Response:
        assert rule.role is not None
        if actor.role < rule.role:
            detail = f"This takes the role {rule.role.label}; the caller's is {actor.role.label}."
        else:
            detail = f"This takes the scope {rule.scope}, which the key does not have."
        self._trail.denied(actor.name, action, rule.scope, detail)
        return _problem(scope, 403, "forbidden", "Not allowed", detail)


def _asked(scope: Scope, method: str) -> str:
    """Return what was asked for, as the audit log has it."""
    return f"{method} {redacted(scope['path'][:200])}"


def _too_many(scope: Scope, wait_seconds: int) -> Response:
    detail = f"Too many requests; the next one is in order in {wait_seconds} s."
    headers = {"Retry-After": str(max(1, wait_seconds))}
    return _problem(scope, 429, "too-many-requests", "Too many requests", detail, headers)


def _problem(
    scope: Scope,
    status: int,
    code: str,
    title: str,
    detail: str,
    headers: Mapping[str, str] | None = None,
) -> Response:
    return problem(scope["state"]["request_id"], status, code, title, detail, None, headers)
