"""Ornstein-Uhlenbeck: moments, and the exact maximum-likelihood fit."""

from __future__ import annotations

from dataclasses import astuple

import numpy as np
import pytest
from scipy.optimize import minimize

from periscope_analytics.calibration import fit_ou
from periscope_analytics.errors import Status
from periscope_analytics.ou import OUParams

TRUE, DT = OUParams(kappa=6.0, theta=0.2, sigma=0.3), 1.0 / 252.0


def _path(n, seed, params=TRUE, dt=DT):
    random, x = np.random.default_rng(seed), np.empty(n)
    x[0] = params.theta + params.stationary_deviation * random.standard_normal()
    deviation = float(params.deviation(dt))
    for i in range(1, n):
        x[i] = params.mean(x[i - 1], dt) + deviation * random.standard_normal()
    return x


def test_moments():
    assert TRUE.mean(0.5, [0.0, TRUE.half_life, 1e3]) == pytest.approx([0.5, 0.35, 0.2])
    assert TRUE.deviation([0.0, 1e3]) == pytest.approx([0.0, TRUE.stationary_deviation])
    assert TRUE.deviation(1e-8) == pytest.approx(TRUE.sigma * 1e-4, rel=1e-6)


def test_it_maximises_the_likelihood():
    x = _path(400, 1)

    def minus_log_likelihood(p):
        params = OUParams(np.exp(p[0]), p[1], np.exp(p[2]))
        deviation = float(params.deviation(DT))
        z = (x[1:] - params.mean(x[:-1], DT)) / deviation
        return 0.5 * np.sum(z * z) + z.size * np.log(deviation)

    fit = fit_ou(x, DT)
    at = np.array([np.log(fit.params.kappa), fit.params.theta, np.log(fit.params.sigma)])
    options = {"xatol": 1e-7, "fatol": 1e-9, "maxiter": 5000}
    found = minimize(minus_log_likelihood, at + 0.05, method="Nelder-Mead", options=options)
    assert minus_log_likelihood(at) <= found.fun + 1e-7
    assert found.x == pytest.approx(at, abs=1e-4)


def test_errors_say_how_far_the_estimates_scatter():
    fits = [fit_ou(_path(5000, seed), DT) for seed in range(40)]
    estimates = np.array([astuple(fit.params) for fit in fits])
    claimed = np.median([fit.stderr for fit in fits], axis=0)
    assert np.all(np.abs(np.log(claimed / estimates.std(axis=0))) < np.log(1.5))
    off = (estimates.mean(axis=0) - astuple(TRUE)) / (claimed / np.sqrt(40))
    assert np.all(np.abs(off) < 4.0)


def test_gaps_are_left_out():
    x = _path(3000, 2)
    gap = x.copy()
    gap[1000] = np.nan
    fit = fit_ou(gap, DT)
    assert fit.status is Status.OK
    assert set(np.flatnonzero(np.isnan(fit.residuals))) == {999, 1000}
    assert astuple(fit.params) == pytest.approx(astuple(fit_ou(x, DT).params), rel=0.02)


@pytest.mark.parametrize(
    ("x", "status"),
    [
        ([], Status.UNIDENTIFIED),
        ([1.0, 2.0], Status.UNIDENTIFIED),
        ([np.nan] * 10, Status.UNIDENTIFIED),
        ([0.3] * 10, Status.DEGENERATE),
        (np.arange(50.0), Status.UNIDENTIFIED),
        (np.exp(np.arange(20.0)), Status.UNIDENTIFIED),
        ([(-1.0) ** i for i in range(20)], Status.UNIDENTIFIED),
    ],
)
def test_paths_without_an_estimate_say_why(x, status):
    fit = fit_ou(x, DT)
    assert fit.status is status
    assert fit.params is None
    assert fit.residuals.shape == (max(len(x) - 1, 0),)


def test_bad_arguments_are_named():
    with pytest.raises(ValueError, match="dt"):
        fit_ou([1.0, 2.0], 0.0)
    with pytest.raises(ValueError, match="x"):
        fit_ou([[1.0]], DT)
    with pytest.raises(ValueError, match=r"^kappa:"):
        OUParams(0.0, 0.0, 0.1)
