"""What a publisher may hand over, and what is refused by name."""

from __future__ import annotations

from datetime import UTC, date, datetime

import numpy as np
import pandas as pd
import pytest

from periscope_assets.store import tables
from periscope_assets.store.frames import check, conform, jsonable
from tests.store.store_samples import forwards, quotes, refused

FORWARDS, QUOTES = tables.table("forwards"), tables.table("options_snapshots")


def test_numpy_and_pandas_types_are_coerced():
    given = forwards().assign(
        n_strikes=pd.array([1, 2, 3], dtype="Int64"),
        n_used=np.array([1.0, 2.0, 3.0]),
        discount=np.array([1, 1, 1], dtype=np.float32),
        forward=pd.array([1.5, None, 3.0], dtype="Float64"),
        expiry=pd.to_datetime(["2024-02-01", "2024-02-02", "2024-02-03"]),
        expiry_at=[datetime(2024, 2, day, 21, tzinfo=UTC) for day in (1, 2, 3)],
        root=pd.Series(["SPX", "SPXW", "SPX"], dtype="category"),
        status=np.array(["ok", "ok", "ok"], dtype=object),
    )
    made = conform(FORWARDS, given[given.columns[::-1]])
    assert list(made.columns) == [column.name for column in tables.content_columns(FORWARDS)]
    assert made.n_used.dtype == made.n_strikes.dtype == np.int64
    assert made.forward.tolist()[::2] == [1.5, 3.0]
    assert np.isnan(made.forward[1])
    assert made.expiry.tolist() == [date(2024, 2, day) for day in (1, 2, 3)]
    assert str(made.expiry_at.dtype) == "datetime64[us, UTC]"
    assert str(made.root.dtype) == str(made.status.dtype) == "str"


def test_an_empty_frame_keeps_the_types():
    made = conform(QUOTES, quotes(0))
    assert len(made) == 0
    assert made.dtypes.equals(conform(QUOTES, quotes(3)).dtypes)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"tau_years": [0.1, np.nan, 0.3]}, r"forwards.tau_years: null in row 1"),
        ({"forward": [1.0, np.inf, 2.0]}, r"forwards.forward: infinite in row 1"),
        ({"forward": ["1", "2", "3"]}, r"forwards.forward: expected numbers"),
        ({"forward": [True, False, True]}, r"forwards.forward: expected numbers"),
        ({"n_used": [1.5, 2.0, 3.0]}, r"forwards.n_used: expected integers"),
        ({"n_used": [1, 2, 2**31]}, r"forwards.n_used: beyond"),
        ({"n_used": [1.0, np.nan, 3.0]}, r"forwards.n_used: null in row 1"),
        ({"status": ["ok", None, "ok"]}, r"forwards.status: null in row 1"),
        ({"status": ["ok", 3, "ok"]}, r"forwards.status: expected strings, got int"),
        ({"status": ["ok", "a\0b", "ok"]}, r"forwards.status: a string holds NUL"),
        ({"expiry": ["2024-02-01"] * 3}, r"forwards.expiry: expected dates, got str"),
        ({"expiry": [datetime(2024, 2, 1, 3)] * 3}, r"forwards.expiry: expected dates, got the time"),
        (
            {"expiry_at": pd.to_datetime(["2024-02-01"] * 3)},
            r"forwards.expiry_at: expected datetimes with a zone",
        ),
        ({"expiry_at": ["2024-02-01T21:00Z"] * 3}, r"forwards.expiry_at: expected datetimes"),
        ({"expiry_at": [pd.NaT] * 3}, r"forwards.expiry_at: null in row 0"),
        ({"expiry_at": [pd.Timestamp("2024-02-01T21:00Z")] * 3}, r"forwards: several rows with the key"),
        ({"extra": 1}, r"forwards: missing columns \[\], unknown columns \['extra'\]"),
    ],
)
def test_what_does_not_fit_is_refused_by_table_and_column(changed, message):
    with pytest.raises(ValueError, match=message):
        check(FORWARDS, forwards().assign(**changed))


def test_flags_must_be_flags():
    with pytest.raises(ValueError, match=r"options_snapshots.is_call: expected bool"):
        check(QUOTES, quotes().assign(is_call=1))
    with pytest.raises(ValueError, match=r"options_snapshots.is_call: null in row 0"):
        check(QUOTES, quotes().assign(is_call=None))


def test_a_table_of_one_row_takes_one():
    certificates = tables.table("surface_certificates")
    row = {column.name: 1.0 for column in tables.content_columns(certificates)}
    row |= {"is_free": True, "status": "ok"}
    assert len(conform(certificates, pd.DataFrame([row]))) == 1
    with pytest.raises(ValueError, match="at most one row, got 2"):
        check(certificates, pd.DataFrame([row, row]))


def test_documents_become_json():
    made = conform(tables.table("quarantined_quotes"), refused(1))
    assert made.record[0] == {"bid": 2.0, "ask": 1.0, "last": None}
    value = {"a": np.float64("inf"), "b": [np.int64(1), pd.NaT], "c": date(2024, 1, 2), 3: np.bool_(True)}
    assert jsonable(value) == {"a": "inf", "b": [1, None], "c": "2024-01-02", "3": True}
    with pytest.raises(TypeError, match="object has no form in JSON"):
        jsonable({"x": object()})
