"""Which publication answers a question, and how current it is.

What belongs here: resolving dataset, symbol, times and version to one ledger entry, or to the typed reason
why there is none. What does not: reading rows.
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from app.queries.errors import InvalidParameterError, NotPublishedError, UnknownSymbolError
from app.queries.times import TimeLike, just_after, parse_time, rfc3339
from periscope_analytics.conventions import NEW_YORK, check_symbol
from periscope_assets.store.repository import (
    NO_SESSION,
    PUBLISHED,
    REJECTED,
    WITHDRAWN,
    LedgerEntry,
    Reader,
)
from periscope_assets.store.tables import DATASETS

ALL_STATUSES = (PUBLISHED, REJECTED, NO_SESSION, WITHDRAWN)
QUOTES = "option_quotes"
SHORTEST_VERSION = 8


@dataclass(frozen=True, slots=True)
class Asked:
    """A question whose arguments are checked.

    Attributes
    ----------
    dataset, symbol : str
    as_of : datetime or None
        The latest snapshot at or before it is meant; None means the latest.
    known_at : datetime
        Earlier of the time asked for and the watermark.
    version : str or None
        Pinned content version, or at least its first 8 characters.
    """

    dataset: str
    symbol: str
    as_of: datetime | None
    known_at: datetime
    version: str | None = None


@dataclass(frozen=True, slots=True)
class Located:
    """The publication that answers, with its status for readers.

    Attributes
    ----------
    entry : LedgerEntry
    known_at : datetime
        Time for which the answer holds.
    status : {'published', 'stale', 'superseded', 'rejected'}
    warnings : tuple of str
    beside_at : datetime
        Time as known at which other datasets belong beside it; earlier than `known_at` for a superseded
        version.
    """

    entry: LedgerEntry
    known_at: datetime
    status: str
    warnings: tuple[str, ...]
    beside_at: datetime


def known_time(reader: Reader, known_at: TimeLike) -> datetime:
    """Return the earlier of `known_at` and the store's watermark."""
    watermark = reader.watermark()
    asked = parse_time(known_at, "known_at")
    return watermark if asked is None else min(asked, watermark)


def ask(
    reader: Reader, dataset: str, symbol: str, as_of: TimeLike, known_at: TimeLike, version: str | None
) -> Asked:
    """Check the arguments of a question.

    Raises
    ------
    InvalidParameterError
        Naming the argument that is wrong.
    """
    if dataset not in DATASETS:
        raise InvalidParameterError("dataset", f"expected one of {', '.join(DATASETS)}, got {dataset[:40]!r}")
    try:
        check_symbol(symbol)
    except ValueError as error:
        raise InvalidParameterError("symbol", str(error).partition(": ")[2]) from None
    if version is not None and not (
        version.isascii() and version.isalnum() and len(version) >= SHORTEST_VERSION
    ):
        raise InvalidParameterError(
            "version", f"expected at least {SHORTEST_VERSION} characters of a version"
        )
    return Asked(dataset, symbol, parse_time(as_of, "as_of"), known_time(reader, known_at), version)


def locate(reader: Reader, asked: Asked) -> Located:
    """Return the publication that answers.

    Raises
    ------
    UnknownSymbolError
        If nothing was published for the symbol.
    NotPublishedError
        If the symbol is known, but not this dataset, snapshot or version of it.
    """
    if asked.version is not None:
        return _pinned(reader, asked, asked.version)
    entry = reader.head(asked.dataset, asked.symbol, at_or_before=asked.as_of, known_at=asked.known_at)
    if entry is None:
        raise absence(reader, asked)
    warnings = _staleness(reader, asked, entry)
    return Located(entry, asked.known_at, "stale" if warnings else entry.status, warnings, asked.known_at)


def _staleness(reader: Reader, asked: Asked, entry: LedgerEntry) -> tuple[str, ...]:
    """Say where the ledger holds newer inputs than the ones behind `entry`; no clock plays a part."""
    warnings = []
    quotes = reader.head(QUOTES, asked.symbol, at_or_before=asked.as_of, known_at=asked.known_at)
    if quotes is not None and quotes.as_of > entry.as_of:
        warnings.append(
            f"Quotes of {rfc3339(quotes.as_of)} are published, "
            f"but {entry.dataset} ends at {rfc3339(entry.as_of)}."
        )
    for name, version in entry.inputs.items():
        if name not in DATASETS:
            continue
        current = reader.head(name, asked.symbol, as_of=entry.as_of, known_at=asked.known_at)
        if current is not None and current.version != version:
            warnings.append(f"Its input {name} was revised after it was computed.")
    return tuple(warnings)


def _pinned(reader: Reader, asked: Asked, version: str) -> Located:
    end = None if asked.as_of is None else just_after(asked.as_of)
    heads = reader.heads(asked.dataset, asked.symbol, end=end, known_at=asked.known_at, statuses=None)
    for entry in reversed(heads):
        if entry.version.startswith(version):
            warnings = _staleness(reader, asked, entry) if entry.status == PUBLISHED else ()
            status = "stale" if warnings else entry.status
            return Located(entry, asked.known_at, status, warnings, asked.known_at)
    for head in reversed(heads):
        following = head
        for entry in history(reader, head):
            if entry.version.startswith(version):
                warning = f"Superseded by version {following.version} at {rfc3339(following.known_at)}."
                replaced = following.known_at - timedelta(microseconds=1)
                return Located(entry, asked.known_at, "superseded", (warning,), replaced)
            following = entry
    if not heads:
        raise absence(reader, asked)
    reason = f"version {version} was not known at {rfc3339(asked.known_at)}"
    raise NotPublishedError(asked.dataset, asked.symbol, reason, "Leave version out for the one served.")


def history(reader: Reader, head: LedgerEntry) -> list[LedgerEntry]:
    """Return the publications of the same snapshot that came before `head`, latest first."""
    earlier = []
    entry: LedgerEntry | None = head
    while entry is not None:
        before = entry.known_at - timedelta(microseconds=1)
        entry = reader.head(
            head.dataset, head.symbol, as_of=head.as_of, known_at=before, statuses=ALL_STATUSES
        )
        if entry is not None:
            earlier.append(entry)
    return earlier


def absence(reader: Reader, asked: Asked) -> LookupError:
    """Return the error that says why there is no answer and what to do."""
    entries = reader.heads(symbol=asked.symbol, known_at=asked.known_at, statuses=None)
    if not entries:
        return unknown_symbol(reader, asked.symbol, asked.known_at)
    mine = [entry for entry in entries if entry.dataset == asked.dataset]
    reason, remedy = _why(asked, mine, entries)
    return NotPublishedError(asked.dataset, asked.symbol, reason, remedy)


def unknown_symbol(reader: Reader, symbol: str, known_at: datetime) -> UnknownSymbolError:
    """Return the error for a symbol that the ledger does not hold, with the known ones that look like it."""
    known = {entry.symbol for entry in reader.heads(QUOTES, known_at=known_at, statuses=None)}
    return UnknownSymbolError(symbol, difflib.get_close_matches(symbol, sorted(known), n=3, cutoff=0.5))


def _why(asked: Asked, mine: Sequence[LedgerEntry], entries: Sequence[LedgerEntry]) -> tuple[str, str]:
    published = [entry for entry in mine if entry.status == PUBLISHED]
    if published:
        first = rfc3339(published[0].as_of)
        return f"its first snapshot is of {first}", f"Ask for an as_of at or after {first}."
    latest = max(mine or entries, key=lambda entry: entry.as_of)
    day = latest.as_of.astimezone(NEW_YORK).date().isoformat()
    run = f"Run: periscope materialize --date {day} --universe {asked.symbol} --select {asked.dataset}"
    if not mine:
        return f"nothing was built yet as known at {rfc3339(asked.known_at)}", run
    reasons = {
        REJECTED: f"the snapshot of {rfc3339(latest.as_of)} failed its criteria and was rejected",
        NO_SESSION: f"{day} had no trading session",
        WITHDRAWN: f"the snapshot of {rfc3339(latest.as_of)} was withdrawn",
    }
    remedy = "Choose a session date." if latest.status == NO_SESSION else run
    return reasons[latest.status], remedy
