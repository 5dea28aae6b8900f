"""SSVI and eSSVI: formulas, conditions that suffice, and fits free of arbitrage whatever the quotes are."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from periscope_analytics.arbitrage import certify
from periscope_analytics.calibration import fit_essvi
from periscope_analytics.errors import Status
from periscope_analytics.heston import HestonParams
from periscope_analytics.ssvi import ESSVI, PowerLaw, SSVIParams, greatest_psi, wing_ratio
from periscope_analytics.surface import Smile
from periscope_analytics.svi import SVIParams

K = np.linspace(-3.0, 3.0, 121)
TAUS = np.array([0.02, 0.1, 0.25, 0.5, 1.0, 2.0])
THETA, RHO, SHARE = st.floats(1e-5, 3.0), st.floats(-0.97, 0.97), st.floats(0.0, 1.0)


@given(theta=THETA, rho=RHO, share=st.floats(1e-3, 1.0))
def test_a_slice_is_raw_svi_and_its_formula(theta, rho, share):
    params = SSVIParams(theta, rho, share * greatest_psi(theta, rho))
    lean = params.phi * K
    expected = 0.5 * theta * (1.0 + rho * lean + np.sqrt((lean + rho) ** 2 + 1.0 - rho**2))
    assert np.allclose(params.total_variance(K), expected, rtol=1e-12)
    raw = params.to_raw()
    assert np.allclose(params.total_variance(K), raw.total_variance(K), rtol=1e-11)
    assert np.allclose(params.derivatives(K), raw.derivatives(K), rtol=1e-9, atol=1e-12)
    assert (params.left_slope, params.right_slope) == pytest.approx((raw.left_slope, raw.right_slope))


@given(theta=THETA, rho=RHO, share=SHARE)
def test_the_butterfly_bound_suffices(theta, rho, share):
    params = SSVIParams(theta, rho, share * greatest_psi(theta, rho))
    assert params.is_butterfly_free
    assert certify(ESSVI((Smile(params, 1.0),))).is_free


@given(first=st.tuples(THETA, RHO, st.floats(1e-6, 1.0)), rho=RHO, excess=st.floats(0.0, 2.0), share=SHARE)
def test_the_calendar_condition_suffices(first, rho, excess, share):
    earlier = SSVIParams(first[0], first[1], first[2] * greatest_psi(first[0], first[1]))
    ratio = wing_ratio(earlier.rho, rho)
    theta = ratio * earlier.theta * (1.0 + excess)
    least, most = ratio * earlier.psi, min(earlier.phi * theta, greatest_psi(theta, rho))
    if least <= most:
        later = SSVIParams(theta, rho, least + share * (most - least))
        assert later.lies_above(earlier)
        assert np.all(later.total_variance(K) >= earlier.total_variance(K) * (1.0 - 1e-11))


def test_derivatives_by_parameters_are_those_of_differences():
    base, step = np.array([0.04, -0.4, 0.2]), 1e-6
    slopes = SSVIParams(*base).by_parameters(K)
    for i in range(3):
        up, down = base.copy(), base.copy()
        up[i], down[i] = up[i] + step, down[i] - step
        numeric = SSVIParams(*up).total_variance(K) - SSVIParams(*down).total_variance(K)
        assert np.allclose(slopes[:, i], numeric / (2.0 * step), rtol=1e-6, atol=1e-9)


@given(rho=RHO, share=st.floats(0.05, 1.0), gamma=st.floats(0.05, 0.5))
def test_the_power_law_is_free_of_arbitrage(rho, share, gamma):
    law = PowerLaw(rho, 2.0 * share / (1.0 + abs(rho)), gamma)
    surface = ESSVI(tuple(Smile(law.slice(0.04 * tau), tau) for tau in TAUS.tolist()))
    assert certify(surface.surface()).is_free


def quotes(smiles):
    k = np.concatenate([np.linspace(-2.5, 1.8, 21) * np.sqrt(s.total_variance(0.0)) for s in smiles])
    tau = np.repeat([s.tau for s in smiles], 21)
    iv = np.sqrt(
        np.concatenate([s.total_variance(p) for s, p in zip(smiles, k.reshape(-1, 21), strict=True)])
    )
    return k, tau, iv / np.sqrt(tau)


def test_clean_vols_give_their_parameters_back():
    law = PowerLaw(-0.5, 0.8, 0.4)
    true = [Smile(law.slice(0.05 * tau), tau) for tau in TAUS.tolist()]
    fit = fit_essvi(*quotes(true))
    assert fit.status is Status.OK
    assert fit.max_error < 1e-6
    for fitted, smile in zip(fit.params.slices, true, strict=True):
        found, expected = fitted.params, smile.params
        assert (found.theta, found.rho, found.psi) == pytest.approx(
            (expected.theta, expected.rho, expected.psi), rel=1e-4
        )


def test_a_heston_market_in_any_order_with_errors_that_cover_noise():
    model, random = HestonParams(0.04, 1.5, 0.06, 0.6, -0.6), np.random.default_rng(3)
    tau = np.repeat(TAUS, 25)
    k = np.tile(np.linspace(-2.0, 1.5, 25), TAUS.size) * 0.2 * np.sqrt(tau)
    iv = model.implied_vol(1.0, np.exp(k), tau) + 0.001 * random.standard_normal(k.size)
    order = random.permutation(k.size)
    fit = fit_essvi(k[order], tau[order], iv[order])
    assert fit.status is Status.OK
    assert fit.rmse < 0.004
    assert np.all(fit.stderr > 0.0)
    assert certify(fit.params.surface(100.0)).is_free
    surface = fit.params.surface(100.0)
    model_iv = surface.iv(100.0 * np.exp(k[order]), tau[order])
    assert np.allclose(model_iv - iv[order], fit.residuals, atol=1e-12)


@given(
    data=st.lists(
        st.tuples(st.floats(-1.5, 1.5), st.sampled_from([0.01, 0.1, 0.5, 1.5]), st.floats(0.001, 4.0)),
        max_size=30,
    )
)
def test_whatever_is_quoted_the_surface_is_free_of_arbitrage(data):
    k, tau, iv = np.array(data).reshape(-1, 3).T
    fit = fit_essvi(k, tau, iv)
    assert fit.residuals.shape == k.shape
    if fit.params is None:
        assert fit.status is Status.TOO_FEW_STRIKES
    else:
        assert certify(fit.params.surface()).is_free
        slices = [each.params for each in fit.params.slices]
        assert all(each.is_butterfly_free for each in slices)
        assert all(later.lies_above(earlier) for earlier, later in pairwise(slices))


def test_unusable_quotes_are_left_out_and_thin_expiries_too():
    law = PowerLaw(-0.5, 0.8, 0.4)
    k, tau, iv = quotes([Smile(law.slice(0.05 * tau), tau) for tau in TAUS.tolist()])
    iv[2], k[5], tau[8] = np.nan, np.inf, -1.0
    iv[23:42] = np.nan
    fit = fit_essvi(k, tau, iv)
    assert fit.status is Status.OK
    assert [each.status for each in fit.slices].count(Status.TOO_FEW_STRIKES) == 1
    assert len(fit.params.slices) == TAUS.size - 1
    assert np.flatnonzero(np.isnan(fit.residuals)).tolist() == [2, 5, 8, *range(21, 42)]
    assert fit.stderr.shape == (3 * (TAUS.size - 1),)


def test_bad_parameters_are_named():
    for bad, name in [((0.0, 0.0, 0.1), "theta"), ((0.1, 1.0, 0.1), "rho"), ((0.1, 0.0, -0.1), "psi")]:
        with pytest.raises(ValueError, match=name):
            SSVIParams(*bad)
    with pytest.raises(ValueError, match="eta"):
        PowerLaw(-0.5, 1.5, 0.4)
    with pytest.raises(ValueError, match="psi"):
        SSVIParams(0.04, 0.0, 0.0).to_raw()
    assert isinstance(SSVIParams(0.04, 0.0, 0.1).to_raw(), SVIParams)
