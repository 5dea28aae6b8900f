"""SABR: published vols, limits, and recovery by the fit."""

from __future__ import annotations

import csv
from dataclasses import astuple
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from periscope_analytics.calibration import fit_sabr
from periscope_analytics.errors import Status
from periscope_analytics.kernels.sabr import vols
from periscope_analytics.sabr import SABRParams

REFERENCE = Path(__file__).parents[1] / "reference" / "sabr_hagan.csv"
HAGAN = SABRParams(alpha=0.3, beta=0.6, rho=0.01, nu=0.02)
FORWARD, TAU = 0.039, 1.0
STRIKE = 100.0 * np.exp(np.linspace(-0.5, 0.4, 15))


@pytest.fixture(scope="module")
def table():
    with REFERENCE.open() as file:
        rows = list(csv.DictReader(line for line in file if not line.startswith("#")))
    return tuple(np.array([float(row[name]) for row in rows]) for name in ("strike", "lognormal_vol"))


def test_hagans_vols(table):
    strike, vol = table
    assert np.max(np.abs(HAGAN.implied_vol(FORWARD, strike, TAU) / vol - 1.0)) < 2e-13


def test_the_fit_gives_hagans_parameters_back(table):
    strike, vol = table
    fit = fit_sabr(FORWARD, strike, TAU, vol, beta=0.6)
    assert fit.params is not None
    assert astuple(fit.params) == pytest.approx(astuple(HAGAN), abs=5e-8)


def test_the_money_is_no_seam():
    params = SABRParams(0.25, 0.5, -0.4, 0.8)
    near = 100.0 * (1.0 + np.array([-1e-6, -1e-9, 0.0, 1e-9, 1e-6]))
    vol = params.implied_vol(100.0, near, 1.0)
    assert np.ptp(vol) < 1e-4 * vol[0]
    steps = np.diff(params.implied_vol(100.0, 100.0 * np.exp(np.linspace(-1e-3, 1e-3, 401)), 1.0))
    assert np.abs(np.diff(steps)).max() < 1e-3 * np.abs(steps).max()


def test_without_vol_of_vol_and_with_beta_one_it_is_flat():
    assert np.allclose(SABRParams(0.2, 1.0, 0.0, 0.0).implied_vol(100.0, STRIKE, 2.0), 0.2, rtol=1e-14)


def test_a_shift_moves_forward_and_strike():
    plain, shifted = SABRParams(0.2, 0.5, -0.3, 0.5), SABRParams(0.2, 0.5, -0.3, 0.5, shift=0.03)
    assert shifted.implied_vol(-0.005, [-0.01, 0.02], 1.0) == pytest.approx(
        plain.implied_vol(0.025, [0.02, 0.05], 1.0), rel=1e-13
    )
    assert np.isnan(plain.implied_vol(-0.005, 0.01, 1.0))


@given(
    alpha=st.floats(0.05, 5.0),
    beta=st.floats(0.0, 1.0),
    rho=st.floats(-0.99, 0.99),
    nu=st.floats(0.0, 3.0),
    k=st.one_of(st.floats(-1.0, 1.0), st.floats(-1e-5, 1e-5)),
)
def test_derivatives_are_those_of_the_vol(alpha, beta, rho, nu, k):
    forward, strike, tau = np.array([1.0]), np.array([np.exp(k)]), np.array([0.7])

    def at(point):
        vol, by = np.empty(1), np.empty((3, 1))
        vols(forward, strike, tau, point[0], beta, point[1], point[2], vol, by)
        return vol[0], by[:, 0]

    here = np.array([alpha, rho, nu + 1e-3])
    for i, step in enumerate(np.diag([1e-5 * alpha, 1e-6, 1e-5])):
        difference = (at(here + step)[0] - at(here - step)[0]) / (2.0 * step[i])
        assert at(here)[1][i] == pytest.approx(difference, rel=1e-4, abs=1e-6 * (1.0 + alpha))


@given(
    level=st.floats(0.1, 0.6),
    beta=st.sampled_from([0.0, 0.5, 1.0]),
    rho=st.floats(-0.9, 0.7),
    nu=st.floats(0.2, 2.0),
    tau=st.floats(0.05, 2.0),
)
def test_clean_vols_give_their_parameters_back(level, beta, rho, nu, tau):
    true = SABRParams(level * 100.0 ** (1.0 - beta), beta, rho, nu)
    vol = true.implied_vol(100.0, STRIKE, tau)
    if not np.all(np.isfinite(vol)):
        return
    fit = fit_sabr(100.0, STRIKE, tau, vol, beta)
    assert fit.max_error < 1e-7


def test_too_few_quotes_and_bad_ones():
    vol = SABRParams(2.0, 0.5, -0.3, 0.5).implied_vol(100.0, STRIKE, 1.0)
    assert fit_sabr(100.0, STRIKE[:2], 1.0, vol[:2], 0.5).status is Status.TOO_FEW_STRIKES
    assert fit_sabr(100.0, np.full(9, 100.0), 1.0, np.full(9, 0.2), 0.5).status is Status.TOO_FEW_STRIKES
    vol[[1, 4]] = np.nan, -1.0
    fit = fit_sabr(100.0, STRIKE, 1.0, vol, 0.5)
    assert fit.status is Status.OK
    assert fit.stderr.shape == (4,)
    assert np.isnan(fit.stderr[1])
    assert set(np.flatnonzero(np.isnan(fit.residuals))) == {1, 4}


@pytest.mark.parametrize(
    ("field", "value"), [("alpha", 0.0), ("beta", 1.1), ("rho", 1.0), ("nu", -0.1), ("shift", np.nan)]
)
def test_parameters_outside_their_range_are_named(field, value):
    good = {"alpha": 0.2, "beta": 0.5, "rho": 0.0, "nu": 0.3, "shift": 0.0}
    with pytest.raises(ValueError, match=rf"^{field}:"):
        SABRParams(**{**good, field: value})
