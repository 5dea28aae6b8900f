"""Event time: a clock by sessions, and the variance that a term structure implies for events."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from periscope_analytics.errors import Status
from periscope_analytics.event_time import EVEN, Clock, Passage, Shares, event_variances, passage, shares

FRIDAY_NOON = np.datetime64("2026-03-20T12:00")
NONE = np.array([], "datetime64[D]")
DAY = 1.0 / 365.0
EXPIRIES = np.array([3, 7, 14, 21, 28, 45, 63, 91, 119, 182, 273, 365]) * DAY


TWO = np.array([7.0, 14.0]) * DAY


def come(tau, ends, moved):
    """The share of an interval between two expiries that has come."""
    start, end = ends
    return (moved.even(tau, [each for each in ends if each > 0.0]) - start) / (end - start)


def heston_variance(tau, v0=0.05, theta=0.03, kappa=3.0):
    """Total variance of an instantaneous variance that reverts."""
    return theta * tau + (v0 - theta) * (1.0 - np.exp(-kappa * tau)) / kappa


def test_a_clock_of_equal_days_is_the_calendar():
    clock = Clock(FRIDAY_NOON, NONE, 1.0)
    assert clock.years(EXPIRIES) == pytest.approx(EXPIRIES, rel=1e-12)
    assert clock.edges(1.0).size == 0


def test_a_weekend_counts_as_little_as_it_is_told_to():
    clock = Clock(FRIDAY_NOON, np.array(["2026-04-03"], "datetime64[D]"), 0.1)
    hours = np.array([0.0, 12.0, 60.0, 72.0]) / 24.0 * DAY
    passed = clock.years(hours) * (252.0 + 113.0 * 0.1)
    assert passed == pytest.approx([0.0, 0.5, 0.7, 1.2], abs=1e-12)
    holiday = clock.years(np.array([13.5, 14.5]) * DAY) * (252.0 + 113.0 * 0.1)
    assert np.diff(holiday) == pytest.approx([0.1])


def test_a_year_of_sessions_is_a_year():
    clock = Clock(np.datetime64("2026-01-01T00:00"), NONE, 0.2)
    assert clock.years(np.array([1.0]))[0] == pytest.approx(1.0, abs=0.03)


@pytest.mark.parametrize("weight", [0.0, -0.1, 1.1, np.nan])
def test_a_weight_that_is_none_is_refused(weight):
    with pytest.raises(ValueError, match="closed_weight"):
        Clock(FRIDAY_NOON, NONE, weight).years(EXPIRIES)


def test_variances_of_events_are_found_within_their_errors():
    rng = np.random.default_rng(5)
    scores, found = [], 0
    for _ in range(300):
        v0, theta, kappa = rng.uniform(0.02, 0.2), rng.uniform(0.02, 0.2), rng.uniform(0.5, 5.0)
        at, true = np.array([11.0, 54.0]) * DAY, rng.uniform(0.03, 0.08, 2) ** 2
        w = heston_variance(EXPIRIES, v0, theta, kappa)
        w += np.sum(true[:, None] * (at[:, None] <= EXPIRIES), axis=0)
        error = 2.0 * w * 0.002
        told = event_variances(EXPIRIES, EXPIRIES, w + error * rng.normal(size=w.size), error, at)
        assert told.interval.tolist() == [2, 6]
        scores.append((told.variance - true) / told.stderr)
        found += int(np.sum(told.status == Status.OK))
    scores = np.array(scores)
    assert np.mean(np.abs(scores) < 2.0) > 0.95
    assert np.mean(np.abs(scores) < 3.0) > 0.99
    assert found > 0.7 * scores.size


def test_days_without_an_event_are_told_no_variance():
    rng = np.random.default_rng(6)
    claimed = 0
    for _ in range(200):
        w = heston_variance(EXPIRIES, rng.uniform(0.02, 0.1), rng.uniform(0.02, 0.1), rng.uniform(0.5, 5.0))
        error = 2.0 * w * 0.002
        told = event_variances(
            EXPIRIES, EXPIRIES, w + error * rng.normal(size=w.size), error, np.array([54 * DAY])
        )
        claimed += int(told.variance[0] > 3.0 * told.stderr[0])
    assert claimed <= 2


def test_events_between_the_same_expiries_are_one():
    w = heston_variance(EXPIRIES) + 0.002 * (EXPIRIES >= 8 * DAY)
    told = event_variances(EXPIRIES, EXPIRIES, w, 1e-3 * w, np.array([8.0, 10.0, 13.0]) * DAY)
    assert told.interval.tolist() == [2]
    assert told.variance[0] == pytest.approx(0.002, rel=0.1)


@pytest.mark.parametrize("days", [[-3.0], [400.0], []])
def test_events_past_or_beyond_the_expiries_are_left_out(days):
    told = event_variances(
        EXPIRIES, EXPIRIES, heston_variance(EXPIRIES), 1e-4 * EXPIRIES, np.array(days) * DAY
    )
    assert told.interval.size == 0


def test_too_few_expiries_tell_nothing():
    tau = EXPIRIES[:2]
    told = event_variances(tau, tau, heston_variance(tau), 1e-4 * tau, np.array([5.0]) * DAY)
    assert told.status.tolist() == [Status.UNIDENTIFIED]
    assert np.isnan(told.variance).all()


def test_variance_comes_at_once_at_an_event():
    clock, at = Clock(FRIDAY_NOON, NONE, 1.0), 10.0 * DAY
    part = shares(7.0 * DAY, 14.0 * DAY, clock, 0.6, np.array([at]))
    days = np.array([7.0, 8.5, 9.9999, 10.0, 12.0, 14.0])
    told = come(days * DAY, (7.0 * DAY, 14.0 * DAY), passage(TWO, TWO, TWO, [None, part]))
    assert told == pytest.approx(
        [0.0, 0.4 * 1.5 / 7, 0.4 * 3 / 7, 0.6 + 0.4 * 3 / 7, 0.6 + 0.4 * 5 / 7, 1.0], abs=1e-4
    )
    assert np.all(np.diff(part.share) >= 0.0)


def test_variance_hardly_comes_on_a_weekend():
    end = np.array([3.0 * DAY])
    moved = passage(end, end, end, [shares(0.0, end[0], Clock(FRIDAY_NOON, NONE, 0.1))])
    half, whole, early, late = come(np.array([0.5, 1.0, 0.6, 2.4]) * DAY, (0.0, *end), moved)
    assert whole - half < 0.06
    assert late - early < 0.16
    assert come(np.array([0.0, *end]), (0.0, *end), moved).tolist() == [0.0, 1.0]


def test_without_events_and_a_clock_time_is_the_calendar_to_the_last_bit():
    clock, ends = Clock(FRIDAY_NOON, NONE, 1.0), np.append(0.0, EXPIRIES)
    parts = [shares(start, end, clock) for start, end in pairwise(ends)]
    assert passage(EXPIRIES, EXPIRIES, heston_variance(EXPIRIES), parts) is EVEN
    assert passage(EXPIRIES, EXPIRIES, heston_variance(EXPIRIES), [None] * EXPIRIES.size) is EVEN
    tau = np.random.default_rng(1).uniform(0.0, 2.0, 1000)
    np.testing.assert_array_equal(EVEN.even(tau, EXPIRIES), tau)
    assert set(EVEN.pace(tau, EXPIRIES)) == {1.0}


def with_event(days, variance):
    """A flat forward variance of 0.04 and an event, as its expiries tell them."""
    at = np.array([days * DAY])
    w = 0.04 * EXPIRIES + variance * (at <= EXPIRIES)
    after, clock = int(np.searchsorted(EXPIRIES, at)[0]), Clock(FRIDAY_NOON, NONE, 1.0)
    parts = [None] * EXPIRIES.size
    start, end = EXPIRIES[after - 1 : after + 1]
    parts[after] = shares(start, end, clock, variance / (w[after] - w[after - 1]), at)
    return passage(EXPIRIES, EXPIRIES, w, parts), w, at[0]


@pytest.mark.parametrize("kept", [slice(None), [0, 3, 9], [0, 11]])
def test_an_event_brings_its_variance_between_whichever_expiries_a_surface_has(kept):
    moved, w, at = with_event(17.0, 0.03**2)
    tau, known = np.linspace(4.0, 120.0, 233) * DAY, EXPIRIES[kept]
    told = np.interp(moved.even(tau, known), known, w[kept])
    assert told == pytest.approx(0.04 * tau + 0.03**2 * (tau >= at), rel=1e-9)


def test_the_pace_is_that_of_time_without_the_event():
    moved, w, at = with_event(17.0, 0.03**2)
    rise = (w[3] - w[2]) / (EXPIRIES[3] - EXPIRIES[2])
    for tau in (15.0 * DAY, at, 18.0 * DAY, EXPIRIES[3]):
        assert moved.pace(tau, EXPIRIES) * rise == pytest.approx(0.04)
    assert moved.pace(np.array([10.0, 25.0, 400.0]) * DAY, EXPIRIES) == pytest.approx(1.0)


def test_an_event_of_an_expirys_instant_is_the_expirys():
    end = np.array([7.0, 14.0]) * DAY
    part = shares(*end, Clock(FRIDAY_NOON, NONE, 1.0), 0.5, end[1:])
    moved = passage(end, end, 0.04 * end, [None, part])
    assert come(end[1] - np.array([1e-9, 0.0]), end, moved) == pytest.approx([0.5, 1.0], abs=1e-6)
    assert float(moved.pace(end[1], end)) == pytest.approx(0.5)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    "tau", [[0.0], [0.1, 0.2], [0.0, 0.2, 0.1], [0.0, np.inf, np.inf], [0.0, np.nan, 1.0], [np.inf, np.inf]]
)
def test_points_that_are_no_passage_are_refused(tau):
    with pytest.raises(ValueError, match="tau"):
        Passage(*[np.array(tau)] * 4)
    with pytest.raises(ValueError, match="w"):
        Passage(*[np.array([0.0, 1.0])] * 3, np.zeros(3))
    with pytest.raises(ValueError, match="parts"):
        passage(TWO, TWO, TWO, [Shares(np.zeros(3), np.zeros(3))])


@pytest.mark.parametrize("tau", [-0.1, 100.5, np.nan, np.inf])
def test_a_clock_refuses_years_that_it_does_not_know(tau):
    clock = Clock(FRIDAY_NOON, NONE, 0.5)
    with pytest.raises(ValueError, match="tau"):
        clock.years(np.array([0.1, tau]))
    with pytest.raises(ValueError, match="tau"):
        clock.edges(tau)


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"w": np.ones(3)}, "w"),
        ({"tau": EXPIRIES[::-1]}, "tau"),
        ({"tau": EXPIRIES - 3.0 * DAY}, "tau"),
        ({"clock": np.full(EXPIRIES.size, 0.5)}, "clock"),
        ({"clock": np.append(EXPIRIES[:-1], np.nan)}, "clock"),
    ],
)
def test_expiries_that_are_no_term_structure_are_refused(changed, named):
    columns = {"tau": EXPIRIES, "clock": EXPIRIES, "w": 0.04 * EXPIRIES, "w_stderr": 1e-4 * EXPIRIES}
    with pytest.raises(ValueError, match=rf"^{named}: "):
        event_variances(**(columns | changed), at=np.array([0.1]))


def test_errors_beyond_all_numbers_leave_an_event_unidentified():
    told = event_variances(
        EXPIRIES, EXPIRIES, 0.04 * EXPIRIES, np.full(EXPIRIES.size, 1e200), np.array([10.0]) * DAY
    )
    assert told.status.tolist() == [Status.UNIDENTIFIED]


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"start": 14.0 * DAY}, "start"),
        ({"end": 101.0}, "end"),
        ({"jump": 1.0}, "jump"),
        ({"jump": np.nan}, "jump"),
        ({"at": None}, "jump"),
        ({"at": np.array([7.0 * DAY])}, "at"),
        ({"at": np.array([15.0 * DAY])}, "at"),
        ({"at": np.array([np.nan])}, "at"),
    ],
)
def test_an_interval_that_is_none_is_refused(changed, named):
    asked = {"start": 7.0 * DAY, "end": 14.0 * DAY, "jump": 0.6, "at": np.array([10.0 * DAY])}
    with pytest.raises(ValueError, match=named):
        shares(clock=Clock(FRIDAY_NOON, NONE, 1.0), **(asked | changed))


def test_no_time_stays_none():
    assert np.isnan(with_event(17.0, 0.03**2)[0].even(np.nan, EXPIRIES))


def test_a_span_that_the_clock_does_not_resolve_passes_evenly():
    part = shares(1.0 * DAY, 1.0 * DAY + 2e-18, Clock(FRIDAY_NOON, NONE, 1e-300))
    assert np.isfinite(part.share).all()
    assert (part.share[0], part.share[-1]) == (0.0, 1.0)
