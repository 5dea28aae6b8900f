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
from periscope_analytics.smiles import Smiles
from periscope_assets.transforms.expiries import places
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
    ordered = slices.sort_values("expiry_at", ignore_index=True)
    expiry = places(quotes, ordered)
    order = np.argsort(expiry, kind="stable")
    ends = np.searchsorted(expiry[order], np.arange(len(ordered) + 1))
    gamma = _gammas(ordered, quotes, order, ends, smiles)
    names = ("strike", "volume", "open_interest")
    strike, volume, held = (numbers(quotes, name)[order] for name in names)
    call, contract = flags(quotes, "is_call")[order], quotes["contract"].to_numpy()[order]
    forwards, statuses = numbers(ordered, "forward"), ordered["status"].tolist()
    found = []
    for i, (begin, end) in enumerate(pairwise(ends.tolist())):
        part = slice(begin, end)
        row = _counted(strike[part], volume[part], held[part], call[part], contract[part])
        if row["status"] == Status.OK.label:
            row |= _gex(gamma[part], held[part], call[part], float(forwards[i]))
            row["status"] = Status.OK.label if np.isfinite(row["gex_usd"]) else statuses[i]
        found.append(row)
    named = {name: ordered[name].array for name in ("expiry_at", "expiry", "root", "tau_years")}
    frame = pd.DataFrame({**named, **{name: [row[name] for row in found] for name in _COLUMNS}})
    return frame.assign(**activity.columns(frame, history))


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
    ordered = slices.sort_values("expiry_at", ignore_index=True)
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
    sums = {name: float(numbers(frame, name)[np.isfinite(numbers(frame, name))].sum()) for name in _SUMMED}
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


def _counted(
    strike: Floats, volume: Floats, held: Floats, call: Bools, contract: np.ndarray
) -> dict[str, Any]:
    row: dict[str, Any] = dict.fromkeys(_COLUMNS, np.nan) | {"n_unusual": 0, "most_unusual": None}
    if not (np.isfinite(held).any() or np.isfinite(volume).any()):
        return row | {"status": Status.NO_QUOTE.label}
    for name, column in (("open_interest", held), ("volume", volume)):
        calls, puts = _sum(column[call]), _sum(column[~call])
        row |= {f"call_{name}": calls, f"put_{name}": puts}
        row[f"put_call_{name}"] = puts / calls if calls > 0.0 else np.nan
    ratio = _ratio(volume, held)
    unusual = ratio > _UNUSUAL_RATIO
    if unusual.any():
        most = int(np.nanargmax(ratio))
        row |= {"n_unusual": int(unusual.sum()), "most_unusual": str(contract[most])}
        row["most_unusual_ratio"] = float(ratio[most])
    return row | {"max_pain_strike": _max_pain(strike, held, call), "status": Status.OK.label}


def _ratio(volume: Floats, held: Floats) -> Floats:
    """Return volume over open interest, absent where too little was traded or nothing is open."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where((volume >= _UNUSUAL_VOLUME) & (held > 0.0), volume / held, np.nan)


def _sum(column: Floats) -> float:
    known = column[np.isfinite(column)]
    return float(known.sum()) if known.size else np.nan


def _max_pain(strike: Floats, held: Floats, call: Bools) -> float:
    """Return the strike at which open calls and puts together are worth least."""
    known = np.isfinite(held) & (held > 0.0)
    if not known.any():
        return np.nan
    at = np.unique(strike)
    sign, worth = np.where(call, 1.0, -1.0)[known], held[known]
    value = np.maximum(sign * (at[:, None] - strike[known]), 0.0) @ worth
    return float(at[int(np.argmin(value))])


def _gex(gamma: Floats, held: Floats, call: Bools, forward: float) -> dict[str, float]:
    own = gamma * held * forward * forward * _ONE_PERCENT
    known = np.isfinite(own)
    if not known.any():
        return {}
    calls, puts = float(own[known & call].sum()), float(own[known & ~call].sum())
    return {"call_gex_usd": calls, "put_gex_usd": puts, "gex_usd": calls - puts}


_SUMMED = ("call_volume", "put_volume", "gex_usd")
_COLUMNS = (
    *("call_open_interest", "put_open_interest", "call_volume", "put_volume"),
    *("put_call_open_interest", "put_call_volume", "call_gex_usd", "put_gex_usd", "gex_usd"),
    *("max_pain_strike", "n_unusual", "most_unusual", "most_unusual_ratio", "status"),
)
