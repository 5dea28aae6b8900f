"""When to ask a vendor: clock, rate limit and circuit breaker.

What belongs here: waiting and refusing to ask. What does not: requests (``transport``). Time is an argument:
tests step it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from periscope_assets.sources.base import TransientSourceError


def _wait(seconds: float) -> None:
    threading.Event().wait(seconds)


@dataclass(frozen=True, slots=True)
class Clock:
    """Time as a source sees it.

    Attributes
    ----------
    now : callable
        UTC time of day.
    monotonic : callable
        Seconds that never step back.
    wait : callable
        Lets that many seconds pass.
    """

    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    monotonic: Callable[[], float] = time.monotonic
    wait: Callable[[float], None] = _wait


class TokenBucket:
    """At most `burst` requests at once and `rate` per second in the long run.

    Parameters
    ----------
    rate : float
        Requests per second, positive.
    burst : float
        Requests that may go at once after a pause, at least 1.
    clock : Clock

    Raises
    ------
    ValueError
        If `rate` or `burst` are out of range.
    """

    def __init__(self, rate: float, burst: float, clock: Clock) -> None:
        if not rate > 0 or not burst >= 1:
            raise ValueError(f"rate, burst: expected rate > 0 and burst >= 1, got {rate} and {burst}")
        self._rate, self._burst, self._clock = rate, burst, clock
        self._tokens, self._at = burst, clock.monotonic()
        self._lock = threading.Lock()

    def acquire(self) -> None:
        """Take a token, waiting for it if need be; who comes first goes first."""
        with self._lock:
            now = self._clock.monotonic()
            self._tokens = min(self._burst, self._tokens + (now - self._at) * self._rate) - 1
            self._at = now
            owed = -self._tokens / self._rate
        if owed > 0:
            self._clock.wait(owed)


class CircuitBreaker:
    """Stops asking a vendor that fails all the time, and tries it again after a pause.

    Parameters
    ----------
    name : str
        Of the vendor, for messages.
    failures : int
        Failures in a row after which it opens.
    cooldown : float
        Seconds until one request may try again.
    clock : Clock
    """

    def __init__(self, name: str, failures: int, cooldown: float, clock: Clock) -> None:
        self._name, self._limit, self._cooldown, self._clock = name, failures, cooldown, clock
        self._failed = 0
        self._opened_at: float | None = None
        self._lock = threading.Lock()

    def check(self) -> None:
        """Let a request pass.

        Raises
        ------
        CircuitOpenError
            While it is open; one request in each pause is let through as a trial.
        """
        with self._lock:
            if self._opened_at is None:
                return
            now = self._clock.monotonic()
            left = self._opened_at + self._cooldown - now
            if left > 0:
                raise CircuitOpenError(
                    f"{self._name}: failed {self._failed} times in a row, not asked again for {left:.0f} s; "
                    "retry later"
                )
            self._opened_at = now

    def succeeded(self) -> None:
        """Note that the vendor answered: the breaker closes."""
        with self._lock:
            self._failed, self._opened_at = 0, None

    def failed(self) -> None:
        """Note that it did not: after enough of these in a row the breaker opens."""
        with self._lock:
            self._failed += 1
            if self._failed >= self._limit:
                self._opened_at = self._clock.monotonic()


class CircuitOpenError(TransientSourceError):
    """A vendor that has failed too often of late and is left alone for a while."""
