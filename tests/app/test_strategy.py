"""Strategies on the served surface: the numbers are the analytics', and what can't be priced says why."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime

import numpy as np
import pytest

from app.queries import InvalidParameterError, NotPublishedError, Queries, to_jsonable
from app.queries.caching import CachedReader
from app.queries.points import Point, surface_points
from app.queries.presets import PRESETS, Listing
from app.queries.strategy import AskedLeg, build_strategy
from periscope_analytics import black
from periscope_assets.store.postgres import PostgresStore
from periscope_assets.transforms.stage import Snapshot
from periscope_assets.transforms.surfaces.served import served_of
from tests.app import market
from tests.conftest import emptied

FEBRUARY = datetime(2026, 2, 20, 14, 30, tzinfo=UTC)
JUNE = datetime(2026, 6, 18, 13, 30, tzinfo=UTC)
CALL = AskedLeg("call", 1, 6900.0, FEBRUARY)


@pytest.fixture(scope="module")
def store(pg_server):
    pg_server.ensure_database("strategy")
    made = PostgresStore(emptied(pg_server.url("strategy")))
    market.publish(made)
    market.publish(made, "NDX", only=("option_quotes",))
    yield made
    made.close()


@pytest.fixture(scope="module")
def queries(store):
    return Queries(CachedReader(store))


def test_a_bought_call_pays_the_ask_and_is_worth_blacks_price_on_the_surface(queries):
    answer = build_strategy(queries, "SPX", [CALL])
    (leg,) = answer.frames["legs"].to_dict("records")
    chain = queries.chain("SPX").frames["chain"]
    (quote,) = chain[chain["contract"] == leg["contract"]].to_dict("records")
    assert (leg["entry_usd"], leg["entry_basis"], leg["status"]) == (quote["ask"], "ask", "ok")
    slices = queries.surface("SPX").frames["surface_slices"]
    row = slices[slices["expiry_at"] == FEBRUARY].iloc[0]
    vol = served_of(slices).iv(np.log(6900.0 / row["forward"]), row["tau_years"])
    price = float(black.price(row["forward"], 6900.0, row["tau_years"], vol, True, row["discount"]))
    assert leg["value_usd"] == pytest.approx(100 * price, rel=1e-12)
    assert leg["iv"] == pytest.approx(float(vol), rel=1e-12)
    totals = answer.frames["totals"].iloc[0]
    assert totals["cost_usd"] == 100 * quote["ask"]
    assert totals["max_loss_usd"] == pytest.approx(-100 * quote["ask"])
    assert (totals["max_profit_status"], totals["max_loss_status"]) == ("unbounded", "ok")
    assert answer.frames["break_evens"]["spot"].tolist() == pytest.approx([6900.0 + quote["ask"]])
    assert answer.version == queries.surface("SPX").version


def test_a_straddle_is_the_sum_of_its_legs_and_its_odds_those_of_the_density(queries):
    put = AskedLeg("put", 1, 6900.0, FEBRUARY)
    answer = build_strategy(queries, "SPX", [CALL, put])
    legs, totals = answer.frames["legs"], answer.frames["totals"].iloc[0]
    for name in ("cost_usd", "value_usd", "delta", "gamma", "vega", "theta"):
        assert totals[name] == pytest.approx(legs[name].sum(), rel=1e-9)
    profile = answer.frames["profile"]
    spot, density = profile["spot"].to_numpy(), profile["density"].to_numpy()
    fine = np.linspace(spot[0], spot[-1], 20_001)
    profit = np.interp(fine, spot, profile["profit_at_horizon_usd"])
    at = np.interp(fine, spot, density)
    odds = 1.0 - np.trapezoid(at * (profit <= 0), fine)
    assert odds == pytest.approx(totals["probability_of_profit"], abs=2e-3)


def test_scenarios_begin_where_the_position_stands_and_end_at_the_payoff(queries):
    answer = build_strategy(queries, "SPX", [CALL])
    grid, totals = answer.frames["scenarios"], answer.frames["totals"].iloc[0]
    assert len(grid) == 9 * 5 * 5
    assert set(grid["status"]) == {"ok"}
    still = grid[(grid["spot_move"] == 0) & (grid["vol_shift"] == 0) & (grid["elapsed_days"] == 0)]
    assert still["value_usd"].tolist() == pytest.approx([totals["value_usd"]])
    end = grid[np.isclose(grid["elapsed_days"], totals["horizon_days"])]
    assert end["value_usd"].tolist() == pytest.approx((100 * np.maximum(end["spot"] - 6900.0, 0)).tolist())


def test_a_calendar_is_valued_at_its_first_expiry(queries):
    answer = build_strategy(queries, "SPX", [AskedLeg("call", -1, 6900.0, FEBRUARY),
                                             AskedLeg("call", 1, 6900.0, JUNE)])  # fmt: skip
    totals = answer.frames["totals"].iloc[0]
    assert totals["horizon_days"] == pytest.approx((FEBRUARY - market.AS_OF).total_seconds() / 86400)
    assert 0 < totals["max_profit_usd"] < np.inf
    assert any("different times" in sentence for sentence in answer.warnings)


def test_a_leg_between_expiries_is_valued_in_the_time_that_the_surface_tells(store):
    """February has no quotes, and days without a session count a twentieth."""
    vols, forwards = (frame for each in ("implied_vols", "forward_curve")
                      for frame in market.frames()[each].values())  # fmt: skip
    vols = vols.assign(bid_iv=vols["bid_iv"].where(vols["expiry_at"] != FEBRUARY))
    inputs = {"implied_vols": {"implied_vols": vols}, "forward_curve": {"forwards": forwards}}
    for symbol, weight in (("EVEN", 1.0), ("SLOW", 0.05)):
        calendar = {"events": [], "closed_weight": weight, "closed_days": ["2026-01-19"]}
        made = market.VOL_SURFACE.compute(Snapshot(symbol, market.AS_OF, inputs, {"event_time": calendar}))
        (draft,) = market.drafts(symbol, only=("vol_surface",))
        slices = made.frames["surface_slices"]
        assert slices.loc[slices["expiry_at"] == FEBRUARY, "status"].tolist() == ["interpolated"]
        frames = {**draft.frames, "surface_slices": slices}
        store.publish([replace(draft, frames=frames)], store.fence())
    queries = Queries(CachedReader(store))
    (slow,), (even,) = (
        build_strategy(queries, symbol, [CALL]).frames["legs"].to_dict("records")
        for symbol in ("SLOW", "EVEN")
    )
    point = surface_points(queries, "SLOW", Point(expiry=FEBRUARY.date(), strike=6900.0)).frames
    (there,) = next(iter(point.values())).to_dict("records")
    assert slow["iv"] == pytest.approx(there["iv"], rel=1e-9)
    assert abs(slow["iv"] / even["iv"] - 1.0) > 0.005


def test_a_date_on_which_two_settle_asks_which(queries):
    with pytest.raises(InvalidParameterError, match="2026-01-16T14:30:00Z") as caught:
        build_strategy(queries, "SPX", [AskedLeg("call", 1, 6900.0, date(2026, 1, 16))])
    assert caught.value.parameter == "legs[0].expiry"
    assert build_strategy(queries, "SPX", [AskedLeg("call", 1, 6900.0, date(2026, 2, 20))]).frames


@pytest.mark.parametrize(
    ("leg", "parameter"),
    [
        (AskedLeg("option", 1), "legs[0].kind"),
        (AskedLeg("call", 0, 6900.0, FEBRUARY), "legs[0].quantity"),
        (AskedLeg("call", float("nan"), 6900.0, FEBRUARY), "legs[0].quantity"),
        (AskedLeg("call", 1, None, FEBRUARY), "legs[0].strike"),
        (AskedLeg("call", 1, 6900.0, None), "legs[0].expiry"),
        (AskedLeg("call", 1, 6900.0, date(2026, 3, 1)), "legs[0].expiry"),
        (AskedLeg("call", 1, 6900.0, FEBRUARY, price=-1.0), "legs[0].price"),
        (AskedLeg("underlying", 1), "legs"),
    ],
)
def test_malformed_legs_are_named(queries, leg, parameter):
    with pytest.raises(InvalidParameterError) as caught:
        build_strategy(queries, "SPX", [leg])
    assert caught.value.parameter == parameter


def test_what_is_not_listed_is_entered_at_the_surfaces_value_and_says_so(queries):
    answer = build_strategy(queries, "SPX", [AskedLeg("put", -2, 6901.5, FEBRUARY)])
    (leg,) = answer.frames["legs"].to_dict("records")
    assert (leg["entry_basis"], leg["status"]) == ("model", "no_quote")
    assert leg["profit_usd"] == pytest.approx(0.0, abs=1e-9)
    assert "entered at the surface's value" in answer.warnings[0]


def test_without_a_surface_there_is_no_strategy(queries):
    with pytest.raises(NotPublishedError):
        build_strategy(queries, "NDX", [CALL])


def test_a_pinned_version_gives_the_same_numbers_after_a_revision(store, queries):
    first = build_strategy(queries, "SPX", [CALL])
    market.publish(store, revision="2", level=0.24)
    assert build_strategy(queries, "SPX", [CALL]).version != first.version
    again = build_strategy(queries, "SPX", [CALL], version=first.version)
    assert again.status == "superseded"
    assert to_jsonable(again)["data"] == to_jsonable(first)["data"]


@pytest.mark.parametrize("name", list(PRESETS))
def test_presets_stand_on_listed_strikes_and_can_be_valued(queries, name):
    strikes = tuple(float(k) for k in range(6000, 7600, 25))
    near, far = (
        Listing(moment, moment.date(), "SPX", 0.1, strikes, 6880.0, 0.05) for moment in (FEBRUARY, JUNE)
    )
    legs = PRESETS[name](near, far)
    assert {leg.strike for leg in legs} <= set(strikes)
    totals = build_strategy(queries, "SPX", legs).frames["totals"].iloc[0]
    assert 0 < totals["probability_of_profit"] < 1
