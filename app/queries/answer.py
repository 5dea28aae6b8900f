"""What every reader gets back, and its one JSON form.

What belongs here: :class:`Answer`, units, conversion to JSON-ready values. What does not: reading, HTTP,
formatting for people.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from threading import Lock
from types import MappingProxyType

import numpy as np
import pandas as pd

from app.queries.times import rfc3339
from periscope_assets.store.repository import Quality

UNITS: Mapping[str, str] = MappingProxyType(
    {
        "time": "RFC 3339, UTC",
        "vol": "decimal per square-root year: 0.20 is 20 %",
        "strike": "USD",
        "forward": "USD",
        "price": "quote_unit of the row: usd, or coin for inverse options",
        "tau_years": "years, ACT/365F to the minute",
        "tenor_days": "calendar days",
        "log_moneyness": "k = ln(strike / forward)",
        "total_variance": "w = vol^2 * tau_years",
        "delta": "forward delta, undiscounted",
        "vega": "USD per 1.00 vol",
        "theta": "USD per calendar day",
        "rho": "USD per 1.00 rate",
        "*_bps": "vol basis points: 1 is 0.0001 of vol",
        "*_usd": "USD per unit of the underlying",
        "*_stderr": "one-sigma error in the unit of its column",
    }
)
"""Units of the quantities in any answer."""


@dataclass(frozen=True, slots=True, eq=False)
class Answer:
    """Published content as it was known at one time.

    Attributes
    ----------
    dataset : str
    symbol : str or None
        None where the answer spans symbols.
    as_of : datetime or None
        Market time of the snapshot, UTC.
    known_at : datetime
        Earlier of the time asked for and the store's watermark; asking again with it gives the same rows for
        ever.
    published_at : datetime or None
        When this version became visible.
    version : str
        Content version of the dataset.
    status : {'published', 'stale', 'superseded', 'rejected'}
    source, run_id : str
    quality : mapping
        Figures by which the content was judged.
    frames : mapping of str to DataFrame
        Rows by table.
    parts : mapping of str to str
        Version of every dataset that went into the answer.
    warnings : tuple of str
        One sentence each.
    key : str
        Equal for answers of equal frames; empty where nobody has said so.
    """

    dataset: str
    symbol: str | None
    as_of: datetime | None
    known_at: datetime
    published_at: datetime | None
    version: str
    status: str
    source: str
    run_id: str
    quality: Quality
    frames: Mapping[str, pd.DataFrame]
    parts: Mapping[str, str] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    key: str = ""


class Deferred(Mapping[str, pd.DataFrame]):
    """Frames that are made when they are first looked at.

    Parameters
    ----------
    build : callable
        Makes them; called once.
    """

    def __init__(self, build: Callable[[], Mapping[str, pd.DataFrame]]) -> None:
        self._build = build
        self._lock = Lock()
        self._made: Mapping[str, pd.DataFrame] | None = None

    def _frames(self) -> Mapping[str, pd.DataFrame]:
        with self._lock:
            if self._made is None:
                self._made = self._build()
            return self._made

    def __getitem__(self, name: str) -> pd.DataFrame:
        return self._frames()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._frames())

    def __len__(self) -> int:
        return len(self._frames())


def content_key(
    dataset: str,
    symbol: str | None,
    as_of: datetime | None,
    parts: Mapping[str, str],
    question: Mapping[str, object],
) -> str:
    """Return what tells the frames of an answer from all others: content versions and what was asked."""
    told = [dataset, symbol, as_of, sorted(parts.items()), sorted(question.items())]
    return hashlib.sha256(json.dumps(told, default=str).encode()).hexdigest()


def to_jsonable(answer: Answer) -> dict[str, object]:
    """Return the body that the API sends and ``--json`` prints: plain values, no NaN, RFC 3339 times."""
    data = {table: records(frame) for table, frame in answer.frames.items()}
    return {**envelope(answer), "data": data}


def envelope(answer: Answer) -> dict[str, object]:
    """Return all of :func:`to_jsonable` but the rows."""
    return {
        "dataset": answer.dataset,
        "symbol": answer.symbol,
        "as_of": plain(answer.as_of),
        "known_at": plain(answer.known_at),
        "published_at": plain(answer.published_at),
        "version": answer.version,
        "status": answer.status,
        "source": answer.source,
        "run_id": answer.run_id,
        "quality": plain(answer.quality),
        "parts": dict(answer.parts),
        "warnings": list(answer.warnings),
        "units": dict(UNITS),
    }


def records(frame: pd.DataFrame) -> list[dict[str, object]]:
    """Return rows as dictionaries of plain values; absent numbers are None."""
    names = [str(name) for name in frame.columns]
    columns = [_plain_column(column) for _, column in frame.items()]
    return [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]


def _plain_column(column: pd.Series) -> list[object]:
    if column.dtype == np.float64:
        return [value if math.isfinite(value) else None for value in column.tolist()]
    if column.dtype in (np.int64, np.bool_):
        return list(column.tolist())
    return [plain(value) for value in column.tolist()]


def plain(value: object) -> object:
    """Return one value as JSON knows it: NaN, infinities and NaT become None."""
    kind = type(value)
    if kind is float:
        return value if math.isfinite(value) else None  # type: ignore[arg-type]
    if kind is str or kind is int or kind is bool:
        return value
    if kind is list:
        return [plain(item) for item in value]  # type: ignore[attr-defined]
    return _plain(value)


def _plain(value: object) -> object:
    """Return a value of another type as JSON knows it."""
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or value is pd.NaT or value is pd.NA:
        return None
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, datetime):
        return rfc3339(value)
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | np.ndarray):
        return [plain(item) for item in value]
    return value
