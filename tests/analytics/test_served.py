"""The served surface in time: ordered at every strike, linear at the forward, exact from its numbers."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from periscope_analytics import black
from periscope_analytics.arbitrage import certify
from periscope_analytics.calibration.served import SliceQuotes, fit_surface
from periscope_analytics.calibration.served_errors import chained_errors, vol_stderr
from periscope_analytics.errors import Status
from periscope_analytics.event_time import EVEN, Clock, passage, shares
from periscope_analytics.heston import HestonParams
from periscope_analytics.served import ServedSurface

TRUTH = HestonParams(v0=0.03, kappa=2.5, theta=0.05, sigma=0.7, rho=-0.6)
TAUS = (2.0 / 365.0, 0.02, 0.0205, 0.1, 0.5, 1.5)
K = np.linspace(-1.2, 0.8, 201)


def heston_quotes(tau, half=0.02):
    k = np.linspace(-4.0, 2.5, 40) * 0.2 * np.sqrt(tau)
    vol = TRUTH.implied_vol(1.0, np.exp(k), tau)
    price = black.price(1.0, np.exp(k), tau, vol, k >= 0.0)
    return SliceQuotes(tau, k, (1.0 - half) * price, (1.0 + half) * price)


@pytest.fixture(scope="module")
def fit():
    return fit_surface([heston_quotes(tau) for tau in TAUS])


@pytest.fixture(scope="module")
def surface(fit):
    return fit.params


def test_every_expiry_of_a_known_model_comes_back(fit, surface):
    assert fit.status is Status.OK
    for each, slice_ in zip(fit.slices, surface.slices, strict=True):
        k = np.linspace(-2.0, 1.5, 30) * 0.2 * np.sqrt(slice_.tau)
        assert each.inside > 0.99
        truth = TRUTH.implied_vol(1.0, np.exp(k), slice_.tau)
        assert np.median(np.abs(slice_.iv(k) - truth)) < 15e-4
    assert fit.residuals.size == 40 * len(TAUS)
    assert fit.stderr.size == sum(len(slice_.values) for slice_ in surface.slices)


def test_it_is_certified(surface):
    certificate = certify(surface)
    assert certificate.is_free
    assert certificate.min_g >= 0.0


def test_nothing_depends_on_what_memory_held_before(surface, monkeypatch):
    between = 0.5 * (TAUS[3] + TAUS[4])
    clean = ServedSurface.from_dict(surface.to_dict()).slice_at(between).iv(K)
    monkeypatch.setattr(np, "empty_like", lambda like: np.full(np.shape(like), np.inf))
    with np.errstate(invalid="raise"):
        stained = ServedSurface.from_dict(surface.to_dict()).slice_at(between).iv(K)
    assert np.array_equal(clean, stained)


def test_no_calendar_or_butterfly_arbitrage_on_a_fine_grid(surface):
    k = np.linspace(-3.0, 2.0, 2000)
    taus = np.geomspace(0.1 * TAUS[0], 3.0 * TAUS[-1], 200)
    w = np.array([surface.total_variance(k, tau) for tau in taus])
    assert np.all(np.diff(w, axis=0) >= -1e-13 * w[1:])
    assert min(surface.g(k, tau).min() for tau in taus) >= 0.0


def test_total_variance_at_the_forward_is_linear_in_time(surface):
    nodes = [0.0, *(slice_.atm_total_variance for slice_ in surface.slices)]
    taus = np.linspace(0.3 * TAUS[0], TAUS[-1], 57)
    linear = np.interp(taus, [0.0, *TAUS], nodes)
    assert np.allclose(surface.total_variance(0.0, taus), linear, rtol=1e-9)
    later = np.array([1.0, 1.7, 4.0]) * TAUS[-1]
    assert np.allclose(surface.iv(0.0, later), surface.iv(0.0, TAUS[-1]), rtol=1e-9)


def test_between_expiries_it_meets_the_slices(surface):
    for slice_ in surface.slices:
        assert surface.slice_at(slice_.tau) is slice_
        near = surface.slice_at(slice_.tau * (1.0 - 1e-9))
        assert np.allclose(near.total_variance(K), slice_.total_variance(K), rtol=1e-5)


def test_local_vol_is_positive_and_density_is_a_law_between_expiries(surface):
    for tau in (0.5 * TAUS[0], 0.01, 0.3, 2.0):
        slice_ = surface.slice_at(tau)
        assert np.all(surface.local_vol(K, tau) > 0.0)
        assert slice_.law.mass.sum() == pytest.approx(1.0, abs=1e-12)
        assert np.all(surface.density(K, tau) >= 0.0)


def test_local_vol_is_the_time_derivative_over_the_density(surface):
    k, tau, h = np.linspace(-0.3, 0.2, 9), 0.3, 1e-5
    rate = (surface.slice_at(tau + h).otm_price(k) - surface.slice_at(tau - h).otm_price(k)) / (2 * h)
    expected = np.sqrt(2 * rate / (np.exp(k) * surface.density(k, tau)))
    assert np.allclose(surface.local_vol(k, tau), expected, rtol=1e-5)


@pytest.fixture(scope="module")
def jumping(surface):
    """The surface with an event of 60 percent of a rise, at 0.25 years, and the passage that holds it."""
    clock = Clock(np.datetime64("2026-03-20T12:00"), np.array([], "datetime64[D]"), 1.0)
    taus, parts = np.array(TAUS), [None] * len(TAUS)
    parts[4] = shares(0.1, 0.5, clock, 0.6, np.array([0.25]))
    w = np.array([each.atm_total_variance for each in surface.slices])
    return surface.in_time(passage(taus, taus, w, parts))


def test_an_event_is_a_jump_of_total_variance(surface, jumping):
    w = jumping.total_variance(0.0, np.array([0.1, 0.25 - 1e-9, 0.25, 0.5]))
    assert (w - w[0]) / (w[-1] - w[0]) == pytest.approx([0.0, 0.15, 0.75, 1.0], abs=1e-6)
    assert np.allclose(jumping.slice_at(0.25).otm_price(K), surface.slice_at(0.4).otm_price(K), rtol=1e-9)
    for tau in (0.05, 0.1, 0.5, 1.0, 2.0):
        np.testing.assert_allclose(jumping.iv(K, tau), surface.iv(K, tau), rtol=1e-12)


def test_local_vol_around_an_event_is_that_of_the_rest(surface, jumping):
    k, h = np.linspace(-0.3, 0.2, 9), 1e-5
    for tau in (0.2, 0.3, 0.5 - 2 * h):
        early, late = jumping.slice_at(tau - h), jumping.slice_at(tau + h)
        rate = (late.otm_price(k) - early.otm_price(k)) / (2 * h)
        expected = np.sqrt(2 * rate / (np.exp(k) * jumping.density(k, tau)))
        assert np.allclose(jumping.local_vol(k, tau), expected, rtol=1e-5)
    at_end = jumping.slices[4].local_vol(k)
    assert np.allclose(at_end, jumping.local_vol(k, 0.5 - 1e-7), rtol=1e-4)
    assert np.allclose(at_end, np.sqrt(0.4) * surface.slices[4].local_vol(k), rtol=1e-12)
    for tau in (0.05, 1.0, 2.0):
        np.testing.assert_allclose(jumping.local_vol(k, tau), surface.local_vol(k, tau), rtol=1e-9)


def test_the_calendar_is_the_same_surface(surface):
    assert surface.in_time(EVEN) is surface
    assert {each.pace for each in (*surface.slices, surface.slice_at(0.3), surface.slice_at(3.0))} == {1.0}


@given(st.floats(1e-4, 10.0), st.floats(1.0, 3.0))
def test_prices_rise_in_time_at_every_strike(tau, longer):
    surface = _small()
    early, late = surface.slice_at(tau), surface.slice_at(longer * tau)
    assert np.all(late.otm_price(K) >= early.otm_price(K) * (1.0 - 1e-11))


def _small(made=[]):  # noqa: B006
    if not made:
        made.append(fit_surface([heston_quotes(tau) for tau in (0.02, 0.0205, 0.5)]).params)
    return made[0]


def test_published_numbers_give_every_bit_again(surface):
    again = ServedSurface.from_dict(json.loads(json.dumps(surface.to_dict())))
    for old, new in zip(surface.slices, again.slices, strict=True):
        assert np.array_equal(old.law.mass, new.law.mass)
    assert np.array_equal(surface.total_variance(K, 0.3), again.total_variance(K, 0.3))


def test_arguments_broadcast(surface):
    assert surface.iv(K[:, None], np.array(TAUS[:2])).shape == (K.size, 2)
    assert surface.iv(0.0, 0.1).shape == ()


def test_an_expiry_without_a_quote_is_left_out_with_its_status():
    fit = fit_surface([heston_quotes(0.02), SliceQuotes(0.05, [], [], []), heston_quotes(0.1)])
    assert [each.status for each in fit.slices] == [Status.OK, Status.TOO_FEW_STRIKES, Status.OK]
    assert [slice_.tau for slice_ in fit.params.slices] == [0.02, 0.1]


@pytest.mark.parametrize("place", [0, 1, 2])
def test_an_expiry_of_one_quote_borrows_its_neighbours_shape(place):
    whole = [heston_quotes(tau) for tau in (0.02, 0.05, 0.1)]
    near = int(np.argmin(np.abs(whole[place].k)))
    quotes = list(whole)
    quotes[place] = SliceQuotes(whole[place].tau, *(column[[near]] for column in whole[place][1:]))
    fit, full = fit_surface(quotes), fit_surface(whole)
    assert fit.slices[place].status is Status.BORROWED_SHAPE
    assert fit.slices[place].max_error < 1e-6
    assert len(fit.params.slices) == 3
    k = np.array([-1.0, -0.5, 0.0, 0.5]) * np.sqrt(full.params.slices[place].atm_total_variance)
    assert np.abs(fit.params.slices[place].iv(k) - full.params.slices[place].iv(k)).max() < 0.02
    factors = chained_errors(quotes, fit)
    errors = vol_stderr(fit.params.slices[place], factors[place], k)
    assert errors[0] > 2.0 * errors[2]


@pytest.mark.parametrize("tau", [30 / 365, 36 / 365, 41 / 365])
def test_wings_between_expiries_are_close_to_the_markets(tau):
    served = fit_surface([heston_quotes(each / 365, half=0.002) for each in (21, 28, 45, 63)]).params
    k = np.array([-1.8, -1.2, -0.6, 0.0, 0.6, 1.2]) * 0.18 * np.sqrt(tau)
    miss = served.iv(k, tau) - TRUTH.implied_vol(1.0, np.exp(k), tau)
    assert np.abs(miss).max() < 5e-4


def test_nothing_to_fit_is_a_status():
    for quotes in ([], [SliceQuotes(0.05, [], [], [])]):
        fit = fit_surface(quotes)
        assert fit.status is Status.TOO_FEW_STRIKES
        assert fit.params is None


def test_impossible_arguments_are_refused_by_name(surface):
    with pytest.raises(ValueError, match="tau"):
        fit_surface([heston_quotes(0.1), heston_quotes(0.1)])
    with pytest.raises(ValueError, match="tau"):
        surface.slice_at(0.0)
    with pytest.raises(ValueError, match="slices"):
        ServedSurface(())
    with pytest.raises(ValueError, match="slices"):
        ServedSurface(surface.slices[1:])
