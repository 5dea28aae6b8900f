"""The stages give back what generated the simulated market, and every absence has a status."""

from __future__ import annotations

from dataclasses import asdict

import numpy as np
import pytest

from periscope_analytics.errors import Status
from periscope_assets.sources.simulated import SimulatedSource
from periscope_assets.store.tables import DATASETS, content_columns, table
from periscope_assets.transforms.flow import STAGES
from periscope_assets.transforms.models.heston import PARAMETERS
from periscope_assets.transforms.surfaces.grid import TENORS_DAYS
from tests.transforms.simulated_chain import SEED, SESSION, simulated

LABELS = {status.label for status in Status}
KINDS = {"SIMX": "european", "CRUX": "american", "SIMBTC": "coin"}


@pytest.fixture(scope="module", params=list(KINDS))
def built(request):
    return simulated(request.param)


def test_each_stage_makes_the_tables_of_its_dataset(built):
    chain, _ = built
    for name in STAGES:
        frames = chain.result(name).frames
        assert set(frames) == set(DATASETS[name])
        for made, frame in frames.items():
            assert list(frame.columns) == [column.name for column in content_columns(table(made))]


def test_forwards_are_those_of_the_market(built):
    chain, truth = built
    forwards = chain.frame("forward_curve")
    assert (forwards["status"] == "ok").all()
    true = np.array([truth.forward(at.to_pydatetime()) for at in forwards["expiry_at"]])
    relative = 1e4 * np.abs(forwards["forward"].to_numpy() / true - 1)
    assert np.median(relative) < 1.0
    assert relative.max() < 5.0


def test_mid_vols_are_those_of_the_market_within_their_error(built):
    chain, truth = built
    vols = chain.frame("implied_vols")
    good = vols[(vols["status"] == "ok") & vols["is_otm"] & (vols["iv_stderr"] > 0)]
    true = truth.vol(good["strike"], [at.to_pydatetime() for at in good["expiry_at"]])
    miss = np.abs(good["mid_iv"].to_numpy() - true)
    assert np.nanmedian(miss) < 5e-4
    assert np.nanmean(miss < np.sqrt(3) * good["iv_stderr"] + 5e-4) > 0.95


@pytest.mark.parametrize("name", ["bid", "mid", "ask"])
def test_no_vol_without_status_and_no_status_without_reason(built, name):
    chain, _ = built
    vols = chain.frame("implied_vols")
    status = vols["status" if name == "mid" else f"{name}_status"]
    assert set(status) <= LABELS
    assert ((status == "ok") == vols[f"{name}_iv"].notna()).all()


def test_bid_mid_and_ask_vols_are_in_order(built):
    chain, _ = built
    vols = chain.frame("implied_vols")
    known = vols[(vols[["bid_status", "status", "ask_status"]] == "ok").all(axis=1)]
    assert (known["bid_iv"] <= known["mid_iv"] + 1e-9).all()
    assert (known["mid_iv"] <= known["ask_iv"] + 1e-9).all()


def test_slices_are_inside_the_spread(built):
    chain, _ = built
    slices = chain.result("vol_surface").frames["svi_slices"]
    fitted = slices[slices["status"] == "ok"]
    assert len(fitted) >= len(slices) - 2
    assert fitted["inside_share"].median() > 0.98
    assert fitted["rmse_bps"].median() < 15


def test_certificate_says_what_it_examined(built):
    chain, _ = built
    result = chain.result("vol_surface")
    certificate = result.frames["surface_certificates"].iloc[0]
    assert certificate["status"] == "ok"
    assert certificate["n_slices"] == result.quality["n_slices"]
    assert certificate["is_free"] == (certificate[["n_butterfly", "n_calendar"]].sum() == 0)


def test_skew_is_read_by_expiry_and_inside_the_quoted_tenors(built):
    chain, truth = built
    skew = chain.frame("skew_metrics")
    constant = skew[skew["basis"] == "constant_maturity"]
    assert set(constant["tenor_days"]) <= set(TENORS_DAYS)
    assert len(constant) >= 5
    expiries = skew[(skew["basis"] == "expiry") & (skew["tenor_days"] > 7)]
    true = truth.vol(expiries["forward"], [at.to_pydatetime() for at in expiries["expiry_at"]])
    assert np.abs(expiries["atm_iv"].to_numpy() - true).max() < 30e-4
    assert (
        skew.loc[skew["status"] == "ok", ["rr_25", "bf_25", "rr_10", "forward_iv", "model_free_iv"]].notna()
    ).all(axis=None)


def test_heston_parameters_are_recovered_within_two_percent(built):
    chain, truth = built
    fit = chain.frame("heston_fit").iloc[0]
    assert fit["status"] == "ok"
    for name, true in asdict(truth.params).items():
        assert fit[name] == pytest.approx(true, rel=0.02), name
    assert list(asdict(truth.params)) == list(PARAMETERS)


def test_a_market_that_is_the_model_gives_hardly_a_signal(built):
    chain, _ = built
    quality = chain.result("trade_signals").quality
    assert quality["signal_share"] < 0.02
    assert chain.frame("mispricing")["status"].isin({"ok", "out_of_range"}).all()


def test_planted_defects_end_in_quarantine_or_under_a_status():
    chain, _ = simulated("SIMX", defects=True)
    labels = SimulatedSource(SEED, True).labels("SIMX", SESSION)
    quarantine = chain.quotes.frames["quarantined_quotes"].set_index("raw_line")
    reasons = quarantine["reason"]
    vols = chain.frame("implied_vols").set_index("contract")
    flags = chain.quotes.frames["options_snapshots"].set_index("raw_line")["flags"]
    refused = {
        *("crossed", "negative_price", "no_quote", "absurd_spread", "below_intrinsic"),
        *("duplicate", "expired_before_snapshot", "adjusted_contract"),
    }
    for defect in labels:
        if defect.kind in refused:
            assert reasons[defect.raw_line] == defect.kind, defect
        if defect.kind in {"sentinel_iv", "zero_bid", "no_bid", "no_ask"}:
            assert flags[defect.raw_line] == defect.kind, defect
        if defect.kind in {"no_bid", "zero_bid"}:
            assert vols.loc[defect.contract, "bid_status"] == "no_bid", defect
        if defect.kind in {"no_ask", "zero_ask"}:
            assert vols.loc[defect.contract, "ask_status"] == "no_ask", defect
