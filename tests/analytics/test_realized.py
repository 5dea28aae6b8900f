"""Realised vol: hand-computed bars, recovery of a known vol, what gaps and drift do to each estimator."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from periscope_analytics import realized

ESTIMATORS = {
    name: getattr(realized, name)
    for name in ("close_to_close", "parkinson", "garman_klass", "rogers_satchell", "yang_zhang")
}
DAILY = 0.2 / np.sqrt(252.0)


def bars(n=2_000, drift=0.0, gap=0.0, steps=400, seed=4):
    """Bars of a random walk with daily vol DAILY within the session and `gap` between sessions."""
    rng = np.random.default_rng(seed)
    path = np.cumsum(rng.normal(drift / steps, DAILY / np.sqrt(steps), (n, steps)), axis=1)
    path = np.concatenate((np.zeros((n, 1)), path), axis=1)
    jumps = rng.normal(0.0, gap, n) if gap else np.zeros(n)
    starts = np.cumsum(np.append(0.0, path[:-1, -1])) + np.cumsum(jumps)
    logs = starts[:, None] + path
    return [np.exp(column) for column in (logs[:, 0], logs.max(axis=1), logs.min(axis=1), logs[:, -1])]


def test_two_bars_by_hand():
    o, h, low, c = [100.0, 102.0], [104.0, 103.0], [99.0, 98.0], [102.0, 99.0]
    hl, co = np.log(104 / 99) ** 2, np.log(102 / 100) ** 2
    assert realized.parkinson(o, h, low, c, 1)[0] == pytest.approx(np.sqrt(252 * hl / (4 * np.log(2))))
    by_hand = 0.5 * hl - (2 * np.log(2) - 1) * co
    assert realized.garman_klass(o, h, low, c, 1)[0] == pytest.approx(np.sqrt(252 * by_hand))
    rs = np.log(104 / 102) * np.log(104 / 100) + np.log(99 / 102) * np.log(99 / 100)
    assert realized.rogers_satchell(o, h, low, c, 1)[0] == pytest.approx(np.sqrt(252 * rs))
    returns = np.log([102 / 100, 104 / 102, 99 / 104])
    close = [100.0, 102.0, 104.0, 99.0]
    got = realized.close_to_close(close, close, close, close, 3)
    assert np.isnan(got[:3]).all()
    assert got[3] == pytest.approx(np.std(returns, ddof=1) * np.sqrt(252))


@pytest.mark.parametrize("name", ESTIMATORS)
def test_known_vol_is_recovered(name):
    got = ESTIMATORS[name](*bars(), 1_000)[-1]
    # The range of a path seen at 400 points falls short of the true range by about 6 %.
    assert got == pytest.approx(0.2, rel=0.08)


def test_drift_and_gaps_hurt_those_that_ignore_them():
    drifting = bars(drift=DAILY)
    assert realized.rogers_satchell(*drifting, 1_000)[-1] == pytest.approx(0.2, rel=0.08)
    assert realized.parkinson(*drifting, 1_000)[-1] > 0.22
    gapping, total = bars(gap=DAILY), 0.2 * np.sqrt(2.0)
    assert realized.yang_zhang(*gapping, 1_000)[-1] == pytest.approx(total, rel=0.06)
    assert realized.close_to_close(*gapping, 1_000)[-1] == pytest.approx(total, rel=0.06)
    assert realized.garman_klass(*gapping, 1_000)[-1] < 0.21


def test_an_impossible_bar_is_absent_in_its_windows_only():
    o, h, low, c = bars(n=30)
    h[10] = low[10] * 0.99
    got = realized.parkinson(o, h, low, c, 5)
    assert np.isnan(got[10:15]).all()
    assert np.isfinite(got[4:10]).all()
    assert np.isfinite(got[15:]).all()


@pytest.mark.parametrize("name", ESTIMATORS)
@given(arrays(float, (4, 6)))
def test_no_float_raises(name, columns):
    got = ESTIMATORS[name](*columns, 3)
    assert got.shape == (6,)
    assert np.isnan(got[:2]).all()
    assert not np.any(got < 0.0)


@pytest.mark.parametrize("name", ESTIMATORS)
def test_short_series_and_wrong_arguments(name):
    estimator = ESTIMATORS[name]
    assert estimator([], [], [], [], 5).shape == (0,)
    assert np.isnan(estimator([1.0], [1.0], [1.0], [1.0], 5)).all()
    with pytest.raises(ValueError, match="window"):
        estimator([1.0], [1.0], [1.0], [1.0], 0)
    with pytest.raises(ValueError, match="close"):
        estimator([1.0], [1.0], [1.0], [1.0, 2.0], 2)


def test_cone():
    assert realized.cone([np.nan, 0.1, 0.2, 0.3], [0.0, 0.5, 1.0]).tolist() == [0.1, 0.2, 0.3]
    assert np.isnan(realized.cone([np.nan])).all()
    with pytest.raises(ValueError, match="quantiles"):
        realized.cone([0.1], [1.5])


@given(st.floats(1e-3, 1e3))
def test_scale_of_prices_does_not_matter(scale):
    b = bars(n=20, steps=5)
    for estimator in ESTIMATORS.values():
        assert np.allclose(estimator(*b, 5), estimator(*(scale * x for x in b), 5), equal_nan=True, rtol=1e-9)
