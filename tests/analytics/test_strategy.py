"""Strategies: textbook payoffs, greeks against differences, scenarios, and odds against the density."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from periscope_analytics import black
from periscope_analytics.market import ForwardCurve
from periscope_analytics.strategy import Leg, Market, Strategy, probability_below
from periscope_analytics.surface import Smile, VolSurface
from periscope_analytics.svi import SVIParams

TAUS = (0.1, 0.5, 1.0)
SPOT, RATE, YIELD = 100.0, 0.04, 0.01


def market(flat=None):
    smiles = [
        Smile(
            SVIParams(0.02 * t, 0.12 * t, -0.5, 0.02, 0.15)
            if flat is None
            else SVIParams(flat**2 * t, 0.0, 0.0, 0.0, 0.1),
            t,
        )
        for t in TAUS
    ]
    tau = np.array(TAUS)
    curve = ForwardCurve(tau, SPOT * np.exp((RATE - YIELD) * tau), np.exp(-RATE * tau))
    return Market(SPOT, curve, VolSurface(smiles, curve.forward))


def straddle(entry=4.0, quantity=1.0):
    return Strategy((Leg(quantity, 100.0, 0.5, True, entry), Leg(quantity, 100.0, 0.5, False, entry)))


def test_a_straddle():
    result = straddle().outcome(market())
    assert result.horizon == 0.5
    assert result.break_evens == pytest.approx([92.0, 108.0], rel=1e-15)
    assert (result.max_profit, result.max_loss) == (np.inf, -8.0)
    short = straddle(quantity=-1.0).outcome(market())
    assert (short.max_profit, short.max_loss) == (8.0, -np.inf)
    assert short.break_evens == pytest.approx(result.break_evens)
    assert short.probability_of_profit == pytest.approx(1.0 - result.probability_of_profit, abs=1e-12)


def test_a_vertical_an_iron_condor_and_a_covered_call():
    vertical = Strategy((Leg(1.0, 95.0, 0.5, True, 8.0), Leg(-1.0, 105.0, 0.5, True, 3.0)))
    result = vertical.outcome(market())
    assert (result.max_profit, result.max_loss) == (5.0, -5.0)
    assert result.break_evens == pytest.approx([100.0])
    condor = Strategy(
        (
            Leg(1.0, 80.0, 0.5, False, 0.5),
            Leg(-1.0, 90.0, 0.5, False, 2.0),
            Leg(-1.0, 110.0, 0.5, True, 2.0),
            Leg(1.0, 120.0, 0.5, True, 0.5),
        )
    )
    result = condor.outcome(market())
    assert (condor.entry, result.max_profit, result.max_loss) == (-3.0, 3.0, -7.0)
    assert result.break_evens == pytest.approx([87.0, 113.0])
    covered = Strategy((Leg(1.0, entry=100.0), Leg(-1.0, 110.0, 0.5, True, 2.0)))
    result = covered.outcome(market())
    assert (result.max_profit, result.max_loss) == (12.0, -98.0)
    assert result.break_evens == pytest.approx([98.0])
    assert covered.payoff([0.0, 100.0, 130.0]).tolist() == [0.0, 100.0, 110.0]


def test_what_never_gains_or_never_loses():
    gift = Strategy((Leg(1.0, 100.0, 0.5, True, -1.0),)).outcome(market())
    assert (gift.break_evens.size, gift.max_loss, gift.probability_of_profit) == (0, 1.0, 1.0)
    loss = Strategy((Leg(-1.0, 100.0, 0.5, True, -1.0),)).outcome(market())
    assert (loss.break_evens.size, loss.max_profit, loss.probability_of_profit) == (0, -1.0, 0.0)


legs = st.tuples(
    st.sampled_from([-2.0, -1.0, 1.0, 3.0]), st.sampled_from([80.0, 95.0, 100.0, 112.5]), st.booleans()
)


@given(
    chosen=st.lists(legs, min_size=1, max_size=5),
    entry=st.floats(-9.0, 9.0),
    shares=st.sampled_from([-1.0, 0.0, 2.0]),
)
def test_break_evens_and_extremes_are_those_of_the_payoff(chosen, entry, shares):
    strategy = Strategy(
        (Leg(shares, entry=99.0), *(Leg(q, strike, 0.5, call, entry) for q, strike, call in chosen))
    )
    result = strategy.outcome(market())
    spot = np.linspace(0.01, 400.0, 3989)
    profit = strategy.payoff(spot) - strategy.entry
    assert np.all(profit <= result.max_profit + 1e-9)
    assert np.all(profit >= result.max_loss - 1e-9)
    at = strategy.payoff(result.break_evens) - strategy.entry
    assert np.allclose(at, 0.0, atol=1e-9)
    between = np.searchsorted(result.break_evens, spot)
    for i in np.unique(between):
        part = profit[between == i]
        assert np.all(part > -1e-9) or np.all(part < 1e-9)


@given(
    chosen=st.lists(st.tuples(legs, st.sampled_from(TAUS)), min_size=1, max_size=4),
    shares=st.sampled_from([0.0, 1.5]),
)
def test_greeks_are_differences_of_the_value(chosen, shares):
    strategy = Strategy((Leg(shares), *(Leg(q, k, tau, call) for (q, k, call), tau in chosen)))
    here, spot, h = market(), SPOT * (1.0 + 1e-4 * np.array([-1.0, 0.0, 1.0])), SPOT * 1e-4
    greeks = strategy.greeks(here)
    down, value, up = strategy.scenarios(here, spot)
    assert greeks.price == pytest.approx(value, rel=1e-12, abs=1e-10)
    assert greeks.delta == pytest.approx((up - down) / (2.0 * h), abs=1e-5)
    assert greeks.gamma == pytest.approx((up - 2.0 * value + down) / h**2, abs=1e-4)
    low, high = strategy.scenarios(here, SPOT, [-1e-5, 1e-5])
    assert greeks.vega == pytest.approx((high - low) / 2e-5, abs=1e-3)


def test_theta_is_a_day_at_fixed_spot_and_vols():
    strategy, here, day = straddle(), market(flat=0.2), 1.0 / 365.0
    change = float(strategy.scenarios(here, SPOT, 0.0, 0.01 * day) - strategy.value(here))
    assert strategy.greeks(here).theta == pytest.approx(100.0 * change, rel=1e-3)


def test_scenarios_make_a_grid_and_end_in_the_payoff():
    strategy, here = straddle(), market()
    spot = np.array([70.0, 100.0, 130.0])
    grid = strategy.scenarios(here, spot[:, None, None], np.array([-0.05, 0.0])[:, None], [0.0, 0.25, 0.5])
    assert grid.shape == (3, 2, 3)
    assert np.allclose(grid[:, :, 2], strategy.payoff(spot)[:, None])
    assert np.all(np.diff(grid[1], axis=0)[:2, :2] > 0.0)
    assert grid[1, 1, 0] == pytest.approx(strategy.value(here))


def test_sticky_strike_and_sticky_moneyness():
    here, strategy = market(), Strategy((Leg(1.0, 95.0, 0.5, False),))
    curve = here.curve
    forward, discount = 110.0 / SPOT * curve.forward_at(0.5), curve.discount_at(0.5)
    for dynamics, k in [
        ("sticky_strike", np.log(95.0 / curve.forward_at(0.5))),
        ("sticky_moneyness", np.log(95.0 / forward)),
    ]:
        vol = np.sqrt(here.surface.total_variance(k, 0.5) / 0.5)
        expected = black.price(forward, 95.0, 0.5, vol, False, discount)
        assert strategy.scenarios(here, 110.0, dynamics=dynamics) == pytest.approx(expected)
    flat = market(flat=0.2)
    moved = [strategy.scenarios(flat, 110.0, 0.01, 0.2, d) for d in ("sticky_strike", "sticky_moneyness")]
    assert moved[0] == pytest.approx(moved[1])


def test_a_calendar():
    here = market()
    calendar = Strategy((Leg(-1.0, 100.0, 0.1, True, 2.0), Leg(1.0, 100.0, 0.5, True, 5.0)))
    result = calendar.outcome(here)
    assert result.horizon == 0.1
    assert result.break_evens.size == 2
    at = calendar.scenarios(here, result.break_evens, 0.0, 0.1) - calendar.entry
    assert np.allclose(at, 0.0, atol=1e-9)
    top = float(calendar.scenarios(here, 100.0, 0.0, 0.1)) - calendar.entry
    assert result.max_profit == pytest.approx(top, rel=1e-3)
    assert 0.0 < result.probability_of_profit < 1.0
    # The later call pays a dividend yield more than the earlier one: deep in the money it falls behind.
    assert result.max_loss == -np.inf


def test_odds_are_the_integral_of_the_density():
    here, strategy = market(), straddle(entry=6.0)
    k = np.linspace(-4.0, 4.0, 40001)
    spot = np.exp(k) * here.curve.forward_at(0.5)
    gain = strategy.payoff(spot) > strategy.entry
    expected = np.sum(here.surface.density(k, 0.5) * gain) * (k[1] - k[0])
    assert strategy.outcome(here).probability_of_profit == pytest.approx(expected, abs=1e-4)
    below = probability_below(here.surface.slice_at(0.5), np.exp(k))
    assert np.all(np.diff(below) >= -1e-15)
    assert below[[0, -1]] == pytest.approx([0.0, 1.0], abs=1e-4)


def test_bad_arguments_are_named():
    here = market()
    with pytest.raises(ValueError, match="strike"):
        Leg(1.0, -5.0, 0.5, True)
    with pytest.raises(ValueError, match="quantity"):
        Leg(np.nan)
    with pytest.raises(ValueError, match="legs"):
        Strategy(())
    with pytest.raises(ValueError, match="horizon"):
        Strategy((Leg(1.0),)).outcome(here)
    with pytest.raises(ValueError, match="elapsed"):
        straddle().scenarios(here, 100.0, 0.0, 0.6)
    with pytest.raises(ValueError, match="dynamics"):
        straddle().scenarios(here, 100.0, dynamics="sticky")
    assert np.isnan(straddle().scenarios(here, [-1.0, np.nan])).all()
    assert np.isnan(straddle().scenarios(here, 100.0, -9.0))
    with pytest.raises(ValueError, match="spot"):
        Market(0.0, here.curve, here.surface)
