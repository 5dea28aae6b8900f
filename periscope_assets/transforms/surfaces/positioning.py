"""Positioning: open interest, volume and gamma by expiry.

What belongs here: the table ``positioning`` and its assumptions. What does not: vols (``vols``, ``served``),
volume against its own history (``activity``).

Assumptions. Open interest is of the prior session, as exchanges publish it. Dealers are taken to be long
calls and short puts: with them reversed the sign of ``gex_usd`` turns. Gamma is Black's at the served
surface's vol. Max pain takes every open contract as held to settlement. A contract counts as unusual when it
traded more than twice its open interest, and at least 100 times.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd

from periscope_analytics import black
from periscope_analytics.errors import Status
from periscope_analytics.forward import Ints
from periscope_analytics.smiles import Smiles
from periscope_assets.transforms.expiries import by_time, places
from periscope_assets.transforms.frames import Bools, Floats, flags, numbers
from periscope_assets.transforms.stage import Frames
from periscope_assets.transforms.surfaces import activity
from periscope_assets.transforms.surfaces.served import fitted_rows, served_of

TABLE = "positioning"

_UNUSUAL_RATIO, _UNUSUAL_VOLUME = 2.0, 100.0
_ONE_PERCENT = 0.01


def rows(
    quotes: pd.DataFrame, slices: pd.DataFrame, smiles: Smiles | None = None, history: Frames | None = None
) -> pd.DataFrame:
    """Return a row for each row of ``surface_slices``.

    `smiles`, where the caller has them, are those of the fitted rows by time, others may follow. `history`
    has earlier rows of this table (``activity.HISTORY``), against which volume is held.

    Status ``ok``; the slice's own where there is no vol for gamma; ``no_quote`` where the vendor gives
    neither volume nor open interest.
    """
    ordered = by_time(slices)
    expiry = places(quotes, ordered)
    order = np.argsort(expiry, kind="stable")
    ends = np.searchsorted(expiry[order], np.arange(len(ordered) + 1))
    gamma = _gammas(ordered, quotes, order, ends, smiles)
    names = ("strike", "volume", "open_interest")
    strike, volume, held = (numbers(quotes, name)[order] for name in names)
    call, contract = flags(quotes, "is_call")[order], quotes["contract"].array[order]
    counted = {
        **_sides("open_interest", held, call, ends),
        **_sides("volume", volume, call, ends),
        **_gex(gamma, held, call, np.repeat(numbers(ordered, "forward"), np.diff(ends)), ends),
        **_unusual(_ratio(volume, held), contract, ends),
        "max_pain_strike": _max_pains(strike, held, call, ends),
    }
    told = np.isfinite(held) | np.isfinite(volume)
    is_told = np.diff(np.append(0, np.cumsum(told))[ends]) > 0
    has_gamma = np.isfinite(counted["gex_usd"])
    status = np.where(has_gamma, Status.OK.label, ordered["status"].to_numpy(dtype=object))
    counted["status"] = np.where(is_told, status, Status.NO_QUOTE.label)
    named = {name: ordered[name].array for name in ("expiry_at", "expiry", "root", "tau_years")}
    columns = {**named, **{name: counted[name] for name in _COLUMNS}}
    return pd.DataFrame({**columns, **activity.columns(columns, history)}, copy=False)


def by_contract(quotes: pd.DataFrame, slices: pd.DataFrame) -> pd.DataFrame:
    """Return open interest, volume and gamma of every contract: what the sums of :func:`rows` are made of.

    Parameters
    ----------
    quotes : DataFrame
        Rows of ``options_snapshots``.
    slices : DataFrame
        Rows of ``surface_slices``.

    Returns
    -------
    DataFrame
        contract, expiry_at, expiry, root, strike, is_call, volume, open_interest, `gex_usd` (positive for
        calls, negative for puts), `volume_ratio` and `is_unusual`.
    """
    ordered = by_time(slices)
    expiry = places(quotes, ordered)
    order = np.argsort(expiry, kind="stable")
    ends = np.searchsorted(expiry[order], np.arange(len(ordered) + 1))
    mine = quotes.iloc[order].reset_index(drop=True)
    volume, held, call = numbers(mine, "volume"), numbers(mine, "open_interest"), flags(mine, "is_call")
    forward = numbers(ordered, "forward")[expiry[order]]
    own = _gammas(ordered, quotes, order, ends) * held * forward * forward * _ONE_PERCENT
    ratio = _ratio(volume, held)
    names = ["contract", "expiry_at", "expiry", "root", "strike", "is_call", "volume", "open_interest"]
    return mine[names].assign(
        gex_usd=np.where(call, own, -own), volume_ratio=ratio, is_unusual=ratio > _UNUSUAL_RATIO
    )


def quality(frame: pd.DataFrame) -> dict[str, float | int | str | bool | None]:
    """Return the figures of all expiries together."""
    columns = {name: numbers(frame, name) for name in _SUMMED}
    sums = {name: float(column[np.isfinite(column)].sum()) for name, column in columns.items()}
    volume = sums["put_volume"] / sums["call_volume"] if sums["call_volume"] > 0.0 else None
    return {
        "gex_usd": sums["gex_usd"],
        "put_call_volume": volume,
        "n_unusual": int(frame["n_unusual"].sum()),
    }


def _gammas(
    slices: pd.DataFrame,
    quotes: pd.DataFrame,
    order: np.ndarray,
    ends: np.ndarray,
    given: Smiles | None = None,
) -> Floats:
    """Return gamma of every quote by its multiplier, per USD squared of forward; NaN without a slice."""
    gamma, strike = np.full(len(order), np.nan), numbers(quotes, "strike")[order]
    units = numbers(quotes, "multiplier")[order]
    fitted = fitted_rows(slices)
    if fitted.empty:
        return gamma
    smiles, taus = given or Smiles(served_of(fitted).slices), numbers(slices, "tau_years")
    known = numbers(fitted, "tau_years")
    place = np.minimum(np.searchsorted(known, taus), known.size - 1)
    count = np.where(known[place] == taus, np.diff(ends), 0)
    at = np.concatenate([np.arange(begin, begin + n) for begin, n in zip(ends, count, strict=False)])
    by_expiry = [numbers(slices, name) for name in ("tau_years", "forward", "discount")]
    tau, forward, discount = (np.repeat(column, count) for column in by_expiry)
    vol = smiles.iv(np.repeat(place, count), np.log(strike[at] / forward))
    gamma[at] = black.first_greeks(forward, strike[at], tau, vol, True, discount).gamma * units[at]
    return gamma


def _sides(name: str, column: Floats, call: Bools, ends: Ints) -> dict[str, Floats]:
    """Return the sums of calls and of puts by expiry, NaN where none is known, and what puts are of calls."""
    calls, puts = (_sums(column, side & np.isfinite(column), ends) for side in (call, ~call))
    with np.errstate(invalid="ignore", divide="ignore"):
        ratio = np.where(calls > 0.0, puts / calls, np.nan)
    return {f"call_{name}": calls, f"put_{name}": puts, f"put_call_{name}": ratio}


def _sums(column: Floats, chosen: Bools, ends: Ints) -> Floats:
    """Return the sum of the chosen values of each expiry, NaN without one."""
    kept = column[chosen]
    spans = pairwise(np.append(0, np.cumsum(chosen))[ends].tolist())
    return np.array([kept[begin:end].sum() if begin < end else np.nan for begin, end in spans])


def _unusual(ratio: Floats, contract: Any, ends: Ints) -> dict[str, Any]:
    """Return how many contracts of each expiry count as unusual, and the most unusual of them."""
    unusual = ratio > _UNUSUAL_RATIO
    count = np.diff(np.append(0, np.cumsum(unusual))[ends])
    names: list[str | None] = [None] * count.size
    most = np.full(count.size, np.nan)
    for i in np.flatnonzero(count).tolist():
        at = int(ends[i]) + int(np.nanargmax(ratio[ends[i] : ends[i + 1]]))
        names[i], most[i] = str(contract[at]), ratio[at]
    return {"n_unusual": count, "most_unusual": names, "most_unusual_ratio": most}


def _ratio(volume: Floats, held: Floats) -> Floats:
    """Return volume over open interest, absent where too little was traded or nothing is open."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where((volume >= _UNUSUAL_VOLUME) & (held > 0.0), volume / held, np.nan)


def _max_pains(strike: Floats, held: Floats, call: Bools, ends: Ints) -> Floats:
    """Return, by expiry, the strike at which open calls and puts together are worth least."""
    sign, known = np.where(call, 1.0, -1.0), np.isfinite(held) & (held > 0.0)
    found = np.full(len(ends) - 1, np.nan)
    for i, (begin, end) in enumerate(pairwise(ends.tolist())):
        open_ = begin + np.flatnonzero(known[begin:end])
        if open_.size:
            at = np.unique(strike[begin:end])
            value = np.maximum(sign[open_] * (at[:, None] - strike[open_]), 0.0) @ held[open_]
            found[i] = at[int(np.argmin(value))]
    return found


def _gex(gamma: Floats, held: Floats, call: Bools, forward: Floats, ends: Ints) -> dict[str, Floats]:
    """Return gamma of calls, of puts, and the former less the latter, by expiry; NaN where none is known."""
    own = gamma * held * forward * forward * _ONE_PERCENT
    known = np.isfinite(own)
    calls, puts = (_sums(own, side & known, ends) for side in (call, ~call))
    some = np.isfinite(calls) | np.isfinite(puts)
    calls, puts = (np.where(some, np.nan_to_num(side), np.nan) for side in (calls, puts))
    return {"call_gex_usd": calls, "put_gex_usd": puts, "gex_usd": calls - puts}


_SUMMED = ("call_volume", "put_volume", "gex_usd")
_COLUMNS = (
    *("call_open_interest", "put_open_interest", "call_volume", "put_volume"),
    *("put_call_open_interest", "put_call_volume", "call_gex_usd", "put_gex_usd", "gex_usd"),
    *("max_pain_strike", "n_unusual", "most_unusual", "most_unusual_ratio", "status"),
)
