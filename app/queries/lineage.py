"""What a publication was made from: its inputs, theirs, down to the raw bytes.

What belongs here: the walk over the ledger. What does not: reading rows (``core``) or bytes (``raw``).
"""

from __future__ import annotations

from collections import deque
from datetime import datetime, timedelta

import pandas as pd

from app.queries.answer import Answer
from app.queries.core import Queries
from app.queries.times import TimeLike
from periscope_assets.store.repository import LedgerEntry
from periscope_assets.store.tables import DATASETS
from periscope_assets.transforms.rates import CURRENCY, STAGE

COLUMNS = (
    *("depth", "dataset", "symbol", "made_for", "version", "state", "as_of", "published_at"),
    *("method_version", "source", "run_id"),
)
DAILY = frozenset({"underlying_bars", STAGE.name})
"""Datasets whose snapshot is a day, at its midnight."""

AS_USED, REVISED, NOT_FOUND, DIGEST = "as used", "revised since", "not found", "digest"


def lineage(
    queries: Queries,
    dataset: str,
    symbol: str,
    *,
    as_of: TimeLike = None,
    known_at: TimeLike = None,
    version: str | None = None,
) -> Answer:
    """Return which versions went into a publication.

    Returns
    -------
    Answer
        Frame ``lineage``, a row for each input, the nearest first: `depth` (0 is the publication itself),
        `made_for` (what used it, joined by commas), `version` (that was used) and `state`: ``as used`` where
        that version is served, ``revised since`` where another is by now, ``not found``, or ``digest`` for
        inputs that are no publication: a hash of history or of raw bytes, or a layout.

    Raises
    ------
    InvalidParameterError, UnknownSymbolError, NotPublishedError
        As :meth:`Queries.read`.
    """
    found = queries.locate(dataset, symbol, as_of=as_of, known_at=known_at, version=version)
    top = found.entry
    rows = [_row(0, "", top, top.version)]
    seen: dict[tuple[str, str], dict[str, object]] = {}
    waiting = deque([(0, top)])
    while waiting:
        depth, parent = waiting.popleft()
        for name, used in parent.inputs.items():
            known = seen.get((name, used))
            if known is not None:
                known["made_for"] = f"{known['made_for']}, {parent.dataset}"
                continue
            entry = _used(queries, parent, name, used, found.known_at)
            row = _absent(depth + 1, parent, name, used)
            if entry is not None:
                row = _row(depth + 1, parent.dataset, entry, used)
                waiting.append((depth + 1, entry))
            seen[name, used] = row
            rows.append(row)
    return Answer(
        dataset="lineage",
        symbol=top.symbol,
        as_of=top.as_of,
        known_at=found.known_at,
        published_at=top.known_at,
        version=top.version,
        status=found.status,
        source=top.source,
        run_id=top.run_id,
        quality=top.quality,
        frames={"lineage": pd.DataFrame(rows, columns=list(COLUMNS))},
        parts={top.dataset: top.version},
        warnings=found.warnings,
    )


def _used(
    queries: Queries, parent: LedgerEntry, name: str, version: str, known_at: datetime
) -> LedgerEntry | None:
    """Return the input's publication: of the version used where it is found, else the one served."""
    if name not in DATASETS:
        return None
    symbol = CURRENCY if name == STAGE.name else parent.symbol
    served = None
    for known in (known_at, parent.known_at - timedelta(microseconds=1)):
        entry = queries.head(name, symbol, as_of=parent.as_of, exact=name not in DAILY, known_at=known)
        if entry is not None and entry.version == version:
            return entry
        served = served or entry
    return served


def _row(depth: int, made_for: str, entry: LedgerEntry, used: str) -> dict[str, object]:
    return {
        "depth": depth,
        "dataset": entry.dataset,
        "symbol": entry.symbol,
        "made_for": made_for,
        "version": used,
        "state": AS_USED if entry.version == used else REVISED,
        "as_of": entry.as_of,
        "published_at": entry.known_at,
        "method_version": entry.method_version,
        "source": entry.source,
        "run_id": entry.run_id,
    }


def _absent(depth: int, parent: LedgerEntry, name: str, used: str) -> dict[str, object]:
    state = NOT_FOUND if name in DATASETS else DIGEST
    return {
        "depth": depth,
        "dataset": name,
        "symbol": parent.symbol,
        "made_for": parent.dataset,
        "version": used,
        "state": state,
    }
