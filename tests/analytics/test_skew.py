"""Delta-space metrics and their sign conventions."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from periscope_analytics import black, skew
from periscope_analytics.surface import Smile, VolSurface, iv
from periscope_analytics.svi import SVIParams

SKEWED = Smile(SVIParams(0.005, 0.08, -0.6, 0.02, 0.12), 0.25)


class Flat:
    def __init__(self, vol, tau):
        self.vol, self.tau = vol, tau

    def total_variance(self, k):
        return np.full(np.shape(k), self.vol**2 * self.tau)


@given(delta=st.floats(1e-4, 0.999), is_call=st.booleans())
def test_the_strike_has_its_delta(delta, is_call):
    k = float(skew.strike_for_delta(SKEWED, delta, is_call))
    vol = float(iv(SKEWED, k))
    found = float(black.greeks(1.0, np.exp(k), SKEWED.tau, vol, is_call).delta)
    assert abs(found) == pytest.approx(delta, rel=1e-9)
    assert (found > 0.0) == is_call


def test_strikes_lie_on_their_side_and_broadcast():
    k = skew.strike_for_delta(SKEWED, [0.1, 0.25], [[True], [False]])
    assert k.shape == (2, 2)
    assert k[0, 0] > k[0, 1] > 0.0 > k[1, 1] > k[1, 0]


def test_a_flat_smile_has_no_skew():
    flat = Flat(0.2, 0.5)
    assert skew.risk_reversal(flat, [0.1, 0.25]) == pytest.approx([0.0, 0.0], abs=1e-14)
    assert skew.butterfly(flat, 0.25) == pytest.approx(0.0, abs=1e-14)
    assert skew.slope(flat) == pytest.approx(0.0, abs=1e-9)
    assert skew.curvature(flat) == pytest.approx(0.0, abs=1e-6)


def test_signs():
    assert skew.risk_reversal(SKEWED, 0.25) < 0.0
    assert skew.slope(SKEWED) < 0.0
    call, put = (iv(SKEWED, skew.strike_for_delta(SKEWED, 0.25, side)) for side in (True, False))
    assert skew.risk_reversal(SKEWED, 0.25) == pytest.approx(float(call - put))
    assert skew.butterfly(SKEWED, 0.25) == pytest.approx(float((call + put) / 2 - iv(SKEWED, 0.0)))


def test_slope_and_curvature_are_derivatives_of_vol():
    h = 1e-4
    up, here, down = iv(SKEWED, h), iv(SKEWED, 0.0), iv(SKEWED, -h)
    assert skew.slope(SKEWED) == pytest.approx((up - down) / (2 * h), rel=1e-6)
    assert skew.curvature(SKEWED) == pytest.approx((up - 2 * here + down) / h**2, rel=1e-5)


def test_term_structure():
    surface = VolSurface([Flat(0.2, 0.5), Flat(0.25, 1.0), Flat(0.1, 2.0)], [100.0] * 3)
    term = skew.term_structure(surface, 0.25)
    assert term.tau == pytest.approx([0.5, 1.0, 2.0])
    assert term.atm_iv == pytest.approx([0.2, 0.25, 0.1])
    assert term.forward_iv[:2] == pytest.approx([0.2, np.sqrt((0.0625 - 0.02) / 0.5)])
    assert np.isnan(term.forward_iv[2])
    assert term.risk_reversal == pytest.approx(np.zeros(3), abs=1e-13)


def test_a_delta_out_of_reach_is_absent():
    steep = Smile(SVIParams(0.04, 1.9, 0.05, 0.0, 0.5), 1.0)
    k = skew.strike_for_delta(steep, [0.5, 1e-12], True)
    assert np.isfinite(k[0])
    assert np.isnan(k[1])
    assert np.isnan(skew.strike_for_delta(Smile(SVIParams(-0.1, 0.1, 0.0, 0.0, 0.1), 1.0), 0.25, True))


@pytest.mark.parametrize("delta", [0.0, 1.0, -0.25, np.nan])
def test_bad_deltas_are_named(delta):
    with pytest.raises(ValueError, match="delta"):
        skew.strike_for_delta(SKEWED, delta, True)
