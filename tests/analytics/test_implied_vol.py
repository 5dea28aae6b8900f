"""Round trips of the implied vol solver at machine precision, and a status for everything that has no vol."""

from __future__ import annotations

import inspect
import os

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from periscope_analytics import black
from periscope_analytics.errors import Status
from periscope_analytics.implied_vol import implied_vol
from periscope_analytics.kernels import black_lanes
from periscope_analytics.kernels import implied_lanes as lanes
from periscope_analytics.kernels.implied_lanes import implied_lanes

EPS = np.finfo(float).eps


def _round_trip_error(forward, strike, s, is_call, discount=1.0, tau=1.0):
    """Error of the vol in units of what one rounding of the price allows, and the status."""
    vol = s / np.sqrt(tau)
    g = black.greeks(forward, strike, tau, vol, is_call, discount)
    sigma, status = implied_vol(g.price, forward, strike, tau, is_call, discount)
    rounding = EPS * (
        g.price + discount * abs(forward - strike) * (g.price > discount * abs(forward - strike))
    )
    with np.errstate(divide="ignore", invalid="ignore"):
        allowed = 4 * EPS * vol + rounding / g.vega
    return np.abs(sigma - vol) / allowed, status


def test_round_trip_over_the_stated_range():
    rng = np.random.default_rng(11)
    n = 500 if os.environ.get("NUMBA_DISABLE_JIT") else 20_000
    k = rng.uniform(-3.0, 3.0, n)
    s = np.exp(rng.uniform(np.log(1e-3), np.log(4.0), n))
    strike = 100.0 * np.exp(k)
    price = black.price(100.0, strike, 1.0, s, k > 0)
    seen = price > 1e-300
    error, status = _round_trip_error(100.0, strike[seen], s[seen], k[seen] > 0)
    assert np.all(status == Status.OK)
    assert error.max() <= 4.0
    assert price[seen].min() < 1e-250


@given(st.floats(-3.0, 3.0), st.floats(1e-3, 4.0), st.booleans(), st.floats(1e-3, 20.0), st.floats(0.3, 1.1))
@example(1e-12, 0.01, True, 1.0, 1.0)
@example(0.0, 1e-3, False, 1.0, 1.0)
@example(3.0, 4.0, True, 1.0, 1.0)
def test_round_trip_in_and_out_of_the_money(k, s, is_call, tau, discount):
    strike = 100.0 * np.exp(k)
    error, status = _round_trip_error(100.0, strike, s, is_call, discount, tau)
    if status == Status.OK:
        assert error <= 8.0
    else:
        assert status in (Status.AT_EXERCISE, Status.ABOVE_MAXIMUM)


def test_ordinary_options_are_all_solved_in_lanes():
    rng = np.random.default_rng(12)
    n = 300 if os.environ.get("NUMBA_DISABLE_JIT") else 20_000
    s = rng.uniform(0.01, 1.5, n)
    k = rng.uniform(-6.0, 6.0, n) * s
    forward, one = np.full(n, 100.0), np.ones(n)
    price = black.price(forward, 100.0 * np.exp(k), 1.0, s, k > 0)
    sigma, rare = np.empty(n), np.zeros(n, dtype=bool)
    with np.errstate(all="ignore"):
        left = implied_lanes(price, forward, 100.0 * np.exp(k), one, k > 0, one, sigma, rare, 0, n)
    assert left == rare.sum() == 0
    assert np.abs(sigma - s).max() <= 1e-13


def test_the_hard_example():
    price = black.price(1.0, 1.5, 1.0, 0.04, True)
    assert implied_vol(price, 1.0, 1.5, 1.0, True).sigma == pytest.approx(0.04, rel=4 * EPS)


@pytest.mark.parametrize("price", [1e-300, 1e-200, 1e-100, 1e-30])
def test_tiny_prices(price):
    sigma, status = implied_vol(price, 1.0, 1.3, 1.0, True)
    assert status == Status.OK
    assert black.price(1.0, 1.3, 1.0, sigma, True) == pytest.approx(price, rel=1e-12)


def test_each_status():
    nan = np.nan
    cases = [
        (5.0, 100.0, 100.0, 1.0, Status.OK),
        (nan, 100.0, 100.0, 1.0, Status.INVALID_VALUE),
        (5.0, -1.0, 100.0, 1.0, Status.INVALID_VALUE),
        (5.0, 100.0, 0.0, 1.0, Status.INVALID_VALUE),
        (5.0, 100.0, 100.0, nan, Status.INVALID_VALUE),
        (np.inf, 100.0, 100.0, 1.0, Status.INVALID_VALUE),
        (5.0, 100.0, 100.0, 0.0, Status.EXPIRED),
        (9.9, 100.0, 90.0, 1.0, Status.BELOW_INTRINSIC),
        (-1.0, 100.0, 110.0, 1.0, Status.BELOW_INTRINSIC),
        (10.0, 100.0, 90.0, 1.0, Status.AT_EXERCISE),
        (0.0, 100.0, 110.0, 1.0, Status.AT_EXERCISE),
        (100.0, 100.0, 90.0, 1.0, Status.ABOVE_MAXIMUM),
        (1000.0, 100.0, 90.0, 1.0, Status.ABOVE_MAXIMUM),
    ]
    price, forward, strike, tau, expected = map(np.array, zip(*cases, strict=True))
    sigma, status = implied_vol(price, forward, strike, tau, True)
    assert status.tolist() == expected.tolist()
    assert np.array_equal(np.isnan(sigma), status != Status.OK)


anything = st.one_of(st.floats(), st.sampled_from([0.0, -0.0, 5e-324, 1e-310, 1e-300, 1e308, np.inf, np.nan]))


@given(anything, anything, anything, anything, st.booleans(), anything)
def test_nothing_raises_and_no_nan_is_ok(price, forward, strike, tau, is_call, discount):
    if tau < 0.0:
        with pytest.raises(ValueError, match="tau"):
            implied_vol(price, forward, strike, tau, is_call, discount)
        return
    sigma, status = implied_vol(price, forward, strike, tau, is_call, discount)
    assert np.isfinite(sigma) == (status == Status.OK)
    assert np.isnan(sigma) or sigma > 0.0


def test_broadcasts():
    sigma, status = implied_vol(5.0, 100.0, np.array([[100.0], [101.0]]), [0.5, 1.0, 2.0], True)
    assert sigma.shape == status.shape == (2, 3)


def test_the_whole_stated_range_is_solved_in_lanes():
    rng = np.random.default_rng(13)
    n = 300 if os.environ.get("NUMBA_DISABLE_JIT") else 50_000
    k, s = rng.uniform(-3.0, 3.0, n), np.exp(rng.uniform(np.log(1e-3), np.log(4.0), n))
    price = black.price(1.0, np.exp(k), 1.0, s, k > 0)
    told = price > 1e-270
    k, s, price = k[told], s[told], price[told]
    one, sigma, rare = np.ones(k.size), np.empty(k.size), np.zeros(k.size, dtype=bool)
    with np.errstate(all="ignore"):
        assert implied_lanes(price, one, np.exp(k), one, k > 0, one, sigma, rare, 0, k.size) == 0
    vega = black.greeks(1.0, np.exp(k), 1.0, s, k > 0).vega
    assert np.max(np.abs(sigma - s) / (s + price / vega)) < 8 * EPS


@pytest.mark.parametrize(
    "name", ["fused", "exp_lane", "near_lane", "log_lane", "log_ratio_lane", "mills_lane", "series_lane"]
)
def test_lanes_share_their_elementary_functions_word_for_word(name):
    one, other = (getattr(module, name) for module in (black_lanes, lanes))
    assert inspect.getsource(one) == inspect.getsource(other)
