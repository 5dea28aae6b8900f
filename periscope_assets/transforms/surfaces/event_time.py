"""Event time: what dated events and days without a session do to the time between expiries.

What belongs here: columns of ``surface_slices`` about events and the clock, and reading them back as a map of
maturities. What does not: the estimate and the clock themselves (``periscope_analytics.event_time``). Without
events and without a clock every column is absent and maturities stay what they are.

The setting ``event_time`` is empty, or has ``events`` (pairs of day and name), ``closed_weight`` and
``closed_days``. An event takes place at noon in New York of its day: options that settle that morning don't
hold it, those of the afternoon do. What is announced after a close belongs to the day of the next session.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from typing import Any

import numpy as np
import pandas as pd

from periscope_analytics.conventions import NEW_YORK
from periscope_analytics.daycount import year_fraction
from periscope_analytics.errors import Status
from periscope_analytics.event_time import EVEN, Clock, Passage, Shares, event_variances, passage, shares
from periscope_assets.transforms.frames import Floats, numbers

SETTING = "event_time"
COLUMNS = (
    *("clock_years", "event", "event_at", "event_variance", "event_variance_stderr", "event_status"),
    "time_shares",
)
EVENTS = ("event", "event_at", "event_variance", "event_variance_stderr", "event_status")

_NOON = time(12)


@dataclass(frozen=True, slots=True)
class Calendar:
    """What lies ahead of a snapshot.

    Attributes
    ----------
    clock : Clock
    names, instants : list
        Of the events ahead, in order: day and name, and when they take place.
    at : ndarray
        Years to them.
    """

    clock: Clock
    names: list[str]
    instants: list[datetime]
    at: Floats


def calendar_of(setting: object, as_of: datetime) -> Calendar | None:
    """Return the calendar that a setting describes; None where it is empty."""
    if not isinstance(setting, Mapping) or not setting:
        return None
    events: Sequence[tuple[str, str]] = sorted(setting["events"])
    noons = [datetime.combine(date.fromisoformat(day), _NOON, NEW_YORK) for day, _ in events]
    instants = [noon.astimezone(UTC) for noon in noons]
    ahead = [i for i, instant in enumerate(instants) if instant > as_of]
    start = np.datetime64(as_of.astimezone(NEW_YORK).replace(tzinfo=None), "m")
    return Calendar(
        Clock(start, np.array(setting["closed_days"], "datetime64[D]"), float(setting["closed_weight"])),
        [" ".join(events[i]) for i in ahead],
        [instants[i] for i in ahead],
        np.array([float(year_fraction(as_of, instants[i])) for i in ahead], dtype=np.float64),
    )


def columns(
    taus: Floats, slices: Mapping[str, Sequence[Any]], calendar: Calendar | None
) -> dict[str, list[Any]]:
    """Return `COLUMNS` for rows of ``surface_slices`` in order of time, absent where there is no slice.

    An expiry's events are those since the fitted expiry before it.
    """
    found: dict[str, list[Any]] = {name: [None] * len(taus) for name in COLUMNS}
    rows = np.array([each is not None for each in slices["params"]]).nonzero()[0]
    if calendar is None or not rows.size:
        return found
    vols = (np.asarray(slices[name], np.float64) for name in ("atm_iv", "atm_iv_stderr"))
    tau, vol, error = (each[rows] for each in (taus, *vols))
    clock, w = calendar.clock.years(tau), vol * vol * tau
    implied = event_variances(tau, clock, w, 2.0 * vol * tau * error, calendar.at)
    interval, start = np.searchsorted(tau, calendar.at), np.append(0.0, tau)
    jumps = np.zeros(rows.size)
    for i, variance, stderr, status in zip(*(each.tolist() for each in implied), strict=True):
        mine, row = np.flatnonzero(interval == i), int(rows[i])
        found["event"][row] = "; ".join(calendar.names[j] for j in mine)
        found["event_at"][row] = calendar.instants[mine[0]]
        found["event_variance"][row], found["event_variance_stderr"][row] = variance, stderr
        found["event_status"][row] = Status(status).label
        if status == Status.OK:
            jumps[i] = variance / (w[i] - (w[i - 1] if i else 0.0))
    for i, row in enumerate(rows.tolist()):
        found["clock_years"][row] = float(clock[i])
        part = shares(start[i], tau[i], calendar.clock, jumps[i], calendar.at[interval == i])
        found["time_shares"][row] = {"tau": part.tau.tolist(), "share": part.share.tolist()}
    return found


def passage_of(fitted: pd.DataFrame) -> Passage:
    """Return how variance comes before fitted rows of ``surface_slices``; evenly where they don't say."""
    if "time_shares" not in fitted:
        return EVEN
    parts = [
        Shares(np.array(each["tau"]), np.array(each["share"])) if isinstance(each, Mapping) else None
        for each in fitted["time_shares"].tolist()
    ]
    tau, vol = numbers(fitted, "tau_years"), numbers(fitted, "atm_iv")
    clock = numbers(fitted, "clock_years") if "clock_years" in fitted else tau
    return passage(tau, np.where(np.isfinite(clock), clock, tau), vol * vol * tau, parts)


def quiet_vols(fitted: pd.DataFrame) -> Floats:
    """Return the vol at the money of each fitted row without the events before it, by the clock.

    NaN where there is no clock, or where an event before it is not identified.
    """
    if "clock_years" not in fitted or fitted["clock_years"].isna().all():
        return np.full(len(fitted), np.nan)
    w = numbers(fitted, "atm_iv") ** 2 * numbers(fitted, "tau_years")
    known = (fitted["event_status"] == Status.OK.label).to_numpy()
    unknown = fitted["event_status"].notna().to_numpy() & ~known
    events = np.cumsum(np.where(known, numbers(fitted, "event_variance"), np.where(unknown, np.nan, 0.0)))
    rest = w - events
    return np.sqrt(np.where(rest > 0.0, rest, np.nan) / numbers(fitted, "clock_years"))
