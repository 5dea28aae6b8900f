"""What a watching sensor found, and how far it has read.

What belongs here: a memory that reads records which become visible out of order exactly once. What does not:
what is looked for.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Generic, TypeVar

from periscope_assets.alerts.incidents import Incident

SETTLED_AFTER = timedelta(seconds=60)
"""A record may become visible after a later one; after so long none comes in before it."""
FIRST_LOOK = timedelta(hours=24)
"""How far back a sensor looks that has never looked before."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Findings:
    """Incidents to raise, keys to resolve with why, and the memory for the next look."""

    raised: Sequence[Incident] = ()
    resolved: dict[str, str] = field(default_factory=dict)
    memory: str = ""


@dataclass(frozen=True, slots=True)
class Record(Generic[T]):
    """A record: its place in the order of reading, what tells it from others, when it was written."""

    position: float
    key: str
    at: datetime
    value: T


class Memory:
    """Place up to which all was read, and the records read beyond it.

    Parameters
    ----------
    text : str or None
        What :meth:`kept` returned last; None at first.
    """

    def __init__(self, text: str | None) -> None:
        stored = json.loads(text) if text else {}
        self.after: float | None = stored.get("after")
        self._seen: frozenset[str] = frozenset(stored.get("seen", ()))

    def unread(
        self, read: Callable[[int], Sequence[Record[T]]], most: int, now: datetime
    ) -> tuple[list[Record[T]], str]:
        """Return at most `most` records that were not read before, and the memory once they are.

        Parameters
        ----------
        read : callable
            Returns up to so many records from `after` on, that place included, in their order.
        most : int
        now : datetime
        """
        found = list(read(most + len(self._seen)))
        fresh = [each for each in found if each.key not in self._seen][:most]
        known = [each for each in found if each.key in self._seen]
        done = sorted([*known, *fresh], key=lambda each: each.position)
        settled = [each.position for each in done if each.at < now - SETTLED_AFTER]
        after = max(settled, default=self.after)
        seen = [each.key for each in done if after is None or each.position >= after]
        return fresh, json.dumps({"after": after, "seen": seen})


def instant(seconds: float) -> datetime:
    """Return seconds since 1970 as a time."""
    return datetime.fromtimestamp(seconds, UTC)
