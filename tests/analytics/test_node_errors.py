"""Errors of nodes cover the truth as often as they say: at expiries and between, forwards in error too."""

from __future__ import annotations

import os

import numpy as np
import pytest

from periscope_analytics import black
from periscope_analytics.calibration.served import SliceQuotes, fit_surface
from periscope_analytics.calibration.served_errors import chained_errors, vol_factor
from periscope_analytics.heston import HestonParams
from periscope_analytics.skew import delta_gain, strike_for_delta
from periscope_analytics.vol_errors import VolErrors

TENORS = np.array([14.0, 30.0, 60.0, 91.0, 182.0, 365.0]) / 365.0
DELTAS = np.array([0.1, 0.25, 0.5, 0.75, 0.9])
FORWARD_STDERR = 5e-5


def market(rng):
    """A truth, its expiries and how wide it is quoted."""
    spot_variance = np.exp(rng.uniform(np.log(0.015), np.log(0.25)))
    truth = HestonParams(
        v0=spot_variance,
        kappa=rng.uniform(1.0, 4.0),
        theta=spot_variance * rng.uniform(0.7, 1.5),
        sigma=rng.uniform(0.5, 1.2) * np.sqrt(spot_variance) * 2.0,
        rho=rng.uniform(-0.8, -0.2),
    )
    taus = np.array([7, 14, 21, 28, 45, 63, 91, 126, 182, 273, 400]) / 365.0
    return truth, taus, rng.uniform(0.002, 0.02) * np.sqrt(spot_variance)


def quotes_of(truth, tau, width, rng):
    """Quotes of one expiry: the truth lies anywhere in its band, the forward used is wrong by its error."""
    spread = np.sqrt(truth.v0 * tau)
    k = np.linspace(-3.5, 2.5, int(rng.integers(15, 50))) * spread
    vol = truth.implied_vol(1.0, np.exp(k), tau)
    price = black.price(1.0, np.exp(k), tau, vol, k >= 0.0)
    half = width * np.exp(0.3 * np.abs(k / spread)) * black.greeks(1.0, np.exp(k), tau, vol, k >= 0.0).vega
    middle = price + rng.uniform(-1.0, 1.0, k.size) * half
    error = FORWARD_STDERR * rng.standard_normal()
    used = k - np.log1p(error)
    same = (used >= 0.0) == (k >= 0.0)
    bid, ask = np.maximum(middle - half, 0.2 * middle) / (1.0 + error), (middle + half) / (1.0 + error)
    return SliceQuotes(float(tau), used[same], bid[same], ask[same])


def scores(seeds):
    """Errors of nodes in their own standard errors, shape (chains, tenors, deltas)."""
    out = []
    for seed in seeds:
        rng = np.random.default_rng(seed)
        truth, taus, width = market(rng)
        quotes = [quotes_of(truth, tau, width, rng) for tau in taus]
        fit = fit_surface(quotes)
        factors = chained_errors(quotes, fit, forward_stderr=[FORWARD_STDERR] * len(quotes))
        slices = fit.params.slices
        atm = [float(each.iv(0.0)) for each in slices]
        own = [vol_factor(each, factor) for each, factor in zip(slices, factors, strict=True)]
        errors = VolErrors([each.tau for each in slices], atm, own)
        out.append([_at_tenor(fit.params, truth, errors, float(tau)) for tau in TENORS])
    return np.array(out)


def _at_tenor(surface, truth, errors, tau):
    part = surface.slice_at(tau)
    k = strike_for_delta(part, DELTAS, True)
    true = strike_for_delta(Truth(truth, tau), DELTAS, True)
    stderr = delta_gain(part, k) * errors.stderr(k / np.sqrt(part.atm_total_variance), tau)
    return (part.iv(k) - truth.implied_vol(1.0, np.exp(true), tau)) / stderr


class Truth:
    """A Heston smile as a slice."""

    def __init__(self, params, tau):
        self.params, self.tau = params, tau

    def total_variance(self, k):
        at = np.asarray(k, dtype=np.float64)
        return self.params.implied_vol(1.0, np.exp(at), self.tau) ** 2 * self.tau


def check(found):
    size = np.abs(found)
    assert np.isfinite(size).all()
    assert 0.63 <= np.mean(size < 1.0) <= 0.73
    assert 0.93 <= np.mean(size < 2.0) <= 0.97


def test_node_errors_cover_on_fifty_chains():
    check(scores(range(50)))


@pytest.mark.nightly
@pytest.mark.skipif("PERISCOPE_NIGHTLY" not in os.environ, reason="run by make test-nightly")
def test_node_errors_cover_on_a_thousand_chains():
    found = scores(range(1000))
    check(found)
    assert (np.abs(np.mean(np.abs(found) < 1.0, axis=0) - 0.68) < 0.1).all()
