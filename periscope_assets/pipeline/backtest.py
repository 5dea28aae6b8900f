"""Backtest: the generators of today run over stored history, and their signals scored forward.

What belongs here: walking sessions with nothing but what each had, and gathering scores. What does not: the
generators and scores (``transforms.signals``), publishing: nothing is written.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, datetime, timedelta

import pandas as pd

from periscope_assets.pipeline import inputs
from periscope_assets.pipeline.landing import session_bounds
from periscope_assets.settings import Settings
from periscope_assets.store.repository import LedgerEntry, Reader
from periscope_assets.store.tables import DATASETS
from periscope_assets.transforms.signals import trade
from periscope_assets.transforms.signals.scorecard import HORIZONS, RECONSTRUCTED, score
from periscope_assets.transforms.signals.scorecard import STAGE as SCORECARD
from periscope_assets.transforms.signals.scorecard import TABLE as SCORES
from periscope_assets.transforms.stage import Frames, Input, Snapshot

_REACH = timedelta(days=45)
_MARKET = tuple(each for each in SCORECARD.inputs if not each.history_days)


def reconstructed(
    store: Reader,
    settings: Settings,
    symbol: str,
    start: date,
    end: date,
    known_at: datetime | None = None,
) -> pd.DataFrame:
    """Return the scores of the signals that today's generators make of each session's published figures.

    A signal of session T reads publications with an `as_of` up to T's; its scores read later ones. Both are
    what was known at `known_at`, by default now.

    Returns
    -------
    DataFrame
        Rows of ``signal_scores`` with `symbol` and basis ``reconstructed``, by session and horizon.
    """
    first, last = session_bounds(start)[0], session_bounds(end)[1]
    primary = trade.STAGE.inputs[0].dataset
    heads = inputs.last_of_day(
        store.heads(primary, symbol, start=first, end=last + _REACH, known_at=known_at)
    )
    limits: dict[str, object] = {"signals": settings.signals.model_dump()}
    parts: list[pd.DataFrame] = []
    for i, head in enumerate(heads):
        if head.as_of >= last:
            break
        found = inputs.find(store, trade.STAGE, head, known_at)
        frames = {each.wanted.key: inputs.rows(store, each) for each in found}
        signals = trade.compute(Snapshot(symbol, head.as_of, frames, limits)).frames[trade.TABLE]
        parts += _scored(store, signals.assign(as_of=head.as_of), heads[i:], known_at)
    rows = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()
    return rows.assign(symbol=symbol)


def as_served(
    store: Reader, symbol: str, start: date, end: date, known_at: datetime | None = None
) -> pd.DataFrame:
    """Return the published scores of signals that were made between two sessions, both included."""
    first, last = session_bounds(start)[0], session_bounds(end)[1]
    heads = inputs.last_of_day(
        store.heads(SCORECARD.name, symbol, start=first, end=last + _REACH, known_at=known_at)
    )
    rows = store.history(heads, SCORES).drop(columns=["publication_id", "as_of"])
    made = rows["signal_as_of"]
    return rows[(made >= first) & (made < last)].assign(symbol=symbol).reset_index(drop=True)


def _scored(
    store: Reader, signals: pd.DataFrame, heads: Sequence[LedgerEntry], known_at: datetime | None
) -> Iterator[pd.DataFrame]:
    for horizon in HORIZONS:
        if horizon < len(heads) and len(signals):
            now = _market(store, heads[horizon], known_at)
            if now is not None:
                yield score(signals, horizon, RECONSTRUCTED, now)


def _market(store: Reader, head: LedgerEntry, known_at: datetime | None) -> dict[str, Frames] | None:
    """Return what scores are read from at a snapshot, None where a part of it is missing."""
    frames: dict[str, Frames] = {}
    for wanted in _MARKET:
        entry = store.head(wanted.dataset, head.symbol, as_of=head.as_of, known_at=known_at)
        if entry is None:
            return None
        frames[wanted.key] = {name: store.rows(entry, name) for name in _tables(wanted)}
    return frames


def _tables(wanted: Input) -> Sequence[str]:
    return wanted.tables or DATASETS[wanted.dataset]
