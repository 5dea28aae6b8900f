"""What the rules may look at: columns of the rows still in question, and what follows from them.

What belongs here: arrays, each made once; groups by expiry and root; a rough forward of each expiry from
put-call parity. What does not: verdicts. The forward is the median of ``K + C - P`` over the strikes where
call and put are nearest to each other, which needs no discount; it is no fit and is never published.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import cached_property
from typing import Any, TypeVar, cast

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from periscope_analytics.conventions import NEW_YORK, Listing, listing, settlement_time
from periscope_analytics.daycount import year_fraction
from periscope_assets.transforms.frames import Bools, Floats

Ints = NDArray[np.int64]
T = TypeVar("T")

_NEAREST, _FEWEST = 5, 3


@dataclass(frozen=True, slots=True)
class Context:
    """What is known about a chain besides its rows.

    Attributes
    ----------
    symbol : str
    as_of : datetime
        UTC.
    spot : float
        Underlying price as the vendor gave it, NaN if it gave none.
    received_at : datetime or None
        When the bytes were received, UTC.
    holidays : frozenset of date
        Weekdays on which options of this calendar can't expire.
    previous_session : date or None
        Session before that of `as_of`.
    """

    symbol: str
    as_of: datetime
    spot: float = np.nan
    received_at: datetime | None = None
    holidays: frozenset[date] = field(default_factory=frozenset)
    previous_session: date | None = None

    @property
    def session(self) -> date:
        """Date of `as_of` in New York."""
        return self.as_of.astimezone(NEW_YORK).date()


class Facts:
    """Columns of some rows of a chain, and what follows from them; read-only.

    Parameters
    ----------
    rows : DataFrame
        Columns of ``sources.base.QUOTE_COLUMNS``.
    context : Context
    chosen : ndarray of int, optional
        Positions of the rows in question; all of them without.
    """

    def __init__(self, rows: pd.DataFrame, context: Context, chosen: Ints | None = None) -> None:
        self._rows = rows
        self._chosen = None if chosen is None or len(chosen) == len(rows) else chosen
        self.context = context
        self._made: dict[Callable[[Facts], Any], Any] = {}

    def once(self, make: Callable[[Facts], T]) -> T:
        """Return what `make` makes of these facts; it is asked once."""
        if make not in self._made:
            self._made[make] = make(self)
        return cast(T, self._made[make])

    def __len__(self) -> int:
        return len(self._rows) if self._chosen is None else len(self._chosen)

    def _picked(self, values: NDArray[Any]) -> NDArray[Any]:
        return values if self._chosen is None else values[self._chosen]

    def column(self, name: str) -> pd.Series:
        """Return a column as it is."""
        return self._rows[name] if self._chosen is None else self._rows[name].iloc[self._chosen]

    def number(self, name: str) -> Floats:
        """Return a column as float64, NaN where absent."""
        return self._picked(self._rows[name].to_numpy(dtype=np.float64, na_value=np.nan))

    def moment(self, name: str) -> NDArray[np.datetime64]:
        """Return a column of times as naive UTC, microseconds."""
        return self._picked(self._rows[name].to_numpy(dtype="datetime64[us]"))

    @cached_property
    def bid(self) -> Floats:
        """Bid, NaN where absent."""
        return self.number("bid")

    @cached_property
    def ask(self) -> Floats:
        """Ask, NaN where absent."""
        return self.number("ask")

    @cached_property
    def strike(self) -> Floats:
        """Strike."""
        return self.number("strike")

    @cached_property
    def is_call(self) -> Bools:
        """True for a call."""
        return self._picked(self._rows["is_call"].to_numpy(dtype=np.bool_))

    @cached_property
    def quoted_at(self) -> NDArray[np.datetime64]:
        """Market time of each row, NaT where the vendor does not say."""
        return self.moment("quoted_at")

    @cached_property
    def expiries(self) -> tuple[Ints, list[date]]:
        """Position of each row's expiry in the list of distinct ones."""
        codes, days = pd.factorize(self.column("expiry"))
        return codes, list(days)

    @cached_property
    def roots(self) -> tuple[Ints, list[Listing], list[str]]:
        """Position of each row's root in the lists of distinct listings and roots."""
        codes, names = pd.factorize(self.column("root"))
        return codes, [listing(str(name)) for name in names], [str(name) for name in names]

    def by_expiry(self, test: Callable[[date], bool]) -> Bools:
        """Return a test of the expiry, asked once for each distinct one."""
        codes, days = self.expiries
        return _taken([test(day) for day in days], codes)

    def by_root(self, test: Callable[[str, Listing], bool]) -> Bools:
        """Return a test of the root and its listing, asked once for each distinct one."""
        codes, listings, names = self.roots
        tested = [test(*pair) for pair in zip(names, listings, strict=True)]
        return _taken(tested, codes)

    @cached_property
    def is_coin(self) -> Bools:
        """True where premiums are in units of the underlying."""
        return self.by_root(lambda _, known: known.quote_unit == "coin")

    @cached_property
    def has_bid(self) -> Bools:
        """True where there is a bid other than 0."""
        return np.asarray(np.isfinite(self.bid) & (self.bid != 0))

    @cached_property
    def has_ask(self) -> Bools:
        """True where there is an ask other than 0."""
        return np.asarray(np.isfinite(self.ask) & (self.ask != 0))

    @cached_property
    def is_two_sided(self) -> Bools:
        """True where bid and ask are there, positive and not crossed."""
        return self.has_bid & self.has_ask & (self.bid > 0) & (self.ask >= self.bid)

    @cached_property
    def groups(self) -> Ints:
        """Number of the expiry and root of each row: one smile each."""
        roots = len(self.roots[2])
        return self.expiries[0].astype(np.int64) * max(roots, 1) + self.roots[0]

    @cached_property
    def tau(self) -> Floats:
        """Years to settlement, negative once it has passed."""
        groups, inverse = np.unique(self.groups, return_inverse=True)
        roots = max(len(self.roots[2]), 1)
        settles = [
            settlement_time(self.expiries[1][group // roots], self.roots[1][group % roots].settlement)
            for group in groups.tolist()
        ]
        at = np.array([moment.replace(tzinfo=None) for moment in settles], dtype="datetime64[us]")
        return year_fraction(self.context.as_of, at)[inverse] if len(at) else np.empty(0)

    @cached_property
    def forward(self) -> Floats:
        """Rough forward of each row's expiry, USD; the vendor's spot where parity gives none, else NaN."""
        return _spread(self.groups, _parity_forwards(self), self.context.spot)

    @cached_property
    def unit(self) -> Floats:
        """USD per unit of premium."""
        return np.where(self.is_coin, self.forward, 1.0)


def _taken(tests: list[bool], codes: Ints) -> Bools:
    return np.asarray(np.array(tests, dtype=np.bool_).take(codes), dtype=np.bool_)


def _parity_forwards(facts: Facts) -> tuple[Ints, Floats]:
    """Return the groups with enough strikes quoted on both sides, ascending, and their rough forwards."""
    use = np.flatnonzero(facts.is_two_sided & (facts.strike > 0))
    order = use[np.lexsort((facts.is_call[use], facts.strike[use], facts.groups[use]))]
    put, call = order[:-1], order[1:]
    same = (
        (facts.groups[put] == facts.groups[call])
        & (facts.strike[put] == facts.strike[call])
        & ~facts.is_call[put]
        & facts.is_call[call]
    )
    put, call = put[same], call[same]
    mid = (facts.bid + facts.ask) / 2
    difference, strike = mid[call] - mid[put], facts.strike[call]
    with np.errstate(divide="ignore", invalid="ignore"):
        forward = np.where(facts.is_coin[call], strike / (1 - difference), strike + difference)
    sound = np.flatnonzero(np.isfinite(forward) & (forward > 0))
    by = sound[np.lexsort((np.abs(difference)[sound], facts.groups[call][sound]))]
    names, first, sizes = np.unique(facts.groups[call][by], return_index=True, return_counts=True)
    nearest = np.full((len(names), _NEAREST), np.nan)
    for i in range(_NEAREST):
        has = sizes > i
        nearest[has, i] = forward[by[first[has] + i]]
    enough = sizes >= _FEWEST
    return names[enough], np.nanmedian(nearest[enough], axis=1)


def _spread(groups: Ints, forwards: tuple[Ints, Floats], otherwise: float) -> Floats:
    known, values = forwards
    if not len(known):
        return np.full(len(groups), otherwise)
    at = np.minimum(np.searchsorted(known, groups), len(known) - 1)
    return np.where(known[at] == groups, values[at], otherwise)
