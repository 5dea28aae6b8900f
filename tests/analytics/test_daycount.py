"""ACT/365F to the minute."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from periscope_analytics.daycount import year_fraction


def test_a_year_and_a_minute():
    assert year_fraction(np.datetime64("2023-09-14T20:00"), np.datetime64("2024-09-13T20:00")) == 1.0
    minute = year_fraction(np.datetime64("2023-09-14T20:00:59"), np.datetime64("2023-09-14T20:01:01"))
    assert minute == 1.0 / (365 * 1440)


def test_aware_datetimes_are_converted():
    start = datetime(2023, 9, 14, 16, 31, tzinfo=ZoneInfo("America/New_York"))
    end = datetime(2023, 9, 15, 20, 0, tzinfo=UTC)
    assert year_fraction(start, end) == pytest.approx((23 * 60 + 29) / (365 * 1440), rel=1e-15)
    assert year_fraction([start, start], end).shape == (2,)


def test_vectorised_with_gaps_and_order():
    days = np.array(["2023-09-13", "2023-09-15", "NaT"], dtype="datetime64[ns]")
    years = year_fraction(np.datetime64("2023-09-14"), days)
    assert years[:2].tolist() == [-1 / 365, 1 / 365]
    assert np.isnan(years[2])


@pytest.mark.parametrize("wrong", [1.0, "2023-09-14", [object()]])
def test_no_times_are_named(wrong):
    with pytest.raises(ValueError, match="start"):
        year_fraction(wrong, np.datetime64("2023-09-14"))
