"""A bounded memory of answers that can never go stale.

What belongs here: :class:`CachedReader`. The rows of one publication never change, and neither does what was
known at a time that is final, so both are kept; what is known now is asked of the store every time. What does
not belong here: anything time-limited.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from threading import Lock
from typing import Any, TypeVar

import pandas as pd

from periscope_assets.store.repository import PUBLISHED, LedgerEntry, Reader

_ENTRY_BYTES, _OVERHEAD_BYTES, _CELL_BYTES = 2_000, 500, 64
_FEW_CELLS = 10_000
"""Most cells of a frame whose size is taken from their number: quicker than looking at each column."""

T = TypeVar("T")


class CachedReader:
    """A reader that remembers what it was asked last.

    Parameters
    ----------
    reader : Reader
    max_bytes : int
        Upper bound of the memory that remembered answers take.
    """

    def __init__(self, reader: Reader, max_bytes: int = 256 * 2**20) -> None:
        self._reader = reader
        self._max_bytes = max_bytes
        self._lock = Lock()
        self._kept: OrderedDict[Hashable, tuple[Any, int]] = OrderedDict()
        self._bytes = 0
        self._final = datetime.min.replace(tzinfo=UTC)

    def watermark(self) -> datetime:
        """See :class:`Reader`."""
        self._final = max(self._final, self._reader.watermark())
        return self._final

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
        key = ("head", dataset, symbol, as_of, at_or_before, known_at, tuple(statuses))
        found: LedgerEntry | None = self._final_answer(
            known_at,
            key,
            lambda: self._reader.head(
                dataset, symbol, as_of=as_of, at_or_before=at_or_before, known_at=known_at, statuses=statuses
            ),
        )
        return found

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
        wanted = None if statuses is None else tuple(statuses)
        key = ("heads", dataset, symbol, start, end, known_at, wanted)
        found: list[LedgerEntry] = self._final_answer(
            known_at,
            key,
            lambda: self._reader.heads(
                dataset, symbol, start=start, end=end, known_at=known_at, statuses=statuses
            ),
        )
        return list(found)

    def symbols(self, dataset: str, *, known_at: datetime | None = None) -> list[str]:
        """See :class:`Reader`."""
        key = ("symbols", dataset, known_at)
        found: list[str] = self._final_answer(
            known_at, key, lambda: self._reader.symbols(dataset, known_at=known_at)
        )
        return list(found)

    def recent(
        self,
        dataset: str,
        symbols: Sequence[str],
        *,
        limit: int = 1,
        known_at: datetime | None = None,
        statuses: Sequence[str] = (PUBLISHED,),
    ) -> list[LedgerEntry]:
        """See :class:`Reader`."""
        key = ("recent", dataset, tuple(symbols), limit, known_at, tuple(statuses))
        found: list[LedgerEntry] = self._final_answer(
            known_at,
            key,
            lambda: self._reader.recent(dataset, symbols, limit=limit, known_at=known_at, statuses=statuses),
        )
        return list(found)

    def latest(self, *, known_at: datetime | None = None) -> list[LedgerEntry]:
        """See :class:`Reader`."""
        found: list[LedgerEntry] = self._final_answer(
            known_at, ("latest", known_at), lambda: self._reader.latest(known_at=known_at)
        )
        return list(found)

    def counts(
        self, dataset: str | None = None, *, known_at: datetime | None = None
    ) -> dict[tuple[str, str], int]:
        """See :class:`Reader`."""
        found: dict[tuple[str, str], int] = self._final_answer(
            known_at, ("counts", dataset, known_at), lambda: self._reader.counts(dataset, known_at=known_at)
        )
        return dict(found)

    def follow(self, after: datetime, *, limit: int = 1000) -> list[LedgerEntry]:
        """See :class:`Reader`."""
        return self._reader.follow(after, limit=limit)

    def history(
        self, entries: Sequence[LedgerEntry], table: str, columns: Sequence[str] = ()
    ) -> pd.DataFrame:
        """See :class:`Reader`; the frame is the caller's own (copy on write)."""
        if any(entry.purged_at is not None for entry in entries):
            return self._reader.history(entries, table, columns)
        which = tuple((entry.publication_id, entry.version) for entry in entries)
        found: pd.DataFrame = self._remembered(
            ("history", which, table, tuple(columns)), lambda: self._reader.history(entries, table, columns)
        )
        return found.copy(deep=False)

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
        columns: Sequence[str] = (),
        only: Mapping[str, object] | None = None,
    ) -> pd.DataFrame:
        """See :class:`Reader`; the frame is the caller's own (copy on write)."""
        chosen = tuple((only or {}).items())
        key = ("series", table, symbol, start, end, every, known_at, tuple(statuses), tuple(columns), chosen)
        found: pd.DataFrame = self._final_answer(
            known_at,
            key,
            lambda: self._reader.series(
                table,
                symbol,
                start=start,
                end=end,
                every=every,
                known_at=known_at,
                statuses=statuses,
                columns=columns,
                only=only,
            ),
        )
        return found.copy(deep=False)

    def rows(self, entry: LedgerEntry, table: str) -> pd.DataFrame:
        """See :class:`Reader`; the frame is the caller's own (copy on write)."""
        if entry.purged_at is not None:
            return self._reader.rows(entry, table)
        key = ("rows", entry.publication_id, entry.version, table)
        found: pd.DataFrame = self._remembered(key, lambda: self._reader.rows(entry, table))
        return found.copy(deep=False)

    def remember(self, key: Hashable, make: Callable[[], T]) -> T:
        """Return what `make` computed of published rows before, or computes now.

        Parameters
        ----------
        key : hashable
            Names what is computed, and the publications of which.
        make : callable
            What it returns is shared: nobody may change it.
        """
        found: T = self._remembered(("computed", key), make)
        return found

    def _final_answer(self, known_at: datetime | None, key: Hashable, read: Callable[[], Any]) -> Any:
        """Return what `read` does; remember it where `known_at` is a time that the watermark has passed."""
        is_final = known_at is not None and known_at <= self._final
        return self._remembered(key, read) if is_final else read()

    def _remembered(self, key: Hashable, read: Callable[[], Any]) -> Any:
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key][0]
        value = read()
        self._remember(key, value, _size(value))
        return value

    def _remember(self, key: Hashable, value: object, size: int) -> None:
        if size > self._max_bytes:
            return
        with self._lock:
            if key in self._kept:
                return
            self._kept[key] = (value, size)
            self._bytes += size
            while self._bytes > self._max_bytes:
                _, (_, freed) = self._kept.popitem(last=False)
                self._bytes -= freed


class OneMoment:
    """A reader to which the watermark stands still: all that one page shows is known at one time.

    Parameters
    ----------
    reader : Reader
        Asked for its watermark now, and never again.
    """

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._watermark = reader.watermark()

    def watermark(self) -> datetime:
        """See :class:`Reader`."""
        return self._watermark

    def __getattr__(self, name: str) -> Any:
        return getattr(self._reader, name)


def _size(value: object) -> int:
    """Return how many bytes an answer takes, roughly."""
    if isinstance(value, pd.DataFrame) and value.size <= _FEW_CELLS:
        return value.size * _CELL_BYTES + _OVERHEAD_BYTES
    if isinstance(value, pd.DataFrame):
        return int(value.memory_usage(deep=True).sum()) + _OVERHEAD_BYTES
    if isinstance(value, dict):
        return sum(map(_size, value.values()))
    return _OVERHEAD_BYTES + _ENTRY_BYTES * (len(value) if isinstance(value, list) else 1)
