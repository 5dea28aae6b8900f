"""Year fractions.

What belongs here: the one day count of the package, ACT/365 fixed to the minute. What does not: settlement
clocks (``conventions``) and sessions (the sources' calendars).
"""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
from numpy.typing import ArrayLike, NDArray

MINUTES_PER_YEAR = 365.0 * 1440.0


def year_fraction(start: ArrayLike | datetime, end: ArrayLike | datetime) -> NDArray[np.float64]:
    """Return the years from `start` to `end`, ACT/365 fixed, in whole minutes.

    Parameters
    ----------
    start, end : array_like of datetime64 or datetime
        UTC. Each is cut to its minute. An aware datetime is converted to UTC, a naive one is taken as UTC.

    Returns
    -------
    ndarray
        Of the broadcast shape; negative where `end` is before `start`, NaN where either is NaT.

    Raises
    ------
    ValueError
        If an argument is not made of times, or the shapes do not broadcast.
    """
    minutes = _minutes("end", end) - _minutes("start", start)
    years = minutes.astype(np.int64) / MINUTES_PER_YEAR
    return np.asarray(np.where(np.isnat(minutes), np.nan, years), dtype=np.float64)


def _minutes(name: str, value: ArrayLike | datetime) -> NDArray[np.datetime64]:
    array = np.asarray(value)
    if array.dtype.kind == "O":
        array = np.array([_naive_utc(name, v) for v in array.ravel()], "datetime64[us]").reshape(array.shape)
    if array.dtype.kind != "M":
        raise ValueError(f"{name}: expected datetime64 or datetime, got {array.dtype}")
    return array.astype("datetime64[m]")


def _naive_utc(name: str, value: object) -> datetime:
    if not isinstance(value, datetime):
        raise ValueError(f"{name}: expected datetime64 or datetime, got {type(value).__name__}")
    return value if value.tzinfo is None else value.astimezone(UTC).replace(tzinfo=None)
