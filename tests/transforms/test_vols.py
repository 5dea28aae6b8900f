"""Implied vols: every contract a vol or a status; American truth; recorded chains against vendors."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pandas as pd
import pytest

from periscope_analytics import american, implied_vol
from periscope_analytics.errors import Status
from periscope_analytics.forward import fit_inverse_forward
from periscope_assets.sources import files
from periscope_assets.transforms import forwards
from periscope_assets.transforms.frames import numbers, years_to
from periscope_assets.transforms.stage import Snapshot, StageResult
from periscope_assets.transforms.surfaces import vols
from tests.transforms.recorded import SPY_DIVIDENDS, against, beside_quotes, cboe_chain, overlap
from tests.transforms.simulated_chain import SESSION, chain_of, simulated

LABELS = {status.label for status in Status}
SIDES = (("bid_iv", "bid_status"), ("mid_iv", "status"), ("ask_iv", "ask_status"))


@pytest.fixture(scope="module")
def spx(recorded):
    return cboe_chain(recorded, "SPX")


@pytest.fixture(scope="module")
def spy(recorded, spx):
    return cboe_chain(recorded, "SPY", SPY_DIVIDENDS, spx)


def check_statuses(frame):
    for vol, status in SIDES:
        assert set(frame[status]) <= LABELS
        assert ((frame[status] == "ok") == frame[vol].notna()).all()
    whole = frame[[vol for vol, _ in SIDES]].notna().all(axis=1)
    assert not (frame["weight"] > 0)[~whole].any()
    assert frame["weight"].between(0, 1).all()
    assert frame.loc[frame["weight"] > 0, "iv_stderr"].gt(0).all()


def exact_name(vol, q=0.0):
    """An American name without noise: quotes of a vol smile and cash dividends, half a cent either side."""
    chain, _ = simulated("CRUX")
    quotes = chain.frame("option_quotes")
    schedule = [("2026-04-16", 0.9), ("2026-07-16", 0.9), ("2026-10-15", 0.95), ("2027-01-14", 0.95)]
    settings = {"zero_rates": {1.0: 0.045}, "dividends": schedule}
    dividends = vols.read_dividends(settings, chain.as_of)
    tau = years_to(quotes["expiry_at"], chain.as_of)
    strike, is_call = numbers(quotes, "strike"), quotes["is_call"].to_numpy()
    spot = float(np.median(strike[np.argsort(np.abs(tau - 0.1))[:40]]))
    true = vol(np.log(strike / spot) / np.sqrt(np.maximum(tau, 0.02)))
    value = american.price(spot, strike, tau, 0.045, q, true, is_call, dividends.pair)
    priced = quotes.assign(bid=value - 0.005, ask=value + 0.005)
    result = StageResult({"options_snapshots": priced[value > 0.02]}, {})
    made = replace(chain, quotes=result, settings=settings, results={}, boxes=None)
    return made, pd.Series(true[value > 0.02])


@pytest.mark.parametrize(
    "vol",
    [lambda z: 0.3 + 0.0 * z, lambda z: 0.25 - 0.05 * np.clip(z, -2, 2) + 0.02 * np.clip(z, -2, 2) ** 2],
)
def test_an_american_name_with_cash_dividends_gives_back_its_vols(vol):
    chain, true = exact_name(vol)
    frame = chain.frame("implied_vols")
    usable = frame["is_otm"].to_numpy() & (frame["weight"].to_numpy() > 0)
    miss = 1e4 * np.abs(frame["mid_iv"].to_numpy() - true.to_numpy())
    assert usable.sum() > 150
    assert np.median(miss[usable]) <= 1.0
    assert np.quantile(miss[usable], 0.95) <= 5.0
    told = (frame["weight"] > 0.5).to_numpy()
    assert np.median(miss[told]) <= 1.0


@pytest.mark.parametrize("symbol", ["ACME", "BOLT", "CRUX"])
@pytest.mark.parametrize("days", [0, 45])
def test_american_vols_of_the_simulated_market_are_not_biased(symbol, days):
    """Its mids are rounded to cents, so that single vols miss by two basis points."""
    chain, truth = simulated(symbol, SESSION + timedelta(days=days))
    frame = chain.frame("implied_vols")
    check_statuses(frame)
    usable = frame[frame["is_otm"] & (frame["weight"] > 0)]
    true = truth.vol(usable["strike"], [at.to_pydatetime() for at in usable["expiry_at"]])
    miss = 1e4 * (usable["mid_iv"].to_numpy() - true)
    assert np.abs(np.median(miss)) <= 1.0
    assert np.median(np.abs(miss)) <= 3.0


def test_below_and_at_exercise_are_told_apart():
    chain, _ = simulated("CRUX")
    quotes = chain.frame("option_quotes")
    forward = chain.frame("forward_curve").iloc[3]
    puts = quotes[(quotes["expiry_at"] == forward["expiry_at"]) & ~quotes["is_call"]]
    deep = puts.iloc[int(np.argmin(np.abs(puts["strike"].to_numpy() / forward["forward"] - 1.25)))]
    dividends = vols.read_dividends(chain.settings, chain.as_of)
    paid = american.escrowed(
        forward["tau_years"], -np.log(forward["discount"]) / forward["tau_years"], dividends.pair
    )
    exercise = deep["strike"] - forward["forward"] * forward["discount"] - float(paid)
    for bid, ask, status in (
        (exercise - 0.4, exercise + 0.2, "at_exercise"),
        (exercise - 0.4, exercise - 0.1, "below_intrinsic"),
    ):
        at = quotes["contract"] == deep["contract"]
        changed = quotes.assign(bid=quotes["bid"].mask(at, bid), ask=quotes["ask"].mask(at, ask))
        again = replace(
            chain,
            quotes=StageResult({"options_snapshots": changed}, {}),
            results={"forward_curve": chain.result("forward_curve")},
        )
        found = again.frame("implied_vols").set_index("contract").loc[deep["contract"]]
        assert found["status"] == status
        assert np.isnan(found["mid_iv"])


HARD = {
    "empty": lambda q: q.iloc[:0],
    "no bids": lambda q: q.assign(bid=0.0),
    "one row": lambda q: q.iloc[:1],
    "two strikes": lambda q: q.groupby(["expiry_at", "is_call"]).head(2).reset_index(drop=True),
    "no asks": lambda q: q.assign(ask=np.nan),
    "all settled": lambda q: q.assign(expiry_at=q["expiry_at"] - timedelta(days=900)),
    "all a cent": lambda q: q.assign(bid=q["bid"].clip(upper=0.01), ask=0.02),
    "in other units": lambda q: q.assign(bid=q["bid"] * 1e6, ask=q["ask"] * 1e6),
}


@pytest.mark.parametrize("symbol", ["SIMX", "CRUX", "SIMBTC"])
@pytest.mark.parametrize("change", HARD.values(), ids=list(HARD))
def test_a_hopeless_chain_has_statuses_and_no_exception(symbol, change):
    chain, _ = simulated(symbol)
    quotes = StageResult({"options_snapshots": change(chain.frame("option_quotes"))}, {})
    hopeless = replace(chain, quotes=quotes, results={"rate_curve": chain.result("rate_curve")})
    found = hopeless.frame("forward_curve")
    assert ((found["status"] == "ok") == found["forward"].notna()).all()
    frame = hopeless.frame("implied_vols")
    assert len(frame) == len(hopeless.frame("option_quotes"))
    check_statuses(frame)


def test_eight_hundred_european_quotes_take_a_few_milliseconds():
    """Of the processor's time, with room for neighbours that share its speed."""
    whole, _ = simulated("SIMX")
    quotes = whole.frame("option_quotes")
    rows = quotes.groupby("expiry_at")["contract"].transform("size").groupby(quotes["expiry_at"]).first()
    some = quotes[quotes["expiry_at"].isin(rows.index[rows.cumsum() <= 850])].reset_index(drop=True)
    assert 700 <= len(some) <= 850
    chain = replace(whole, quotes=StageResult({"options_snapshots": some}, {}), results={})
    inputs = {name: chain.result(name).frames for name in ("option_quotes", "rate_curve", "forward_curve")}
    snapshot = Snapshot(chain.symbol, chain.as_of, inputs, chain.settings)
    best = np.inf
    for _ in range(30):
        begin = time.process_time()
        forwards.compute(snapshot)
        vols.compute(snapshot)
        best = min(best, time.process_time() - begin)
    assert best < 0.020


@pytest.mark.data
def test_every_spx_quote_has_a_vol_or_a_status_and_mids_are_the_vendors(spx):
    """The vendor's vols rise above ours with z^4, whatever the maturity: 2 bps at 1.5, 10 at 2.5.

    The prices they answer to lie 1 % above the mid at |z| = 1.75, 4 % at 2.75, 7 % at 3.5. That is a tree of
    some 150 steps, whose log price has thin tails.
    """
    result = spx.result("implied_vols")
    check_statuses(result.frames["implied_vols"])
    assert result.quality["n_compared_with_vendor"] > 8500
    assert result.quality["median_difference_from_vendor_near_bps"] <= 1.6
    assert result.quality["median_difference_from_vendor_bps"] <= 2.4
    compared = beside_quotes(spx).query("is_otm & vendor_iv > 1e-4 & status == 'ok'")
    miss = 1e4 * np.abs(compared["mid_iv"] - compared["vendor_iv"])
    by_vega = compared.assign(miss=miss).sort_values("miss")
    share = by_vega["vega"].cumsum() / by_vega["vega"].sum()
    assert by_vega.loc[share >= 0.5, "miss"].iloc[0] <= 1.2
    inside = compared["vendor_iv"].between(compared["bid_iv"], compared["ask_iv"])
    assert inside.mean() > 0.98


@pytest.mark.data
def test_spy_agrees_with_spx_at_equal_log_moneyness(spx, spy):
    month = beside_quotes(spy).query("29 <= days <= 127 and -1.5 < z < 1.5")
    difference = against(month, spx.frame("implied_vols"))
    assert len(difference) > 200
    assert np.abs(difference.median()) <= 3.0
    assert np.abs(difference - difference.median()).median() <= 2.0


@pytest.mark.data
def test_spy_agrees_with_the_venues_american_vols(spy):
    month = beside_quotes(spy).query("10 < days < 100 and -1.5 < z < 1.5 and is_otm and vendor_iv > 1e-4")
    difference = 1e4 * np.abs(month["mid_iv"] - month["vendor_iv"]).dropna()
    assert len(difference) > 350
    assert difference.median() <= 1.5
    assert difference.quantile(0.9) <= 4.0


@pytest.mark.data
def test_vols_of_spys_calls_and_puts_meet_at_its_dividends_and_not_at_a_yield(recorded, spx, spy):
    meets = overlap(beside_quotes(spy))
    assert len(meets) > 2800
    assert meets.mean() >= 0.99
    by_yield = overlap(beside_quotes(cboe_chain(recorded, "SPY", None, spx)))
    assert by_yield.mean() == pytest.approx(0.77, abs=0.02)


@pytest.mark.data
def test_spys_quotes_at_exercise_are_not_below_it(spy):
    frame = spy.frame("implied_vols")
    check_statuses(frame)
    counts = frame["status"].value_counts()
    assert counts["at_exercise"] > 1500
    assert counts.get("below_intrinsic", 0) <= 5


def venue_vols(chain):
    """How far vols of the venue's marks, at the forwards of their own parity, are from its own, bps.

    The forward that the venue states is of another moment now and then: with it three days of ninety miss by
    more than two.
    """
    quotes = chain.frame("option_quotes").assign(tau=lambda q: years_to(q["expiry_at"], chain.as_of))
    half_a_tick, found = 5e-5, []
    for _, rows in quotes[quotes["tau"] > 0].groupby("expiry_at"):
        marks = rows.pivot(index="strike", columns="is_call", values="vendor_mark").dropna()
        ends = [marks[side] + sign * half_a_tick for side in (True, False) for sign in (-1, 1)]
        forward = fit_inverse_forward(marks.index, *ends).forward
        otm = rows[rows["is_call"] == (rows["strike"] >= forward)]
        price = numbers(otm, "vendor_mark") * forward
        strike, call = numbers(otm, "strike"), otm["is_call"].to_numpy()
        sigma = implied_vol.implied_vol(price, forward, strike, numbers(otm, "tau"), call).sigma
        found.append(1e4 * np.abs(sigma - numbers(otm, "vendor_iv")))
    return np.concatenate(found)


def btc_days(folder):
    path = folder / "deribit-btc-2026q1" / "deribit_btc_daily_20260101_20260331.parquet"
    return files.parse(files.load(path))[1]


@pytest.mark.data
def test_coin_marks_give_back_the_venues_vols(recorded):
    check_coin_days(btc_days(recorded)[4::30])


@pytest.mark.data
@pytest.mark.nightly
def test_coin_marks_give_back_the_venues_vols_on_every_day(recorded):
    check_coin_days(btc_days(recorded))


def check_coin_days(days):
    assert len(days) >= 3
    for parsed in days:
        chain = chain_of(parsed)
        check_statuses(chain.frame("implied_vols"))
        miss = venue_vols(chain)
        assert np.nanmedian(miss) <= 0.5
        quotes, forward = chain.frame("option_quotes"), chain.frame("forward_curve").set_index("expiry_at")
        relative = np.abs(quotes["expiry_at"].map(forward["forward"]) / quotes["underlying_price"] - 1)
        assert relative.groupby(quotes["expiry_at"]).median().median() < 5e-4


@pytest.mark.data
@pytest.mark.nightly
def test_every_american_forward_of_every_recorded_day_converges(recorded):
    paths = [*(recorded / "us-ladder-202604").glob("*.gz"), *(recorded / "yahoo-spy-iwm-202608").glob("*.gz")]
    assert len(paths) == 32
    for path in sorted(paths):
        for parsed in files.parse(files.load(path))[1]:
            chain = chain_of(parsed, 0.0366)
            check_statuses(chain.frame("implied_vols"))
            found = chain.frame("forward_curve")
            assert set(found["status"]) <= {"ok", "expired"}, path.name
            live = found[found["status"] == "ok"]
            assert (1e4 * live["forward_stderr"] / live["forward"]).median() < 5.0
