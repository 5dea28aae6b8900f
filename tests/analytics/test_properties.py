"""Laws that hold for all parameters in range, across the families of the package.

What belongs here: parity, bounds, order and round trips that no family's own file states.
"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from periscope_analytics import american, black
from periscope_analytics.arbitrage import certify
from periscope_analytics.calibration import SliceQuotes, fit_ou, fit_surface
from periscope_analytics.errors import Status
from periscope_analytics.heston import HestonParams
from periscope_analytics.implied_vol import implied_vol
from periscope_analytics.market import ForwardCurve
from periscope_analytics.ou import OUParams
from periscope_analytics.ssvi import SSVIParams
from periscope_analytics.strategy import Leg, Market, Strategy
from periscope_analytics.surface import Smile, VolSurface
from periscope_analytics.svi import SVIParams
from periscope_analytics.variance import from_slice, model_free

STRIKES = 100.0 * np.exp(np.linspace(-0.8, 0.6, 15))
speeds, times = st.floats(0.05, 20.0), st.floats(1e-3, 5.0)
hestons = st.builds(
    HestonParams,
    v0=st.floats(0.005, 0.5),
    kappa=st.floats(0.1, 8.0),
    theta=st.floats(0.005, 0.5),
    sigma=st.floats(0.05, 3.0),
    rho=st.floats(-0.98, 0.98),
)


@given(p=hestons, tau=st.floats(1 / 365, 10.0), discount=st.floats(0.5, 1.1))
def test_heston_parity_bounds_and_order(p, tau, discount):
    call, put = (p.price(100.0, STRIKES, tau, side, discount) for side in (True, False))
    slack = 3e-6 * discount
    assert np.abs(call - put - discount * (100.0 - STRIKES)).max() < slack
    assert np.all(call >= discount * np.maximum(100.0 - STRIKES, 0.0) - slack)
    assert np.all(call <= 100.0 * discount + slack)
    assert np.all(np.diff(call) <= slack)
    assert np.all(np.diff(np.diff(call) / np.diff(STRIKES)) >= -slack)


@given(k=st.floats(-2.0, 2.0), s=st.floats(0.02, 3.0), share=st.floats(1e-3, 0.5), is_call=st.booleans())
def test_dearer_options_have_greater_vols(k, s, share, is_call):
    strike = np.exp(k)
    price = float(black.price(1.0, strike, 1.0, s, is_call))
    ceiling, floor = (1.0, max(1.0 - strike, 0.0)) if is_call else (strike, max(strike - 1.0, 0.0))
    dearer = price + share * (ceiling - price)
    found = implied_vol([price, dearer], 1.0, strike, 1.0, is_call)
    if price > floor and dearer > price and (found.status == Status.OK).all():
        assert found.sigma[1] >= found.sigma[0]


@given(
    kappa=speeds,
    theta=st.floats(-3.0, 3.0),
    sigma=st.floats(0.0, 3.0),
    x=st.floats(-5.0, 5.0),
    s=times,
    t=times,
)
def test_an_ou_process_forgets_in_steps_as_at_once(kappa, theta, sigma, x, s, t):
    p = OUParams(kappa, theta, sigma)
    assert p.mean(p.mean(x, s), t) == pytest.approx(float(p.mean(x, s + t)), abs=1e-12)
    variance = p.deviation(s) ** 2 * np.exp(-2.0 * kappa * t) + p.deviation(t) ** 2
    assert variance == pytest.approx(float(p.deviation(s + t)) ** 2, rel=1e-9, abs=1e-300)
    assert p.deviation(s) <= p.stationary_deviation * (1.0 + 1e-12)


@given(seed=st.integers(0, 10_000), shift=st.floats(-5.0, 5.0), scale=st.floats(0.1, 10.0))
def test_ou_fits_move_with_their_path(seed, shift, scale):
    rng = np.random.default_rng(seed)
    x = np.zeros(200)
    for i, z in enumerate(rng.normal(0.0, 0.1, 199)):
        x[i + 1] = 0.8 * x[i] + z
    here, there = fit_ou(x, 0.1), fit_ou(shift + scale * x, 0.1)
    assert here.params is not None
    assert there.params is not None
    assert there.params.kappa == pytest.approx(here.params.kappa, rel=1e-6)
    assert there.params.theta == pytest.approx(shift + scale * here.params.theta, abs=1e-6 * scale)
    assert there.params.sigma == pytest.approx(scale * here.params.sigma, rel=1e-6)


@given(vol=st.floats(0.03, 1.5), tau=st.floats(1 / 365, 4.0))
def test_a_flat_smile_has_its_own_variance(vol, tau):
    w = vol * vol * tau
    flat = Smile(SSVIParams(w, 0.0, 0.0), tau)
    assert from_slice(flat).variance == pytest.approx(vol * vol, rel=1e-8)
    strike = 100.0 * np.exp(np.linspace(-7.0, 7.0, 281) * np.sqrt(w))
    call, put = (black.price(100.0, strike, tau, vol, side) for side in (True, False))
    strip = model_free(strike, call, call, put, put, 100.0, tau)
    assert strip.status is Status.OK
    assert strip.variance == pytest.approx(vol * vol, rel=5e-3)


@given(
    seed=st.integers(0, 10_000),
    noise=st.floats(0.0, 0.3),
    width=st.floats(1e-3, 0.2),
    level=st.floats(0.08, 0.8),
    skew=st.floats(-0.4, 0.2),
)
def test_whatever_is_quoted_the_served_surface_is_free_of_arbitrage(seed, noise, width, level, skew):
    rng, chain = np.random.default_rng(seed), []
    for tau in (0.05, 0.06, 0.4):
        k = np.linspace(-2.5, 2.0, 12) * level * np.sqrt(tau)
        vol = np.maximum(level + skew * k, 0.02) * np.exp(rng.normal(0.0, noise, k.size))
        price = black.price(1.0, np.exp(k), tau, vol, k >= 0.0)
        chain.append(SliceQuotes(tau, k, (1.0 - width) * price, (1.0 + width) * price))
    fit = fit_surface(chain)
    if fit.params is not None:
        assert certify(fit.params).is_free


@given(
    first=st.floats(-5.0, 5.0),
    second=st.floats(-5.0, 5.0),
    strike=st.floats(70.0, 140.0),
    spot=st.floats(50.0, 200.0),
)
def test_strategies_are_worth_the_sum_of_their_legs(first, second, strike, spot):
    smiles = [Smile(SVIParams(0.01 * t, 0.1 * t, -0.4, 0.0, 0.2), t) for t in (0.1, 1.0)]
    curve = ForwardCurve(np.array([0.1, 1.0]), np.array([100.0, 102.0]), np.array([0.99, 0.95]))
    at = Market(100.0, curve, VolSurface(smiles, [100.0, 102.0]))
    legs = Leg(first, strike, 0.5, True), Leg(second, 95.0, 0.5, False)
    apart = sum(Strategy((leg,)).scenarios(at, spot) for leg in legs)
    assert Strategy(legs).scenarios(at, spot) == pytest.approx(float(apart), abs=1e-9)


@given(
    strike=st.floats(50.0, 200.0),
    tau=st.floats(0.01, 3.0),
    rate=st.floats(-0.03, 0.1),
    q=st.floats(-0.03, 0.1),
    vol=st.floats(0.05, 0.8),
    is_call=st.booleans(),
)
def test_the_right_to_exercise_early_is_worth_something_or_nothing(strike, tau, rate, q, vol, is_call):
    premium = american.early_exercise_premium(100.0, strike, tau, rate, q, vol, is_call)
    whole = american.price(100.0, strike, tau, rate, q, vol, is_call)
    european = black.bsm_price(100.0, strike, tau, rate, q, vol, is_call)
    assert premium >= -1e-9
    assert whole == pytest.approx(float(european + premium), abs=1e-6)
