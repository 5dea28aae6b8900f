"""Expiries: the quotes of a chain by settlement instant, and their calls and puts in pairs.

What belongs here: grouping and pairing of quotes, as arrays. What does not: fits (``forwards``). AM- and
PM-settled options of one date are expiries of their own.
"""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from periscope_analytics.daycount import year_fraction
from periscope_analytics.forward import Ints, Pairs
from periscope_assets.transforms.frames import Bools, Floats, flags, numbers


class Expiries(NamedTuple):
    """Settlement instants of a chain in order of time, columns of length m, and its paired quotes.

    Attributes
    ----------
    first : ndarray of int
        A row of the quotes of each expiry.
    names : list of str
        Roots, sorted and joined by +.
    tau : ndarray
    is_american, is_coin : ndarray of bool
        Whether all quotes of an expiry are.
    start : ndarray of int, shape (m + 1,)
        Expiry i has the rows ``start[i]`` to ``start[i + 1]`` of `pairs`.
    pairs : Pairs
        Strikes that are quoted on both sides for call and put, ascending within an expiry. Where several
        roots list one strike, the narrower call and put are taken.
    """

    first: Ints
    names: list[str]
    tau: Floats
    is_american: Bools
    is_coin: Bools
    start: Ints
    pairs: Pairs

    def of(self, chosen: Bools) -> tuple[Ints, Pairs]:
        """Return start and pairs of the chosen expiries."""
        sizes = np.diff(self.start)
        taken = self.pairs.take(np.repeat(chosen, sizes))
        return np.concatenate(([0], np.cumsum(sizes[chosen]))), taken


def read_expiries(quotes: pd.DataFrame, as_of: datetime) -> Expiries:
    """Return the expiries of the rows of ``options_snapshots``."""
    at = instants(quotes["expiry_at"])
    _, first, expiry = np.unique(at, return_index=True, return_inverse=True)
    start, pairs = _paired(expiry, quotes, len(first))
    return Expiries(
        first=first,
        names=_names(expiry, quotes["root"], len(first)),
        tau=year_fraction(as_of, at[first]),
        is_american=_all(expiry, quotes["style"], "american"),
        is_coin=_all(expiry, quotes["quote_unit"], "coin"),
        start=start,
        pairs=pairs,
    )


def _paired(expiry: NDArray[np.intp], quotes: pd.DataFrame, n: int) -> tuple[Ints, Pairs]:
    strike, bid, ask = (numbers(quotes, name) for name in ("strike", "bid", "ask"))
    is_call = flags(quotes, "is_call")
    rows = np.flatnonzero((bid > 0) & (ask >= bid))
    width = ask - bid
    rows = rows[np.lexsort((width[rows], is_call[rows], strike[rows], expiry[rows]))]
    same = (expiry[rows][1:] == expiry[rows][:-1]) & (strike[rows][1:] == strike[rows][:-1])
    repeated = same & (is_call[rows][1:] == is_call[rows][:-1])
    rows = rows[np.concatenate(([True], ~repeated))[: len(rows)]]
    put = np.flatnonzero((expiry[rows][1:] == expiry[rows][:-1]) & (strike[rows][1:] == strike[rows][:-1]))
    p, c = rows[put], rows[put + 1]
    mid = (bid + ask) / 2
    pairs = Pairs(strike[c], mid[c] - mid[p], (width[c] + width[p]) / 2, 2.0 * np.minimum(mid[c], mid[p]))
    return np.searchsorted(expiry[c], np.arange(n + 1)), pairs


def _names(expiry: NDArray[np.intp], roots: pd.Series[str], n: int) -> list[str]:
    code, texts = pd.factorize(roots, sort=True)
    listed = np.zeros((n, len(texts)), dtype=np.bool_)
    listed[expiry, code] = True
    names = texts.tolist()
    return ["+".join(names[i] for i in np.flatnonzero(row)) for row in listed]


def _all(expiry: NDArray[np.intp], labels: pd.Series[str], label: str) -> Bools:
    return np.asarray(np.bincount(expiry, weights=~is_labelled(labels, label)) == 0)


def instants(times: pd.Series[pd.Timestamp]) -> NDArray[np.datetime64]:
    """Return a column of times as UTC without a zone."""
    return times.to_numpy(dtype="datetime64[us]")


def by_time(rows: pd.DataFrame) -> pd.DataFrame:
    """Return rows of expiries in order of settlement; most come in it."""
    at = instants(rows["expiry_at"])
    if np.all(at[1:] > at[:-1]):
        return rows
    return rows.take(np.argsort(at, kind="stable")).reset_index(drop=True)


def places(rows: pd.DataFrame, expiries: pd.DataFrame) -> NDArray[np.intp]:
    """Return the row of `expiries`, in order of time, whose expiry_at each of `rows` has."""
    return np.asarray(np.searchsorted(instants(expiries["expiry_at"]), instants(rows["expiry_at"])))


def is_labelled(labels: pd.Series[str], label: str) -> Bools:
    """Return where a column has a label; most chains have one label throughout."""
    code, texts = pd.factorize(labels)
    return np.array([text == label for text in texts], dtype=np.bool_)[code]
