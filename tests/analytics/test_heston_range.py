"""Heston over its whole range: two independent ways of summing agree, and no input breaks or stalls it."""

from __future__ import annotations

import math
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from periscope_analytics.calibration import fit_heston
from periscope_analytics.errors import Status
from periscope_analytics.heston import HestonParams
from periscope_analytics.kernels.heston import prices
from periscope_analytics.kernels.heston_lanes import prices_lanes

UNCOMPILED = "NUMBA_DISABLE_JIT" in os.environ
SETS = 15 if UNCOMPILED else 1500
PATIENCE = 5.0
ODD = [0.0, 5e-324, 1e-310, 1e-160, 1e-30, 1e-9, 0.04, 1.0, 2.0, 50.0, 1e9, 1e30, 1e160, 1e308]
WILD = [*ODD, math.inf, -math.inf, math.nan, -1.0, -1e-300]


def _random_set(random):
    """One day to ten years, vol of variance to 3, correlation up to +-1 but not at it."""
    low, high = np.log([1e-3, 0.02, 1e-3, 0.01, 1.0 / 365.0]), np.log([1.5, 20.0, 1.5, 3.0, 10.0])
    v0, kappa, theta, sigma, tau = np.exp(random.uniform(low, high))
    rho = random.uniform(-1.0, 1.0) if random.random() < 0.8 else random.choice([-0.999, -0.99, 0.99, 0.999])
    return np.array([v0, kappa, theta, sigma, rho]), np.array([tau])


def _deviation(p, tau):
    decay = -math.expm1(-p[1] * tau) / p[1]
    return math.sqrt(p[2] * (tau - decay) + p[0] * decay)


@pytest.mark.parametrize("tolerance", [1e-6, 1e-8, 1e-11])
def test_the_step_chosen_in_advance_keeps_the_tolerance(tolerance):
    random, edges = np.random.default_rng(20), np.array([0, 13])
    left, errors = 0, []
    for _ in range(SETS):
        p, tau = _random_set(random)
        k = np.linspace(-3.0, 3.0, 13) * _deviation(p, tau[0])
        call, put, slow_call, slow_put = np.full((4, 13), np.nan)
        rare, gradient = np.zeros(1, dtype=np.bool_), np.zeros((0, 13))
        if prices_lanes(k, edges, tau, p, tolerance, call, put, gradient, rare):
            left += 1
            continue
        prices(k, edges, tau, p, 1e-13, slow_call, slow_put, gradient)
        out = k > 0.0
        errors.append(np.max(np.abs(np.where(out, call - slow_call, put - slow_put))))
    assert left < 0.25 * SETS
    assert np.max(errors) < 1.5 * tolerance
    assert np.mean(np.array(errors) < tolerance) > 0.999


def test_a_looser_tolerance_takes_fewer_nodes_not_the_same():
    p, k = HestonParams(0.05, 1.7, 0.045, 0.6, -0.6), np.linspace(0.7, 1.4, 50)
    exact = p.price(1.0, k, 1.0, True, tolerance=1e-13)
    errors = [np.max(np.abs(p.price(1.0, k, 1.0, True, tolerance=t) - exact)) for t in (1e-4, 1e-6, 1e-8)]
    assert errors[0] > 1e-6 > errors[1] > 1e-8 > errors[2] > 1e-11


@pytest.mark.skipif(UNCOMPILED, reason="Python's own scalars raise where compiled ones overflow")
@given(
    values=st.tuples(*[st.sampled_from(ODD)] * 4, st.sampled_from([-1.0, -0.999999, -0.5, 0.0, 0.7, 1.0])),
    market=st.tuples(*[st.sampled_from(WILD) | st.floats(0.5, 2.0)] * 4),
    is_call=st.booleans(),
    tolerance=st.sampled_from([1e-14, 1e-8, 1e-3]),
)
def test_prices_of_any_floats_come_soon_and_are_possible(values, market, is_call, tolerance):
    if values[1] == 0.0:
        return
    p, (forward, strike, tau, discount) = HestonParams(*values), market
    if tau < 0.0:
        with pytest.raises(ValueError, match="tau"):
            p.price(forward, strike, tau, is_call, discount, tolerance=tolerance)
        return
    start = time.perf_counter()
    price = float(p.price(forward, strike, tau, is_call, discount, tolerance=tolerance))
    assert time.perf_counter() - start < PATIENCE
    if math.isfinite(price):
        most = (forward if is_call else strike) * discount
        slack = 20.0 * max(tolerance, 1e-8) * max(forward, strike) * discount
        assert -slack <= price <= most + slack


anything = st.sampled_from(WILD)
quote = st.tuples(
    st.floats(0.5, 2.0), st.floats(0.5, 2.0), st.floats(1e-3, 3.0) | anything, st.floats(0.05, 2.0) | anything
)
odd_quote = st.tuples(*[anything | st.floats(0.5, 2.0)] * 4)


@pytest.mark.skipif(UNCOMPILED, reason="Python's own scalars raise where compiled ones overflow")
@given(quotes=st.lists(st.one_of(quote, quote, quote, odd_quote), min_size=1, max_size=16))
def test_fits_of_any_floats_end_in_a_status(quotes):
    forward, strike, tau, iv = np.array(quotes).T
    start = time.perf_counter()
    fit = fit_heston(forward, strike, tau, iv, global_search=False)
    assert time.perf_counter() - start < PATIENCE
    assert fit.residuals.shape == forward.shape
    if fit.params is None:
        assert fit.status in {Status.TOO_FEW_STRIKES, Status.NOT_CONVERGED}
    else:
        assert np.isfinite([fit.rmse, fit.max_error]).all()


@pytest.mark.skipif(UNCOMPILED, reason="this is the run without the compiler")
def test_kernels_pass_uncompiled():
    here = Path(__file__).parent
    files = [str(here / name) for name in ("test_heston_lewis.py", "test_heston_range.py")]
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *files],
        env=os.environ | {"NUMBA_DISABLE_JIT": "1", "PYTEST_ADDOPTS": ""},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert run.returncode == 0, run.stdout[-3000:]
