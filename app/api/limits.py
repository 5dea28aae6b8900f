"""How often somebody may ask: a bucket of tokens each, refilled evenly.

What belongs here: counting and its headers. What does not: who somebody is.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic

_MOST_BUCKETS = 10_000
WINDOW_SECONDS = 60


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
        return Allowance(is_in_order, int(level), math.ceil(max(0.0, 1.0 - level) / rate))

    def headers(self, allowance: Allowance) -> list[tuple[bytes, bytes]]:
        """Return the headers that tell a client where it stands."""
        policy = f'"default";q={self.per_minute};w={WINDOW_SECONDS}'
        state = f'"default";r={allowance.left};t={allowance.wait_seconds}'
        return [(b"ratelimit-policy", policy.encode()), (b"ratelimit", state.encode())]
