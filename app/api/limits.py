"""How often somebody may ask: a bucket of tokens each, refilled evenly.

What belongs here: counting, in this process or for all of them, and its headers. What does not: who somebody
is.
"""

from __future__ import annotations

import asyncio
import math
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic

from app.api.shared import SharedRedis

_MOST_BUCKETS = 10_000
WINDOW_SECONDS = 60
_PREFIX = "periscope:rate"
_TAKE = """
local most, window = tonumber(ARGV[1]), tonumber(ARGV[2])
local time = redis.call('TIME')
local now = tonumber(time[1]) + tonumber(time[2]) / 1e6
local kept = redis.call('HMGET', KEYS[1], 'level', 'since')
local waited = math.max(0, now - (tonumber(kept[2]) or now))
local level = math.min(most, (tonumber(kept[1]) or most) + waited * most / window)
local taken = level >= 1 and 1 or 0
redis.call('HSET', KEYS[1], 'level', string.format('%.6f', level - taken))
redis.call('HSET', KEYS[1], 'since', string.format('%.6f', now))
redis.call('EXPIRE', KEYS[1], window + 1)
return {taken, string.format('%.6f', level - taken)}
"""
"""Takes a token by the clock of Redis; a bucket that is forgotten would be full again."""


@dataclass(frozen=True, slots=True)
class Allowance:
    """Whether one more request is in order, how many are left, and seconds until the next one would be."""

    is_in_order: bool
    left: int
    wait_seconds: int


class Limiter:
    """Buckets by name. A bucket holds one minute's worth, and is full at the start.

    Parameters
    ----------
    per_minute : int
    clock : callable, optional
        Seconds that only increase.
    """

    def __init__(self, per_minute: int, clock: Callable[[], float] = monotonic) -> None:
        self.per_minute = per_minute
        self._clock = clock
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, name: str) -> Allowance:
        """Take one token out of somebody's bucket."""
        now, rate = self._clock(), self.per_minute / WINDOW_SECONDS
        level, since = self._buckets.get(name, (float(self.per_minute), now))
        level = min(float(self.per_minute), level + (now - since) * rate)
        is_in_order = level >= 1.0
        if is_in_order:
            level -= 1.0
        self._buckets[name] = (level, now)
        self._buckets.move_to_end(name)
        if len(self._buckets) > _MOST_BUCKETS:
            self._buckets.popitem(last=False)
        return self.allowance(level, is_in_order=is_in_order)

    def allowance(self, level: float, *, is_in_order: bool) -> Allowance:
        """Return what a bucket that holds so much after a request comes to."""
        wait = max(0.0, 1.0 - level) * WINDOW_SECONDS / self.per_minute
        return Allowance(is_in_order, int(level), math.ceil(wait))

    def headers(self, allowance: Allowance) -> list[tuple[bytes, bytes]]:
        """Return the headers that tell a client where it stands."""
        policy = f'"default";q={self.per_minute};w={WINDOW_SECONDS}'
        state = f'"default";r={allowance.left};t={allowance.wait_seconds}'
        return [(b"ratelimit-policy", policy.encode()), (b"ratelimit", state.encode())]


class SharedLimiter(Limiter):
    """Buckets that all processes share in Redis; while it is away, or without one, each has its own.

    Parameters
    ----------
    kind : str
        Tells these buckets from others.
    per_minute : int
    redis : SharedRedis or None
    """

    def __init__(self, kind: str, per_minute: int, redis: SharedRedis | None) -> None:
        super().__init__(per_minute)
        self._kind = kind
        self._redis = redis

    async def take_shared(self, name: str) -> Allowance:
        """Take one token out of somebody's bucket."""
        if self._redis is None or self._redis.is_away:
            return self.take(name)
        key = f"{_PREFIX}:{self._kind}:{self.per_minute}:{name}"
        found = await asyncio.to_thread(
            self._redis.ask, "eval", _TAKE, 1, key, self.per_minute, WINDOW_SECONDS
        )
        if not isinstance(found, list):
            return self.take(name)
        return self.allowance(float(found[1]), is_in_order=found[0] == 1)
