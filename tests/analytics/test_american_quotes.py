"""Vols of three prices at once: those of the general inversion, at less of its price."""

from __future__ import annotations

import numpy as np
import pytest

from periscope_analytics import american
from periscope_analytics.american_quotes import Options, _secant, quote_vols
from periscope_analytics.errors import Status

DIVIDENDS = ([0.8, 0.8, 0.85], [0.05, 0.3, 0.55])


def chain(seed=0, n=600):
    rng = np.random.default_rng(seed)
    tau = rng.choice([0.02, 0.1, 0.5, 1.5], n)
    vol = rng.uniform(0.08, 0.6, n)
    strike = 100.0 * np.exp(rng.uniform(-2.5, 2.5, n) * vol * np.sqrt(tau))
    is_call = rng.random(n) < 0.5
    return Options(np.full(n, 100.0), strike, tau, np.full(n, 0.05), np.full(n, 0.0), is_call), vol, rng


@pytest.mark.parametrize("dividends", [None, DIVIDENDS])
@pytest.mark.parametrize("q", [0.0, 0.03])
def test_they_are_those_of_the_general_inversion(dividends, q):
    options, vol, rng = chain()
    options = options._replace(dividend_yield=np.full(len(vol), q))
    mid = american.price(*options[:5], vol, options.is_call, dividends)
    half = rng.uniform(0.0, 0.6, len(vol)) * np.minimum(mid, 1.0)
    mid[::50] = np.nan
    found = quote_vols(mid, (mid - half, mid + half), options, dividends)
    for each, price in zip(found, (mid, mid - half, mid + half), strict=True):
        general = american.implied_vol(price, *options, dividends)
        assert np.array_equal(each.status, general.status)
        assert np.array_equal(np.isfinite(each.sigma), each.status == Status.OK)
        miss = np.abs(each.sigma - general.sigma)
        assert np.nanmax(miss) < 1e-5
        assert np.nanquantile(miss, 0.95) < 1e-6


def test_exact_starts_and_steps_that_lead_nowhere():
    def gap(x, rows):
        return np.array([0.0, np.nan, 1.0])[rows] + 0.0 * x

    x = np.full(3, 0.2)
    root, _, rests = _secant(gap, x, np.array([0.0, 1.0, 1.0]), np.ones(3))
    assert list(rests) == [True, False, False]
    assert root[0] == 0.2
