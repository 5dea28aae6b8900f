"""Forwards: where discounts come from, whose boxes count, and recorded chains."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pytest

from periscope_assets.transforms.stage import StageResult
from tests.transforms.recorded import CBOE_RATE, SPY_DIVIDENDS, cboe_chain
from tests.transforms.simulated_chain import SESSION, simulated


@pytest.fixture(scope="module")
def spx(recorded):
    return cboe_chain(recorded, "SPX")


@pytest.fixture(scope="module")
def spy(recorded, spx):
    return cboe_chain(recorded, "SPY", SPY_DIVIDENDS, spx)


def rates(forwards):
    return -np.log(forwards["discount"]) / forwards["tau_years"]


def relative_bps(forwards):
    return 1e4 * forwards["forward_stderr"] / forwards["forward"]


def test_a_chain_tells_its_own_rate_where_the_curve_is_wrong():
    chain, _ = simulated("SIMX")
    right = chain.frame("forward_curve")
    moved = type(chain)(chain.symbol, chain.as_of, chain.quotes, chain.settings | {"zero_rates": {1.0: 0.03}})
    found = moved.frame("forward_curve")
    late = right["tau_years"] > 0.1
    assert np.abs(rates(found) - rates(right))[late].max() < 1e-3
    assert (found.loc[late, "rate_basis"] == "parity").all()
    assert (np.abs(found["forward"] / right["forward"] - 1)[late] < 1e-4).all()


def test_boxes_of_another_chain_count_for_days_and_not_from_later():
    american, _ = simulated("CRUX")
    for days, basis in ((0.0, "box"), (3.0, "box"), (5.0, "curve"), (-1.0, "curve")):
        boxes, _ = simulated("SIMX")
        shifted = boxes.frame("forward_curve").assign(tau_years=lambda f, d=days: f["tau_years"] + d / 365.0)
        boxes.results["forward_curve"] = StageResult({"forwards": shifted}, {})
        chain = type(american)(american.symbol, american.as_of, american.quotes, american.settings)
        chain.boxes = boxes
        assert set(chain.frame("forward_curve")["rate_basis"]) == {basis}, days


@pytest.mark.parametrize(("symbol", "known"), [("SIMX", "not_needed"), ("CRUX", "schedule")])
def test_it_says_how_dividends_are_known(symbol, known):
    chain, _ = simulated(symbol)
    assert set(chain.frame("forward_curve")["dividends"]) == {known}
    assert chain.result("forward_curve").quality[f"n_dividends_{known}"] == len(chain.frame("forward_curve"))


@pytest.mark.parametrize("days", [0, 45, 88])
@pytest.mark.parametrize("symbol", ["ACME", "BOLT", "CRUX"])
def test_american_forwards_converge_with_and_without_a_schedule(symbol, days):
    chain, truth = simulated(symbol, SESSION + timedelta(days=days))
    bare = type(chain)(chain.symbol, chain.as_of, chain.quotes, chain.settings | {"dividends": []})
    true = np.array([truth.forward(at.to_pydatetime()) for at in chain.frame("forward_curve")["expiry_at"]])
    for each, most in ((chain, 2.0), (bare, 60.0)):
        forwards = each.frame("forward_curve")
        assert (forwards["status"] == "ok").all()
        assert (1e4 * np.abs(forwards["forward"] / true - 1)).max() < most
    assert set(bare.frame("forward_curve")["dividends"]) == {"implied_yield"}


@pytest.mark.data
def test_spx_forwards_are_sure_to_a_basis_point_out_to_a_year(spx):
    forwards = spx.frame("forward_curve")
    ahead = forwards[forwards["tau_years"] > 0]
    assert (ahead["status"] == "ok").all()
    assert relative_bps(ahead[ahead["tau_years"] <= 1.0]).max() <= 1.0


@pytest.mark.data
def test_spx_boxes_tell_the_funding_rate(spx):
    """Between 5.5 and 5.9 % that day, at a policy rate of 5.33 %; known to 5 bps from three months on."""
    forwards = spx.frame("forward_curve")
    told = forwards[forwards["tau_years"].between(0.1, 1.1)]
    assert (told["rate_basis"] == "parity").all()
    assert rates(told).between(0.0545, 0.0590).all()
    error = told["discount_stderr"] / told["discount"] / told["tau_years"]
    assert error[told["tau_years"] > 0.2].max() < 5e-4
    # AM and PM options of one date are expiries of their own, with one rate.
    assert rates(told).diff().abs()[told["tau_years"].diff() < 0.002].max() < 3e-4


@pytest.mark.data
def test_spy_is_discounted_at_the_boxes_of_spx(spx, spy):
    forwards = spy.frame("forward_curve").query("tau_years > 0")
    assert set(forwards["rate_basis"]) == {"box"}
    both = forwards.merge(spx.frame("forward_curve"), on="expiry_at")
    difference = np.log(both["discount_x"] / both["discount_y"]) / both["tau_years_x"]
    assert len(both) > 20
    assert np.abs(difference).max() < 1e-6
    assert rates(forwards).max() > CBOE_RATE + 0.003


@pytest.mark.data
def test_spy_forwards_all_stand_and_tell_one_spot(spy):
    """SPY goes ex the next morning: the dividend that the quotes still hold is part of the spot."""
    forwards = spy.frame("forward_curve").query("tau_years > 0")
    assert (forwards["status"] == "ok").all()
    assert list(forwards["dividends"].unique()) == ["schedule", "extended"]
    covered = forwards[forwards["tau_years"] < 0.24]
    spots = covered["forward"] * covered["discount"] + 1.583
    assert np.abs(spots / spots.median() - 1).max() < 5e-4


@pytest.mark.data
def test_forwards_of_xsp_are_a_tenth_of_spx_within_their_errors(recorded, spx):
    xsp = cboe_chain(recorded, "XSP", boxes=spx)
    both = (
        xsp.frame("forward_curve").merge(spx.frame("forward_curve"), on="expiry_at").query("tau_years_x > 0")
    )
    difference = np.abs(10 * both["forward_x"] - both["forward_y"])
    error = np.hypot(10 * both["forward_stderr_x"], both["forward_stderr_y"])
    assert len(both) > 30
    assert difference.median() <= 0.1
    assert difference.max() <= 1.0
    assert np.mean(difference <= 3.0 * error) >= 0.95
