"""Noisy chains, arbitrage in their quotes included, always give a surface without."""

from __future__ import annotations

import os

import numpy as np
import pytest

from periscope_analytics import black
from periscope_analytics.calibration.served import SliceQuotes, fit_surface
from periscope_analytics.certificate import certify_served

N_CHAINS = 10_000


def noisy_chain(rng):
    """One to twelve expiries of SSVI smiles whose levels cross, with gaps, outliers, tight and wide bands."""
    taus = np.sort(np.exp(rng.uniform(np.log(0.5 / 365), np.log(2.5), rng.integers(1, 13))))
    level = np.exp(rng.uniform(np.log(0.06), np.log(1.2)))
    lean, bend = rng.uniform(-0.9, 0.3), rng.uniform(0.2, 1.1)
    quotes = []
    for tau in taus + 1e-6 * np.arange(taus.size):
        theta = (level * np.exp(rng.normal(0.0, 0.15))) ** 2 * tau
        k = np.sort(rng.uniform(-6.0, 4.0, rng.integers(0, 40))) * np.sqrt(theta)
        x = bend / np.sqrt(theta) * k
        w = 0.5 * theta * (1.0 + lean * x + np.sqrt((x + lean) ** 2 + 1.0 - lean**2))
        vol = np.sqrt(w / tau) * np.exp(rng.normal(0.0, rng.choice([0.001, 0.01, 0.1]), k.size))
        price = black.price(1.0, np.exp(k), tau, vol, k >= 0.0)
        half = price * rng.uniform(0.002, 0.5, k.size)
        quotes.append(SliceQuotes(float(tau), k, price - half, price + half))
    return quotes


def check(seeds):
    fitted = 0
    for seed in seeds:
        surface = fit_surface(noisy_chain(np.random.default_rng(seed))).params
        if surface is None:
            continue
        fitted += 1
        found = certify_served(surface)
        assert found.is_free, (seed, found.min_g, found.n_butterfly, found.n_calendar, found.mass_error)
        assert len(found.grid) >= 2000
        assert len(found.tenors) >= 200
    return fitted


def test_a_hundred_noisy_chains_are_certified():
    assert check(range(100)) > 90
    # Laws whose grid ends before the certificate's strikes would.
    assert check((122, 224, 375)) == 3


@pytest.mark.nightly
@pytest.mark.skipif("PERISCOPE_NIGHTLY" not in os.environ, reason="run by make test-nightly")
def test_ten_thousand_noisy_chains_are_certified():
    assert check(range(N_CHAINS)) > 0.9 * N_CHAINS
