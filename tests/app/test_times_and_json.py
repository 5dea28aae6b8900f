"""Times as readers write them, and the one JSON form."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta, timezone

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.components.clock import age, market_time
from app.queries import InvalidParameterError
from app.queries.answer import plain, records
from app.queries.times import parse_time, rfc3339

ZONES = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
MOMENTS = st.datetimes(datetime(1990, 1, 2), datetime(2199, 1, 1), timezones=ZONES)


@given(MOMENTS)
def test_rfc3339_round_trips_to_the_microsecond(moment):
    text = rfc3339(moment)
    assert text.endswith("Z")
    assert parse_time(text, "as_of") == moment


@given(MOMENTS)
def test_offsets_are_read(moment):
    assert parse_time(moment.isoformat(), "as_of") == moment


@pytest.mark.parametrize(
    "text",
    ["", "now", "2026-01-02T21:00:00", "2026-01-02T21:00Z", "2026-13-02T21:00:00Z", "2026-02-30T21:00:00Z",
     "2026-01-02T21:00:00 00:00", "2026-01-02T25:00:00Z", "0001-01-01T00:00:00+14:00", "٢٠٢٦-01-02T21:00:00Z",
     "2026-01-02T21:00:00.1234567Z", "2026-01-02T21:00:00Z\n", "' OR 1=1 --"],
)  # fmt: skip
def test_what_is_no_time_is_refused_by_name(text):
    with pytest.raises(InvalidParameterError, match="known_at") as caught:
        parse_time(text, "known_at")
    assert caught.value.parameter == "known_at"


def test_a_date_is_the_end_of_its_day_in_new_york():
    assert parse_time("2026-01-02", "as_of") == datetime(2026, 1, 3, 4, 59, 59, 999999, tzinfo=UTC)
    assert parse_time(date(2026, 7, 1), "as_of") == datetime(2026, 7, 2, 3, 59, 59, 999999, tzinfo=UTC)
    with pytest.raises(InvalidParameterError):
        parse_time("2026-01-02", "as_of", allow_date=False)


def test_a_naive_time_is_refused():
    with pytest.raises(InvalidParameterError, match="offset"):
        parse_time(datetime(2026, 1, 2), "as_of")
    with pytest.raises(ValueError, match="offset"):
        rfc3339(datetime(2026, 1, 2))


def test_rows_become_plain_values():
    moment = pd.Timestamp("2026-01-02T21:00:00Z").as_unit("us")
    frame = pd.DataFrame(
        {
            "x": [1.5, np.nan, np.inf],
            "n": [1, 2, 3],
            "b": [True, False, True],
            "s": pd.Series(["a", None, "c"], dtype="str"),
            "t": pd.Series([moment, pd.NaT, moment]),
            "d": [date(2026, 1, 2), None, date(2026, 1, 3)],
            "r": [{"v": np.float64("nan")}, {"v": np.int64(3)}, None],
        }
    )
    rows = records(frame)
    first = {"x": 1.5, "n": 1, "b": True, "s": "a", "t": "2026-01-02T21:00:00Z"}
    assert rows[0] == first | {"d": "2026-01-02", "r": {"v": None}}
    assert rows[1] == {"x": None, "n": 2, "b": False, "s": None, "t": None, "d": None, "r": {"v": 3}}
    assert rows[2]["x"] is None
    json.dumps(rows, allow_nan=False)


@given(st.recursive(st.floats() | st.integers() | st.text() | st.none(), st.lists, max_leaves=10))
def test_plain_values_are_always_json(value):
    json.dumps(plain(value), allow_nan=False)


def test_ages_have_two_units():
    now = datetime(2026, 1, 2, 12, tzinfo=UTC)
    assert age(now - timedelta(days=800, hours=3), now) == "2 y 70 d"
    assert age(now - timedelta(hours=26), now) == "1 d 2 h"
    assert age(now - timedelta(minutes=59), now) == "59 min"
    assert age(now, now) == "0 min"
    assert age(now + timedelta(seconds=5), now) == "0 min"


def test_market_time_names_both_clocks():
    assert market_time(datetime(2026, 1, 2, 21, tzinfo=UTC)) == "Fri 02 Jan 2026 16:00 New York (21:00 UTC)"
    assert "(03 Jan 01:00 UTC)" in market_time(datetime(2026, 1, 3, 1, tzinfo=UTC))
