"""One table over time: of a range of snapshots, or of each span its last.

What belongs here: checking the range and putting the answer together. What does not: SQL, rows of single
contracts (ask for their snapshots one by one).
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from datetime import datetime, timedelta

import pandas as pd

from app.queries.answer import Answer, content_key
from app.queries.core import Queries
from app.queries.errors import InvalidParameterError, NotPublishedError
from app.queries.times import TimeLike, parse_time, rfc3339
from periscope_assets.store.repository import LedgerEntry
from periscope_assets.store.series import dataset_of
from periscope_assets.store.tables import DATASETS, PER_CONTRACT_TABLES

_LARGE = PER_CONTRACT_TABLES | {"surface_slices"}
TABLES = tuple(name for names in DATASETS.values() for name in names if name not in _LARGE)
"""Tables whose history may be asked for: small ones, a few rows a snapshot."""
LONGEST = timedelta(days=3660)
DEFAULT = timedelta(days=30)
_EVERY = re.compile(r"([1-9][0-9]{0,3})([hdw])", re.ASCII)
_UNITS = {"h": timedelta(hours=1), "d": timedelta(days=1), "w": timedelta(weeks=1)}


@dataclass(frozen=True, slots=True)
class Range:
    """A stretch of market time as a reader writes it.

    Attributes
    ----------
    start, end : datetime, date, str or None
        Both belong to it; by default the 30 days up to the last snapshot.
    every : str or None
        Span of which only the last snapshot counts: ``1h``, ``1d``, ``1w``, ...
    tenor_days : float or None
        Only rows of this tenor.
    """

    start: TimeLike = None
    end: TimeLike = None
    every: str | None = None
    tenor_days: float | None = None


def history(queries: Queries, symbol: str, table: str, asked: Range, *, known_at: TimeLike = None) -> Answer:
    """Return the rows of a table over time, with `bucket` and `as_of`.

    Raises
    ------
    InvalidParameterError
        Naming the argument.
    UnknownSymbolError, NotPublishedError, PurgedError
        If there is no snapshot in the range.
    """
    if table not in TABLES:
        raise InvalidParameterError("table", f"expected one of {', '.join(TABLES)}")
    every = _span(asked.every)
    dataset, known = dataset_of(table), queries.known_time(known_at)
    end = parse_time(asked.end, "end")
    if end is None:
        end = queries.locate(dataset, symbol, known_at=known).entry.as_of
    start = _start(asked, end)
    entries = queries.snapshots(symbol, dataset, known_at=known, start=start, until=end)
    if not entries:
        queries.locate(dataset, symbol, known_at=known)
        reason = f"there is no snapshot between {rfc3339(start)} and {rfc3339(end)}"
        raise NotPublishedError(dataset, symbol, reason, "Ask for another range.")

    def rows() -> pd.DataFrame:
        frame = queries.series(table, symbol, start=start, until=end, known_at=known, every=every)
        return _of_tenor(frame, asked.tenor_days).drop(columns="publication_id")

    return _answer(table, entries, known, rows(), asked)


def _start(asked: Range, end: datetime) -> datetime:
    start = parse_time(asked.start, "start")
    try:
        start = end - DEFAULT if start is None else start
        longest = end - start
    except OverflowError:
        raise InvalidParameterError("end", "out of range") from None
    if not timedelta(0) <= longest <= LONGEST:
        raise InvalidParameterError("start", f"expected a time up to {LONGEST.days} days before end")
    return start


def _span(every: str | None) -> timedelta | None:
    if every is None:
        return None
    found = _EVERY.fullmatch(every)
    if found is None:
        raise InvalidParameterError("every", "expected a number and h, d or w, such as 1d")
    return int(found[1]) * _UNITS[found[2]]


def _of_tenor(frame: pd.DataFrame, tenor_days: float | None) -> pd.DataFrame:
    if tenor_days is None:
        return frame
    if "tenor_days" not in frame.columns:
        raise InvalidParameterError("tenor_days", "this table has no tenors")
    return frame[frame["tenor_days"] == tenor_days].reset_index(drop=True)


def _answer(
    table: str, entries: list[LedgerEntry], known: datetime, rows: pd.DataFrame, asked: Range
) -> Answer:
    latest = entries[0]
    versions = "\n".join(entry.version for entry in entries)
    version = hashlib.sha256(f"{table}\n{versions}".encode()).hexdigest()[:32]
    question = {"every": asked.every, "tenor_days": asked.tenor_days}
    return Answer(
        dataset=latest.dataset,
        symbol=latest.symbol,
        as_of=latest.as_of,
        known_at=known,
        published_at=max(entry.known_at for entry in entries),
        version=version,
        status="published",
        source=latest.source,
        run_id=latest.run_id,
        quality={"n_snapshots": len(entries), "n_rows": len(rows)},
        frames={table: rows},
        parts={latest.dataset: version},
        key=content_key(f"history {table}", latest.symbol, latest.as_of, {table: version}, question),
    )
