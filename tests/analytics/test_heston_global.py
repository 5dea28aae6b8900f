"""The Heston fit where valleys are many: no false convergence, and a global search where it is due."""

from __future__ import annotations

from dataclasses import astuple

import numpy as np
import pytest

from periscope_analytics.calibration import fit_heston
from periscope_analytics.errors import Status
from periscope_analytics.heston import HestonParams

Z = np.linspace(-2.0, 1.8, 7)


def smiles(days, atm, skew, curvature):
    """Quadratic smiles that no Heston model has: forward, strike, tau, iv."""
    tau, level = np.repeat(days, 7) / 365.0, np.repeat(atm, 7)
    z = np.tile(Z, len(days))
    iv = level * (1.0 + np.repeat(skew, 7) * z + np.repeat(curvature, 7) * z * z)
    return 100.0, 100.0 * np.exp(z * level * np.sqrt(tau)), tau, iv


LEANS_CHANGE_SIGN = smiles([30, 730], [0.501, 0.542], [0.1030, -0.0515], [0.0073, 0.0356])


def test_a_long_first_step_bent_by_the_box_is_not_convergence():
    quotes = smiles([3, 7, 60], [0.371, 0.462, 0.521], [0.102, 0.083, -0.004], [0.026, 0.066, 0.043])
    fit = fit_heston(*quotes, global_search=False)
    assert fit.n_iterations > 5
    assert fit.rmse < 0.06


def test_the_fallback_finds_a_better_valley():
    local, chosen = (fit_heston(*LEANS_CHANGE_SIGN, global_search=g) for g in (False, None))
    assert local.status in {Status.AT_BOUND, Status.NOT_CONVERGED}
    assert chosen.rmse < 0.95 * local.rmse
    assert chosen.n_evaluations > local.n_evaluations
    assert astuple(fit_heston(*LEANS_CHANGE_SIGN).params) == astuple(chosen.params)


def test_a_clean_market_needs_no_fallback_and_loses_nothing_by_it():
    true = HestonParams(0.05, 2.0, 0.07, 0.8, -0.6)
    tau = np.repeat([0.1, 0.5, 1.0, 2.0], 7)
    strike = 100.0 * np.exp(np.tile(Z, 4) * 0.25 * np.sqrt(tau))
    quotes = (100.0, strike, tau, true.implied_vol(100.0, strike, tau))
    usual, local, everywhere = (fit_heston(*quotes, global_search=g) for g in (None, False, True))
    assert usual.n_evaluations == local.n_evaluations < everywhere.n_evaluations
    for fit in (usual, local, everywhere):
        assert fit.status is Status.OK
        assert astuple(fit.params) == pytest.approx(astuple(true), rel=1e-5)


def test_one_expiry_under_noise_does_not_tell_the_parameters_apart():
    true = HestonParams(0.04, 3.0, 0.06, 0.5, -0.5)
    strike = 100.0 * np.exp(Z * 0.1)
    noise = 3e-4 * np.sin(37.0 * Z)
    fit = fit_heston(100.0, strike, 0.25, true.implied_vol(100.0, strike, 0.25) + noise, global_search=False)
    assert fit.rmse < 5e-4
    assert fit.status in {Status.UNIDENTIFIED, Status.AT_BOUND, Status.NOT_CONVERGED}


def test_an_error_beyond_the_parameter_is_a_status():
    true, random = HestonParams(0.04, 1.0, 0.04, 0.3, -0.5), np.random.default_rng(4)
    tau = np.repeat([0.05, 0.08], 7)
    strike = 100.0 * np.exp(np.tile(Z, 2) * 0.2 * np.sqrt(tau))
    iv = true.implied_vol(100.0, strike, tau) + 2e-3 * random.standard_normal(14)
    fit = fit_heston(100.0, strike, tau, iv)
    inside = np.array(astuple(fit.params))[:4]
    assert fit.status is not Status.OK or np.all(fit.stderr[:4] < inside)
