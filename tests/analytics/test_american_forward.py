"""Forwards of many American expiries at once: exact quotes, no spot, slow and swinging fixed points."""

from __future__ import annotations

import numpy as np
import pytest

from periscope_analytics import american
from periscope_analytics.american_forward import Carry, _settle, fit_american_forward, fit_american_forwards
from periscope_analytics.errors import Status
from periscope_analytics.forward import ForwardFits, Pairs, two_sided

SPOT, RATE, VOL = 100.0, 0.055, 0.25
STRIKES = np.arange(70.0, 131.0, 2.5)
TAUS = np.array([0.03, 0.12, 0.4, 1.0, 2.0])
DIVIDENDS = ([0.7, 0.7, 0.7, 0.7], [0.08, 0.33, 0.58, 0.83])


def sides(tau, q, dividends, half_width=0.02):
    found = [STRIKES]
    for is_call in (True, False):
        value = american.price(SPOT, STRIKES, tau, RATE, q, VOL, is_call, dividends)
        found += [value - half_width, value + half_width]
    return found


def together(columns):
    pairs = [two_sided(*each) for each in columns]
    start = np.concatenate(([0], np.cumsum([len(each.strike) for each in pairs])))
    return start, Pairs(*(np.concatenate(column) for column in zip(*pairs, strict=True)))


def truth(q, dividends):
    paid = american.escrowed(TAUS, RATE, dividends)
    return (SPOT - paid) * np.exp((RATE - q) * TAUS)


@pytest.mark.parametrize(("q", "dividends"), [(0.0, DIVIDENDS), (0.02, None)])
def test_all_expiries_at_once_give_their_forwards(q, dividends):
    spot = np.where(q > 0.0, SPOT, np.nan) * np.ones(TAUS.size)
    columns = [sides(tau, q, dividends) for tau in TAUS]
    fits = fit_american_forwards(*together(columns), Carry(TAUS, np.full(TAUS.size, RATE), spot), dividends)
    assert np.all(fits.status == Status.OK)
    assert fits.forward == pytest.approx(truth(q, dividends), abs=2e-3)
    one = [
        fit_american_forward(*each, tau, RATE, SPOT if q else None, dividends)
        for each, tau in zip(columns, TAUS, strict=True)
    ]
    assert fits.forward == pytest.approx([each.forward for each in one], rel=1e-12)


def test_one_bad_expiry_leaves_its_neighbours_alone():
    columns = [sides(tau, 0.0, DIVIDENDS) for tau in TAUS]
    columns[2] = [column[:2] for column in columns[2]]
    taus = TAUS.copy()
    taus[3] = np.nan
    fits = fit_american_forwards(
        *together(columns), Carry(taus, np.full(5, RATE), np.full(5, np.nan)), DIVIDENDS
    )
    assert list(fits.status) == [
        Status.OK,
        Status.OK,
        Status.TOO_FEW_STRIKES,
        Status.INVALID_VALUE,
        Status.OK,
    ]
    assert np.array_equal(np.isfinite(fits.forward), fits.status == Status.OK)


def rest(n):
    return np.zeros(n), np.ones(n), np.full(n, 9), np.zeros(n, np.int8)


@pytest.mark.parametrize("slope", [-1.6, -1.0, -0.5, 0.0, 0.5, 0.8, 0.88])
def test_a_swinging_or_slow_fixed_point_is_found(slope):
    """With a yield in place of dividends the plain iteration swings at slopes under -1, and crawls near 1."""

    def step(forward, active):
        moved = 101.0 + slope * (forward - 101.0)
        n = len(active)
        return ForwardFits(moved[active], np.full(n, 1e-9), *rest(n))

    fits = _settle(step, np.array([100.0, 103.0, 101.0]))
    assert np.all(fits.status == Status.OK)
    assert fits.forward == pytest.approx(101.0, abs=2e-5)


def test_a_step_without_a_fixed_point_is_not_converged():
    def step(forward, active):
        n = len(active)
        away = np.where(forward[active] < 101.0, 105.0, 95.0)
        return ForwardFits(away, np.full(n, 1e-9), *rest(n))

    fits = _settle(step, np.array([100.0]))
    assert fits.status[0] == Status.NOT_CONVERGED
    assert np.isnan(fits.forward[0])


def test_narrow_quotes_off_the_money_count_more_than_wide_ones_at_it():
    """Long-dated quotes near the money are often wide and lopsided; the narrow ones decide."""
    columns = sides(2.0, 0.0, None)
    near = np.abs(STRIKES - 112.0) < 6.0
    for column, is_up in zip(columns[1:], (False, True, False, True), strict=True):
        column[near] += 0.5 if is_up else -1.5
    fit = fit_american_forward(*columns, 2.0, RATE, SPOT)
    assert fit.forward == pytest.approx(SPOT * np.exp(RATE * 2.0), abs=0.02)
