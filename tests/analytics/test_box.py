"""Rates from boxes: what the strikes tell is taken up, what they don't is left to the curve."""

from __future__ import annotations

import numpy as np
import pytest

from periscope_analytics.box import SPREAD, fit_zero_rates

TAU = np.geomspace(0.01, 2.0, 25)
CURVE = np.full(TAU.size, 0.05)


def discounts(rate, error):
    discount = np.exp(-rate * TAU)
    return discount, error * discount * TAU


def test_narrow_strikes_tell_their_own_rate():
    truth = 0.05 + 0.004 * np.exp(-TAU)
    fit = fit_zero_rates(TAU, CURVE, *discounts(truth, 1e-5))
    assert np.max(np.abs(fit.rate - truth)) < 1e-4
    assert np.max(fit.stderr) < 5e-4


def test_without_a_telling_strike_it_is_the_curve():
    fit = fit_zero_rates(TAU, CURVE, np.full(TAU.size, np.nan), np.full(TAU.size, np.inf))
    assert np.array_equal(fit.rate, CURVE)
    assert np.all(fit.stderr == SPREAD)


def test_what_one_expiry_tells_fades_with_distance():
    discount, error = discounts(CURVE + 0.004, 1e-5)
    error[np.arange(TAU.size) != 12] = np.inf
    fit = fit_zero_rates(TAU, CURVE, discount, error)
    above = fit.rate - CURVE
    assert above[12] == pytest.approx(0.004, rel=0.02)
    assert np.all(np.diff(above[:13]) > 0)
    assert np.all(np.diff(above[12:]) < 0)
    assert np.all(np.diff(fit.stderr[12:]) > 0)


def test_one_wrong_expiry_is_outvoted():
    truth = CURVE + 0.003
    discount, error = discounts(truth, 3e-4)
    discount[10] *= np.exp(-0.02 * TAU[10])
    fit = fit_zero_rates(TAU, CURVE, discount, error)
    assert np.max(np.abs(fit.rate - truth)) < 1e-3


def test_errors_are_those_of_the_draws():
    rng = np.random.default_rng(11)
    scores = []
    for _ in range(200):
        level, tilt = rng.normal(0.0, 0.003), rng.normal(0.0, 0.001)
        truth = CURVE + level + tilt * np.log(TAU)
        error = np.where(rng.random(TAU.size) < 0.5, 5e-4, 3e-3)
        discount, stderr = discounts(truth + error * rng.normal(size=TAU.size), error)
        fit = fit_zero_rates(TAU, CURVE, discount, stderr)
        scores.append((fit.rate - truth) / fit.stderr)
    assert 0.4 < np.std(scores) < 1.2


def test_settled_expiries_keep_the_curve():
    tau = np.array([-0.01, 0.0, 0.5, 1.0])
    discount = np.exp(-0.054 * tau)
    fit = fit_zero_rates(tau, np.full(4, 0.05), discount, np.full(4, 1e-5))
    assert fit.rate[0] == fit.rate[1] == 0.05
    assert fit.rate[3] == pytest.approx(0.054, abs=1e-4)
