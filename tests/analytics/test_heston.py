"""Heston prices: limits, properties, and an independent quadrature."""

from __future__ import annotations

import math

import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from periscope_analytics import black
from periscope_analytics.heston import HestonParams, forward_values
from periscope_analytics.kernels.heston_lanes import angle_lane, circle_lane, exp_lane, log1p_lane

SMALLEST_TAU, LARGEST_TAU = 1.0 / 365.0, 10.0

params = st.builds(
    HestonParams,
    v0=st.floats(1e-3, 1.5),
    kappa=st.floats(0.02, 20.0),
    theta=st.floats(1e-3, 1.5),
    sigma=st.floats(1e-2, 3.0),
    rho=st.one_of(st.floats(-1.0, 1.0), st.sampled_from([-1.0, -0.999, 0.999, 1.0])),
)
taus = st.floats(math.log(SMALLEST_TAU), math.log(LARGEST_TAU)).map(math.exp)


def _deviation(p, tau):
    decay = -math.expm1(-p.kappa * tau) / p.kappa
    return math.sqrt(p.theta * (tau - decay) + p.v0 * decay)


@given(p=params, tau=taus)
def test_no_static_arbitrage_within_the_tolerance(p, tau):
    strike = 100.0 * np.exp(np.linspace(-6.0, 6.0, 41) * _deviation(p, tau))
    call, put = p.price(100.0, strike, tau, True), p.price(100.0, strike, tau, False)
    slack = 100.0 * 2e-8
    assert np.all(call >= np.maximum(100.0 - strike, 0.0) - slack)
    assert np.all(call <= 100.0 + slack)
    assert np.allclose(call - put, 100.0 - strike, rtol=0.0, atol=slack + 1e-13 * strike.max())
    assert np.all(np.diff(call) <= slack)
    slopes = np.diff(call) / np.diff(strike)
    assert np.all(np.diff(slopes) >= -4.0 * slack / np.diff(strike).min())


@given(phase=st.floats(-1e6, 1e6), power=st.floats(-700.0, 700.0), small=st.floats(-1.0, 10.0))
def test_lanes_are_the_library_functions(phase, power, small):
    cos, sin = circle_lane(phase)
    assert cos == pytest.approx(math.cos(phase), rel=0.0, abs=3e-16)
    assert sin == pytest.approx(math.sin(phase), rel=0.0, abs=3e-16)
    assert exp_lane(power) == pytest.approx(math.exp(power), rel=5e-16, abs=0.0)
    above = 10.0**small - 0.99
    assert log1p_lane(above) == pytest.approx(math.log1p(above), rel=5e-16, abs=0.0)
    if power or phase:
        assert angle_lane(power, phase) == pytest.approx(math.atan2(phase, power), rel=0.0, abs=1e-15)


@given(p=params, tau=taus)
def test_the_default_tolerance_is_kept(p, tau):
    strike = np.exp(
        np.array([-20.0, -5.0, -2.0, -1.0, -0.2, 0.0, 0.2, 1.0, 2.0, 5.0, 20.0]) * _deviation(p, tau)
    )
    strike = strike[np.abs(np.log(strike)) < 20.0]
    is_call = strike > 1.0
    coarse, fine = p.price(1.0, strike, tau, is_call), p.price(1.0, strike, tau, is_call, tolerance=1e-13)
    assert np.max(np.abs(coarse - fine)) < 1e-8


def _flat_line_price(p, k, tau):
    """Lewis's formula on the line Im = -1/2 at 25 digits."""
    with mpmath.workdps(25):
        v0, kappa, theta, sigma, rho = (mpmath.mpf(x) for x in (p.v0, p.kappa, p.theta, p.sigma, p.rho))

        def log_phi(u):
            b = kappa - 1j * rho * sigma * u
            d = mpmath.sqrt(b * b + sigma**2 * (u * u + 1j * u))
            g = (b - d) / (b + d)
            e = mpmath.exp(-d * tau)
            mean = kappa * theta * ((b - d) * tau - 2 * mpmath.log((1 - g * e) / (1 - g)))
            return (mean + v0 * (b - d) * (1 - e) / (1 - g * e)) / sigma**2

        def integrand(x):
            u = mpmath.mpc(x, -0.5)
            return (mpmath.exp(log_phi(u) - 1j * x * k) / (x * x + 0.25)).real

        end = 1.0
        while log_phi(mpmath.mpc(end, -0.5)).real > -45:
            end *= 1.5
        points = [0.0, *np.geomspace(0.3, end, 30).tolist()]
        return float(1 - mpmath.exp(mpmath.mpf(k) / 2) / mpmath.pi * mpmath.quad(integrand, points))


@pytest.mark.parametrize(
    ("p", "k", "tau"),
    [
        (HestonParams(0.04, 1.5, 0.06, 0.6, -0.7), 0.03, 3.0 / 365.0),
        (HestonParams(0.02, 0.5, 0.09, 2.5, -0.9), -0.4, 2.0),
        (HestonParams(0.3, 4.0, 0.2, 1.2, 0.6), 0.8, 10.0),
        (HestonParams(0.09, 8.0, 0.01, 0.05, 0.0), 0.0, 0.25),
        (HestonParams(0.01, 3.0, 0.02, 3.0, 0.95), 0.1, 0.5),
    ],
)
def test_an_independent_quadrature_agrees(p, k, tau):
    expected = _flat_line_price(p, k, tau)
    assert p.price(1.0, math.exp(k), tau, True, tolerance=1e-13) == pytest.approx(expected, abs=2e-14)
    assert p.price(1.0, math.exp(k), tau, True) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("sigma", [0.0, 1e-9, 1e-4])
def test_without_vol_of_vol_it_is_black(sigma):
    p, tau = HestonParams(0.04, 2.0, 0.09, sigma, -0.7), 0.7
    strike = np.array([60.0, 90.0, 100.0, 115.0, 180.0])
    expected = black.price(100.0, strike, tau, _deviation(p, tau) / math.sqrt(tau), True)
    assert (
        np.max(np.abs(p.price(100.0, strike, tau, True, tolerance=1e-13) - expected)) < 1e-12 + 30.0 * sigma
    )


@pytest.mark.parametrize("tau", [2.0 / 365.0, 0.3, 4.0])
@pytest.mark.parametrize("rho", [-0.95, 0.0, 0.5])
def test_the_gradient_is_that_of_the_values(tau, rho):
    at = np.array([0.05, 1.8, 0.07, 0.7, rho])
    k = np.linspace(-2.0, 2.0, 9) * 0.24 * math.sqrt(tau)
    when = np.full(k.size, tau)
    gradient = forward_values(at, k, when, 1e-13, gradient=True)[2]
    for i in range(5):
        step = np.zeros(5)
        step[i] = 1e-4 * max(abs(at[i]), 0.1)
        up, down = forward_values(at + step, k, when, 1e-14)[0], forward_values(at - step, k, when, 1e-14)[0]
        assert np.allclose(gradient[i], (up - down) / (2.0 * step[i]), rtol=1e-5, atol=1e-9)


def test_vols_reprice():
    p, strike = HestonParams(0.04, 2.0, 0.05, 0.6, -0.7), np.linspace(70.0, 130.0, 13)
    tau = np.array([[0.1], [1.0]])
    vol = p.implied_vol(100.0, strike, tau)
    assert vol.shape == (2, 13)
    resolved = np.isfinite(vol)
    assert resolved[1].all()
    expected = p.price(100.0, strike, tau, True, tolerance=1e-13)
    assert np.max(np.abs(black.price(100.0, strike, tau, vol, True) - expected)[resolved]) < 1e-10


def test_edges_of_the_domain():
    p = HestonParams(0.04, 2.0, 0.05, 0.6, -0.7)
    assert p.price(100.0, 90.0, 0.0, True) == pytest.approx(10.0, rel=1e-14)
    assert np.isnan(p.price([np.nan, -1.0, 0.0, np.inf], 90.0, 0.5, True)).all()
    assert np.isnan(p.price(100.0, [np.nan, -1.0, 0.0, np.inf], 0.5, True)).all()
    assert np.isnan(p.implied_vol(100.0, [90.0, 100.0], 0.0)).all()
    assert HestonParams(0.0, 2.0, 0.0, 0.6, -0.7).price(100.0, 90.0, 1.0, True) == pytest.approx(10.0)
    assert p.price([], [], [], np.array([], dtype=bool)).shape == (0,)
    assert not p.feller_satisfied
    assert HestonParams(0.04, 2.0, 0.09, 0.6, -0.7).feller_satisfied


@pytest.mark.parametrize(
    ("field", "value"),
    [("v0", -1e-9), ("kappa", 0.0), ("theta", np.nan), ("sigma", -0.1), ("sigma", np.inf), ("rho", 1.0001)],
)
def test_parameters_outside_their_range_are_named(field, value):
    good = {"v0": 0.04, "kappa": 2.0, "theta": 0.05, "sigma": 0.6, "rho": -0.7}
    with pytest.raises(ValueError, match=f"^{field}:"):
        HestonParams(**{**good, field: value})


def test_bad_arguments_are_named():
    p = HestonParams(0.04, 2.0, 0.05, 0.6, -0.7)
    with pytest.raises(ValueError, match="tau"):
        p.price(100.0, 90.0, -0.1, True)
    with pytest.raises(ValueError, match="tolerance"):
        p.price(100.0, 90.0, 0.1, True, tolerance=0.0)
    with pytest.raises(ValueError, match="is_call"):
        p.price(100.0, 90.0, 0.1, "call")


def test_any_argument_alone_may_be_an_array():
    p, numbers = HestonParams(0.04, 1.5, 0.05, 0.6, -0.6), [100.0, 110.0, 0.5, True, 0.97]
    alone = float(p.price(*numbers))
    for i in range(5):
        columns = [np.full(2, x) if i == j else x for j, x in enumerate(numbers)]
        assert p.price(*columns) == pytest.approx(np.full(2, alone), rel=1e-12)
