"""Surfaces: interpolation, density and local vol of slices with known answers."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from periscope_analytics import black
from periscope_analytics.event_time import Clock, passage, shares
from periscope_analytics.surface import Smile, VolSurface, derivatives, iv, wing_slopes
from periscope_analytics.svi import SVIParams

TAUS = (0.1, 0.5, 1.5)
SSVI = tuple(
    Smile(SVIParams(0.5 * theta * (1 - 0.5**2), 0.5 * theta * 2.0, -0.5, 0.25, 0.4330127018922193), tau)
    for theta, tau in zip((0.005, 0.02, 0.06), TAUS, strict=True)
)
SURFACE = VolSurface(SSVI, (100.0, 101.0, 103.0))
DAYS = Clock(np.datetime64("2026-03-20T12:00"), np.array([], "datetime64[D]"), 1.0)
K = np.linspace(-1.0, 1.0, 41)


class Flat:
    """A slice of one vol that knows nothing but its total variance."""

    def __init__(self, vol, tau):
        self.vol, self.tau = vol, tau

    def total_variance(self, k):
        return np.full(np.shape(k), self.vol**2 * self.tau)


def test_slices_are_hit_exactly():
    for smile, forward in zip(SSVI, SURFACE.forwards, strict=True):
        assert np.allclose(SURFACE.total_variance(K, smile.tau), smile.total_variance(K), rtol=1e-14)
        vols = SURFACE.iv(forward * np.exp(K), smile.tau)
        assert np.allclose(vols, smile.params.iv(K, smile.tau), rtol=1e-13)


@given(share=st.floats(0.0, 1.0))
def test_total_variance_is_linear_between_expiries(share):
    tau = TAUS[0] + share * (TAUS[1] - TAUS[0])
    expected = (1.0 - share) * SSVI[0].total_variance(K) + share * SSVI[1].total_variance(K)
    assert np.allclose(SURFACE.total_variance(K, tau), expected, rtol=1e-12)


def test_outside_the_expiries_vols_at_constant_moneyness_are_kept():
    for tau, nearest in ((0.02, SSVI[0]), (4.0, SSVI[2])):
        vol = np.sqrt(SURFACE.total_variance(K, tau) / tau)
        assert np.allclose(vol, iv(nearest, K), rtol=1e-13)
    assert SURFACE.forward([0.01, 0.1, 1.5, 9.0]) == pytest.approx([100.0, 100.0, 103.0, 103.0])
    assert SURFACE.forward(0.3) == pytest.approx(np.sqrt(100.0 * 101.0))


def test_shapes_broadcast_and_order_does_not_matter():
    tau = np.array([2.0, 0.05, 0.5, 0.3, 0.1])[:, None]
    block = SURFACE.total_variance(K[None, :], tau)
    assert block.shape == (5, 41)
    for row, when in zip(block, tau[:, 0], strict=True):
        assert np.array_equal(row, SURFACE.total_variance(K, when))
    assert SURFACE.iv(100.0, 0.3).shape == ()


@pytest.mark.parametrize("tau", [0.02, 0.1, 0.3, 1.0, 3.0])
def test_the_density_has_mass_one_and_mean_forward(tau):
    k = np.linspace(-12.0, 8.0, 400_001)
    density, step = SURFACE.density(k, tau), k[1] - k[0]
    assert density.min() >= 0.0
    assert np.sum(density) * step == pytest.approx(1.0, abs=1e-6)
    assert np.sum(density * np.exp(k)) * step == pytest.approx(1.0, abs=1e-6)


def test_the_density_prices_options():
    tau, k = 0.7, np.linspace(-12.0, 8.0, 400_001)
    payoff = np.maximum(np.exp(k) - 1.1, 0.0)
    vol = float(np.sqrt(SURFACE.total_variance(np.log(1.1), tau) / tau))
    expected = float(black.price(1.0, 1.1, tau, vol, True))
    assert np.sum(SURFACE.density(k, tau) * payoff) * (k[1] - k[0]) == pytest.approx(expected, abs=1e-7)


def test_local_vol_of_a_flat_surface_is_the_forward_vol():
    surface = VolSurface([Flat(0.2, 0.5), Flat(0.25, 1.0)], [100.0, 100.0])
    forward_vol = np.sqrt((0.0625 - 0.5 * 0.04) / 0.5)
    assert np.allclose(surface.local_vol(K, 0.8), forward_vol, rtol=1e-6)
    assert np.allclose(surface.local_vol(K, 0.3), 0.2, rtol=1e-6)
    assert np.allclose(surface.local_vol(K, 2.0), 0.25, rtol=1e-6)


def test_the_jump_that_an_event_is_is_no_part_of_local_vol():
    """A vol of 0.2 and, between two expiries, an event of a fifth of total variance."""
    event, at, ends = 0.01, 0.7, np.array([0.5, 1.0])
    w = 0.04 * ends + event * (ends > at)
    part = shares(0.5, 1.0, DAYS, event / (w[1] - w[0]), np.array([at]))
    slices = [Flat(float(np.sqrt(total / tau)), float(tau)) for total, tau in zip(w, ends, strict=True)]
    surface = VolSurface(slices, [100.0, 100.0], passage(ends, ends, w, [None, part]))
    tau = np.array([0.3, 0.5, 0.6, 0.7 - 1e-9, 0.7, 0.9, 1.0])
    held = event * (tau >= at)
    assert surface.total_variance(0.1, tau) == pytest.approx(0.04 * tau + held, rel=1e-8)
    assert surface.local_vol(0.1, tau) == pytest.approx(0.2, rel=1e-6)
    assert VolSurface(slices, [100.0, 100.0]).local_vol(0.1, 0.6) > 0.23


def test_local_vol_reprices_by_dupires_equation():
    k, tau, h = np.linspace(-0.3, 0.3, 13), 0.8, 1e-4

    def call(at, when):
        w = SURFACE.total_variance(at, when)
        return black.price(1.0, np.exp(at), 1.0, np.sqrt(w), True)

    by_tau = (call(k, tau + h) - call(k, tau - h)) / (2.0 * h)
    up, here, down = call(k + h, tau), call(k, tau), call(k - h, tau)
    gamma = (up - 2.0 * here + down) / h**2 - (up - down) / (2.0 * h)
    assert np.allclose(SURFACE.local_vol(k, tau) ** 2, 2.0 * by_tau / gamma, rtol=2e-4)


def test_derivatives_by_differences():
    class Bare:
        tau = TAUS[1]

        def total_variance(self, k):
            return SSVI[1].total_variance(k)

    first, second = derivatives(Bare(), K)
    exact = SSVI[1].derivatives(K)
    assert np.allclose(first, exact[0], atol=1e-7)
    assert np.allclose(second, exact[1], atol=1e-6)
    assert wing_slopes(Bare()) == pytest.approx(wing_slopes(SSVI[1]), rel=1e-3)


def test_a_maturity_of_the_surface_is_a_slice():
    middle = SURFACE.slice_at(0.3)
    assert np.array_equal(middle.total_variance(K), SURFACE.total_variance(K, 0.3))
    assert np.allclose(
        derivatives(middle, K)[0], 0.5 * (SSVI[0].derivatives(K)[0] + SSVI[1].derivatives(K)[0])
    )


def test_bad_arguments_are_named():
    with pytest.raises(ValueError, match="tau"):
        SURFACE.total_variance(0.0, 0.0)
    with pytest.raises(ValueError, match="slices"):
        VolSurface([SSVI[1], SSVI[0]], [100.0, 100.0])
    with pytest.raises(ValueError, match="forwards"):
        VolSurface(SSVI, [100.0, 100.0])
    with pytest.raises(ValueError, match="forwards"):
        VolSurface(SSVI, [100.0, 0.0, 100.0])
    with pytest.raises(ValueError, match="tau"):
        Smile(SSVI[0].params, 0.0)
    assert np.isnan(SURFACE.iv([-1.0, 0.0, np.nan], 0.5)).all()
