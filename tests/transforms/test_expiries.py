"""Pairing of calls and puts, against a plain loop; expiries told apart by their settlement instant."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from periscope_assets.transforms.expiries import by_time, read_expiries

AS_OF = datetime(2026, 3, 20, 20, 0, tzinfo=UTC)
ROW = st.tuples(
    st.integers(0, 2), st.sampled_from(["AAA", "AAB"]), st.sampled_from([90.0, 95.0, 100.0]), st.booleans(),
    st.sampled_from([0.0, 1.0, 2.0, np.nan]), st.sampled_from([1.0, 1.5, 3.0, np.nan]),
)  # fmt: skip


def table(rows):
    columns = ["expiry", "root", "strike", "is_call", "bid", "ask"]
    frame = pd.DataFrame(rows, columns=columns).astype({"strike": float, "is_call": bool})
    at = [AS_OF + timedelta(days=7 * (n + 1)) for n in frame["expiry"]]
    return frame.assign(
        expiry_at=pd.Series(at, index=frame.index, dtype="datetime64[us, UTC]"),
        style="american",
        quote_unit="usd",
    )


def by_loop(frame):
    best = {}
    for row in frame.itertuples():
        if row.bid > 0 and row.ask >= row.bid:
            key = (row.expiry_at, row.strike, row.is_call)
            if key not in best or row.ask - row.bid < best[key].ask - best[key].bid:
                best[key] = row
    pairs = []
    for at, strike, is_call in sorted(best):
        if is_call and (at, strike, False) in best:
            call, put = best[at, strike, True], best[at, strike, False]
            mids = (call.bid + call.ask) / 2, (put.bid + put.ask) / 2
            width = (call.ask - call.bid + put.ask - put.bid) / 2
            pairs.append((at, strike, mids[0] - mids[1], width, 2 * min(mids)))
    return pairs


@given(st.lists(ROW, min_size=1, max_size=40))
def test_pairs_are_those_of_a_plain_loop(rows):
    frame = table(rows)
    found = read_expiries(frame, AS_OF)
    expected = by_loop(frame)
    assert np.array_equal(np.stack(found.pairs, axis=1).ravel(), [x for each in expected for x in each[1:]])
    at = sorted(frame["expiry_at"].unique())
    sizes = [sum(pair[0] == each for pair in expected) for each in at]
    assert list(np.diff(found.start)) == sizes
    assert list(frame["expiry_at"].iloc[found.first]) == at


def test_names_kinds_and_parts():
    frame = table(
        [
            (1, "AAB", 90.0, True, 1.0, 2.0),
            (1, "AAA", 90.0, False, 1.0, 2.0),
            (0, "AAA", 95.0, True, 1.0, 2.0),
        ]
    )
    found = read_expiries(frame, AS_OF)
    assert found.names == ["AAA", "AAA+AAB"]
    assert np.allclose(found.tau * 365.0, [7.0, 14.0])
    assert found.is_american.all()
    assert not found.is_coin.any()
    start, pairs = found.of(np.array([False, True]))
    assert list(start) == [0, 1]
    assert list(pairs.strike) == [90.0]


@given(st.permutations(range(4)))
def test_rows_come_by_time_as_a_sort_has_them(weeks):
    rows = table([(week, "AAA", 90.0, True, 1.0, 2.0) for week in weeks])
    sorted_rows = rows.sort_values("expiry_at", ignore_index=True)
    pd.testing.assert_frame_equal(by_time(rows), sorted_rows)
