"""The served surface's certificate: it sees what is there, and says what the surface itself says."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest

from periscope_analytics import black
from periscope_analytics.calibration.served import SliceQuotes, fit_surface
from periscope_analytics.certificate import TENORS, _laws, certify_served
from periscope_analytics.kernels.slice_law import examine
from periscope_analytics.served import ServedSurface
from periscope_analytics.slice import SliceParams, geometry

TAUS = np.array([0.02, 0.1, 0.4, 1.1])


def fitted() -> ServedSurface:
    quotes = []
    for tau in TAUS:
        k = np.linspace(-3.0, 2.0, 25) * 0.2 * np.sqrt(tau)
        vol = 0.2 - 0.15 * k + 0.1 * k * k
        price = black.price(1.0, np.exp(k), tau, vol, k >= 0.0)
        quotes.append(SliceQuotes(float(tau), k, 0.98 * price, 1.02 * price))
    surface = fit_surface(quotes).params
    assert surface is not None
    return surface


@pytest.fixture(scope="module")
def surface() -> ServedSurface:
    return fitted()


def test_a_fitted_surface_is_free_on_the_whole_grid(surface):
    found = certify_served(surface)
    assert found.is_free
    assert (found.n_butterfly, found.n_calendar, found.n_slices) == (0, 0, 4)
    assert found.tenors.size >= TENORS
    assert np.all(np.diff(found.tenors) > 0.0)
    assert found.tenors[0] < TAUS[0] < TAUS[-1] < found.tenors[-1]
    assert np.all(np.isin(np.round(TAUS, 9), np.round(found.tenors, 9)))
    assert found.min_g == found.g_by_slice.min() >= 0.0
    assert found.min_calendar >= 0.0
    assert max(found.mass_error, found.mean_error) < 1e-9


def test_wings_and_least_g_are_the_slices_own(surface):
    found = certify_served(surface)
    assert found.left_wing == pytest.approx(max(each.left_slope for each in surface.slices), rel=1e-12)
    assert found.right_wing == pytest.approx(max(each.right_slope for each in surface.slices), rel=1e-12)
    inside = found.grid[1:-1:7]
    for each, least in zip(surface.slices, found.g_by_slice, strict=True):
        assert least <= each.g(inside).min() + 2e-3


def test_laws_between_expiries_are_the_surface_s(surface):
    for i, laws in enumerate(_laws(surface)):
        for row in (0, laws.tenors.size // 2):
            there = surface.slice_at(float(laws.tenors[row]))
            assert np.allclose(there.law.mass, laws.mass[row], rtol=1e-6, atol=1e-12), i
            assert np.allclose(there.law.call, laws.call[row], rtol=1e-6, atol=1e-12), i


def test_anybody_can_recompute_it(surface):
    again = ServedSurface.from_dict(surface.to_dict())
    one, other = certify_served(surface), certify_served(again)
    assert one.min_g == other.min_g
    assert np.array_equal(one.tenors, other.tenors)


def test_negative_probabilities_and_falling_prices_are_counted():
    broken = fitted()
    last: SliceParams = broken.slices[-1]
    inverse = last.law.inverse.copy()
    middle = np.abs(geometry(last.grid).x) < 0.05
    inverse[middle] *= -1.0
    last.__dict__["law"] = last.law._replace(inverse=inverse)
    found = certify_served(broken)
    assert not found.is_free
    assert found.n_butterfly > 0
    assert found.n_calendar > 0


def test_prices_are_compared_law_after_law():
    rng, n_laws, kept = np.random.default_rng(0), 11, np.array([3, 10])
    first, weight = np.array([0, 1, 1, 4, 5]), rng.random((5, 4))
    puts, calls = rng.random((9, n_laws)), rng.random((9, n_laws))
    price = np.empty((kept.size, first.size))
    n_fallen = examine(first, weight, 2, puts, calls, 0.0, kept, price)
    rows = first[:, None] + np.arange(4)
    there = np.where(np.arange(5)[:, None, None] < 2, puts[rows], calls[rows])
    prices = np.einsum("ij,ijs->is", weight, there)
    assert np.allclose(price, prices[:, kept].T, rtol=1e-14)
    assert n_fallen == np.count_nonzero(np.diff(prices, axis=1) < 0.0) > 0
    assert examine(first, weight, 2, -puts, -calls, 0.0, kept, price) > first.size


SMALL = """
import numpy as np
from periscope_analytics.calibration.slice import SliceSettings, fit_slice
from periscope_analytics.certificate import certify_served
from periscope_analytics.served import ServedSurface
from periscope_analytics.slice import GridRule, SliceParams
rule = GridRule(0.1, -2.0, 1.5, 1.0, 24)
one = SliceParams(0.1, 0.1, (-2.0, 0.0, 2.0), (0.1, 0.0, 0.2), rule, 0.01)
two = SliceParams(0.3, 0.2, (-2.0, 0.0, 2.0), (0.2, 0.0, 0.1), rule, 0.01, previous=one)
found = certify_served(ServedSurface((one, two)))
k = np.linspace(-0.3, 0.2, 7)
price = one.otm_price(k)
fit = fit_slice(k, 0.97 * price, 1.03 * price, tau=0.1, settings=SliceSettings(grid_points=40))
print(found.n_butterfly, found.n_calendar, found.min_g, found.left_wing, found.right_wing)
print(*found.tenors[::20], fit.rmse, *fit.params.iv(k))
"""


@pytest.mark.skipif(
    "NUMBA_DISABLE_JIT" in os.environ, reason="this compares with the run without the compiler"
)
def test_kernels_of_laws_pass_uncompiled():
    told = []
    for extra in ({}, {"NUMBA_DISABLE_JIT": "1"}):
        command = [sys.executable, "-W", "ignore::RuntimeWarning", "-c", SMALL]
        run = subprocess.run(command, env=os.environ | extra, capture_output=True, text=True, check=False)
        assert run.returncode == 0, run.stderr[-2000:]
        told.append([float(word) for word in run.stdout.split()])
    assert np.allclose(*told, rtol=1e-9, atol=1e-12)
    assert told[0][:2] == [0.0, 0.0]
