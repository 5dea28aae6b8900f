"""What a stage of the flow is: named inputs, a method version and one pure function.

What belongs here: the types that every transform module uses to declare itself. What does not: any stage's
formulas, or how inputs are read and results published (``pipeline`` does that).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

import pandas as pd

Frames = Mapping[str, pd.DataFrame]
FIGURES = "history"
"""Table of figures of earlier publications, which an input with `history_days` has."""
Quality = Mapping[str, float | int | str | bool | None]


@dataclass(frozen=True, slots=True)
class Input:
    """A dataset that a stage reads.

    Attributes
    ----------
    dataset : str
    symbol : str or None
        Fixed symbol (``USD`` for the rate curve); None for the symbol being built.
    latest : bool
        Read the latest snapshot at or before `as_of` rather than the one at `as_of`.
    optional : bool
        The stage can do without it.
    tables : tuple of str
        Tables of the dataset to read; all of them if empty.
    columns : tuple of str
        Of the tables of history, the columns to read; all of them if empty.
    history_days : int
        Read history, that of so many days: of each day before the snapshot's own the last publication. Comes
        as the table ``history`` (`as_of`, `known_at` and quality figures) and the rows of `tables`, all in
        the order of `as_of`; empty where there is none.
    name : str
        Under which the stage finds it, in place of the dataset's: for one that reads its own dataset of
        another symbol.
    """

    dataset: str
    symbol: str | None = None
    latest: bool = False
    optional: bool = False
    tables: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    history_days: int = 0
    name: str = ""

    @property
    def key(self) -> str:
        """Name under which the stage finds it; of history ``<dataset>_history`` where none is given."""
        return self.name or (f"{self.dataset}_history" if self.history_days else self.dataset)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything a stage may look at for one symbol and snapshot.

    Attributes
    ----------
    symbol : str
    as_of : datetime
        UTC.
    inputs : mapping of str to mapping of str to DataFrame
        Rows by key of the input and table, as ``store.tables`` defines them.
    settings : mapping
        The stage's own settings; part of its version.
    """

    symbol: str
    as_of: datetime
    inputs: Mapping[str, Frames]
    settings: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class StageResult:
    """What a stage made: rows by table, the publish-or-reject decision, and the figures behind it."""

    frames: Frames
    quality: Quality
    status: str = "published"


@dataclass(frozen=True, slots=True)
class Stage:
    """One computed dataset.

    Attributes
    ----------
    name : str
        Asset key, dataset name.
    inputs : tuple of Input
        The first one names the snapshots that are built.
    method_version : str
        Changes whenever the same inputs and settings would give other rows.
    compute : callable
        Pure: no clock, environment, network or randomness that is not in its argument.
    settings : tuple of str
        Names of the settings it takes, as ``pipeline`` knows them.
    """

    name: str
    inputs: tuple[Input, ...]
    method_version: str
    compute: Callable[[Snapshot], StageResult]
    settings: tuple[str, ...] = ()
