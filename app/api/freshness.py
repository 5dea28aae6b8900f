"""How far the store has come, asked once for all requests that arrive at about the same time.

What belongs here: the watermark. What does not: replies that are kept by it (``kept``).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from time import monotonic

LEASE_SECONDS = 0.01
"""How long an answer is used again. A reply is then no older than if the request had come that much sooner;
every reply names the `known_at` for which it holds."""
AHEAD_SECONDS = LEASE_SECONDS / 2
"""Age from which an answer is asked for anew while it still serves, so that nobody waits for the next."""


class Freshness:
    """The watermark of a store.

    Parameters
    ----------
    ask : callable
        Returns it, in a thread; may raise ``StoreUnavailableError``.
    """

    def __init__(self, ask: Callable[[], datetime]) -> None:
        self._ask = ask
        self._executor = ThreadPoolExecutor(1, "watermark")
        self._asked_at = float("-inf")
        self._value: datetime | None = None
        self._pending: asyncio.Future[datetime] | None = None

    async def watermark(self) -> datetime:
        """Return a watermark that was asked for no sooner than the lease before this call.

        Raises
        ------
        StoreUnavailableError
            If the store can't be asked.
        """
        called_at = monotonic()
        # A question that was under way already may be too old by the time it is answered.
        while self._value is None or called_at - self._asked_at >= LEASE_SECONDS:
            await asyncio.shield(self._renewal())
        if called_at - self._asked_at > AHEAD_SECONDS:
            self._renewal()
        return self._value

    def _renewal(self) -> asyncio.Future[datetime]:
        """Return the question that is under way, a new one if there is none."""
        loop, pending = asyncio.get_running_loop(), self._pending
        if pending is None or pending.done() or pending.get_loop() is not loop:
            pending = self._pending = asyncio.ensure_future(self._renew(loop))
            # Nobody may be waiting: who asks next hears of a failure from a question of their own.
            pending.add_done_callback(lambda done: done.cancelled() or done.exception())
        return pending

    async def _renew(self, loop: asyncio.AbstractEventLoop) -> datetime:
        asked_at = monotonic()
        value = await loop.run_in_executor(self._executor, self._ask)
        self._asked_at, self._value = asked_at, value
        return value
