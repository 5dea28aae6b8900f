"""American prices and vols: limits, parity bounds, early exercise, cash dividends, statuses."""

from __future__ import annotations

import os

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numba import config

from periscope_analytics import american, black
from periscope_analytics.errors import Status
from periscope_analytics.kernels.american_tree import price_many

from .test_black import table

UNCOMPILED = "NUMBA_DISABLE_JIT" in os.environ
few = settings(max_examples=2) if UNCOMPILED else settings()

spots = st.floats(50.0, 200.0)
strikes = st.floats(60.0, 160.0)
taus = st.floats(0.01, 3.0)
rates = st.floats(-0.03, 0.12)
vols = st.floats(0.05, 1.0)


def test_barone_adesi_whaley_is_close():
    t = table("baw_haug.csv")
    got = american.price(t["spot"], t["strike"], t["t"], t["r"], t["q"], t["vol"], t["type"] == "Call")
    assert np.all(np.abs(got - t["baw_value"]) < 0.04)


def test_known_put():
    value = american.price(100.0, 100.0, 1.0, 0.05, 0.0, 0.2, False)
    assert value == pytest.approx(6.09037, abs=1e-5)


REGIMES = {
    "one boundary, put": (0.05, 0.02, False),
    "one boundary, yield above rate": (0.03, 0.08, False),
    "negative yield": (0.03, -0.02, False),
    "no rate": (0.0, -0.04, False),
    "two boundaries, put": (-0.01, -0.05, False),
    "two boundaries, call": (-0.05, -0.01, True),
    "one boundary, call": (0.02, 0.06, True),
    "never exercised": (-0.02, 0.01, False),
}


@pytest.mark.skipif(UNCOMPILED, reason="too many steps")
@pytest.mark.parametrize("name", REGIMES)
def test_integral_equation_and_tree_agree_in_every_regime(name):
    rate, q, is_call = REGIMES[name]
    strike, tau, vol = (grid.ravel() for grid in np.meshgrid([80.0, 100.0, 130.0], [0.05, 1.0], [0.1, 0.4]))
    got = american.price(100.0, strike, tau, rate, q, vol, is_call)
    columns = [np.full(strike.size, x) for x in (rate, q)]
    coarse, fine = np.empty(strike.size), np.empty(strike.size)
    for n, out in ((1001, coarse), (2001, fine)):
        terms = (np.full(strike.size, 100.0), strike, tau, *columns, vol, np.full(strike.size, is_call))
        price_many(*terms, np.empty(0), np.empty(0), n, out)
    assert np.all(np.abs(got - (2.0 * fine - coarse)) < 2e-3)
    assert np.median(np.abs(got - (2.0 * fine - coarse))) < 3e-4


def _bermudan(spot, strike, tau, rate, q, vol, dates, n=2**13):
    """Put exercised at equally spaced dates: each step a convolution with the lognormal law, by FFT."""
    start, reach = np.log(spot / strike), 9.0 * vol * np.sqrt(tau) + abs(np.log(spot / strike))
    x = start + reach * (np.arange(n) / (n // 2) - 1.0)
    u, dt = 2.0 * np.pi * np.fft.fftfreq(n, x[1] - x[0]), tau / dates
    step = np.exp((1j * u * (rate - q - 0.5 * vol**2) - 0.5 * vol**2 * u * u - rate) * dt)
    payoff = strike * np.maximum(1.0 - np.exp(x), 0.0)
    value = payoff
    for _ in range(dates):
        value = np.maximum(np.fft.ifft(np.fft.fft(value) * step).real, payoff)
    return value[n // 2]


@pytest.mark.skipif(UNCOMPILED, reason="too many steps")
@pytest.mark.parametrize(
    "terms",
    [
        (100.0, 100.0, 1.0, -0.01, -0.05, 0.1),
        (100.0, 130.0, 2.0, -0.01, -0.05, 0.2),
        (100.0, 80.0, 1.0, -0.005, -0.02, 0.1),
        (100.0, 120.0, 5.0, -0.02, -0.03, 0.1),
        (100.0, 100.0, 3.0, -0.012, -0.04, 0.08),
    ],
)
def test_two_boundaries_against_convolution(terms):
    few, many = (_bermudan(*terms, dates) for dates in (200, 400))
    exact = 2.0 * many - few
    spot, strike, tau, rate, q, vol = terms
    assert american.price(*terms, False) == pytest.approx(exact, abs=1e-5 * spot)
    assert american.price(strike, spot, tau, q, rate, vol, True) == pytest.approx(exact, abs=1e-5 * spot)


def test_a_put_deep_in_the_money_is_exercised_and_tells_no_vol():
    assert american.price(100.0, 140.0, 0.5, 0.05, 0.0, 0.2, False) == 40.0
    assert american.implied_vol(40.0, 100.0, 140.0, 0.5, 0.05, 0.0, False).status == Status.AT_EXERCISE


@few
@given(spots, strikes, taus, rates, rates, vols, st.booleans())
@example(100.0, 100.0, 1.0, 0.0, 0.0, 0.2, False)
@example(100.0, 90.0, 1.0, -0.02, -0.01, 0.2, True)
def test_bounds(spot, strike, tau, rate, q, vol, is_call):
    value = float(american.price(spot, strike, tau, rate, q, vol, is_call))
    plain = float(black.bsm_price(spot, strike, tau, rate, q, vol, is_call))
    assert value >= plain - 1e-12 * spot
    assert value >= max(spot - strike if is_call else strike - spot, 0.0)
    assert (
        value <= max(spot, spot * np.exp(-q * tau)) if is_call else max(strike, strike * np.exp(-rate * tau))
    )


@few
@given(spots, strikes, taus, rates, rates, vols)
def test_put_call_symmetry(spot, strike, tau, rate, q, vol):
    call = american.price(spot, strike, tau, rate, q, vol, True)
    put = american.price(strike, spot, tau, q, rate, vol, False)
    assert call == pytest.approx(float(put), abs=2e-4 * max(spot, strike))


@few
@given(spots, strikes, taus, st.floats(0.0, 0.12), vols)
def test_call_without_dividends_is_european(spot, strike, tau, rate, vol):
    call = american.price(spot, strike, tau, rate, 0.0, vol, True)
    assert call == pytest.approx(
        float(black.bsm_price(spot, strike, tau, rate, 0.0, vol, True)), abs=1e-9 * spot
    )


@few
@given(spots, strikes, taus, rates, vols, st.booleans())
def test_price_rises_with_vol_and_time(spot, strike, tau, rate, vol, is_call):
    value, more_vol, more_time = american.price(
        spot, strike, [tau, tau, 1.1 * tau], rate, 0.02, [vol, 1.1 * vol, vol], is_call
    )
    assert more_vol >= value - 1e-5 * spot
    assert more_time >= value - 1e-5 * spot


def test_cash_dividends_against_independent_recombination():
    """A call with one dividend is worth the better of exercise at its date or holding, integrated there."""
    spot, strike, tau, rate, vol, amount, ex = 100.0, 95.0, 0.5, 0.05, 0.25, 4.0, 0.3
    base = spot - amount * np.exp(-rate * ex)
    z = np.linspace(-8.0, 8.0, 8001)
    at_ex = base * np.exp((rate - 0.5 * vol**2) * ex + vol * np.sqrt(ex) * z)
    hold = black.bsm_price(at_ex, strike, tau - ex, rate, 0.0, vol, True)
    payoff = np.maximum(at_ex + amount - strike, hold)
    expected = np.exp(-rate * ex) * np.trapezoid(payoff * np.exp(-0.5 * z**2), z) / np.sqrt(2.0 * np.pi)
    got = american.price(spot, strike, tau, rate, 0.0, vol, True, ([amount], [ex]))
    assert got == pytest.approx(expected, abs=1e-4 * spot)
    assert got > black.bsm_price(base, strike, tau, rate, 0.0, vol, True) + 0.05


def test_dividends_outside_the_life_do_not_matter():
    plain = american.price(100.0, 95.0, 0.5, 0.05, 0.0, 0.25, False)
    for times in ([-0.1, 0.0], [0.5, 0.7]):
        assert american.price(100.0, 95.0, 0.5, 0.05, 0.0, 0.25, False, ([4.0, 4.0], times)) == plain


def test_zero_vol_takes_the_best_exercise():
    assert american.price(100.0, 90.0, 1.0, 0.05, 0.0, 0.0, False) == 0.0
    assert american.price(100.0, 110.0, 1.0, 0.05, 0.0, 0.0, False) == 10.0
    cum = american.price(100.0, 90.0, 1.0, 0.05, 0.0, 0.0, True, ([8.0], [0.5]))
    assert cum == pytest.approx(100.0 - 90.0 * np.exp(-0.025))
    assert american.price(100.0, 110.0, 0.0, 0.05, 0.0, 0.3, False) == 10.0


@few
@given(strikes, st.floats(0.02, 2.0), rates, st.floats(0.0, 0.06), st.floats(0.08, 0.9), st.booleans())
def test_round_trip(strike, tau, rate, q, vol, is_call):
    value = american.price(100.0, strike, tau, rate, q, vol, is_call)
    sigma, status = american.implied_vol(value, 100.0, strike, tau, rate, q, is_call)
    if status == Status.OK:
        again = american.price(100.0, strike, tau, rate, q, sigma, is_call)
        assert again == pytest.approx(float(value), abs=1e-9)
    else:
        assert status in (Status.AT_EXERCISE, Status.BELOW_INTRINSIC)


def test_round_trip_with_dividends():
    strikes = np.array([85.0, 100.0, 115.0])
    schedule = ([0.8, 0.8], [0.1, 0.35])
    value = american.price(100.0, strikes, 0.5, 0.05, 0.0, 0.3, [False, True, True], schedule)
    sigma, status = american.implied_vol(value, 100.0, strikes, 0.5, 0.05, 0.0, [False, True, True], schedule)
    assert status.tolist() == [0, 0, 0]
    assert np.allclose(sigma, 0.3, atol=1e-9)


def test_each_status():
    price = np.array([8.0, np.nan, 5.0, 20.0, 19.0, 120.0, 0.0, 8.0])
    tau = np.array([1.0, 1.0, 0.0, 1.0, 1.0, 1.0, 1.0, np.nan])
    strike = np.array([100.0, 100.0, 100.0, 120.0, 120.0, 120.0, 80.0, 100.0])
    sigma, status = american.implied_vol(price, 100.0, strike, tau, 0.05, 0.0, False)
    assert [Status(s).name for s in status] == [
        "OK", "INVALID_VALUE", "EXPIRED", "AT_EXERCISE", "BELOW_INTRINSIC", "ABOVE_MAXIMUM", "AT_EXERCISE",
        "INVALID_VALUE",
    ]  # fmt: skip
    assert np.array_equal(np.isnan(sigma), status != Status.OK)


def test_premium():
    premium = american.early_exercise_premium(100.0, [90.0, 110.0], 1.0, 0.05, 0.0, 0.2, False)
    assert np.all(premium > 0.0)
    assert american.early_exercise_premium(100.0, 90.0, 1.0, 0.05, 0.0, 0.2, True) == pytest.approx(
        0.0, abs=1e-12
    )


anything = st.one_of(st.floats(), st.sampled_from([0.0, 5e-324, 1e-310, 1e308, np.inf, np.nan, 1.0, 100.0]))


@few
@given(anything, anything, anything, anything, anything, anything, st.booleans())
def test_nothing_raises_and_no_nan_is_ok(price, spot, strike, tau, rate, q, is_call):
    tau, cash = abs(tau), ([1.5, 0.0], [0.3, -1.0])
    for dividends in (None, cash):
        value = american.price(spot, strike, tau, rate, q, price, is_call, dividends)
        assert np.isnan(value) or value >= 0.0
        premium = american.early_exercise_premium(spot, strike, tau, rate, q, price, is_call, dividends)
        assert np.isnan(premium) or premium >= 0.0
        sigma, status = american.implied_vol(price, spot, strike, tau, rate, q, is_call, dividends)
        assert np.isfinite(sigma) == (status == Status.OK)
    american.escrowed(tau, rate, cash)


@pytest.mark.skipif(UNCOMPILED, reason="too many options")
def test_threads_change_nothing(monkeypatch):
    strike, together = np.linspace(60.0, 160.0, 1_601), []
    for threads in (1, 2):
        monkeypatch.setattr(config, "NUMBA_NUM_THREADS", threads)
        together.append(american.price(100.0, strike, 0.7, 0.05, 0.02, 0.3, False))
    assert np.array_equal(*together)


def test_wrong_arguments_are_named():
    with pytest.raises(ValueError, match="tau"):
        american.price(100.0, 100.0, -1.0, 0.05, 0.0, 0.2, True)
    for wrong in (([1.0], [0.1, 0.2]), ([1.0],), ([-1.0], [0.1]), ([1.0], [np.nan]), (["a"], [0.1])):
        with pytest.raises(ValueError, match="dividends"):
            american.price(100.0, 100.0, 1.0, 0.05, 0.0, 0.2, True, wrong)
