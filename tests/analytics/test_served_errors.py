"""Stated errors of the served surface cover the truth as often as they say, at every expiry."""

from __future__ import annotations

import numpy as np
import pytest

from periscope_analytics import black
from periscope_analytics.calibration.served import SliceQuotes, fit_surface
from periscope_analytics.calibration.served_errors import chained_errors, vol_stderr
from periscope_analytics.heston import HestonParams

TRUTH = HestonParams(v0=0.04, kappa=2.0, theta=0.05, sigma=0.6, rho=-0.7)
TAUS = (7 / 365, 30 / 365, 0.25, 1.0)
HALF_WIDTH = 30e-4
"""Of the bands, in vol; the truth lies anywhere inside its own."""


def at_z(z, tau):
    k = np.asarray(z) * 0.2 * np.sqrt(tau)
    return k, TRUTH.implied_vol(1.0, np.exp(k), tau)


def chain(rng):
    quotes = []
    for tau in TAUS:
        k, vol = at_z(np.linspace(-4.0, 2.5, 30), tau)
        price = black.price(1.0, np.exp(k), tau, vol, k >= 0.0)
        half = HALF_WIDTH * black.greeks(1.0, np.exp(k), tau, vol, k >= 0.0).vega
        mid = price + rng.uniform(-1.0, 1.0, k.size) * half
        quotes.append(SliceQuotes(tau, k, np.maximum(mid - half, 0.2 * mid), mid + half))
    return quotes


@pytest.fixture(scope="module")
def scores():
    rng, out = np.random.default_rng(0), []
    for _ in range(80):
        quotes = chain(rng)
        fit = fit_surface(quotes)
        factors = chained_errors(quotes, fit)
        row = []
        for slice_, factor in zip(fit.params.slices, factors, strict=True):
            k, vol = at_z([-2.0, -1.0, -0.5, 0.0, 0.5, 1.0], slice_.tau)
            row.append((slice_.iv(k) - vol) / vol_stderr(slice_, factor, k))
        out.append(row)
    return np.abs(np.array(out))


def test_one_sigma_covers_as_it_should(scores):
    assert 0.63 < np.mean(scores < 1.0) < 0.76


def test_two_sigmas_cover_as_they_should(scores):
    assert 0.92 < np.mean(scores < 2.0) < 0.98


def test_later_expiries_are_not_worse_covered(scores):
    by_expiry = np.sqrt(np.mean(scores**2, axis=(0, 2)))
    assert np.all((by_expiry > 0.75) & (by_expiry < 1.3))


def test_an_expiry_without_a_slice_has_no_errors():
    quotes = chain(np.random.default_rng(1))
    quotes.insert(1, SliceQuotes(0.05, [], [], []))
    factors = chained_errors(quotes, fit_surface(quotes))
    assert [factor is None for factor in factors] == [False, True, False, False, False]
