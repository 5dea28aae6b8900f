"""Model-free variance from quotes and from smiles."""

from __future__ import annotations

import math

import numpy as np
import pytest

from periscope_analytics import black, variance
from periscope_analytics.errors import Status
from periscope_analytics.heston import HestonParams
from periscope_analytics.surface import Smile
from periscope_analytics.svi import SVIParams

TAU, FORWARD, DISCOUNT = 0.25, 101.0, 0.99


class Flat:
    def __init__(self, vol, tau):
        self.vol, self.tau = vol, tau

    def total_variance(self, k):
        return np.full(np.shape(k), self.vol**2 * self.tau)


def _quotes(strike, vol, half=0.0):
    call, put = (black.price(FORWARD, strike, TAU, vol, side, DISCOUNT) for side in (True, False))
    return call - half, call + half, put - half, put + half


@pytest.mark.parametrize(("vol", "tau"), [(0.01, 1 / 365), (0.2, 0.25), (0.8, 2.0), (1.5, 3.0)])
def test_a_flat_smile_gives_its_own_vol(vol, tau):
    assert variance.from_slice(Flat(vol, tau)).iv == pytest.approx(vol, rel=1e-10)


def test_the_integral_over_a_smile_is_that_over_its_density():
    smile = Smile(SVIParams(0.01, 0.08, -0.5, 0.02, 0.15), 0.5)
    k = np.linspace(-15.0, 10.0, 500_001)
    w = smile.total_variance(k)
    density = (
        smile.params.g(k) * np.exp(-0.5 * (k / np.sqrt(w) + 0.5 * np.sqrt(w)) ** 2) / np.sqrt(2 * np.pi * w)
    )
    expected = -2.0 * np.sum(k * density) * (k[1] - k[0]) / smile.tau
    assert variance.from_slice(smile).variance == pytest.approx(expected, rel=1e-6)


def test_hestons_fair_variance_is_its_expected_variance():
    params, tau = HestonParams(0.04, 2.0, 0.09, 0.7, -0.6), 0.5

    class Model:
        def __init__(self):
            self.tau = tau

        def total_variance(self, k):
            inner = np.clip(k, -1.6, 1.0)
            return params.implied_vol(1.0, np.exp(inner), tau) ** 2 * tau

    expected = params.theta + (params.v0 - params.theta) * -math.expm1(-params.kappa * tau) / (
        params.kappa * tau
    )
    assert variance.from_slice(Model()).variance == pytest.approx(expected, rel=2e-4)


def test_a_dense_strip_gives_the_vol():
    strike = np.arange(20.0, 400.0, 0.25)
    result = variance.model_free(strike, *_quotes(strike, 0.2), FORWARD, TAU, DISCOUNT)
    assert result.status is Status.OK
    assert result.iv == pytest.approx(0.2, abs=2e-5)


def test_the_index_formula_on_a_coarse_strip():
    strike = np.array([90.0, 95.0, 100.0, 105.0, 110.0])
    result = variance.model_free(strike, *_quotes(strike, 0.2), FORWARD, TAU, DISCOUNT)
    put, call = (black.price(FORWARD, strike, TAU, 0.2, side) for side in (False, True))
    q = np.array([put[0], put[1], 0.5 * (put[2] + call[2]), call[3], call[4]])
    expected = 2.0 / TAU * np.sum(5.0 / strike**2 * q) - (FORWARD / 100.0 - 1.0) ** 2 / TAU
    assert result.variance == pytest.approx(expected, rel=1e-13)
    assert result.n_used == 5
    assert (result.k_min, result.k_max) == pytest.approx((math.log(90 / 101), math.log(110 / 101)))


def test_two_strikes_without_a_bid_end_the_strip():
    strike = np.arange(60.0, 150.0, 5.0)
    call_bid, call_ask, put_bid, put_ask = _quotes(strike, 0.25)
    put_bid[np.isin(strike, [70.0, 75.0, 85.0])] = 0.0
    call_bid[strike == 120.0] = np.nan
    result = variance.model_free(strike, call_bid, call_ask, put_bid, put_ask, FORWARD, TAU, DISCOUNT)
    assert result.k_min == pytest.approx(math.log(80.0 / FORWARD))
    assert result.k_max == pytest.approx(math.log(145.0 / FORWARD))
    assert result.n_used == 12


def test_absence_has_a_reason():
    strike = np.array([90.0, 100.0, 110.0])
    quotes = _quotes(strike, 0.2)
    cases = {
        Status.EXPIRED: variance.model_free(strike, *quotes, FORWARD, 0.0),
        Status.INVALID_VALUE: variance.model_free(strike, *quotes, np.nan, TAU),
        Status.TOO_FEW_STRIKES: variance.model_free(strike, *quotes, 80.0, TAU),
        Status.DEGENERATE: variance.from_slice(Smile(SVIParams(-0.1, 0.1, 0.0, 0.0, 0.1), 1.0)),
    }
    for status, result in cases.items():
        assert result.status is status
        assert math.isnan(result.variance)
        assert math.isnan(result.iv)


def test_bad_arguments_are_named():
    strike = np.array([90.0, 100.0, 100.0])
    with pytest.raises(ValueError, match="strike"):
        variance.model_free(strike, *_quotes(strike, 0.2), FORWARD, TAU)
    with pytest.raises(ValueError, match="tau"):
        variance.model_free(strike[:2], *_quotes(strike[:2], 0.2), FORWARD, -1.0)
    with pytest.raises(ValueError, match="quotes"):
        variance.model_free(strike[:2], *_quotes(strike, 0.2), FORWARD, TAU)
