"""Black-76 and Black-Scholes-Merton against Haug's tables, 60-digit values and identities."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from numba import config

from periscope_analytics import black
from periscope_analytics.kernels.black import greeks_many, mills
from periscope_analytics.kernels.black_lanes import mills_lane

REFERENCE = Path(__file__).resolve().parents[1] / "reference"


def table(name: str) -> dict[str, np.ndarray]:
    """Columns of a reference file; numbers as floats."""
    lines = [line for line in (REFERENCE / name).read_text().splitlines() if not line.startswith("#")]
    rows = list(csv.DictReader(lines))
    out = {}
    for key in rows[0]:
        values = [row[key] for row in rows]
        try:
            out[key] = np.array([float(v) for v in values])
        except ValueError:
            out[key] = np.array(values)
    return out


forwards = st.floats(1e-3, 1e6)
log_moneyness = st.floats(-3.0, 3.0)
total_vols = st.floats(1e-3, 4.0)
taus = st.floats(1e-4, 30.0)
discounts = st.floats(0.05, 1.2)


def test_haug_values():
    t = table("haug_values.csv")
    tau = np.round(t["t"] * 360.0) / 360.0
    got = black.bsm_price(t["spot"], t["strike"], tau, t["r"], t["q"], t["vol"], t["type"] == "Call")
    assert np.all(np.abs(got - t["value"]) <= t["tol"])


@pytest.mark.parametrize("row", range(10))
def test_haug_greeks(row):
    t = {key: values[row] for key, values in table("haug_greeks.csv").items()}
    call = t["type"] == "Call"
    args = (t["strike"], t["t"], t["r"], t["q"], t["vol"], call)
    g = black.bsm_greeks(t["spot"], *args)
    by_bump = 0.0
    if t["greek"] == "dividendRho":
        up, down = (
            black.bsm_price(t["spot"], t["strike"], t["t"], t["r"], t["q"] + step, t["vol"], call)
            for step in (1e-5, -1e-5)
        )
        by_bump = float(up - down) / 2e-5
    got = {"theta": 365.0 * g.theta, "thetaPerDay": g.theta, "dividendRho": by_bump}
    name = str(t["greek"])
    value = got[name] if name in got else getattr(g, name)
    assert value == pytest.approx(t["value"], abs=1e-4)


def test_relative_accuracy_down_to_tiny_prices():
    t = table("black_60_digits.csv")
    x = np.log(t["forward"] / t["strike"])
    conditioning = 1.0 + (x / t["vol"]) ** 2
    for is_call, name in ((True, "call"), (False, "put")):
        got = black.price(t["forward"], t["strike"], 1.0, t["vol"], is_call)
        assert np.all(np.abs(got / t[name] - 1.0) <= 6e-16 * conditioning), name
    assert min(t["call"].min(), t["put"].min()) < 1e-190


@given(forwards, log_moneyness, total_vols, taus, discounts)
@example(100.0, 0.0, 1e-3, 1.0, 1.0)
@example(100.0, 3.0, 1e-3, 1e-4, 1.0)
def test_parity_and_bounds(forward, k, s, tau, discount):
    strike = forward * np.exp(k)
    call, put = black.price(forward, strike, tau, s / np.sqrt(tau), [True, False], discount)
    scale = discount * max(forward, strike)
    assert call - put == pytest.approx(discount * (forward - strike), abs=4e-16 * scale)
    assert max(discount * (forward - strike), 0.0) <= call <= discount * forward
    assert max(discount * (strike - forward), 0.0) <= put <= discount * strike


@given(log_moneyness, total_vols, st.floats(1e-6, 0.5))
def test_price_rises_with_vol_and_falls_with_strike(k, s, step):
    vols = np.array([s, s * (1.0 + step)])
    low, high = black.price(100.0, 100.0 * np.exp(k), 1.0, vols, k > 0)
    assert low <= high
    strikes = 100.0 * np.exp(np.array([k, k + step]))
    near, far = black.price(100.0, strikes, 1.0, s, True)
    assert near >= far


@pytest.mark.parametrize("is_call", [True, False])
def test_greeks_are_the_derivatives(is_call):
    f, k, tau, vol, d = 100.0, np.array([70.0, 95.0, 100.0, 130.0]), 0.7, 0.3, 0.96
    r = -np.log(d) / tau
    g = black.greeks(f, k, tau, vol, is_call, d)

    def value(f=f, tau=tau, vol=vol, r=r):
        return black.price(f, k, tau, vol, is_call, np.exp(-r * tau))

    def slope(name, x, step):
        return (value(**{name: x + step}) - value(**{name: x - step})) / (2 * step)

    assert np.allclose(g.price, value(), rtol=1e-15)
    assert np.allclose(g.delta, slope("f", f, 1e-3), atol=1e-8)
    assert np.allclose(g.gamma, (value(f=f + 0.01) - 2 * value() + value(f=f - 0.01)) / 1e-4, atol=1e-7)
    assert np.allclose(g.vega, slope("vol", vol, 1e-5), rtol=1e-7)
    assert np.allclose(g.theta, -slope("tau", tau, 1e-5) / 365.0, rtol=1e-6)
    assert np.allclose(g.rho, slope("r", r, 1e-5), rtol=1e-7)
    up, down = (black.greeks(f, k, tau, vol + e, is_call, d) for e in (1e-5, -1e-5))
    assert np.allclose(g.vanna, (up.delta - down.delta) / 2e-5, rtol=1e-6)
    assert np.allclose(g.volga, (up.vega - down.vega) / 2e-5, rtol=1e-5, atol=1e-5)


def test_spot_greeks_are_the_derivatives():
    args = {"spot": 100.0, "tau": 0.7, "rate": 0.05, "dividend_yield": 0.02, "vol": 0.3}

    def value(**changed):
        a = args | changed
        return black.bsm_price(a["spot"], 95.0, a["tau"], a["rate"], a["dividend_yield"], a["vol"], False)

    g = black.bsm_greeks(100.0, 95.0, 0.7, 0.05, 0.02, 0.3, False)
    for name, got in (("spot", g.delta), ("vol", g.vega), ("rate", g.rho), ("tau", -365.0 * g.theta)):
        up, down = (value(**{name: args[name] + e}) for e in (1e-5, -1e-5))
        assert got == pytest.approx((up - down) / 2e-5, rel=1e-6), name
    second = (value(spot=100.01) - 2 * value() + value(spot=99.99)) / 1e-4
    assert g.gamma == pytest.approx(float(second), rel=1e-5)


def test_at_expiry_and_at_zero_vol_the_limits_hold():
    g = black.greeks(100.0, [90.0, 100.0, 110.0], 0.0, 0.2, True)
    assert g.price.tolist() == [10.0, 0.0, 0.0]
    assert g.delta.tolist() == [1.0, 0.5, 0.0]
    assert g.gamma.tolist() == [0.0, np.inf, 0.0]
    assert g.vega.tolist() == [0.0, 0.0, 0.0]
    still = black.greeks(100.0, 90.0, 1.0, 0.0, True, np.exp(-0.05))
    assert still.theta == pytest.approx(0.05 * 10.0 * np.exp(-0.05) / 365.0)


def test_every_lane_of_a_batch_agrees_with_the_scalar_kernel():
    rng = np.random.default_rng(3)
    n = 400 if os.environ.get("NUMBA_DISABLE_JIT") else 30_000
    k = rng.choice([0.0, 1e-12, 1.0], n, p=[0.05, 0.05, 0.9]) * rng.uniform(-12.0, 12.0, n)
    s = np.exp(rng.uniform(np.log(1e-4), np.log(8.0), n))
    tau, call, discount = rng.uniform(0.01, 3.0, n), rng.random(n) < 0.5, rng.uniform(0.3, 1.1, n)
    strike, vol = 100.0 * np.exp(k), s / np.sqrt(tau)
    vol[::97], tau[::101], strike[::103] = 0.0, 0.0, np.nan
    rate = np.where(tau > 0.0, -np.log(discount) / np.where(tau > 0.0, tau, 1.0), 0.0)
    exact = np.empty((8, n))
    forward = np.full(n, 100.0)
    with np.errstate(all="ignore"):
        greeks_many(forward, strike, tau, vol, call, discount, rate, exact)
    g = black.greeks(forward, strike, tau, vol, call, discount)
    got = np.array([g.price, g.delta, g.gamma, g.vega, g.theta, g.rho, g.vanna, g.volga])
    assert np.array_equal(np.isnan(got), np.isnan(exact))
    with np.errstate(all="ignore"):
        parts = np.abs(rate * exact[0]) + np.abs(exact[3] * vol / tau)
        scale = np.abs(exact[:6]) + np.array([[0.0], [0.0], [0.0], [0.0], [1.0], [0.0]]) * parts + 1e-290
        error = np.abs(got[:6] - exact[:6]) / (scale * (1.0 + (k / s) ** 2))
    assert np.nanmax(np.where(np.isfinite(exact[:6]), error, 0.0)) < 4e-15
    first = black.first_greeks(forward, strike, tau, vol, call, discount)
    assert all(np.array_equal(a, b, equal_nan=True) for a, b in zip(first, got, strict=False))


def test_threads_change_nothing(monkeypatch):
    n = 1_000 if os.environ.get("NUMBA_DISABLE_JIT") else 120_001
    strike = np.linspace(50.0, 200.0, n)
    tau = np.where(np.arange(n) % 1000 == 7, 0.0, 0.5)
    together = []
    for threads in (1, 2):
        monkeypatch.setattr(config, "NUMBA_NUM_THREADS", threads)
        together.append(black.price(100.0, strike, tau, 0.2, True))
    assert np.array_equal(*together)


def test_both_mills_ratios_are_one():
    for z in np.linspace(0.0, 60.0, 200):
        p, r = mills_lane(z)
        assert np.allclose(mills(z), (p / (p * z + r), r / (p * z + r)), rtol=2e-15, atol=0.0)


anything = st.one_of(st.floats(), st.sampled_from([0.0, -0.0, 5e-324, 1e-310, 1e308, np.inf, np.nan]))


@given(anything, anything, anything, anything, st.booleans(), anything)
def test_no_float_raises_other_than_negative_tau(forward, strike, tau, vol, is_call, discount):
    if tau < 0.0:
        with pytest.raises(ValueError, match="tau"):
            black.price(forward, strike, tau, vol, is_call, discount)
        return
    price = black.price(forward, strike, tau, vol, is_call, discount)
    g = black.greeks(forward, strike, tau, vol, is_call, discount)
    black.bsm_greeks(forward, strike, tau, vol, discount, vol, is_call)
    sound = all(np.isfinite([forward, strike, tau, vol, discount])) and min(forward, strike, discount) > 0.0
    if sound and vol >= 0.0:
        assert price >= 0.0
        assert not np.isnan(g.delta)
    assert np.array_equal(price, g.price, equal_nan=True)


def test_wrong_arguments_are_named():
    with pytest.raises(ValueError, match="is_call"):
        black.price(100.0, 100.0, 1.0, 0.2, "call")
    with pytest.raises(ValueError, match=r"strike \(2,\)"):
        black.price([1.0, 2.0, 3.0], [1.0, 2.0], 1.0, 0.2, True)
    with pytest.raises(ValueError, match="vol"):
        black.price(100.0, 100.0, 1.0, "high", True)
    assert black.price(np.empty(0), 100.0, 1.0, 0.2, True).shape == (0,)
    assert black.price(100.0, np.full((2, 3), 100.0), 1.0, 0.2, 1).shape == (2, 3)


@pytest.mark.skipif("NUMBA_DISABLE_JIT" in os.environ, reason="this is the run without the compiler")
def test_kernels_pass_uncompiled():
    files = ["test_black.py", "test_implied_vol.py", "test_american.py"]
    here = Path(__file__).parent
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        *(str(here / f) for f in files),
    ]
    environment = os.environ | {"NUMBA_DISABLE_JIT": "1", "PYTEST_ADDOPTS": ""}
    run = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout[-3000:]
