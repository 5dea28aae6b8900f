"""Fits of one expiry of the served surface: known smiles, honest errors, typed refusals."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from periscope_analytics import black
from periscope_analytics.calibration.slice import SliceSettings, fit_slice
from periscope_analytics.errors import Status
from periscope_analytics.heston import HestonParams
from periscope_analytics.slice import GridRule

TAU = 0.25
K = np.linspace(-0.5, 0.3, 60)


def smile(k, vol, tau=TAU):
    """Out-of-the-money prices of a vol per strike."""
    return black.price(1.0, np.exp(k), tau, vol, k >= 0.0)


def quoted(price, vega, half_bps, rng=None):
    """Bid and ask half_bps of vol around the price, the mid off by a uniform draw inside that band."""
    half = vega * half_bps * 1e-4
    mid = price if rng is None else price + rng.uniform(-1.0, 1.0, price.size) * half
    return np.maximum(mid - half, 0.2 * mid), mid + half


def vegas(k, vol, tau=TAU):
    return black.greeks(1.0, np.exp(k), tau, vol, k >= 0.0).vega


@pytest.mark.parametrize("vol", [0.05, 0.2, 1.5])
def test_a_flat_smile_comes_back(vol):
    k = np.linspace(-4.0, 3.0, 60) * vol * np.sqrt(TAU)
    fit = fit_slice(k, *quoted(smile(k, vol), vegas(k, vol), 2.0), tau=TAU)
    assert fit.status is Status.OK
    assert fit.inside > 0.98
    assert np.max(np.abs(fit.params.iv(k) - vol)) < 4e-4
    middle = np.linspace(-2.0, 2.0, 50) * vol * np.sqrt(TAU)
    assert np.max(np.abs(fit.params.iv(middle) - vol)) < 2e-4


def test_a_heston_smile_comes_back_within_its_noise():
    truth = HestonParams(v0=0.04, kappa=2.0, theta=0.05, sigma=0.6, rho=-0.7)
    vol = truth.implied_vol(1.0, np.exp(K), TAU)
    rng = np.random.default_rng(1)
    for _ in range(5):
        fit = fit_slice(K, *quoted(smile(K, vol), vegas(K, vol), 20.0, rng), tau=TAU)
        error = fit.params.iv(K) - vol
        middle = np.abs(K) < 0.15
        assert fit.inside > 0.95
        assert np.sqrt(np.mean(error[middle] ** 2)) < 10e-4
        assert fit.second_mode < 0.01


def test_later_slices_stay_above_earlier_ones_even_against_the_quotes():
    early = fit_slice(K, *quoted(smile(K, 0.3), vegas(K, 0.3), 5.0), tau=TAU)
    low = smile(K, 0.25)
    late = fit_slice(K, 0.99 * low, 1.01 * low, early.params, tau=1.1 * TAU)
    assert late.params.previous is early.params
    assert np.all(late.params.otm_price(K) >= early.params.otm_price(K))
    assert late.inside < 0.5


def test_stated_errors_are_those_of_refits():
    vol = 0.2 - 0.1 * K
    rng = np.random.default_rng(2)
    fits = [fit_slice(K, *quoted(smile(K, vol), vegas(K, vol), 20.0, rng), tau=TAU) for _ in range(60)]
    scatter = np.std([fit.params.iv(np.zeros(1)) for fit in fits])
    assert 0.0 < scatter < 10e-4
    for fit in fits:
        assert np.allclose(fit.covariance, fit.covariance.T, rtol=1e-8)
        assert np.linalg.eigvalsh(fit.covariance).min() > 0.0
        assert np.array_equal(fit.stderr, np.sqrt(np.diagonal(fit.covariance)))


def test_unusable_quotes_have_no_residual_and_do_not_matter():
    bid, ask = quoted(smile(K, 0.2), vegas(K, 0.2), 10.0)
    clean = fit_slice(K, bid, ask, tau=TAU)
    spoilt = [
        np.append(a, b)
        for a, b in ((K, [0.1] * 5), (bid, [0.0, np.nan, 0.2, 0.1, 3.0]), (ask, [0.1, 0.1, 0.1, np.inf, 4.0]))
    ]
    fit = fit_slice(*spoilt, tau=TAU)
    assert fit.params.values == clean.params.values
    assert np.isnan(fit.residuals[-5:]).all()
    assert np.array_equal(fit.residuals[:-5], clean.residuals)


@pytest.mark.parametrize(
    ("k", "price", "status"),
    [
        ([], [], Status.TOO_FEW_STRIKES),
        ([0.0, 0.1], [0.04, 0.01], Status.TOO_FEW_STRIKES),
        ([0.1] * 6, [0.01] * 6, Status.TOO_FEW_STRIKES),
        ([-0.1, 0.0, 0.1], [np.nan] * 3, Status.TOO_FEW_STRIKES),
        ([-1e-9, 0.0, 1e-9], [1e-9, 1e-9, 1e-9], Status.DEGENERATE),
    ],
)
def test_degenerate_input_is_a_status(k, price, status):
    price = np.array(price)
    fit = fit_slice(np.array(k), 0.9 * price, 1.1 * price)
    assert fit.status is status
    assert fit.params is None
    assert np.isnan(fit.residuals).all()


def test_a_quote_off_the_grid_is_a_status():
    bid, ask = quoted(smile(K, 0.2), vegas(K, 0.2), 10.0)
    assert fit_slice(K, bid, ask, grid=GridRule(0.05, -0.4, 5.0, 0.3)).status is Status.OUT_OF_RANGE


def test_impossible_arguments_are_refused_by_name():
    bid, ask = quoted(smile(K, 0.2), vegas(K, 0.2), 10.0)
    with pytest.raises(ValueError, match="price_ask"):
        fit_slice(K, bid, ask[:-1])
    first = fit_slice(K, bid, ask, tau=TAU)
    with pytest.raises(ValueError, match="tau"):
        fit_slice(K, bid, ask, first.params, tau=TAU)


def test_without_tau_vols_are_in_units_of_the_atm_vol():
    fit = fit_slice(K, *quoted(smile(K, 0.2), vegas(K, 0.2), 10.0))
    assert fit.params.iv(0.0) == pytest.approx(1.0, abs=0.01)
    assert fit.params.iv(0.0, TAU) == pytest.approx(0.2, abs=0.001)


@given(
    st.lists(st.floats(allow_nan=True, allow_infinity=True), min_size=3, max_size=9),
    st.lists(st.floats(allow_nan=True, allow_infinity=True), min_size=9, max_size=9),
    st.lists(st.floats(allow_nan=True, allow_infinity=True), min_size=9, max_size=9),
)
def test_no_market_value_raises(k, bid, ask):
    fit = fit_slice(k, bid[: len(k)], ask[: len(k)])
    assert (fit.params is None) == (fit.status not in (Status.OK, Status.NOT_CONVERGED))
    if fit.params is not None:
        assert np.isfinite(fit.params.total_variance(np.array([-1.0, 0.0, 1.0]))).all()


@given(st.integers(0, 2**32 - 1))
def test_noisy_quotes_never_make_an_arbitrage(seed):
    rng = np.random.default_rng(seed)
    vol, n = np.exp(rng.uniform(-3.0, 0.7)), int(rng.integers(3, 50))
    k = np.sort(rng.uniform(-8.0, 3.0, n)) * vol * np.sqrt(TAU)
    price = smile(k, vol * np.exp(rng.normal(0.0, 0.2, n)))
    fit = fit_slice(k, 0.9 * price, 1.1 * price, tau=TAU, settings=SliceSettings(grid_points=200))
    if fit.params is not None:
        grid = np.linspace(-12.0, 4.0, 801)
        assert np.all(fit.params.g(grid) >= 0.0)
        assert fit.params.law.mass.min() >= 0.0
