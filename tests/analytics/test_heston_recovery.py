"""Heston fits to noisy smiles of known parameters: the errors that a fit states hold the truth."""

from __future__ import annotations

import os
from dataclasses import astuple

import numpy as np
import pytest

from periscope_analytics.calibration import fit_heston
from periscope_analytics.errors import Status
from periscope_analytics.heston import HestonParams

FULL = "PERISCOPE_NIGHTLY" in os.environ
TRIALS = 500 if FULL else 12
SEED = 20260115
NOISE = 10e-4
TAUS = np.array([14, 30, 60, 91, 182, 273, 365, 547, 730]) / 365.0


def _truth(rng: np.random.Generator) -> HestonParams:
    return HestonParams(
        v0=rng.uniform(0.015, 0.09),
        kappa=rng.uniform(1.0, 4.0),
        theta=rng.uniform(0.02, 0.09),
        sigma=rng.uniform(0.3, 0.9),
        rho=rng.uniform(-0.85, -0.3),
    )


@pytest.mark.timeout(3600)
def test_stated_errors_hold_the_truth_in_99_of_100_trials():
    rng = np.random.default_rng(SEED)
    tau = np.repeat(TAUS, 21)
    z = np.tile(np.linspace(-2.0, 2.0, 21), TAUS.size)
    inside, fitted = np.zeros(5), 0
    for _ in range(TRIALS):
        truth = _truth(rng)
        strike = 100.0 * np.exp(z * np.sqrt(truth.theta * tau))
        vol = truth.implied_vol(100.0, strike, tau)
        good = np.isfinite(vol)
        noisy = vol[good] + NOISE * rng.standard_normal(int(good.sum()))
        fit = fit_heston(100.0, strike[good], tau[good], noisy)
        assert fit.status in (Status.OK, Status.UNIDENTIFIED), fit.status
        assert fit.params is not None
        off = np.abs(np.array(astuple(fit.params)) - np.array(astuple(truth)))
        inside += off <= 3.0 * fit.stderr
        fitted += 1
    share = inside / fitted
    said = f"seed {SEED}, {fitted} trials: within 3 standard errors {np.round(100 * share, 2)} %"
    assert share.min() >= (0.99 if FULL else 0.8), said
