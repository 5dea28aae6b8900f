"""The simulated market: the same bytes every time, true to the parameters it publishes."""

from __future__ import annotations

import hashlib
import time
from datetime import UTC, date, datetime, timedelta

import numpy as np
import pytest

from periscope_analytics import american
from periscope_analytics.calibration import fit_heston
from periscope_analytics.conventions import listing, settlement_time
from periscope_analytics.errors import Status
from periscope_analytics.implied_vol import implied_vol
from periscope_assets.settings import Settings
from periscope_assets.sources import calendars, files
from periscope_assets.sources.base import SourceError
from periscope_assets.sources.simulated import MARKETS, RATE, SimulatedSource
from periscope_assets.sources.simulated.state import last_cum_time, quote_time

SEED = 20260102
SESSION = date(2026, 1, 8)
INDICES, EQUITIES = ["SIMX", "SIMN"], ["ACME", "BOLT", "CRUX"]


@pytest.fixture(scope="module")
def source():
    return SimulatedSource(SEED)


def chain_of(source, symbol, session=SESSION):
    (payload,) = source.fetch(symbol, session)
    layout, (chain,) = files.parse(payload)
    assert layout == "simulated"
    return chain


def test_the_default_universes_and_rate_are_simulated():
    settings = Settings()
    assert {symbol for members in settings.universes.values() for symbol in members} <= set(MARKETS)
    assert settings.rates.zero_rates == {1.0: RATE}


@pytest.mark.parametrize("symbol", MARKETS)
def test_same_inputs_same_bytes(symbol):
    first, second = SimulatedSource(SEED), SimulatedSource(SEED)
    assert first.fetch(symbol, SESSION)[0].content == second.fetch(symbol, SESSION)[0].content
    assert (
        SimulatedSource(SEED + 1).fetch(symbol, SESSION)[0].content != first.fetch(symbol, SESSION)[0].content
    )


@pytest.mark.parametrize(
    ("symbol", "digest"),
    [("SIMX", "2748740ba10cc222"), ("SIMN", "f11da8db32b7e8f6"), ("SIMBTC", "090d7243d1ad2228")],
)
def test_bytes_are_the_same_on_every_machine(source, symbol, digest):
    content = source.fetch(symbol, SESSION)[0].content
    assert hashlib.sha256(content).hexdigest()[:16] == digest


@pytest.mark.parametrize("symbol", MARKETS)
def test_chain_is_what_its_truth_says(source, symbol):
    chain, truth = chain_of(source, symbol), source.truth(symbol, SESSION)
    assert (chain.symbol, chain.as_of, chain.spot) == (symbol, truth.as_of, truth.spot)
    assert calendars.session_date(chain.as_of) == SESSION
    low, high = (300, 700) if symbol in EQUITIES else (700, 1700)
    assert low <= chain.n_raw <= high
    rows = chain.rows
    assert rows["contract"].is_unique
    assert (rows["bid"] < rows["ask"]).all()
    assert (rows["bid"] >= 0).all()
    assert ((rows["bid"] <= rows["vendor_mark"]) & (rows["vendor_mark"] <= rows["ask"])).all()
    assert set(rows["is_call"]) == {True, False}
    assert all(
        settlement_time(*pair) > chain.as_of for pair in zip(rows["expiry"], rows["settlement"], strict=True)
    )
    assert rows.groupby(["root", "expiry", "strike"]).size().eq(2).all()


@pytest.mark.parametrize("symbol", INDICES)
def test_an_expiry_date_can_have_am_and_pm_options(source, symbol):
    rows = chain_of(source, symbol).rows
    roots = rows.groupby("expiry")["root"].agg(set)
    assert (roots.map(len) == 2).sum() >= 2
    assert {listing(root).settlement for root in rows["root"]} == {"am", "pm"}
    assert 0.01 < (rows["bid"] == 0).mean() < 0.2


def test_strikes_are_dense_at_the_money_and_wide_in_the_wings(source):
    rows = chain_of(source, "SIMX").rows
    for _, part in rows[rows["is_call"]].groupby(["root", "expiry"]):
        gaps = np.diff(part["strike"])
        middle = np.searchsorted(part["strike"], source.truth("SIMX", SESSION).spot)
        assert gaps[0] >= gaps[min(middle, len(gaps) - 1)]
        assert len(part) >= 10


def test_spreads_widen_in_the_wings_and_with_maturity(source):
    rows = chain_of(source, "SIMX").rows
    near = rows[rows["vendor_delta"].abs().between(0.4, 0.6)]
    width = (near["ask"] - near["bid"]).groupby(near["expiry"]).median()
    assert width.iloc[-1] > 5 * width.iloc[0]


def test_no_session_no_payload(source):
    saturday, christmas = date(2026, 1, 10), date(2025, 12, 25)
    for symbol in [*INDICES, *EQUITIES]:
        assert source.fetch(symbol, saturday) == ()
        assert source.fetch(symbol, christmas) == ()
        assert source.fetch(symbol, date(2018, 1, 3)) == ()
        assert source.labels(symbol, saturday) == ()
    assert len(source.fetch("SIMBTC", saturday)) == 1
    with pytest.raises(ValueError, match="SIMX does not trade on 2026-01-10"):
        source.truth("SIMX", saturday)


def test_unknown_symbol_is_not_empty(source):
    with pytest.raises(SourceError, match=r"SPX: no simulated market .* SIMX"):
        source.fetch("SPX", SESSION)


@pytest.mark.parametrize(
    ("symbol", "session", "expected"),
    [
        ("SIMX", date(2026, 1, 8), datetime(2026, 1, 8, 20, 45, tzinfo=UTC)),
        ("SIMX", date(2026, 7, 8), datetime(2026, 7, 8, 19, 45, tzinfo=UTC)),
        ("ACME", date(2026, 11, 27), datetime(2026, 11, 27, 17, 45, tzinfo=UTC)),
        ("SIMBTC", date(2026, 7, 8), datetime(2026, 7, 8, 20, 0, tzinfo=UTC)),
    ],
)
def test_quote_times_know_summer_time_and_half_days(source, symbol, session, expected):
    assert source.truth(symbol, session).as_of == expected


def test_a_holiday_moves_the_monthly_expiry(source):
    rows = chain_of(source, "SIMX", date(2026, 3, 2)).rows
    assert date(2026, 6, 18) in set(rows.loc[rows["root"] == "SIMX", "expiry"])
    assert date(2026, 6, 19) not in set(rows["expiry"])
    assert date(2026, 4, 2) in set(rows["expiry"])


def test_dividends_are_quarterly_and_escrowed(source):
    paid = [each for each in source.dividends("ACME") if each.ex_date.year == 2026]
    assert [each.ex_date for each in paid] == [
        date(2026, m, d) for m, d in [(2, 10), (5, 11), (8, 10), (11, 10)]
    ]
    truth = source.truth("ACME", SESSION)
    before, after = (settlement_time(date(2026, 2, day), "pm") for day in (9, 10))
    assert truth.forward(before) - truth.forward(after) == pytest.approx(paid[0].amount, rel=0.05)
    assert source.dividends("SIMX") == ()


def out_of_the_money(source, symbol, session):
    """Forward, strike, years, mid vol and half-width of every out-of-the-money option with a bid."""
    truth, rows = source.truth(symbol, session), chain_of(source, symbol, session).rows
    at = [settlement_time(*pair) for pair in zip(rows["expiry"], rows["settlement"], strict=True)]
    forward, tau = np.array([truth.forward(x) for x in at]), np.array([truth.tau(x) for x in at])
    strike, is_call = rows["strike"].to_numpy(), rows["is_call"].to_numpy()

    def vol_of(price):
        if listing(symbol).quote_unit == "coin":
            return implied_vol(price * forward, forward, strike, tau, is_call).sigma
        if listing(symbol).style == "european":
            return implied_vol(price, forward, strike, tau, is_call, np.exp(-truth.rate * tau)).sigma
        ahead = truth.dividends
        schedule = [each.amount for each in ahead], [truth.tau(last_cum_time(each)) for each in ahead]
        return american.implied_vol(price, truth.spot, strike, tau, truth.rate, 0.0, is_call, schedule).sigma

    bid, ask = rows["bid"].to_numpy(), rows["ask"].to_numpy()
    low, mid, high = vol_of(bid), vol_of((bid + ask) / 2), vol_of(ask)
    used = (is_call == (strike >= forward)) & np.isfinite(low) & np.isfinite(high)
    return tuple(column[used] for column in (forward, strike, tau, mid, (high - low) / 2))


@pytest.mark.parametrize("symbol", MARKETS)
@pytest.mark.parametrize("session", [SESSION, date(2024, 3, 13), date(2022, 10, 4)])
def test_quotes_give_back_the_parameters_within_two_percent(source, symbol, session):
    forward, strike, tau, vol, width = out_of_the_money(source, symbol, session)
    fit = fit_heston(forward, strike, tau, vol, weights=1 / width**2)
    truth = source.truth(symbol, session).params
    assert fit.status is Status.OK
    for name in ("v0", "kappa", "theta", "sigma", "rho"):
        assert getattr(fit.params, name) == pytest.approx(getattr(truth, name), rel=0.02)


def test_vendor_vols_are_the_true_vols(source):
    truth, rows = source.truth("SIMX", SESSION), chain_of(source, "SIMX").rows
    at = [settlement_time(*pair) for pair in zip(rows["expiry"], rows["settlement"], strict=True)]
    assert np.max(np.abs(truth.vol(rows["strike"].to_numpy(), at) - rows["vendor_iv"])) <= 0.5001e-4


def test_variance_and_spot_move_and_stay_plausible(source):
    days = [date(2020, 1, 6) + timedelta(days=7 * week) for week in range(400)]
    for symbol, market in MARKETS.items():
        truths = [source.truth(symbol, day) for day in days if quote_time(market, day)]
        variance = np.array([truth.params.v0 for truth in truths])
        spot = np.array([truth.spot for truth in truths])
        assert 0.5 * market.theta <= variance.min() < 0.8 * market.theta
        assert 1.3 * market.theta < variance.max() <= 1.8 * market.theta
        assert 0.3 * market.base < spot.min() < spot.max() < 3 * market.base


@pytest.mark.parametrize("symbol", MARKETS)
def test_defects_are_labelled_and_the_rest_is_untouched(source, symbol):
    clean, planted = chain_of(source, symbol), SimulatedSource(SEED, defects=True)
    damaged, labels = chain_of(planted, symbol), planted.labels(symbol, SESSION)
    wrong = {label.raw_line for label in labels}
    by_line = damaged.rows.set_index("raw_line")
    assert all(by_line.loc[label.raw_line, "contract"] == label.contract for label in labels)
    assert len({label.kind for label in labels}) == (15 if symbol != "SIMBTC" else 14)
    same = clean.rows[~clean.rows["raw_line"].isin(wrong)].set_index("raw_line")
    assert by_line.loc[same.index].equals(same)
    assert b"crossed" not in planted.fetch(symbol, SESSION)[0].content
    kinds = {
        kind: by_line.loc[[x.raw_line for x in labels if x.kind == kind]] for kind in {x.kind for x in labels}
    }
    assert (kinds["crossed"]["bid"] > kinds["crossed"]["ask"]).all()
    assert (kinds["negative_price"]["bid"] < 0).all()
    assert kinds["no_quote"][["bid", "ask"]].isna().all(axis=None)
    assert (kinds["expired_before_snapshot"]["expiry"] < SESSION).all()
    assert kinds["conflict"]["contract"].value_counts().eq(2).all()
    assert damaged.rows["contract"].duplicated().sum() == 4


@pytest.mark.parametrize("symbol", ["SIMX", "ACME"])
def test_one_session_is_made_fast(source, symbol):
    source.fetch(symbol, SESSION)
    start = time.process_time()
    source.fetch(symbol, SESSION + timedelta(days=1))
    assert time.process_time() - start < 1.5
