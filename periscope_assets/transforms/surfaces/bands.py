"""Bands: what the quotes of a chain say to a surface, as arrays by expiry.

What belongs here: which contract speaks for a strike, its band in undiscounted prices per unit of the
forward, and why the others don't. What does not: fits (``served``, ``svi``), rows of tables (``slices``).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from periscope_analytics import black
from periscope_analytics.calibration.served import SliceQuotes
from periscope_analytics.errors import Status
from periscope_assets.transforms.expiries import places
from periscope_assets.transforms.frames import Bools, Floats, flags, numbers
from periscope_assets.transforms.surfaces.crossfade import call_share

Codes = NDArray[np.int8]


class Contracts(NamedTuple):
    """All contracts of a chain, by expiry, strike and side: arrays of length n.

    Attributes
    ----------
    row : ndarray of int
        Row of ``implied_vols``.
    start : ndarray of int, shape (expiries + 1,)
        Where each row of ``forwards``, by time, begins.
    k, tau, vega, bid_iv, mid_iv, ask_iv, stderr : ndarray
        Of each contract's own quote.
    low, high : ndarray
        Vols between which its strike trades: its own bid and ask, or a blend of those of both sides.
    is_call, is_otm, is_quoted : ndarray of bool
        The last: unexpired and out of the money, 0 < bid < ask.
    status : ndarray
        OK where a fit may use it.
    """

    row: NDArray[np.intp]
    start: NDArray[np.intp]
    k: Floats
    tau: Floats
    vega: Floats
    bid_iv: Floats
    mid_iv: Floats
    ask_iv: Floats
    stderr: Floats
    low: Floats
    high: Floats
    is_call: Bools
    is_otm: Bools
    is_quoted: Bools
    status: Codes

    def expiries(self) -> Iterator[slice]:
        """Yield where the contracts of each expiry are."""
        for begin, end in zip(self.start[:-1].tolist(), self.start[1:].tolist(), strict=True):
            yield slice(begin, end)


def read(vols: pd.DataFrame, forwards: pd.DataFrame) -> Contracts:
    """Return the contracts of ``implied_vols`` by the rows of ``forwards``, which are in order of time."""
    expiry = places(vols, forwards)
    strike, call = numbers(vols, "strike"), flags(vols, "is_call")
    row = np.lexsort((call, strike, expiry))
    names = ("log_moneyness", "tau_years", "vega", "bid_iv", "mid_iv", "ask_iv", "iv_stderr")
    k, tau, vega, bid, mid, ask, stderr = (numbers(vols, name)[row] for name in names)
    otm, call, status = flags(vols, "is_otm")[row], call[row], _statuses(vols)[row]
    quoted = otm & (tau > 0.0) & np.isin(status, _REFUSED_THOUGH_QUOTED)
    status = np.where((status == Status.OK) & ~otm, Status.IN_THE_MONEY, status).astype(np.int8)
    low, high = bid, ask
    premium = numbers(vols, "early_exercise_premium")[row]
    if np.any(premium[np.isfinite(premium)] != 0.0):
        low, high = _blended(expiry[row], strike[row], k, tau, call, bid, mid, ask)
    start = np.searchsorted(expiry[row], np.arange(len(forwards) + 1))
    return Contracts(
        row, start, k, tau, vega, bid, mid, ask, stderr, low, high, call, otm, quoted, status
    )  # fmt: skip


def slice_quotes(
    contracts: Contracts, wheres: Sequence[slice], taus: Sequence[float]
) -> list[tuple[NDArray[np.intp], SliceQuotes]]:
    """Return, for each of these expiries, which contracts a fit may use, and their bands."""
    places = [each.start + np.flatnonzero(contracts.status[each] == Status.OK) for each in wheres]
    if not places:
        return []
    used, ends = np.concatenate(places), np.cumsum([0, *(each.size for each in places)])
    k, tau = contracts.k[used], np.repeat(taus, np.diff(ends))
    sides = np.concatenate([contracts.low[used], contracts.high[used]])
    twice = [np.tile(each, 2) for each in (np.exp(k), tau, k >= 0.0)]
    bid, ask = np.split(black.price(1.0, twice[0], twice[1], sides, twice[2]), 2)
    return [
        (place, SliceQuotes(tau, k[begin:end], bid[begin:end], ask[begin:end]))
        for place, tau, (begin, end) in zip(places, taus, pairwise(ends.tolist()), strict=True)
    ]


_REFUSED_THOUGH_QUOTED = [
    *(Status.OK, Status.BELOW_INTRINSIC, Status.AT_EXERCISE, Status.ABOVE_MAXIMUM),
    *(Status.NOT_CONVERGED, Status.INVALID_VALUE, Status.DEGENERATE),
]
_CODES = {status.label: int(status) for status in Status}


def _statuses(vols: pd.DataFrame) -> Codes:
    """Return why a contract can't be used: the first of its mid, bid and ask that has no vol, then a band."""
    code = np.full(len(vols), Status.OK, dtype=np.int8)
    for name in ("status", "bid_status", "ask_status"):
        labels, texts = pd.factorize(vols[name])
        own = np.array([_CODES[text] for text in texts], dtype=np.int8)[labels]
        code = np.where(code == Status.OK, own, code)
    locked = ~(numbers(vols, "ask_iv") > numbers(vols, "bid_iv"))
    return np.where((code == Status.OK) & locked, Status.LOCKED, code).astype(np.int8)


def _blended(
    expiry: NDArray[np.intp],
    strike: Floats,
    k: Floats,
    tau: Floats,
    call: Bools,
    bid: Floats,
    mid: Floats,
    ask: Floats,
) -> tuple[Floats, Floats]:
    """Return bands near the forward that go over from the put's to the call's, linear in k."""
    low, high = bid.copy(), ask.copy()
    put = np.flatnonzero((expiry[1:] == expiry[:-1]) & (strike[1:] == strike[:-1]) & call[1:] & ~call[:-1])
    with np.errstate(invalid="ignore", divide="ignore"):
        share = call_share(k[put], 0.5 * (mid[put] + mid[put + 1]) * np.sqrt(tau[put]))
        whole = np.isfinite(bid[put] + bid[put + 1] + ask[put] + ask[put + 1])
        both = whole & (share > 0.0) & (share < 1.0)
    put, share = put[both], share[both]
    for vol, out in ((bid, low), (ask, high)):
        out[put] = out[put + 1] = (1.0 - share) * vol[put] + share * vol[put + 1]
    return low, high
