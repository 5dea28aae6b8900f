"""How far the store has come, asked once for all requests that arrive at about the same time.

What belongs here: the watermark. What does not: replies that are kept by it (``kept``).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from time import monotonic

LEASE_SECONDS = 0.005
"""How long an answer is used again. A reply is then no older than if the request had come that much sooner;
every reply names the `known_at` for which it holds."""


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
        """Return a watermark that is at most the lease old.

        Raises
        ------
        StoreUnavailableError
            If the store can't be asked.
        """
        if self._value is not None and monotonic() - self._asked_at < LEASE_SECONDS:
            return self._value
        loop = asyncio.get_running_loop()
        pending = self._pending
        if pending is None or pending.done() or pending.get_loop() is not loop:
            pending = self._pending = asyncio.ensure_future(self._renew(loop))
        return await asyncio.shield(pending)

    async def _renew(self, loop: asyncio.AbstractEventLoop) -> datetime:
        asked_at = monotonic()
        value = await loop.run_in_executor(self._executor, self._ask)
        self._asked_at, self._value = asked_at, value
        return value
