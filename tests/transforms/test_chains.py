"""Every row is accepted or quarantined with a reason, and the version of quotes is that of their content."""

from __future__ import annotations

import math
from datetime import UTC, date, datetime

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from periscope_assets.sources import files
from periscope_assets.sources.base import QUOTE_COLUMNS
from periscope_assets.store import tables
from periscope_assets.store.frames import conform
from periscope_assets.transforms import chains
from periscope_assets.transforms.frames import content_version

AS_OF = datetime(2023, 9, 14, 20, 31, tzinfo=UTC)


def row(
    strike=4500.0, is_call=True, bid=10.0, ask=11.0, expiry=date(2023, 10, 20), root="SPX", line=1, **other
):
    digits = int((strike if math.isfinite(strike) else 0) * 1000)
    name = f"{root}{expiry:%y%m%d}{'C' if is_call else 'P'}{digits:08d}"
    given = {
        "contract": name, "root": root, "expiry": expiry, "settlement": "am", "is_call": is_call,
        "strike": strike, "bid": bid, "ask": ask, "raw_line": line,
    }  # fmt: skip
    return {**dict.fromkeys(QUOTE_COLUMNS, math.nan), **given, **other}


def frame(*rows):
    return pd.DataFrame(list(rows), columns=list(QUOTE_COLUMNS)).astype(dict(QUOTE_COLUMNS))


def judged(*rows):
    result = chains.accept(frame(*rows), "SPX", AS_OF, len(rows))
    refused = result.frames[chains.QUARANTINED]
    return result, dict(zip(refused["raw_line"], refused["reason"], strict=True))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"strike": -1.0}, "bad_strike"),
        ({"strike": math.nan}, "bad_strike"),
        ({"strike": 0.0}, "bad_strike"),
        ({"root": "SPX1"}, "adjusted_contract"),
        ({"root": "NDX"}, "foreign_root"),
        ({"expiry": date(2023, 9, 13)}, "expired_before_snapshot"),
        ({"bid": -0.05}, "negative_price"),
        ({"bid": math.nan, "ask": math.nan}, "no_quote"),
        ({"bid": 0.0, "ask": 0.0}, "no_quote"),
        ({"bid": 12.0, "ask": 11.0}, "crossed"),
    ],
)
def test_a_bad_row_is_quarantined_with_its_reason(change, reason):
    result, reasons = judged(row(), row(**{"strike": 4600.0, "line": 2} | change))
    assert reasons == {2: reason}
    assert len(result.frames[chains.ACCEPTED]) == 1
    assert result.quality[f"quarantined_{reason}"] == 1


@pytest.mark.parametrize(
    "change",
    [
        {"bid": 0.0},
        {"bid": math.nan},
        {"ask": math.nan},
        {"ask": 0.0},
        {"bid": 11.0, "ask": 11.0},
    ],
)
def test_one_side_missing_or_settled_today_is_still_a_quote(change):
    _, reasons = judged(row() | change)
    assert not reasons


def test_what_settled_today_is_still_a_quote():
    result, reasons = judged(row(expiry=date(2023, 9, 14)))
    assert not reasons
    assert result.quality["flagged_settled"] == 1


def test_of_identical_rows_the_first_stays_and_of_conflicting_ones_the_last_received():
    same, other = row(strike=4600.0), row(strike=4700.0)
    result, reasons = judged(
        row(),
        same | {"raw_line": 2},
        same | {"raw_line": 3},
        other | {"raw_line": 4},
        other | {"raw_line": 5, "bid": 9.0},
    )
    assert reasons == {3: "duplicate", 4: "conflict"}
    assert list(result.frames[chains.ACCEPTED]["raw_line"]) == [1, 2, 5]


def test_am_and_pm_of_one_date_settle_at_their_own_clock():
    result, _ = judged(row(), row(root="SPXW", settlement="pm", line=2))
    times = result.frames[chains.ACCEPTED].set_index("root")["expiry_at"]
    assert times["SPX"] == pd.Timestamp("2023-10-20 13:30", tz="UTC")
    assert times["SPXW"] == pd.Timestamp("2023-10-20 20:00", tz="UTC")


def test_lost_rows_are_an_error():
    with pytest.raises(chains.AccountingError, match=r"1 \+ 0 rows of 2 raw"):
        chains.accept(frame(row()), "SPX", AS_OF, 2)


def test_an_empty_chain_is_accounted_for():
    result = chains.accept(frame(), "SPX", AS_OF, 0)
    assert result.quality["n_accepted"] == result.quality["n_quarantined"] == 0


prices = st.sampled_from([math.nan, 0.0, -1.0, 1.0, 1.05, 2.0])


@given(
    st.lists(st.tuples(st.sampled_from([4500.0, 4600.0, -5.0]), st.booleans(), prices, prices), max_size=12)
)
def test_raw_is_accepted_and_quarantined_and_fits_the_schema(cells):
    rows = [row(k, call, bid, ask, line=i + 1) for i, (k, call, bid, ask) in enumerate(cells)]
    result, reasons = judged(*rows)
    accepted = result.frames[chains.ACCEPTED]
    assert sorted([*accepted["raw_line"], *reasons]) == list(range(1, len(rows) + 1))
    assert not accepted["contract"].duplicated().any()
    for name, content in result.frames.items():
        conform(tables.table(name), content)


def test_version_follows_content_and_nothing_else():
    first, _ = judged(row(), row(strike=4600.0, line=2))
    second, _ = judged(row(strike=4600.0, line=2), row())
    changed, _ = judged(row(), row(strike=4600.0, line=2, bid=10.05))
    assert content_version(first.frames) == content_version(second.frames)
    assert content_version(first.frames) != content_version(changed.frames)


def test_version_does_not_hang_on_dtype_negative_zero_or_nan():
    plain = {"t": pd.DataFrame({"a": [0.0, math.nan], "b": ["x", None]})}
    other = {"t": pd.DataFrame({"b": pd.Series(["x", None], dtype="str"), "a": [-0.0, -math.nan]})}
    assert content_version(plain) == content_version(other)


@pytest.mark.data
def test_every_row_of_every_recorded_file_is_accounted_for(recorded):
    paths = [path for path in sorted(recorded.glob("*/*.csv.gz")) if "dte_ladder_20260415" not in path.name]
    assert len(paths) > 20
    for path in paths:
        for chain in files.parse(files.load(path))[1]:
            result = chains.accept(chain.rows, chain.symbol, chain.as_of, chain.n_raw, chain.spot)
            known = {*result.frames[chains.QUARANTINED]["reason"]}
            assert known <= set(chains.REASONS)
            assert len(result.frames[chains.ACCEPTED]) > 0.8 * chain.n_raw, path.name
