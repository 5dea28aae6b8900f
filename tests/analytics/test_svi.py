"""Raw SVI: evaluation, and fits with and without the conditions against butterfly arbitrage."""

from __future__ import annotations

from dataclasses import astuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize

from periscope_analytics.calibration import fit_svi
from periscope_analytics.errors import Status
from periscope_analytics.svi import SVIParams

K = np.linspace(-0.8, 0.5, 30)
WIDE = np.concatenate([np.linspace(-3.0, 3.0, 6001), np.linspace(-60.0, 60.0, 2401)])
VOGT = SVIParams(-0.041, 0.1331, 0.306, 0.3586, 0.4153)

smiles = st.builds(
    SVIParams,
    a=st.floats(0.001, 0.05),
    b=st.floats(0.02, 0.4),
    rho=st.floats(-0.95, 0.6),
    m=st.floats(-0.1, 0.1),
    sigma=st.floats(0.02, 0.4),
)


@given(smile=smiles)
def test_derivatives_are_those_of_total_variance(smile):
    first, second = smile.derivatives(K)
    h = 1e-5
    up, here, down = (smile.total_variance(K + d) for d in (h, 0.0, -h))
    assert np.allclose(first, (up - down) / (2.0 * h), atol=1e-6)
    assert np.allclose(second, (up - 2.0 * here + down) / h**2, rtol=1e-3, atol=1e-4)


@given(smile=smiles)
def test_wings_and_vertex(smile):
    first, _ = smile.derivatives([-1e6, 1e6])
    assert -first[0] == pytest.approx(smile.left_slope, rel=1e-9, abs=1e-9)
    assert first[1] == pytest.approx(smile.right_slope, rel=1e-9, abs=1e-9)
    fine = np.linspace(-8.0, 8.0, 400_001)
    assert smile.total_variance(fine).min() == pytest.approx(smile.least_variance, rel=1e-5)


@given(smile=smiles)
def test_clean_quotes_give_their_smile_back(smile):
    w = smile.total_variance(K)
    fit = fit_svi(K, w, arbitrage_free=False)
    assert fit.status is Status.OK
    assert fit.rmse < 1e-8
    assert fit.params is not None
    assert np.allclose(fit.params.total_variance(K) - w, fit.residuals, atol=1e-15)


@given(smile=smiles, seed=st.integers(0, 10_000), noise=st.floats(0.0, 0.2))
def test_constrained_fits_are_free_of_butterfly_arbitrage(smile, seed, noise):
    random = np.random.default_rng(seed)
    w = smile.total_variance(K) * np.exp(noise * random.standard_normal(K.size))
    free, bound = fit_svi(K, w, arbitrage_free=False), fit_svi(K, w)
    assert bound.params is not None
    assert bound.params.g(WIDE).min() >= 0.0
    assert max(bound.params.left_slope, bound.params.right_slope) <= 2.0
    assert bound.params.least_variance > 0.0
    assert bound.rmse >= free.rmse * (1.0 - 1e-6)


def test_the_constrained_fit_is_near_a_general_optimisers():
    k = np.linspace(-1.0, 1.0, 40)
    w, grid = VOGT.total_variance(k), np.linspace(-3.0, 3.0, 301)
    ours = fit_svi(k, w)
    found = minimize(
        lambda x: 1e6 * np.mean((SVIParams(*x).total_variance(k) - w) ** 2),
        np.array(astuple(ours.params)) * 1.02,
        method="SLSQP",
        bounds=[(-1.0, 1.0), (1e-3, 1.0), (-0.99, 0.99), (-1.0, 1.0), (1e-3, 2.0)],
        constraints={"type": "ineq", "fun": lambda x: SVIParams(*x).g(grid)},
        options={"maxiter": 500, "ftol": 1e-13},
    )
    assert ours.rmse < 1.01 * np.sqrt(found.fun / 1e6)


def test_weights_are_weights_of_squares():
    random = np.random.default_rng(3)
    w = VOGT.total_variance(K) * np.exp(0.01 * random.standard_normal(K.size))
    twice = fit_svi(np.concatenate([K, K[:10]]), np.concatenate([w, w[:10]]), arbitrage_free=False)
    weighted = fit_svi(K, w, weights=np.where(np.arange(30) < 10, 2.0, 1.0), arbitrage_free=False)
    assert astuple(twice.params) == pytest.approx(astuple(weighted.params), rel=1e-5)


def test_errors_say_how_far_noise_moves_the_smile():
    smile, random = SVIParams(0.01, 0.15, -0.4, 0.02, 0.15), np.random.default_rng(5)
    w = smile.total_variance(K)
    fits = [fit_svi(K, w + 2e-4 * random.standard_normal(K.size)) for _ in range(60)]
    spread = np.std([astuple(fit.params) for fit in fits], axis=0)
    claimed = np.median([fit.stderr for fit in fits], axis=0)
    assert np.all(np.abs(np.log(claimed / spread)) < np.log(2.0))


@pytest.mark.parametrize("n", range(5))
def test_too_few_quotes(n):
    fit = fit_svi(K[:n], np.full(n, 0.04))
    assert fit.status is Status.TOO_FEW_STRIKES
    assert fit.params is None
    assert fit.residuals.shape == (n,)


def test_one_strike_quoted_many_times():
    assert fit_svi(np.zeros(10), np.full(10, 0.04)).status is Status.TOO_FEW_STRIKES


def test_a_flat_smile_is_flat_and_says_that_its_shape_is_not_identified():
    fit = fit_svi(K, np.full(K.size, 0.04))
    assert fit.status in {Status.UNIDENTIFIED, Status.AT_BOUND}
    assert fit.params.total_variance(np.linspace(-2, 2, 9)) == pytest.approx(np.full(9, 0.04), abs=1e-9)


@pytest.mark.parametrize("k", [np.linspace(-0.5, -0.05, 12), np.linspace(0.05, 0.5, 12)])
def test_one_sided_quotes_are_fitted(k):
    w = SVIParams(0.01, 0.1, -0.5, 0.0, 0.1).total_variance(k)
    fit = fit_svi(k, w)
    assert fit.params is not None
    assert fit.max_error < 1e-4
    assert fit.params.g(WIDE).min() >= 0.0


def test_unusable_quotes_are_left_out():
    w = VOGT.total_variance(K)
    w[[2, 5, 7]] = np.nan, -0.1, np.inf
    fit = fit_svi(K, w, arbitrage_free=False)
    assert astuple(fit.params) == pytest.approx(astuple(VOGT), rel=1e-6)
    assert set(np.flatnonzero(np.isnan(fit.residuals))) == {2, 5, 7}


@given(
    k=st.lists(st.floats(allow_nan=True, allow_infinity=True), max_size=8),
    w=st.floats(allow_nan=True, allow_infinity=True),
)
def test_no_quotes_make_it_raise(k, w):
    with np.errstate(all="ignore"):
        fit = fit_svi(np.array(k), np.full(len(k), w))
    assert fit.params is None or np.all(np.isfinite(astuple(fit.params)))


def test_bad_arguments_are_named():
    with pytest.raises(ValueError, match="k"):
        fit_svi(np.zeros(3), np.zeros(4))
    with pytest.raises(ValueError, match="weights"):
        fit_svi(K, K, weights=-1.0)
    with pytest.raises(ValueError, match=r"^sigma:"):
        SVIParams(0.0, 0.1, 0.0, 0.0, 0.0)
    with pytest.raises(ValueError, match=r"^rho:"):
        SVIParams(0.0, 0.1, 1.1, 0.0, 0.1)
    with pytest.raises(ValueError, match="psi"):
        SVIParams.from_jump_wings(0.04, -5.0, 0.1, 0.1, 0.03, tau=1.0)
    with pytest.raises(ValueError, match="tau"):
        VOGT.iv(0.0, 0.0)
