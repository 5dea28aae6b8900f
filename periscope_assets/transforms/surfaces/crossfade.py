"""Cross-fade: near the forward an American strike is told by both of its options.

What belongs here: which share of a strike its call has, and quotes blended so. What does not: which quotes
take part (``vols``, ``bands``).

De-Americanised vols of a call and a put of one strike differ by what is wrong with rate, dividends and spot.
A step from puts to calls at the forward would put that difference into the slope at the money; going over
linearly leaves the smile smooth.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from periscope_assets.transforms.expiries import instants
from periscope_assets.transforms.frames import Floats, flags, numbers

REACH = 0.3
"""Log-moneyness in standard deviations within which both options of a strike count."""

_VOLS = ("bid_iv", "mid_iv", "ask_iv")


def call_share(k: Floats, deviation: Floats) -> Floats:
    """Return the share of a strike's call in its vol, from 0 to 1, linear in k within the reach.

    Parameters
    ----------
    k : ndarray
        ln(K / F).
    deviation : ndarray
        Vol times the square root of time.
    """
    return np.asarray(np.clip(0.5 + 0.5 * k / (REACH * deviation), 0.0, 1.0))


def crossfaded(vols: pd.DataFrame) -> pd.DataFrame:
    """Return rows of ``implied_vols`` of an American chain with vols and errors blended near the forward.

    Both rows of a strike within the reach get the same vols, weighted by the call's share; the errors of the
    two are taken as independent. A strike of which a vol is absent on either side stays as it is.
    """
    at = instants(vols["expiry_at"])
    strike, is_call, k = numbers(vols, "strike"), flags(vols, "is_call"), numbers(vols, "log_moneyness")
    put, call = _pairs(at, strike, is_call)
    columns = {name: numbers(vols, name).copy() for name in (*_VOLS, "iv_stderr")}
    mean = 0.5 * (columns["mid_iv"][put] + columns["mid_iv"][call])
    with np.errstate(invalid="ignore"):
        share = call_share(k[put], mean * np.sqrt(numbers(vols, "tau_years")[put]))
    whole = np.isfinite(sum(column[put] + column[call] for column in columns.values()))
    near = whole & (share > 0.0) & (share < 1.0)
    put, call, share = put[near], call[near], share[near]
    for name, column in columns.items():
        parts = (1.0 - share) * column[put], share * column[call]
        column[put] = column[call] = np.hypot(*parts) if name == "iv_stderr" else parts[0] + parts[1]
    return vols.assign(**columns)


def _pairs(
    at: NDArray[np.generic], strike: Floats, is_call: NDArray[np.bool_]
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    order = np.lexsort((is_call, strike, at))
    first, second = order[:-1], order[1:]
    met = (strike[first] == strike[second]) & (at[first] == at[second]) & is_call[second] & ~is_call[first]
    return first[met], second[met]
