"""Activity: volume of the day against that of earlier sessions.

What belongs here: whose history an expiry is held against, and z-scores of its volume. What does not: volume
against open interest (``positioning``).

The z-score is of ln(1 + volume): distance to the median of earlier sessions over 1.4826 median absolute
deviations, joined with the error of counting, 1 / sqrt(1 + median). An expiry with five earlier sessions is
held against its own; one that is new, or comes back after an absence, against expiries of like maturity (the
mean over those of a session). Volume grows as expiry nears, slowly against a history of some weeks.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from periscope_assets.transforms.expiries import instants
from periscope_assets.transforms.frames import MAD_TO_SIGMA, Floats, numbers
from periscope_assets.transforms.stage import Frames, Input

TABLE = "positioning"
SIDES = ("call_volume", "put_volume")
HISTORY = Input(
    "skew_metrics",
    optional=True,
    tables=(TABLE,),
    columns=("expiry_at", "tau_years", *SIDES),
    history_days=35,
)
COLUMNS = ("call_volume_z", "put_volume_z", "volume_basis", "n_volume_history")
UNUSUAL_Z = 3.0
"""Deviations from which on an expiry's volume is called unusual."""

_LEAST_SESSIONS = 5
_MATURITIES = np.array([7.0, 30.0, 91.0, 365.0]) / 365.0
_EXPIRY, _MATURITY = "expiry", "maturity"


def columns(counted: Mapping[str, Any] | pd.DataFrame, history: Frames | None) -> dict[str, list[Any]]:
    """Return `COLUMNS` for columns of ``positioning``, absent where no history is long enough."""
    found: dict[str, list[Any]] = {name: [None] * len(counted["tau_years"]) for name in COLUMNS}
    past = None if history is None else history[TABLE]
    if past is None or past.empty:
        return found
    held = pd.DataFrame({name: counted[name] for name in HISTORY.columns}, copy=False)
    at, then = instants(held["expiry_at"]), instants(past["expiry_at"])
    bucket, was = (np.searchsorted(_MATURITIES, numbers(each, "tau_years")) for each in (held, past))
    session = past["as_of"].to_numpy()
    known = np.isfinite(numbers(past, SIDES[0]) + numbers(past, SIDES[1]))
    for i in range(len(held)):
        own = known & (then == at[i])
        alike = known & (was == bucket[i])
        choices = ((_EXPIRY, own), (_MATURITY, alike))
        long = [each for each in choices if _sessions(session[each[1]]) >= _LEAST_SESSIONS]
        if not long:
            continue
        basis, rows = long[0]
        found["volume_basis"][i], found["n_volume_history"][i] = basis, _sessions(session[rows])
        for side in SIDES:
            daily = _means(session[rows], numbers(past, side)[rows])
            found[f"{side}_z"][i] = _z_score(float(numbers(held, side)[i]), daily)
    return found


def quality(held: pd.DataFrame, history: Frames | None) -> dict[str, float | int | None]:
    """Return how many expiries trade unusually much, and the z-score of all volume together."""
    scores = [numbers(held, f"{side}_z") for side in SIDES]
    with np.errstate(invalid="ignore"):
        unusual = np.any([each > UNUSUAL_Z for each in scores], axis=0)
    return {"n_unusual_expiries": int(unusual.sum()), "volume_z": _symbol_z(held, history)}


def _symbol_z(held: pd.DataFrame, history: Frames | None) -> float | None:
    past = None if history is None else history[TABLE]
    if past is None or past.empty:
        return None
    volume = numbers(past, SIDES[0]) + numbers(past, SIDES[1])
    told = np.isfinite(volume)
    session = past["as_of"].to_numpy()[told]
    if _sessions(session) < _LEAST_SESSIONS:
        return None
    counts = np.unique(session, return_counts=True)[1]
    now = float(np.nansum(numbers(held, SIDES[0]) + numbers(held, SIDES[1])))
    return _z_score(now, _means(session, volume[told]) * counts)


def _sessions(session: np.ndarray) -> int:
    return int(np.unique(session).size)


def _means(session: np.ndarray, volume: Floats) -> Floats:
    """Return the mean of each session."""
    _, which = np.unique(session, return_inverse=True)
    return np.asarray(np.bincount(which, volume) / np.bincount(which))


def _z_score(volume: float, daily: Floats) -> float | None:
    """Return how far a volume is from those of earlier sessions; None where it is not known."""
    if not np.isfinite(volume):
        return None
    middle = float(np.median(daily))
    logs = np.log1p(daily)
    spread = MAD_TO_SIGMA * float(np.median(np.abs(logs - np.log1p(middle))))
    return float((np.log1p(volume) - np.log1p(middle)) / np.hypot(spread, 1.0 / np.sqrt(1.0 + middle)))
