"""A bounded memory of rows that can never go stale.

What belongs here: :class:`CachedReader`. The rows of one publication never change, so they are kept by
publication; which publication is served is asked of the store every time. What does not belong here: anything
time-limited.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from datetime import datetime, timedelta
from threading import Lock

import pandas as pd

from periscope_assets.store.repository import PUBLISHED, LedgerEntry, Reader


class CachedReader:
    """A reader that remembers the rows of the publications used last.

    Parameters
    ----------
    reader : Reader
    max_bytes : int
        Upper bound of the memory that remembered rows take.
    """

    def __init__(self, reader: Reader, max_bytes: int = 256 * 2**20) -> None:
        self._reader = reader
        self._max_bytes = max_bytes
        self._lock = Lock()
        self._frames: OrderedDict[tuple[int, str, str], tuple[pd.DataFrame, int]] = OrderedDict()
        self._bytes = 0

    def watermark(self) -> datetime:
        """See :class:`Reader`."""
        return self._reader.watermark()

    def head(
        self,
        dataset: str,
        symbol: str,
        *,
        as_of: datetime | None = None,
        at_or_before: datetime | None = None,
        known_at: datetime | None = None,
        statuses: Sequence[str] = (PUBLISHED,),
    ) -> LedgerEntry | None:
        """See :class:`Reader`."""
        return self._reader.head(
            dataset, symbol, as_of=as_of, at_or_before=at_or_before, known_at=known_at, statuses=statuses
        )

    def heads(
        self,
        dataset: str | None = None,
        symbol: str | None = None,
        *,
        start: datetime | None = None,
        end: datetime | None = None,
        known_at: datetime | None = None,
        statuses: Sequence[str] | None = (PUBLISHED,),
    ) -> list[LedgerEntry]:
        """See :class:`Reader`."""
        return self._reader.heads(dataset, symbol, start=start, end=end, known_at=known_at, statuses=statuses)

    def latest(self, *, known_at: datetime | None = None) -> list[LedgerEntry]:
        """See :class:`Reader`."""
        return self._reader.latest(known_at=known_at)

    def follow(self, after: datetime, *, limit: int = 1000) -> list[LedgerEntry]:
        """See :class:`Reader`."""
        return self._reader.follow(after, limit=limit)

    def history(
        self, entries: Sequence[LedgerEntry], table: str, columns: Sequence[str] = ()
    ) -> pd.DataFrame:
        """See :class:`Reader`."""
        return self._reader.history(entries, table, columns)

    def series(
        self,
        table: str,
        symbol: str,
        *,
        start: datetime,
        end: datetime,
        every: timedelta | None = None,
        known_at: datetime | None = None,
        statuses: Sequence[str] = (PUBLISHED,),
    ) -> pd.DataFrame:
        """See :class:`Reader`."""
        return self._reader.series(
            table, symbol, start=start, end=end, every=every, known_at=known_at, statuses=statuses
        )

    def rows(self, entry: LedgerEntry, table: str) -> pd.DataFrame:
        """See :class:`Reader`; the frame is the caller's own (copy on write)."""
        if entry.purged_at is not None:
            return self._reader.rows(entry, table)
        key = (entry.publication_id, entry.version, table)
        with self._lock:
            if key in self._frames:
                self._frames.move_to_end(key)
                return self._frames[key][0].copy(deep=False)
        frame = self._reader.rows(entry, table)
        self._remember(key, frame)
        return frame.copy(deep=False)

    def _remember(self, key: tuple[int, str, str], frame: pd.DataFrame) -> None:
        size = int(frame.memory_usage(deep=True).sum())
        if size > self._max_bytes:
            return
        with self._lock:
            if key in self._frames:
                return
            self._frames[key] = (frame, size)
            self._bytes += size
            while self._bytes > self._max_bytes:
                _, (_, freed) = self._frames.popitem(last=False)
                self._bytes -= freed
