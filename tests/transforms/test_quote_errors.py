"""Errors and weights of quotes: the spread's, and what size, age and the other side add."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest

from periscope_assets.transforms.surfaces.quote_errors import Sides, errors_and_weights

AS_OF = datetime(2026, 3, 20, 20, 0, tzinfo=UTC)
SPREAD = 0.004 / (2.0 * np.sqrt(3.0))


def chain(**columns):
    rows = {"strike": [95.0, 95.0, 100.0], "is_call": [False, True, True]}
    return pd.DataFrame(rows | columns)


def judged(quotes, bid_iv=(0.198, 0.198, 0.198), ask_iv=(0.202, 0.202, 0.202)):
    low, high = np.array(bid_iv), np.array(ask_iv)
    sides = Sides(low, np.full(3, 0.2), high, np.full(3, 1.0), np.full(3, 1.1))
    return errors_and_weights(quotes, np.zeros(3, dtype=np.intp), sides, np.full(3, 20.0), AS_OF)


def test_the_spread_alone():
    stderr, weight = judged(chain())
    assert stderr == pytest.approx(SPREAD)
    assert weight == pytest.approx(1.0)


def test_a_single_contract_counts_half():
    stderr, weight = judged(chain(bid_size=[1.0, 100.0, np.nan], ask_size=[50.0, 100.0, 9.0]))
    assert weight == pytest.approx([0.5, 100 / 101, 0.9])
    assert stderr == pytest.approx(SPREAD / np.sqrt(weight))


def test_an_old_quote_counts_less():
    made = [AS_OF, AS_OF - timedelta(minutes=15), pd.NaT]
    _, weight = judged(chain(quoted_at=pd.Series(made, dtype="datetime64[us, UTC]")))
    assert weight == pytest.approx([1.0, 0.5, 1.0])


def test_two_sides_of_a_strike_that_disagree_are_both_less_sure():
    stderr, weight = judged(chain(), bid_iv=(0.198, 0.207, 0.198), ask_iv=(0.202, 0.211, 0.202))
    assert stderr[:2] == pytest.approx(np.hypot(SPREAD, 0.0025))
    assert stderr[2] == pytest.approx(SPREAD)
    assert weight[0] == pytest.approx(weight[1])
    assert weight[0] < 0.2


def test_the_wider_side_is_blamed():
    stderr, weight = judged(chain(), bid_iv=(0.198, 0.21, 0.198), ask_iv=(0.202, 0.25, 0.202))
    assert stderr[0] == pytest.approx(np.hypot(SPREAD, 0.008 / 101))
    assert stderr[1] == pytest.approx(np.hypot(10 * SPREAD, 0.8 / 101))
    assert weight[0] > 0.99
    assert weight[1] < 0.75


def test_no_weight_without_all_three_vols_or_without_a_width():
    stderr, weight = judged(chain(), bid_iv=(np.nan, 0.202, 0.198))
    assert weight[0] == weight[1] == 0.0
    assert stderr[0] == pytest.approx(0.1 / 20.0 / (2.0 * np.sqrt(3.0)))
    assert stderr[1] == 0.0
