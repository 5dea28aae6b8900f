"""The stages on recorded chains, against the vendors' own numbers and against each other."""

from __future__ import annotations

import numpy as np
import pytest

from periscope_assets.sources import files
from tests.transforms.simulated_chain import chain_of

pytestmark = pytest.mark.data
CBOE = "cboe-spx-spy-xsp-20230914"


@pytest.fixture(scope="module")
def cboe(recorded):
    def read(symbol):
        payload = files.load(recorded / CBOE / f"{symbol.lower()}_quotedata.csv.gz")
        return chain_of(files.parse(payload)[1][0])

    return {symbol: read(symbol) for symbol in ("SPX", "XSP", "SPY")}


def test_spx_vols_agree_with_the_vendor(cboe):
    quality = cboe["SPX"].result("implied_vols").quality
    assert quality["n_usable"] > 8000
    assert quality["median_difference_from_vendor_bps"] <= 3.0


def test_am_and_pm_of_one_date_are_two_expiries(cboe):
    forwards = cboe["SPX"].frame("forward_curve")
    third_friday = forwards[forwards["expiry"].astype(str) == "2023-10-20"]
    assert list(third_friday["root"]) == ["SPX", "SPXW"]
    assert third_friday["tau_years"].diff().iloc[-1] * 365 * 24 == pytest.approx(6.5)


def test_forwards_of_xsp_are_a_tenth_of_spx(cboe):
    columns = ["expiry_at", "forward", "status"]
    both = (
        cboe["XSP"]
        .frame("forward_curve")[columns]
        .merge(cboe["SPX"].frame("forward_curve")[columns], on="expiry_at")
    )
    both = both[(both["status_x"] == "ok") & (both["status_y"] == "ok")]
    assert len(both) > 30
    difference = np.abs(10 * both["forward_x"] - both["forward_y"])
    assert difference.median() <= 0.1
    assert difference.max() <= 1.0


def test_settled_contracts_are_expired_and_not_lost(cboe):
    vols = cboe["SPX"].frame("implied_vols")
    settled = vols[vols["tau_years"] <= 0]
    assert len(settled) > 200
    assert (settled["status"] == "expired").all()
    assert cboe["SPX"].frame("forward_curve")["status"].value_counts()["expired"] == 1


@pytest.mark.parametrize("symbol", ["SPX", "XSP", "SPY"])
def test_every_slice_is_free_of_butterfly_arbitrage_and_close_at_the_money(cboe, symbol):
    result = cboe[symbol].result("vol_surface")
    slices = result.frames["svi_slices"]
    fitted = slices[slices["status"] == "ok"]
    assert len(fitted) >= len(slices) - 1
    assert result.frames["surface_certificates"].iloc[0]["n_butterfly"] == 0
    assert fitted["min_g"].min() >= 0.0
    # A fit that ended in a bad valley misses by hundreds of bps.
    assert fitted["rmse_bps"].median() <= 20.0
    assert fitted.loc[fitted["tau_years"] > 0.02, "rmse_bps"].max() <= 150.0


def test_thirty_day_model_free_vol_is_that_of_the_published_index(cboe):
    # Cboe's VIX closed at 12.82 on 2023-09-14.
    skew = cboe["SPX"].frame("skew_metrics")
    month = skew[(skew["basis"] == "constant_maturity") & (skew["tenor_days"] == 30)].iloc[0]
    assert month["model_free_iv"] == pytest.approx(0.1282, abs=0.003)


def test_coin_chain_gives_back_forward_and_mark_vol_of_the_venue(recorded):
    path = recorded / "deribit-btc-2026q1" / "deribit_btc_daily_20260101_20260331.parquet"
    chain = chain_of(files.parse(files.load(path))[1][14])
    forwards = chain.frame("forward_curve").set_index("expiry_at")["forward"]
    quotes = chain.frame("option_quotes")
    relative = np.abs(quotes["expiry_at"].map(forwards) / quotes["underlying_price"] - 1)
    assert relative.groupby(quotes["expiry_at"]).median().max() < 3e-4
    assert chain.result("implied_vols").quality["median_difference_from_vendor_bps"] < 20


def test_american_vols_of_calls_and_puts_agree_near_the_money(cboe):
    vols = cboe["SPY"].frame("implied_vols")
    near = vols[
        (vols["log_moneyness"].abs() < 0.01) & (vols["tau_years"] > 7 / 365) & (vols["status"] == "ok")
    ]
    sides = near.pivot(index=["expiry_at", "strike"], columns="is_call", values="mid_iv").dropna()
    assert len(sides) > 100
    assert np.abs(sides[True] - sides[False]).median() < 6e-4
    assert (near.loc[~near["is_call"], "early_exercise_premium"] > -0.01).all()
