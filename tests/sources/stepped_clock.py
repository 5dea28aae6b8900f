"""A clock that a test steps: waiting takes no time, and is remembered."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from periscope_assets.sources.pacing import Clock

NOW = datetime(2026, 6, 2, 20, 20, tzinfo=UTC)


class Stepped:
    """Time that passes only by waiting."""

    def __init__(self, now: datetime = NOW) -> None:
        self.start, self.waits = now, list[float]()

    @property
    def elapsed(self) -> float:
        return sum(self.waits)

    @property
    def clock(self) -> Clock:
        return Clock(
            lambda: self.start + timedelta(seconds=self.elapsed), lambda: self.elapsed, self.waits.append
        )
