"""Time as variance sees it: days without a session count less, and dated events carry variance of their own.

What belongs here: the trading-time clock, the variance that a term structure implies for events, and where
between two expiries total variance has come how far, which is all that surfaces and errors know of either.
What does not: which days and events there are (files and calendars), smiles (``served``, ``surface``).

Total variance at the money rises by ``f c`` from one expiry to the next, c the time between them on the clock
and f a forward variance that changes smoothly with maturity, plus the variance of the events between them. f
is a Gaussian process in the logarithm of time about an unknown level; level and events are found together by
generalised least squares, so that their errors hold what f may do by itself.

References
----------
A. Dubinsky, M. Johannes, A. Kaeck, N. Seeger (2019), "Option pricing of earnings announcement risks", Review
of Financial Studies 32(2), eq. 5 (an announcement's variance adds to that of all later expiries); K. French,
R. Roll (1986), "Stock return variances", J. Financial Economics 17 (days without a session); C. Rasmussen,
C. Williams (2006), "Gaussian processes for machine learning", sections 2.7, 4.2.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from periscope_analytics.arguments import Floats, floats
from periscope_analytics.errors import Status

SPREAD = 0.3
"""One-sigma distance of forward variance from its level, as a share of it."""

REACH = 1.0
"""Distance in ln(time) over which forward variances are alike."""

BLUR_YEARS = 0.25 / 365.0
"""What a clock by the day may get wrong of an interval: a quarter of a day's variance."""

OPEN_DAYS, YEAR_DAYS = 252.0, 365.0

LONGEST = 100.0
"""Years ahead that a clock knows."""

_DAY = np.timedelta64(1, "D")


class Clock(NamedTuple):
    """A clock on which a day without a session counts less; a year of it is a year of the calendar.

    Attributes
    ----------
    start : datetime64
        Where it starts, local time without a zone.
    closed : ndarray of datetime64[D]
        Weekdays without a session; Saturdays and Sundays are none in any case.
    closed_weight : float
        What such a day counts, a session's day being 1: in (0, 1].
    """

    start: np.datetime64
    closed: NDArray[np.datetime64]
    closed_weight: float

    def years(self, tau: Floats) -> Floats:
        """Return years on the clock from its start to `tau` years on the calendar.

        Raises
        ------
        ValueError
            If the weight is outside (0, 1], or a `tau` outside 0 to 100 years or NaN.
        """
        taus = floats("tau", tau)
        if not np.all((taus >= 0.0) & (taus <= LONGEST)):
            raise ValueError(f"tau: expected years from 0 to {LONGEST:g}")
        edges, passed = self._edges(float(np.max(taus, initial=0.0)))
        return np.asarray(np.interp(taus, edges, passed))

    def edges(self, tau: float) -> Floats:
        """Return the calendar years, up to `tau`, at which the clock changes its pace.

        Raises
        ------
        ValueError
            If the weight is outside (0, 1], or `tau` outside 0 to 100 years or NaN.
        """
        if not 0.0 <= tau <= LONGEST:
            raise ValueError(f"tau: expected years from 0 to {LONGEST:g}, got {tau}")
        weight, first = self._days(tau)
        change = 1 + np.flatnonzero(np.diff(weight))
        return np.asarray((change - first) / YEAR_DAYS)

    def _days(self, tau: float) -> tuple[Floats, float]:
        """Return the weight of each day from the start's on, and the share of the first that is over."""
        if not 0.0 < self.closed_weight <= 1.0:
            raise ValueError(f"closed_weight: expected a number above 0, at most 1, got {self.closed_weight}")
        today = self.start.astype("datetime64[D]")
        over = float((self.start - today) / _DAY)
        days = today + np.arange(int(np.ceil(over + tau * YEAR_DAYS)) + 1)
        is_open = np.is_busday(days, holidays=self.closed)
        return np.where(is_open, 1.0, self.closed_weight), over

    def _edges(self, tau: float) -> tuple[Floats, Floats]:
        weight, over = self._days(tau)
        year = OPEN_DAYS + (YEAR_DAYS - OPEN_DAYS) * self.closed_weight
        passed = np.concatenate([[0.0], np.cumsum(weight)])
        return (
            np.asarray((np.arange(passed.size) - over) / YEAR_DAYS),
            np.asarray((passed - over * weight[0]) / year),
        )


class EventVariances(NamedTuple):
    """Variance of the events between two expiries, for each interval that has some: arrays of length g.

    Attributes
    ----------
    interval : ndarray of int
        Number of the expiry that ends it.
    variance, stderr : ndarray
        Total variance, and its one-sigma error; NaN where the expiries don't tell them.
    status : ndarray of int8
        OK; UNIDENTIFIED where the variance does not exceed its error, or leaves nothing to the time between.
    """

    interval: NDArray[np.intp]
    variance: Floats
    stderr: Floats
    status: NDArray[np.int8]


@np.errstate(all="ignore")
def event_variances(tau: Floats, clock: Floats, w: Floats, w_stderr: Floats, at: Floats) -> EventVariances:
    """Return the variance that the expiries imply for events; those between the same expiries are one.

    Parameters
    ----------
    tau, clock : ndarray, shape (m,)
        Years to each expiry, increasing: by the calendar and on the clock.
    w, w_stderr : ndarray, shape (m,)
        Total variance at the money and its one-sigma error.
    at : ndarray
        Years to the events; those that are past, or beyond the last expiry, are left out. An expiry at the
        event's instant or later holds it.

    Raises
    ------
    ValueError
        If the columns are not equally long, or `tau` or `clock` does not rise from above 0.
    """
    tau, clock, w, w_stderr, at = _columns(tau=tau, clock=clock, w=w, w_stderr=w_stderr, at=at)
    ahead = at[(at > 0.0) & (at <= (tau[-1] if tau.size else 0.0))]
    interval = np.unique(np.searchsorted(tau, ahead))
    absent = np.full(interval.size, np.nan)
    nothing = EventVariances(interval, absent, absent, np.full(interval.size, Status.UNIDENTIFIED, np.int8))
    if interval.size + 1 >= tau.size or interval.size == 0:
        return nothing
    rise, time = np.diff(w, prepend=0.0), np.diff(clock, prepend=0.0)
    design = np.zeros((tau.size, interval.size + 1))
    design[:, 0] = time
    design[interval, np.arange(1, interval.size + 1)] = 1.0
    level = float(np.median(np.delete(rise / time, interval)))
    if not (level > 0.0 and np.isfinite(w + w_stderr).all()):
        return nothing
    try:
        solved = np.linalg.solve(_covariance(clock, time, w_stderr, level), design)
        among = np.linalg.inv(design.T @ solved)
    except np.linalg.LinAlgError:
        return nothing
    variance = (among @ (solved.T @ rise))[1:]
    stderr = np.sqrt(np.diagonal(among))[1:]
    told = (variance > stderr) & (variance < rise[interval])
    status = np.where(told, Status.OK, Status.UNIDENTIFIED).astype(np.int8)
    return EventVariances(interval, variance, stderr, status)


def _columns(*, at: Floats, **by_expiry: Floats) -> list[Floats]:
    """Return the columns by expiry and the events' times, checked."""
    found = {name: floats(name, value) for name, value in by_expiry.items()}
    for name, column in found.items():
        if column.shape != found["tau"].shape or column.ndim != 1:
            raise ValueError(f"{name}: expected as many numbers as tau has, {column.shape} is given")
    for name in ("tau", "clock"):
        if not (np.all(np.diff(found[name], prepend=0.0) > 0.0) and np.isfinite(found[name]).all()):
            raise ValueError(f"{name}: expected finite years that rise from above 0")
    return [*found.values(), floats("at", at).ravel()]


def _covariance(clock: Floats, time: Floats, w_stderr: Floats, level: float) -> Floats:
    """Return the covariance of the rises of total variance about level and events."""
    middle = np.log(clock - 0.5 * time)
    distance = np.sqrt(3.0) * np.abs(middle[:, None] - middle) / REACH
    smooth = (SPREAD * level) ** 2 * np.outer(time, time) * (1.0 + distance) * np.exp(-distance)
    difference = np.eye(clock.size) - np.eye(clock.size, k=-1)
    read = difference @ np.diag(w_stderr**2) @ difference.T
    return np.asarray(smooth + read + np.eye(clock.size) * (level * BLUR_YEARS) ** 2)


class Shares(NamedTuple):
    """How much of an interval's rise in total variance has come by when: linear between points.

    Attributes
    ----------
    tau : ndarray
        Years, not decreasing, from the expiry before to the expiry; an event is two points of one time.
    share : ndarray
        From 0 to 1.
    """

    tau: Floats
    share: Floats


def shares(start: float, end: float, clock: Clock, jump: float = 0.0, at: Floats | None = None) -> Shares:
    """Return how total variance comes between two expiries: with the clock, and `jump` of it by events.

    Parameters
    ----------
    start, end : float
        Years to the two expiries.
    clock : Clock
    jump : float
        Share of the rise that the events bring, in equal parts, in [0, 1).
    at : ndarray, optional
        Years to the events, after `start` and up to `end`.

    Raises
    ------
    ValueError
        If `start` is not before `end`, either is outside 0 to 100 years, `jump` is outside [0, 1) or has no
        events, or an event is not between the two.
    """
    if not 0.0 <= start < end <= LONGEST:
        raise ValueError(f"start, end: expected years from 0 to {LONGEST:g} in order, got {start}, {end}")
    instants = np.empty(0) if at is None else np.sort(floats("at", at).ravel())
    if not np.all((instants > start) & (instants <= end)):
        raise ValueError(f"at: expected years after {start} and up to {end}")
    if not 0.0 <= jump < 1.0 or (jump > 0.0 and not instants.size):
        raise ValueError(f"jump: expected a share in [0, 1), 0 without events, got {jump}")
    events = instants if jump > 0.0 else np.empty(0)
    edges = clock.edges(end)
    inner = edges[(edges > start) & (edges < end)]
    tau = np.sort(np.concatenate([[start, end], inner, events, events]))
    passed = clock.years(tau)
    rise = passed[-1] - passed[0]
    # A span so short that the clock's rounding sees none of it passes evenly.
    flow = (passed - passed[0]) / rise if rise > 0.0 else (tau - start) / (end - start)
    # Of the two points of an event the later one has it behind itself.
    behind = np.searchsorted(events, tau, side="left").astype(np.float64)
    for instant in events:
        behind[np.flatnonzero(tau == instant)[-1]] = np.searchsorted(events, instant, side="right")
    share = (1.0 - jump) * flow + (jump * behind / events.size if events.size else 0.0)
    return Shares(tau, np.asarray(share))


@dataclass(frozen=True, slots=True, eq=False)
class Passage:
    """How total variance at the money comes from now on: with a clock, and at once at events.

    Between two expiries of any surface, whichever they are, events bring their variance and the clock the
    rest. So a surface that is linear in time between its expiries is read at another time, :meth:`even`.
    Without points variance comes evenly between expiries.

    Attributes
    ----------
    tau : ndarray, shape (n,)
        Years, not decreasing, the first 0; an event is two points of one time. The other columns are linear
        between points.
    clock : ndarray
        Years on the clock.
    events : ndarray
        Variance of the events up to then.
    w : ndarray
        Total variance at the money.

    Raises
    ------
    ValueError
        If there is one point only, columns differ in length, or `tau` is not finite, falls, or does not
        start at 0.
    """

    tau: Floats
    clock: Floats
    events: Floats
    w: Floats

    def __post_init__(self) -> None:
        for each in fields(self):
            column = floats(each.name, getattr(self, each.name)).copy()
            column.setflags(write=False)
            object.__setattr__(self, each.name, column)
            if column.shape != self.tau.shape or column.ndim != 1:
                raise ValueError(f"{each.name}: expected as many numbers as tau has, got {column.shape}")
        falls = np.any(self.tau[1:] < self.tau[:-1])
        if self.tau.size == 1 or falls or np.any(self.tau[:1]) or not np.isfinite(self.tau).all():
            raise ValueError("tau: expected at least two years, the first 0, none before the one before it")

    def even(self, tau: ArrayLike, expiries: ArrayLike) -> Floats:
        """Return when as much has come where variance comes evenly between expiries.

        A maturity beyond the last expiry or point, or between two expiries between which total variance at
        the money does not rise, stays what it is.

        Parameters
        ----------
        tau : array_like
            Years.
        expiries : array_like, shape (m,)
            Years, increasing, of the surface that is read; events of an expiry's instant belong to it.

        Raises
        ------
        ValueError
            If `expiries` has not one dimension.
        """
        return self._come(tau, expiries)[0]

    def pace(self, tau: ArrayLike, expiries: ArrayLike) -> Floats:
        """Return the derivative of :meth:`even` just before `tau`, without the jumps that events are.

        Raises
        ------
        ValueError
            If `expiries` has not one dimension.
        """
        return self._come(tau, expiries)[1]

    @np.errstate(all="ignore")
    def _come(self, tau: ArrayLike, expiries: ArrayLike) -> tuple[Floats, Floats]:
        when, known = floats("tau", tau), floats("expiries", expiries)
        if known.ndim != 1:
            raise ValueError(f"expiries: expected one dimension, got shape {known.shape}")
        if not self.tau.size:
            return when, np.ones(when.shape)
        after = np.searchsorted(known, when)
        start, end = np.append(0.0, known)[after], np.append(known, np.inf)[after]
        (clock0, clock, clock1), (event0, event, event1), (w0, _, w1) = (
            [self._at(column, years) for years in (start, when, end)]
            for column in (self.clock, self.events, self.w)
        )
        flow = 1.0 - (event1 - event0) / (w1 - w0)
        share = (event - event0) / (w1 - w0) + flow * (clock - clock0) / (clock1 - clock0)
        even = np.minimum(start + share * (end - start), end)
        left = np.clip(np.searchsorted(self.tau, when), 1, self.tau.size - 1)
        rate = (self.clock[left] - self.clock[left - 1]) / (self.tau[left] - self.tau[left - 1])
        pace = flow * rate * (end - start) / (clock1 - clock0)
        told = (even > start) & (pace > 0.0) & np.isfinite(pace) & (end <= self.tau[-1])
        return np.where(told & (when < end), even, when), np.where(told, pace, 1.0)

    def _at(self, column: Floats, years: Floats) -> Floats:
        """Return a column at times up to the last point, an event of that instant included."""
        low = np.clip(np.searchsorted(self.tau, years, side="right") - 1, 0, self.tau.size - 2)
        (t0, t1), (y0, y1) = (each[np.stack([low, low + 1])] for each in (self.tau, column))
        return np.asarray(y0 + np.where(t1 > t0, (years - t0) / (t1 - t0), 1.0) * (y1 - y0))


EVEN = Passage(*np.empty((4, 0)))
"""Variance comes evenly between expiries: no event, and all days alike."""


@np.errstate(all="ignore")
def passage(tau: Floats, clock: Floats, w: Floats, parts: Sequence[Shares | None]) -> Passage:
    """Return how total variance comes, from how it comes to each expiry.

    Parameters
    ----------
    tau, clock, w : ndarray, shape (m,)
        Of each expiry, in order: years by the calendar and on the clock, total variance at the money.
    parts : sequence of Shares or None
        Of :func:`shares`, since the expiry before; None where variance comes evenly.

    Raises
    ------
    ValueError
        If there are not as many of each, or the shares' times are not in order.
    """
    if all(each is None or each.tau.size == _ENDS for each in parts):
        return EVEN
    ends = np.stack([floats(name, x) for name, x in (("tau", tau), ("clock", clock), ("w", w))], axis=1)
    if len(ends) != len(parts):
        raise ValueError(f"parts: expected one for each tau, got {len(parts)} for {len(ends)}")
    points, before, event = [np.zeros((4, 1))], np.zeros(3), 0.0
    for end, part in zip(ends, parts, strict=True):
        at, share = part or Shares(np.array([before[0], end[0]]), np.array([0.0, 1.0]))
        step = np.diff(share, prepend=0.0)
        jumps = np.cumsum(np.where(np.diff(at, prepend=-np.inf) == 0.0, step, 0.0))
        flow, rise = (share - jumps) / (1.0 - jumps[-1]), end - before
        column = (at, before[1] + rise[1] * flow, event + rise[2] * jumps, before[2] + rise[2] * share)
        points.append(np.stack(column))
        before, event = end, float(column[2][-1])
    return Passage(*np.concatenate(points, axis=1))


_ENDS = 2
