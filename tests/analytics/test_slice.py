"""One expiry of the served surface: arbitrage-free whatever its numbers are, exact again from them."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from periscope_analytics import black
from periscope_analytics.slice import GridRule, SliceParams, geometry

GRID = GridRule(width=0.03, k_min=-15.0, k_max=5.0, ceiling=0.3)
KNOTS = tuple(np.sinh(np.linspace(-2.5, 2.0, 8)).tolist())
VALUES = st.lists(st.floats(-8.0, 4.0), min_size=8, max_size=8).map(tuple)
K = np.linspace(-2.0, 1.5, 351)


def one(values, previous=None, scale=0.06, tau=0.1, **changes):
    numbers = {"knots": KNOTS, "grid": GRID, "base_variance": 0.002} | changes
    return SliceParams(tau, scale, values=values, previous=previous, **numbers)


FLAT = one((-1.0,) * 8)


def integral(slice_, power):
    """Of exp(power k) times the density, exactly: both are polynomials in K between the knots."""
    knots = geometry(slice_.grid).knots[3:-3]
    nodes, weights = np.polynomial.legendre.leggauss(4)
    half = np.diff(knots) / 2.0
    at = knots[:-1, None] + half[:, None] * (nodes + 1.0)
    k = np.log(at)
    return float(np.sum(half[:, None] * weights * slice_.density(k) * np.exp((power - 1.0) * k)))


@given(VALUES)
def test_the_density_is_positive_with_mass_and_mean_one_for_any_parameters(values):
    made = one(values)
    assert made.law.mass.min() >= 0.0
    assert made.law.mass.sum() == pytest.approx(1.0, abs=1e-12)
    assert made.law.mass @ geometry(GRID).grid[0] == pytest.approx(1.0, abs=1e-12)
    assert made.density(K).min() >= 0.0
    assert made.g(K).min() >= 0.0
    assert integral(made, 0.0) == pytest.approx(1.0, abs=1e-6)
    assert integral(made, 1.0) == pytest.approx(1.0, abs=1e-6)


@given(VALUES, VALUES, st.floats(0.01, 0.5))
def test_prices_rise_from_slice_to_slice_for_any_parameters(first, second, scale):
    early = one(first)
    late = one(second, previous=early, scale=scale, tau=0.2)
    k = np.linspace(-8.0, 3.0, 1101)
    assert np.all(late.otm_price(k) >= early.otm_price(k))
    assert np.all(late.total_variance(k) >= early.total_variance(k) * (1.0 - 1e-13))


@given(VALUES, st.floats(1e-9, 0.95))
def test_prices_rise_with_the_share_of_the_step(values, share):
    whole = one(values)
    part, more = whole.at(share, 0.05), whole.at(min(1.0, 1.1 * share), 0.06)
    k = np.linspace(-8.0, 3.0, 1101)
    assert np.all(part.otm_price(k) <= more.otm_price(k) * (1.0 + 1e-12))
    assert np.all(more.otm_price(k) <= whole.otm_price(k) * (1.0 + 1e-12))


def test_prices_are_the_integral_of_the_density():
    made = one((-0.5, -0.2, 0.1, -0.3, -0.8, -1.0, -0.6, 0.0))
    knots = geometry(GRID).knots[3:-3]
    nodes, weights = np.polynomial.legendre.leggauss(4)
    half = np.diff(knots) / 2.0
    at = knots[:-1, None] + half[:, None] * (nodes + 1.0)
    share = half[:, None] * weights * made.density(np.log(at)) / at
    for strike in knots[[150, 190, 200, 240]]:
        payoff = np.maximum(strike - at, 0.0) if strike < 1.0 else np.maximum(at - strike, 0.0)
        assert made.otm_price(np.log(strike)) == pytest.approx(np.sum(share * payoff), rel=1e-9)


def test_total_variance_inverts_the_price():
    k = np.linspace(-0.5, 0.4, 31)
    w = FLAT.total_variance(k)
    price = black.price(1.0, np.exp(k), 1.0, np.sqrt(w), k >= 0.0)
    assert np.allclose(price, FLAT.otm_price(k), rtol=1e-9)
    assert FLAT.total_variance(0.0) == pytest.approx(FLAT.atm_total_variance, rel=1e-12)
    assert np.allclose(FLAT.iv(k), np.sqrt(w / FLAT.tau), rtol=1e-15)
    assert np.allclose(FLAT.iv(k, 0.4), np.sqrt(w / 0.4), rtol=1e-15)


def test_g_is_that_of_gatheral_and_jacquier():
    k, h = np.linspace(-0.4, 0.3, 29), 1e-4
    w, up, down = (FLAT.total_variance(k + shift) for shift in (0.0, h, -h))
    slope, bend = (up - down) / (2 * h), (up - 2 * w + down) / h**2
    g = (1 - k * slope / (2 * w)) ** 2 - slope**2 / 4 * (1 / w + 0.25) + bend / 2
    assert np.allclose(FLAT.g(k), g, atol=2e-3)


@pytest.mark.parametrize("previous", [None, FLAT])
def test_local_vol_is_dupires(previous):
    made = one((0.5, 0.2, -0.1, -0.3, -0.8, -1.0, -0.6, 0.0), previous=previous, tau=0.3, scale=0.09)
    start, floor = (0.0, 0.0) if previous is None else (previous.tau, previous.atm_total_variance)
    k, eps = np.linspace(-0.3, 0.2, 11), 1e-5
    less = made.at(1.0 - eps, 0.3)
    pace = (made.atm_total_variance - floor) / (made.tau - start)
    gone = (made.atm_total_variance - less.atm_total_variance) / pace
    drift = (made.otm_price(k) - less.otm_price(k)) / gone
    assert np.allclose(made.local_vol(k), np.sqrt(2 * drift / (np.exp(k) * made.density(k))), rtol=1e-4)


@given(VALUES, VALUES)
def test_published_numbers_give_every_bit_again(first, second):
    early = one(first)
    late = one(second, previous=early, tau=0.2, scale=0.1)
    again = None
    for each in (early, late):
        again = SliceParams.from_dict(json.loads(json.dumps(each.to_dict())), again)
    assert np.array_equal(again.law.mass, late.law.mass)
    assert np.array_equal(again.total_variance(K), late.total_variance(K))
    assert np.array_equal(again.local_vol(K), late.local_vol(K), equal_nan=True)


def test_far_wings_stay_ordered_and_finite():
    late = one((2.0,) * 8, previous=FLAT, tau=0.2)
    k = np.array([-40.0, -14.0, -12.0, -5.0, 3.0, 4.5, 30.0])
    early_w, late_w = FLAT.total_variance(k), late.total_variance(k)
    assert np.all(np.isfinite(early_w))
    assert np.all(late_w >= early_w)
    assert np.all(FLAT.g(k) >= 0.0)
    assert np.all(np.isfinite(FLAT.local_vol(k)))
    assert np.isnan(FLAT.otm_price(-16.0))


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"scale": 0.0}, "scale"),
        ({"tau": -1.0}, "tau"),
        ({"knots": (0.0, 0.0)}, "knots"),
        ({"values": (0.0,)}, "knots"),
        ({"base_variance": np.nan}, "base_variance"),
        ({"previous": one((0.0,) * 8, grid=replace(GRID, n=300))}, "previous"),
    ],
)
def test_impossible_parameters_are_refused_by_name(change, named):
    with pytest.raises(ValueError, match=named):
        replace(FLAT, **change)


def test_impossible_grids_are_refused():
    with pytest.raises(ValueError, match="grid"):
        GridRule(0.0, -15.0, 5.0, 0.3)
