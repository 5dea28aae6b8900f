"""What the rest of the house may ask of a store, without knowing which one it is.

What belongs here: the ledger's vocabulary (drafts, receipts, ledger entries) and the Protocols of reading and
publishing. What does not: SQL (``postgres``), files (``lake``), formulas.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from threading import Event
from typing import Protocol

import pandas as pd

Quality = Mapping[str, float | int | str | bool | None]

PUBLISHED, REJECTED, NO_SESSION, WITHDRAWN = "published", "rejected", "no_session", "withdrawn"


@dataclass(frozen=True, slots=True)
class Draft:
    """Content that asks to be published for one dataset, symbol and snapshot.

    Attributes
    ----------
    dataset : str
        Name of the asset that made it, e.g. ``forward_curve``.
    symbol : str
    as_of : datetime
        Market time of the snapshot, UTC.
    version : str
        Content version; equal to the head's version means: nothing to do.
    method_version : str
        Version of the code and settings that made it.
    inputs : mapping of str to str
        Version of each input, by name.
    status : {'published', 'rejected', 'no_session', 'withdrawn'}
    source : str
        Where the market data came from, e.g. ``files:cboe_quote_table`` or ``simulated``.
    run_id : str
    frames : mapping of str to DataFrame
        Rows by table name, without `publication_id` and `as_of`; all tables of one dataset go in one
        transaction.
    quality : mapping
        Counts and figures a reader needs to judge the content.
    """

    dataset: str
    symbol: str
    as_of: datetime
    version: str
    method_version: str
    inputs: Mapping[str, str]
    status: str
    source: str
    run_id: str
    frames: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    quality: Quality = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of a draft.

    Attributes
    ----------
    outcome : {'published', 'unchanged', 'stale'}
        ``unchanged``: the latest publication has this version and status already. ``stale``: someone who read
        its inputs later was first.
    publication_id, known_at, version
        Of the new publication, or of the latest one where nothing was published.
    n_rows : int
        Rows written.
    """

    dataset: str
    symbol: str
    as_of: datetime
    outcome: str
    publication_id: int
    known_at: datetime
    version: str
    n_rows: int


@dataclass(frozen=True, slots=True)
class LedgerEntry:
    """One publication: a change of content of a dataset for one symbol and snapshot."""

    publication_id: int
    dataset: str
    symbol: str
    as_of: datetime
    known_at: datetime
    version: str
    method_version: str
    inputs: Mapping[str, str]
    status: str
    supersedes: int | None
    fence: int
    source: str
    run_id: str
    quality: Quality
    purged_at: datetime | None


class Reader(Protocol):
    """As-served reads. `known_at` defaults to the watermark; every answer is what was known then."""

    def watermark(self) -> datetime:
        """Return the latest `known_at` that is visible and final."""

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
        """Return the entry served for a dataset and symbol, None if there is none.

        Of the snapshot `as_of` exactly, or the latest one at or before `at_or_before`, or the latest of all.
        A rejected publication leaves the published one served; a withdrawn one takes its snapshot out.
        """

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
        """Return one head per dataset, symbol and snapshot, ordered by these; ``start <= as_of < end``."""

    def latest(self, *, known_at: datetime | None = None) -> list[LedgerEntry]:
        """Return the head of the last snapshot of each dataset and symbol, whatever its status, in order.

        Takes time by datasets and symbols, not by their history.
        """

    def counts(
        self, dataset: str | None = None, *, known_at: datetime | None = None
    ) -> dict[tuple[str, str], int]:
        """Return how many snapshots are served of each dataset and symbol that has any."""

    def symbols(self, dataset: str, *, known_at: datetime | None = None) -> list[str]:
        """Return the symbols for which anything of a dataset is in the ledger, in order."""

    def recent(
        self,
        dataset: str,
        symbols: Sequence[str],
        *,
        limit: int = 1,
        known_at: datetime | None = None,
        statuses: Sequence[str] = (PUBLISHED,),
    ) -> list[LedgerEntry]:
        """Return the heads of the latest `limit` snapshots of each symbol, by symbol, latest first."""

    def rows(self, entry: LedgerEntry, table: str) -> pd.DataFrame:
        """Return the rows of one publication in the table's column order, keyed columns first, UTC times.

        Raises
        ------
        PurgedError
            If retention has dropped the rows; their raw objects are still in the lake.
        """

    def history(
        self, entries: Sequence[LedgerEntry], table: str, columns: Sequence[str] = ()
    ) -> pd.DataFrame:
        """Return the rows of several publications of one dataset, in the order of `as_of` and natural key.

        With `columns` only these, `publication_id` and `as_of`.

        Raises
        ------
        PurgedError
            If retention has dropped the rows of one.
        """

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
        """Return the rows of the snapshots served with ``start <= as_of < end``, ordered by `as_of`.

        With `columns` only these, `publication_id` and `as_of`; with `only` rows that have these values.
        The column `bucket` comes first: with `every`, spans of that length from Monday 2000-01-03 UTC on, of
        each its last snapshot; otherwise each snapshot's `as_of`.

        Raises
        ------
        PurgedError
            If retention has dropped the rows of one of them.
        """

    def follow(self, after: datetime, *, limit: int = 1000) -> list[LedgerEntry]:
        """Return publications with ``after < known_at <= watermark`` in the order in which they became known.

        What became known at one instant is never divided: the last group may exceed `limit`.
        """


class Follower(Reader, Protocol):
    """A reader that can also be told when there is something new."""

    def tail(
        self,
        symbol: str,
        datasets: Sequence[str],
        *,
        limit: int,
        statuses: Sequence[str] | None = None,
        known_at: datetime | None = None,
    ) -> list[LedgerEntry]:
        """Return what became known last of some datasets of a symbol, in that order.

        What became known at one instant is never divided: there may be more than `limit`.
        """

    def listen(self, stop: Event) -> Iterator[tuple[str, ...]]:
        """Yield once when listening has begun, then whenever something became known, until told to stop.

        What is yielded are events of incidents, each as JSON with `event_id`, `incident` and `event`; those
        of a time when nobody listened are not among them.

        Raises
        ------
        StoreUnavailableError
            When the store is lost.
        """


class Publisher(Protocol):
    """Writes. Take a fence before reading inputs, then publish."""

    def fence(self) -> int:
        """Return a number greater than every fence taken before."""

    def publish(self, drafts: Sequence[Draft], fence: int) -> list[Receipt]:
        """Publish drafts in one transaction and return one receipt each, in order."""

    def confirm(self, entry: LedgerEntry, fence: int) -> bool:
        """Say that inputs read after `fence` was taken give what `entry` holds; return whether it stands.

        Whoever read inputs before can't publish over it then. False: another content was published meanwhile,
        and what was read must be published to be served.
        """


class Store(Reader, Publisher, Protocol):
    """A store that reads and publishes."""


class PurgedError(LookupError):
    """The rows were dropped by retention; the ledger entry and the raw object remain."""


class StoreUnavailableError(RuntimeError):
    """The store could not be reached; the message names the address (never the password) and the remedy."""
