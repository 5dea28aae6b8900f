"""What there is: answers that span symbols.

What belongs here: summaries of the ledger. What does not: rows of any dataset.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime

import pandas as pd

from app.queries.answer import Answer
from app.queries.locate import QUOTES
from periscope_assets.store.repository import PUBLISHED, LedgerEntry, Reader

SURFACE = "vol_surface"
_UNDERLYING = (
    "symbol",
    "as_of",
    "published_at",
    "status",
    "version",
    "source",
    "n_snapshots",
    "quotes",
    "surface",
)
_STATUS = (
    "dataset",
    "symbol",
    "as_of",
    "published_at",
    "status",
    "version",
    "latest_as_of",
    "n_snapshots",
    "source",
    "run_id",
    "quality",
)


def underlyings(reader: Reader, known_at: datetime) -> Answer:
    """Return one row for each symbol with quotes: latest surface, its status and figures."""
    quotes = _by_symbol(reader.heads(QUOTES, known_at=known_at, statuses=None))
    surfaces = _by_symbol(reader.heads(SURFACE, known_at=known_at, statuses=None))
    rows = [_underlying(symbol, quotes[symbol], surfaces.get(symbol, [])) for symbol in sorted(quotes)]
    return _summary("underlyings", known_at, pd.DataFrame(rows, columns=list(_UNDERLYING)))


def status(reader: Reader, known_at: datetime) -> Answer:
    """Return one row for each dataset and symbol: the snapshot served, its status, the latest tried."""
    groups: dict[tuple[str, str], list[LedgerEntry]] = defaultdict(list)
    for entry in reader.heads(known_at=known_at, statuses=None):
        groups[entry.dataset, entry.symbol].append(entry)
    rows = [_status(entries) for _, entries in sorted(groups.items())]
    return _summary("status", known_at, pd.DataFrame(rows, columns=list(_STATUS)))


def _by_symbol(entries: Sequence[LedgerEntry]) -> dict[str, list[LedgerEntry]]:
    groups: dict[str, list[LedgerEntry]] = defaultdict(list)
    for entry in entries:
        groups[entry.symbol].append(entry)
    return groups


def _underlying(symbol: str, quotes: list[LedgerEntry], surfaces: list[LedgerEntry]) -> tuple[object, ...]:
    latest = _served(quotes) or quotes[-1]
    surface = _served(surfaces)
    if surface is None:
        state = latest.status if latest.status != PUBLISHED else "no_surface"
        return (
            symbol,
            latest.as_of,
            latest.known_at,
            state,
            latest.version,
            latest.source,
            0,
            latest.quality,
            {},
        )
    state = "stale" if latest.status == PUBLISHED and latest.as_of > surface.as_of else PUBLISHED
    count = sum(entry.status == PUBLISHED for entry in surfaces)
    return (
        symbol,
        surface.as_of,
        surface.known_at,
        state,
        surface.version,
        surface.source,
        count,
        latest.quality,
        surface.quality,
    )


def _status(entries: list[LedgerEntry]) -> tuple[object, ...]:
    latest = max(entries, key=lambda entry: entry.as_of)
    shown = _served(entries) or latest
    state = (
        "stale" if latest.status not in (PUBLISHED, "no_session") and shown is not latest else shown.status
    )
    count = sum(entry.status == PUBLISHED for entry in entries)
    return (
        shown.dataset,
        shown.symbol,
        shown.as_of,
        shown.known_at,
        state,
        shown.version,
        latest.as_of,
        count,
        shown.source,
        shown.run_id,
        shown.quality,
    )


def _served(entries: Sequence[LedgerEntry]) -> LedgerEntry | None:
    published = [entry for entry in entries if entry.status == PUBLISHED]
    return max(published, key=lambda entry: entry.as_of, default=None)


def _summary(name: str, known_at: datetime, frame: pd.DataFrame) -> Answer:
    digest = hashlib.sha256("\n".join(sorted(frame["version"].astype(str))).encode()).hexdigest()
    return Answer(
        dataset=name,
        symbol=None,
        as_of=frame["as_of"].max() if len(frame) else None,
        known_at=known_at,
        published_at=frame["published_at"].max() if len(frame) else None,
        version=digest[:32],
        status="published",
        source="ledger",
        run_id="",
        quality={"n_rows": len(frame)},
        frames={name: frame},
    )
