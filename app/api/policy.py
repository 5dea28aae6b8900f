"""Which role and scope each route takes: the one table that says so.

What belongs here: the table. What does not: finding out who asks (``identity``), enforcing it
(``doorkeeper``). What no line names takes a viewer to read and an operator for anything else.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from app.commands.actors import Actor, Role

_READS = ("GET", "HEAD", "OPTIONS")


@dataclass(frozen=True, slots=True)
class Rule:
    """What a route takes; no role means that nobody need say who they are."""

    role: Role | None
    scope: str = ""

    def lets_in(self, actor: Actor) -> bool:
        """Tell whether somebody has the role, and no scopes or the scope."""
        if self.role is None:
            return True
        return actor.role >= self.role and (not actor.scopes or self.scope in actor.scopes)


PUBLIC = Rule(None)
READ = Rule(Role.VIEWER, "read")
OTHER = Rule(Role.OPERATOR, "admin")

TABLE: tuple[tuple[tuple[str, ...], str, Rule], ...] = (
    (_READS, r"/health|/ready|/openapi\.json|/llms\.txt", PUBLIC),
    (_READS, r"/metrics", Rule(Role.VIEWER, "metrics")),
    (("GET", "WEBSOCKET"), r"/v1/stream", Rule(Role.VIEWER, "stream")),
    (("GET", "POST", "DELETE"), r"/mcp(/.*)?", Rule(Role.VIEWER, "agents")),
    (("POST",), r"/v1/(price|implied-vol|strategy)", Rule(Role.VIEWER, "compute")),
    (("POST",), r"/v1/signals/[^/]+/[^/]+/(acknowledge|reopen)", Rule(Role.ANALYST, "signals")),
    (("POST",), r"/v1/alerts/(acknowledge|reopen)", Rule(Role.OPERATOR, "alerts")),
    (_READS, r".*", READ),
    (("WEBSOCKET",), r".*", READ),
)
"""Methods, path in full, and rule; the first that fits counts."""

_COMPILED = tuple(
    (frozenset(methods), re.compile(path, re.ASCII | re.DOTALL), rule) for methods, path, rule in TABLE
)


@lru_cache(maxsize=4096)
def rule_for(method: str, path: str) -> Rule:
    """Return the rule of a request."""
    for methods, pattern, rule in _COMPILED:
        if method in methods and pattern.fullmatch(path):
            return rule
    return OTHER
