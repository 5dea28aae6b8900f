"""Heston fits: recovery of known parameters, the DAX surface of Sepp, and honest statuses."""

from __future__ import annotations

import csv
from dataclasses import astuple
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from periscope_analytics.calibration import fit_heston
from periscope_analytics.errors import Status
from periscope_analytics.heston import HestonParams
from tests.profiles import few

REFERENCE = Path(__file__).parents[1] / "reference" / "dax_20020705.csv"
TAU = np.repeat(np.array([7.0, 30.0, 91.0, 182.0, 365.0, 730.0]) / 365.0, 15)
STRIKE = 100.0 * np.exp(np.tile(np.linspace(-2.5, 1.8, 15), 6) * 0.25 * np.sqrt(TAU))


@few(12)
@given(
    v0=st.floats(0.01, 0.25),
    kappa=st.floats(0.5, 8.0),
    theta=st.floats(0.01, 0.25),
    sigma=st.floats(0.2, 1.6),
    rho=st.floats(-0.9, 0.4),
)
def test_clean_vols_give_their_parameters_back(v0, kappa, theta, sigma, rho):
    true = HestonParams(v0, kappa, theta, sigma, rho)
    fit = fit_heston(100.0, STRIKE, TAU, true.implied_vol(100.0, STRIKE, TAU))
    assert fit.status is Status.OK
    assert fit.params is not None
    assert np.allclose(astuple(fit.params), astuple(true), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("initial", [None, HestonParams(0.1, 1.0, 0.1, 0.5, -0.5)])
def test_dax_of_sepp(initial):
    with REFERENCE.open() as file:
        rows = list(csv.DictReader(line for line in file if not line.startswith("#")))
    column = {name: np.array([float(row[name]) for row in rows]) for name in rows[0]}
    tau = column["weeks_used_by_quantlib"] * 7.0 / 365.0
    forward = 4468.17 * np.exp(column["zero_rate"] * tau)
    fit = fit_heston(forward, column["strike"], tau, column["implied_vol"], initial=initial)
    assert fit.status is Status.OK
    assert np.sum((100.0 * fit.residuals) ** 2) == pytest.approx(177.2, abs=1.0)


def test_errors_say_how_far_noise_moves_the_parameters():
    true = HestonParams(0.05, 2.0, 0.07, 0.8, -0.6)
    clean, random = true.implied_vol(100.0, STRIKE, TAU), np.random.default_rng(7)
    fits = [
        fit_heston(100.0, STRIKE, TAU, clean + 0.002 * random.standard_normal(TAU.size)) for _ in range(20)
    ]
    spread = np.std([astuple(fit.params) for fit in fits], axis=0)
    claimed = np.median([fit.stderr for fit in fits], axis=0)
    assert np.all(np.abs(np.log(claimed / spread)) < np.log(2.0))


def test_weights_and_unusable_quotes():
    true = HestonParams(0.05, 2.0, 0.07, 0.8, -0.6)
    iv = true.implied_vol(100.0, STRIKE, TAU)
    iv[3], iv[10], iv[40] = np.nan, -0.2, 3.0
    weights = np.ones(iv.size)
    weights[40] = 0.0
    fit = fit_heston(100.0, STRIKE, TAU, iv, weights=weights)
    assert fit.params is not None
    assert np.allclose(astuple(fit.params), astuple(true), rtol=1e-5)
    assert set(np.flatnonzero(np.isnan(fit.residuals))) == {3, 10, 40}


def test_too_few_quotes():
    for n in range(5):
        fit = fit_heston(100.0, STRIKE[:n], TAU[:n], np.full(n, 0.2))
        assert fit.status is Status.TOO_FEW_STRIKES
        assert fit.params is None
        assert fit.residuals.shape == (n,)


@pytest.mark.parametrize("strike", [np.full(8, 100.0), np.linspace(80.0, 120.0, 8)])
@pytest.mark.parametrize("vol", [1e-4, 0.2, 4.0])
def test_quotes_that_cannot_tell_parameters_apart_say_so(strike, vol):
    fit = fit_heston(100.0, strike, 0.25, np.full(8, vol))
    assert fit.status in {Status.AT_BOUND, Status.UNIDENTIFIED, Status.NOT_CONVERGED, Status.TOO_FEW_STRIKES}


def test_bad_arguments_are_named():
    with pytest.raises(ValueError, match="strike"):
        fit_heston(100.0, np.ones(3), np.ones(4), 0.2)
    with pytest.raises(ValueError, match="weights"):
        fit_heston(100.0, np.ones(3), 1.0, 0.2, weights=-1.0)
