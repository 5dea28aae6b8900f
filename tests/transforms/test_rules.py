"""Each rule by itself: what it finds, what it leaves alone, and the sentence that it gives."""

from __future__ import annotations

import math
from datetime import UTC, date, datetime, timedelta

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from periscope_analytics.conventions import contract_name
from periscope_assets.sources.base import QUOTE_COLUMNS
from periscope_assets.sources.expiries import holidays
from periscope_assets.transforms import rules

AS_OF = datetime(2026, 3, 20, 19, 0, tzinfo=UTC)
EXPIRY = date(2026, 6, 18)
CONTEXT = rules.Context(
    "SPX", AS_OF, 5000.0, AS_OF, holidays("XNYS"), previous_session=AS_OF.date() - timedelta(days=1)
)


def quote(strike=5000.0, is_call=True, bid=10.0, ask=11.0, root="SPX", expiry=EXPIRY, **other):
    name = contract_name(root, expiry, is_call, strike)
    named = {"contract": name, "root": root, "expiry": expiry, "settlement": "am", "raw_line": 1}
    figures = {"is_call": is_call, "strike": strike, "bid": bid, "ask": ask}
    return {**dict.fromkeys(QUOTE_COLUMNS, math.nan), **named, **figures, **other}


def chain(*changes, width=0.5):
    """A chain of strikes 4800 to 5200 at a forward of 5000, with changes by (strike, side)."""
    rows, line = [], 0
    for strike in np.arange(4800.0, 5201.0, 10.0):
        for is_call in (True, False):
            line += 1
            ahead = (5000.0 - strike) * (1 if is_call else -1)
            value = ahead / 2 + math.hypot(ahead / 2, 40.0)
            rows.append(quote(strike, is_call, value - width, value + width, raw_line=line))
    for (strike, is_call), change in changes:
        at = next(i for i, r in enumerate(rows) if (r["strike"], r["is_call"]) == (strike, is_call))
        rows[at] |= change
    return rows


def judged(rows, context=CONTEXT):
    frame = pd.DataFrame(rows, columns=list(QUOTE_COLUMNS)).astype(dict(QUOTE_COLUMNS))
    verdict = rules.judge(frame, context)
    reasons = dict(zip(frame["raw_line"].iloc[verdict.refused], verdict.reasons, strict=True))
    flags = dict(zip(frame["raw_line"].iloc[verdict.accepted], verdict.flags, strict=True))
    return reasons, {line: text for line, text in flags.items() if text}, verdict


def test_every_rule_has_an_id_a_version_a_severity_and_a_sentence():
    assert len({rule.id for rule in rules.RULES}) == len(rules.RULES) >= 30
    assert all(rule.version >= 1 and rule.about and rule.id.isidentifier() for rule in rules.RULES)
    assert {rule.severity for rule in rules.RULES} == set(rules.Severity)
    assert set(rules.REASONS) | set(rules.FLAGS) == {rule.id for rule in rules.RULES}


def test_a_clean_chain_has_neither_reason_nor_flag():
    assert judged(chain())[:2] == ({}, {})


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"strike": 5000.00012}, "off_grid_strike"),
        ({"contract": "SPX260618C05010000"}, "contract_mismatch"),
        ({"contract": "..%2f"}, "contract_mismatch"),
        ({"multiplier": 10.0}, "wrong_multiplier"),
        ({"expiry": date(2026, 6, 20)}, "wrong_expiry"),
        ({"expiry": date(2026, 6, 19)}, "wrong_expiry"),
        ({"expiry": date(2036, 6, 18)}, "beyond_horizon"),
        ({"ask": math.inf}, "not_finite"),
        ({"ask_size": -1.0}, "negative_size"),
        ({"open_interest": -1.0}, "negative_open_interest"),
        ({"quoted_at": pd.Timestamp(AS_OF) + pd.Timedelta(seconds=61)}, "clock_skew"),
        ({"quoted_at": pd.Timestamp(AS_OF) - pd.Timedelta(days=1)}, "stale"),
    ],
)
def test_a_row_by_itself(change, reason):
    reasons, _, verdict = judged([quote(**change) if "expiry" in change else quote() | change])
    assert reasons == {1: reason}
    assert verdict.details[0]
    assert verdict.details[0].isprintable()


@pytest.mark.parametrize(
    ("change", "flag"),
    [
        ({"bid": 0.0}, "zero_bid"),
        ({"bid": math.nan}, "no_bid"),
        ({"ask": math.nan}, "no_ask"),
        ({"ask": 10.0}, "locked"),
        ({"bid_size": 0.0}, "no_size"),
        ({"vendor_iv": 0.0}, "sentinel_iv"),
        ({"vendor_iv": 1e-5}, "sentinel_iv"),
        ({"vendor_delta": -0.2}, "odd_delta"),
        ({"open_interest_on": pd.Timestamp(2026, 3, 18)}, "open_interest_of_another_session"),
        ({"quoted_at": pd.Timestamp(AS_OF) - pd.Timedelta(minutes=16)}, "old_quote"),
        ({"expiry": date(2026, 3, 20)}, "settled"),
    ],
)
def test_a_true_quote_with_a_property_is_flagged_and_kept(change, flag):
    reasons, flags, _ = judged([quote(**change) if "expiry" in change else quote() | change])
    assert reasons == {}
    assert flag in flags[1].split("+")


def test_what_the_prior_session_left_open_and_a_quote_just_made_are_neither():
    fine = {"open_interest_on": pd.Timestamp(2026, 3, 19), "quoted_at": pd.Timestamp(AS_OF)}
    assert judged([quote() | fine | {"vendor_iv": 0.2, "vendor_delta": 0.5}])[:2] == ({}, {})


def test_a_snapshot_from_after_its_receipt_is_refused_whole():
    late = rules.Context("SPX", AS_OF, received_at=AS_OF - timedelta(seconds=61))
    near = rules.Context("SPX", AS_OF, received_at=AS_OF - timedelta(seconds=59))
    assert set(judged(chain(), late)[0].values()) == {"clock_skew"}
    assert judged(chain(), near)[0] == {}


@pytest.mark.parametrize(
    ("place", "change", "reason"),
    [
        ((4800.0, True), {"bid": 90.0, "ask": 100.0}, "below_intrinsic"),
        ((5200.0, False), {"bid": 90.0, "ask": 100.0}, "below_intrinsic"),
        ((5000.0, True), {"ask": 19_999.99}, "above_maximum"),
        ((5000.0, False), {"bid": 5_500.0, "ask": 5_600.0}, "above_maximum"),
        ((4990.0, True), {"bid": 1.0, "ask": 60.0}, "absurd_spread"),
        ((5000.0, True), {"bid": 12.0, "ask": 13.0}, "non_monotone"),
        ((5000.0, True), {"bid": 75.0, "ask": 76.0}, "non_monotone"),
        ((5010.0, False), {"bid": 12.0, "ask": 13.0}, "non_monotone"),
    ],
)
def test_a_quote_beside_its_neighbours(place, change, reason):
    reasons, _, verdict = judged(chain((place, change)))
    assert list(reasons.values()) == [reason], reasons
    assert any(digit.isdigit() for digit in verdict.details[0])


def test_a_little_arbitrage_between_clocks_is_flagged_and_kept():
    reasons, flags, _ = judged(chain(((5000.0, True), {"bid": 52.0, "ask": 52.1}), width=0.05))
    assert reasons == {}
    assert list(flags.values()) == ["vertical_arbitrage"]


def test_the_last_received_wins_and_the_others_are_kept_in_quarantine():
    first, second, third = (quote(raw_line=i, bid=bid) for i, bid in ((1, 10.0), (2, 10.2), (3, 10.0)))
    assert judged([first, second])[0] == {1: "conflict"}
    assert judged([first, third])[0] == {3: "duplicate"}
    assert judged([first, second, third])[0] == {2: "conflict", 3: "duplicate"}


def test_a_row_that_was_quoted_before_the_one_above_it_does_not_win():
    early, late = (pd.Timestamp(AS_OF) - pd.Timedelta(seconds=each) for each in (40, 20))
    rows = [quote(raw_line=1, quoted_at=late), quote(raw_line=2, bid=10.2, quoted_at=early)]
    assert judged(rows)[0] == {2: "out_of_sequence"}
    rows = [quote(raw_line=1, quoted_at=early), quote(raw_line=2, bid=10.2, quoted_at=late)]
    assert judged(rows)[0] == {1: "conflict"}


def test_a_refused_row_never_takes_the_place_of_a_good_one():
    assert judged([quote(raw_line=1), quote(raw_line=2, bid=20.0)])[0] == {2: "crossed"}


def test_coins_settle_any_day_and_are_named_as_deribit_names_them():
    context = rules.Context("BTC", AS_OF, 95000.0)
    saturday = quote(95000.0, root="BTC", expiry=date(2026, 3, 28), bid=0.02, ask=0.021, settlement="utc08")
    assert saturday["contract"] == "BTC-28MAR26-95000-C"
    assert judged([saturday], context)[0] == {}
    assert judged([saturday | {"multiplier": 100.0}], context)[0] == {1: "wrong_multiplier"}


def test_a_class_share_is_no_foreign_root():
    rows = [quote(500.0, root="BRKB", settlement="pm")]
    assert judged(rows, rules.Context("BRK.B", AS_OF))[0] == {}


@given(
    st.lists(
        st.tuples(
            st.integers(0, 3),
            st.booleans(),
            st.sampled_from([math.nan, -1.0, 0.0, 1.0, 40.0, math.inf]),
            st.sampled_from([math.nan, -1.0, 0.0, 1.0, 41.0, 9e9, math.inf]),
            st.sampled_from([math.nan, pd.Timestamp(AS_OF), pd.Timestamp(AS_OF) + pd.Timedelta(hours=1)]),
        ),
        max_size=30,
    )
)
def test_whatever_the_rows_each_is_accepted_or_refused_once(cells):
    rows = [
        quote(4990.0 + 10 * step, call, bid, ask, raw_line=i, quoted_at=at)
        for i, (step, call, bid, ask, at) in enumerate(cells)
    ]
    frame = pd.DataFrame(rows, columns=list(QUOTE_COLUMNS)).astype(dict(QUOTE_COLUMNS))
    verdict = rules.judge(frame, CONTEXT)
    assert sorted([*verdict.accepted, *verdict.refused]) == list(range(len(rows)))
    assert len(verdict.reasons) == len(verdict.details) == len(verdict.versions) == len(verdict.refused)
    assert frame["contract"].iloc[verdict.accepted].is_unique


def test_holidays_are_those_known_ahead():
    days = holidays("XNYS")
    assert {date(2026, 12, 25), date(2027, 3, 26), date(2026, 6, 19)} <= days
    # A day of mourning, for which contracts had been listed.
    assert date(2025, 1, 9) not in days
    assert holidays("24/7") == frozenset()
    with pytest.raises(ValueError, match="none of that name"):
        holidays("../x")
