"""Inputs: which ledger entries a stage reads for one snapshot, their versions and their rows.

What belongs here: heads of inputs, history among them. What does not: what a stage makes of them
(``transforms``), the walk over symbols and snapshots (``building``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import pandas as pd

from periscope_analytics.conventions import NEW_YORK
from periscope_assets.pipeline.landing import session_bounds
from periscope_assets.pipeline.outcomes import MissingInputError, RejectedInputError
from periscope_assets.store.repository import REJECTED, LedgerEntry, Reader
from periscope_assets.store.tables import DATASETS
from periscope_assets.transforms.frames import digest
from periscope_assets.transforms.stage import FIGURES, Input, Stage


@dataclass(frozen=True, slots=True)
class Found:
    """An input with the ledger entries that it is: one, or any number of history."""

    wanted: Input
    entries: tuple[LedgerEntry, ...]

    @property
    def version(self) -> str:
        """Version of the entry, or the digest of the history's."""
        if self.wanted.history_days:
            return digest([entry.version for entry in self.entries])
        return self.entries[0].version


def find(store: Reader, stage: Stage, primary: LedgerEntry, known_at: datetime | None = None) -> list[Found]:
    """Return the inputs of a stage for the snapshot of its primary input, as known at a time, by default now.

    Absent optional ones are left out.

    Raises
    ------
    MissingInputError
        If an input has not been built, or was rejected.
    """
    own = (stage.name, primary.symbol)
    wanted = [each for each in stage.inputs if each.history_days or (each.dataset, each.symbol) != own]
    found = [Found(each, _entries(store, each, primary, known_at)) for each in wanted]
    return [each for each in found if each.entries or each.wanted.history_days]


def rows(store: Reader, found: Found) -> Mapping[str, pd.DataFrame]:
    """Return the rows of an input by table; of history also its figures."""
    wanted = found.wanted
    if not wanted.history_days:
        return {
            name: store.rows(found.entries[0], name) for name in wanted.tables or DATASETS[wanted.dataset]
        }
    figures = pd.DataFrame(
        [{**entry.quality, "as_of": entry.as_of, "known_at": entry.known_at} for entry in found.entries]
    )
    return {
        FIGURES: figures,
        **{name: store.history(found.entries, name, wanted.columns) for name in wanted.tables},
    }


def _entries(
    store: Reader, wanted: Input, primary: LedgerEntry, known_at: datetime | None
) -> tuple[LedgerEntry, ...]:
    owner = wanted.symbol or primary.symbol
    if wanted.history_days:
        return last_of_day(_past(store, wanted, owner, primary, known_at))
    if wanted.dataset == primary.dataset and owner == primary.symbol:
        return (primary,)
    exactly, until = (None, primary.as_of) if wanted.latest else (primary.as_of, None)
    entry = store.head(wanted.dataset, owner, as_of=exactly, at_or_before=until, known_at=known_at)
    if entry is None and not wanted.optional:
        refused = store.head(
            wanted.dataset, owner, as_of=primary.as_of, known_at=known_at, statuses=(REJECTED,)
        )
        if refused is not None:
            raise RejectedInputError(refused)
        raise MissingInputError(
            f"{owner} {primary.as_of:%Y-%m-%d %H:%M}: there is no {wanted.dataset}; materialize it first"
        )
    return () if entry is None else (entry,)


def last_of_day(heads: Sequence[LedgerEntry]) -> tuple[LedgerEntry, ...]:
    """Return the last snapshot of each day in New York, in the order of days."""
    last = {entry.as_of.astimezone(NEW_YORK).date(): entry for entry in heads}
    return tuple(last[day] for day in sorted(last))


def _past(
    store: Reader, wanted: Input, owner: str, primary: LedgerEntry, known_at: datetime | None
) -> list[LedgerEntry]:
    """Return the snapshots of the days before the primary's own."""
    today = session_bounds(primary.as_of.astimezone(NEW_YORK).date())[0]
    start = today - timedelta(days=wanted.history_days)
    return store.heads(wanted.dataset, owner, start=start, end=today, known_at=known_at)
