"""Sessions of the New York Stock Exchange and of markets that never close."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from periscope_analytics.conventions import AM, PM, closes_early, settlement_time
from periscope_assets.sources import calendars


@pytest.mark.parametrize(
    ("day", "expected"),
    [
        (date(2023, 9, 14), True),
        (date(2023, 9, 16), False),
        (date(2025, 12, 25), False),
        (date(2025, 1, 9), False),
        (date(2026, 4, 3), False),
        (date(2026, 11, 27), True),
    ],
)
def test_new_york_sessions(day, expected):
    assert calendars.is_session("XNYS", day) is expected
    assert calendars.is_session("24/7", day)


def test_ranges_include_both_ends():
    week = calendars.sessions("XNYS", date(2026, 6, 29), date(2026, 7, 6))
    assert [day.day for day in week] == [29, 30, 1, 2, 6]
    assert len(calendars.sessions("24/7", date(2026, 6, 29), date(2026, 7, 6))) == 8


def test_closes_know_half_days_and_summer_time():
    assert calendars.close_time("XNYS", date(2026, 11, 27)) == datetime(2026, 11, 27, 18, tzinfo=UTC)
    assert calendars.close_time("XNYS", date(2026, 7, 1)) == datetime(2026, 7, 1, 20, tzinfo=UTC)
    assert calendars.close_time("24/7", date(2026, 7, 1)) == datetime(2026, 7, 2, tzinfo=UTC)
    with pytest.raises(ValueError, match="2026-07-04 is no session"):
        calendars.close_time("XNYS", date(2026, 7, 4))


def test_what_settles_at_the_close_of_a_half_day_settles_when_it_closes():
    days = calendars.sessions("XNYS", calendars.FIRST, calendars.LAST)
    assert sum(map(closes_early, days)) > 30
    for day in days:
        assert settlement_time(day, PM) == calendars.close_time("XNYS", day), day
    thanksgiving = date(2026, 11, 27)
    assert settlement_time(thanksgiving, AM) == datetime(2026, 11, 27, 14, 30, tzinfo=UTC)


def test_partitions_are_new_york_dates():
    assert calendars.session_date(datetime(2026, 4, 14, 0, 25, tzinfo=UTC)) == date(2026, 4, 13)
    with pytest.raises(ValueError, match="zone"):
        calendars.session_date(datetime(2026, 4, 14))


def test_unknown_calendars_and_dates_out_of_range():
    assert calendars.is_session("XLON", date(2026, 7, 3))
    assert not calendars.is_session("XLON", date(2026, 12, 28))
    with pytest.raises(ValueError, match=r"'XMARS': expected one of .*XNYS"):
        calendars.is_session("XMARS", date(2026, 7, 1))
    with pytest.raises(ValueError, match="2015-01-01 to 2032-12-31"):
        calendars.is_session("XNYS", date(2014, 7, 1))
