"""The questions that a reader may ask.

What belongs here: :class:`Queries`, which composes answers from the store's published rows. What does not:
SQL, HTTP, widgets, formulas.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import cast

import pandas as pd

from app.queries import overview
from app.queries.answer import Answer, Deferred, content_key
from app.queries.board import board
from app.queries.caching import OneMoment
from app.queries.chain import join_quotes, only_expiry, unpack_rejected
from app.queries.errors import InvalidParameterError
from app.queries.locate import QUOTES, Located, ask, history, known_time, locate
from app.queries.paths import heston_path, skew_path
from app.queries.surface import check_grid, surface_grid_points
from app.queries.times import TimeLike, just_after
from periscope_assets.store.repository import LedgerEntry, Reader
from periscope_assets.store.tables import DATASETS

SURFACE_POINTS = 21
SURFACE_TABLES = ("surface_slices", "surface_certificates", "svi_slices")


Remember = Callable[[Hashable, Callable[[], dict[str, pd.DataFrame]]], dict[str, pd.DataFrame]]


class Queries:
    """Reads over a store. Every method may raise ``StoreUnavailableError``.

    Parameters
    ----------
    store : Reader
    lazy : bool
        Read an answer's rows when they are first looked at: whoever has them rendered already never does.
    remember : callable, optional
        Keeps frames once they are built, by content; see ``CachedReader.remember``. Else they are built anew.
    """

    def __init__(self, store: Reader, *, lazy: bool = False, remember: Remember | None = None) -> None:
        self._store = store
        self._lazy = lazy
        self._remember = remember

    def of_one_moment(self) -> Queries:
        """Return queries to which nothing is published meanwhile; they ask for the watermark now, once."""
        still = cast("Reader", OneMoment(self._store))
        return Queries(still, lazy=self._lazy, remember=self._remember)

    def watermark(self) -> datetime:
        """Return the latest time for which everything known is final."""
        return self._store.watermark()

    def locate(
        self,
        dataset: str,
        symbol: str,
        *,
        as_of: TimeLike = None,
        known_at: TimeLike = None,
        version: str | None = None,
    ) -> Located:
        """Return which publication answers, without its rows; arguments and errors as in :meth:`read`."""
        return locate(self._store, ask(self._store, dataset, symbol, as_of, known_at, version))

    def read(
        self,
        dataset: str,
        symbol: str,
        *,
        as_of: TimeLike = None,
        known_at: TimeLike = None,
        version: str | None = None,
    ) -> Answer:
        """Return the published rows of a dataset.

        Parameters
        ----------
        dataset : str
            Asset name, e.g. ``vol_surface``.
        symbol : str
        as_of : datetime, date or RFC 3339 str, optional
            The latest snapshot at or before it; a date means the end of that day in New York. Default: the
            latest.
        known_at : datetime, date or RFC 3339 str, optional
            Answer as it was known then. Default: everything known.
        version : str, optional
            Content version that must be answered, or its first characters (at least 8).

        Raises
        ------
        InvalidParameterError
            If an argument is malformed.
        UnknownSymbolError, NotPublishedError
            If there is no answer.
        PurgedError
            If retention has dropped the rows.
        """
        found = self.locate(dataset, symbol, as_of=as_of, known_at=known_at, version=version)
        return self.answer(found, dataset, lambda: self._frames(found.entry))

    def chain(
        self,
        symbol: str,
        *,
        as_of: TimeLike = None,
        known_at: TimeLike = None,
        version: str | None = None,
        expiry: date | None = None,
    ) -> Answer:
        """Return ``chain`` (quotes beside implied vols) and ``rejected`` (refused quotes); see :meth:`read`.

        Parameters
        ----------
        expiry : date, optional
            Only this expiration date.
        """
        found = self.locate(QUOTES, symbol, as_of=as_of, known_at=known_at, version=version)
        vols = self._beside(found, "implied_vols")
        return self.answer(
            found, "chain", lambda: self._chain(found.entry, vols, expiry), vols, question={"expiry": expiry}
        )

    def surface(
        self,
        symbol: str,
        *,
        as_of: TimeLike = None,
        known_at: TimeLike = None,
        version: str | None = None,
        coordinate: str = "log_moneyness",
        points: int = SURFACE_POINTS,
    ) -> Answer:
        """Return slices, certificate, SVI, forwards and grid; see :meth:`read` and `surface_grid_points`.

        What the surface says beside each contract is ``surface_quotes`` of ``read("vol_surface", symbol)``.
        """
        found = self.locate("vol_surface", symbol, as_of=as_of, known_at=known_at, version=version)
        check_grid(coordinate, points)
        forwards = self._beside(found, "forward_curve")
        return self.answer(
            found,
            "vol_surface",
            lambda: self._surface(found.entry, forwards, coordinate, points),
            forwards,
            question={"coordinate": coordinate, "points": points},
        )

    def skew(self, symbol: str, *, as_of: TimeLike = None, known_at: TimeLike = None) -> Answer:
        """Return skew metrics by expiry and constant maturity; see :meth:`read`."""
        return self.read("skew_metrics", symbol, as_of=as_of, known_at=known_at)

    def heston(self, symbol: str, *, as_of: TimeLike = None, known_at: TimeLike = None) -> Answer:
        """Return the Heston fit; see :meth:`read`."""
        return self.read("heston_fit", symbol, as_of=as_of, known_at=known_at)

    def skew_path(
        self, symbol: str, *, as_of: TimeLike = None, known_at: TimeLike = None, tenor_days: float = 30.0
    ) -> pd.DataFrame:
        """Return a year of skew at a constant maturity up to a time, a row for each day; see ``paths``."""
        until, known = self._until("skew_metrics", symbol, as_of, known_at)
        return skew_path(self._store, symbol, until, known, tenor_days=tenor_days)

    def heston_path(self, symbol: str, *, as_of: TimeLike = None, known_at: TimeLike = None) -> pd.DataFrame:
        """Return a year of Heston fits up to a time, a row for each day; see ``paths``."""
        until, known = self._until("heston_fit", symbol, as_of, known_at)
        return heston_path(self._store, symbol, until, known)

    def signals(self, symbol: str, *, as_of: TimeLike = None, known_at: TimeLike = None) -> Answer:
        """Return trade signals, best first; see :meth:`read`."""
        return self.read("trade_signals", symbol, as_of=as_of, known_at=known_at)

    def underlyings(self, *, known_at: TimeLike = None) -> Answer:
        """Return one row for each symbol that has quotes: its latest surface and figures."""
        return overview.underlyings(self._store, known_time(self._store, known_at))

    def board(self, *, known_at: TimeLike = None) -> Answer:
        """Return one row for each symbol with the figures a desk looks at first; see ``board``."""
        return board(self._store, known_time(self._store, known_at))

    def status(self, *, known_at: TimeLike = None) -> Answer:
        """Return one row for each dataset and symbol: what is served, and what came last."""
        return overview.status(self._store, known_time(self._store, known_at))

    def symbols(self, *, known_at: TimeLike = None) -> list[str]:
        """Return the symbols that have quotes, in order."""
        return self._store.symbols(QUOTES, known_at=known_time(self._store, known_at))

    def snapshots(
        self,
        symbol: str,
        dataset: str = "vol_surface",
        *,
        known_at: TimeLike = None,
        start: datetime | None = None,
        until: datetime | None = None,
    ) -> list[LedgerEntry]:
        """Return the published snapshots of a symbol with ``start <= as_of <= until``, latest first."""
        asked = ask(self._store, dataset, symbol, None, known_at, None)
        end = None if until is None else just_after(until)
        return self._store.heads(dataset, symbol, known_at=asked.known_at, start=start, end=end)[::-1]

    def recent_snapshots(self, symbol: str, dataset: str, *, limit: int = 250) -> list[LedgerEntry]:
        """Return the latest published snapshots of a symbol, latest first; empty if there are none."""
        asked = ask(self._store, dataset, symbol, None, None, None)
        return self._store.recent(dataset, [asked.symbol], limit=limit, known_at=asked.known_at)

    def revisions(
        self, symbol: str, dataset: str = "vol_surface", *, as_of: TimeLike = None
    ) -> list[LedgerEntry]:
        """Return every publication of one snapshot, latest first; empty if there is none."""
        asked = ask(self._store, dataset, symbol, as_of, None, None)
        head = self._store.head(dataset, symbol, at_or_before=asked.as_of, known_at=asked.known_at)
        return [] if head is None else [head, *history(self._store, head)]

    def rows(self, entry: LedgerEntry, table: str) -> pd.DataFrame:
        """Return the rows of one publication in one table, without the ledger's columns."""
        return _content(self._store.rows(entry, table))

    def series(
        self,
        table: str,
        symbol: str,
        *,
        start: datetime,
        until: datetime,
        known_at: datetime,
        columns: Sequence[str] = (),
        every: timedelta | None = None,
    ) -> pd.DataFrame:
        """Return the rows of a table of the snapshots served with ``start <= as_of <= until``, by `as_of`.

        With `every`, of each span of that length only the last.
        """
        end = just_after(until)
        return self._store.series(
            table, symbol, start=start, end=end, known_at=known_at, columns=columns, every=every
        )

    def known_time(self, known_at: TimeLike = None) -> datetime:
        """Return the time for which an answer holds: the earlier of `known_at` and the watermark."""
        return known_time(self._store, known_at)

    def head(
        self,
        dataset: str,
        symbol: str,
        *,
        as_of: datetime | None = None,
        exact: bool = False,
        known_at: TimeLike = None,
    ) -> LedgerEntry | None:
        """Return the publication served, None without one.

        Of the latest snapshot at or before `as_of`, or of that very one where it must be `exact`.
        """
        at, before = (as_of, None) if exact else (None, as_of)
        known = known_time(self._store, known_at)
        return self._store.head(dataset, symbol, as_of=at, at_or_before=before, known_at=known)

    def latest(self, *, known_at: TimeLike = None) -> list[LedgerEntry]:
        """Return the last snapshot of each dataset and symbol, whatever its status."""
        return self._store.latest(known_at=known_time(self._store, known_at))

    def _until(
        self, dataset: str, symbol: str, as_of: TimeLike, known_at: TimeLike
    ) -> tuple[datetime, datetime]:
        asked = ask(self._store, dataset, symbol, as_of, known_at, None)
        return asked.as_of or asked.known_at, asked.known_at

    def _frames(self, entry: LedgerEntry) -> dict[str, pd.DataFrame]:
        return {name: _content(self._store.rows(entry, name)) for name in DATASETS[entry.dataset]}

    def _chain(
        self, quotes: LedgerEntry, vols: LedgerEntry | None, expiry: date | None
    ) -> dict[str, pd.DataFrame]:
        vol_rows = None if vols is None else self._store.rows(vols, "implied_vols")
        frames = {
            "chain": join_quotes(self._store.rows(quotes, "options_snapshots"), vol_rows),
            "rejected": unpack_rejected(self._store.rows(quotes, "quarantined_quotes"), vol_rows),
        }
        chosen = {name: only_expiry(frame, expiry) for name, frame in frames.items()}
        if expiry is not None and all(frame.empty for frame in chosen.values()):
            raise InvalidParameterError("expiry", f"no quotes of {quotes.symbol} expire on {expiry}")
        return {name: _content(frame) for name, frame in chosen.items()}

    def _surface(
        self, surface: LedgerEntry, forwards: LedgerEntry | None, coordinate: str, points: int
    ) -> dict[str, pd.DataFrame]:
        frames = {name: _content(self._store.rows(surface, name)) for name in SURFACE_TABLES}
        if forwards is not None:
            frames["forwards"] = _content(self._store.rows(forwards, "forwards"))
        frames["surface_grid"] = surface_grid_points(
            frames["surface_slices"], coordinate=coordinate, points=points
        )
        return frames

    def _beside(self, found: Located, dataset: str) -> LedgerEntry | None:
        """Return the publication of another dataset for the same snapshot and time, None if there is none."""
        entry = found.entry
        return self._store.head(dataset, entry.symbol, as_of=entry.as_of, known_at=found.beside_at)

    def answer(
        self,
        found: Located,
        name: str,
        build: Callable[[], Mapping[str, pd.DataFrame]],
        beside: LedgerEntry | None = None,
        question: Mapping[str, object] | None = None,
    ) -> Answer:
        """Return the answer whose frames `build` makes; content and `question` tell it from any other."""
        entry = found.entry
        parts = {each.dataset: each.version for each in (entry, beside) if each is not None}
        is_lazy = self._lazy and entry.purged_at is None
        key = content_key(name, entry.symbol, entry.as_of, parts, question or {})
        return Answer(
            dataset=name,
            symbol=entry.symbol,
            as_of=entry.as_of,
            known_at=found.known_at,
            published_at=entry.known_at,
            version=entry.version,
            status=found.status,
            source=entry.source,
            run_id=entry.run_id,
            quality=entry.quality,
            frames=Deferred(build) if is_lazy else self._built(key, entry, build),
            parts=parts,
            warnings=found.warnings,
            key=key,
        )

    def _built(
        self, key: str, entry: LedgerEntry, build: Callable[[], Mapping[str, pd.DataFrame]]
    ) -> dict[str, pd.DataFrame]:
        """Return frames of a content, each the caller's own (copy on write)."""
        if self._remember is None or entry.purged_at is not None:
            return dict(build())
        frames = self._remember(key, lambda: dict(build()))
        return {name: frame.copy(deep=False) for name, frame in frames.items()}


def _content(frame: pd.DataFrame) -> pd.DataFrame:
    """Return a frame without the ledger's columns, which come first where they are there."""
    n_ledger = sum(name in ("publication_id", "as_of") for name in frame.columns[:2])
    return frame.iloc[:, n_ledger:]
