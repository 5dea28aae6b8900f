"""The served surface's rows: what is published, refused, borrowed and read back."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pandas as pd
import pytest
from scipy.special import ndtr

from periscope_assets.transforms.stage import Snapshot
from periscope_assets.transforms.surfaces import grid, history, positioning, skew, slices
from periscope_assets.transforms.surfaces.served import errors_of, fitted_rows, served_of
from tests.transforms.simulated_chain import conformed, simulated


@pytest.fixture(scope="module")
def chain():
    return simulated("SIMX")[0]


@pytest.fixture(scope="module")
def truth():
    return simulated("SIMX")[1]


def surface(chain, keep=lambda vols, at: np.ones(len(vols), bool)):
    """vol_surface of a chain whose vols are kept or taken for absent."""
    vols, forwards = chain.frame("implied_vols"), chain.frame("forward_curve")
    kept = keep(vols, forwards["expiry_at"])
    absent = vols.assign(
        status=vols["status"].where(kept, "no_bid"), bid_status=vols["bid_status"].where(kept, "no_bid")
    )
    inputs = {"implied_vols": {"implied_vols": absent}, "forward_curve": {"forwards": forwards}}
    return conformed(slices.compute(Snapshot(chain.symbol, chain.as_of, inputs)))


def thinned(place, n):
    """Keep only the `n` out-of-the-money quotes nearest to the forward at one expiry."""

    def keep(vols, expiries):
        here = (vols["expiry_at"] == expiries.iloc[place]).to_numpy()
        order = vols["log_moneyness"].abs().where(vols["is_otm"], np.inf).where(here, np.inf).argsort()
        return ~here | np.isin(np.arange(len(vols)), order[:n])

    return keep


def test_a_surface_is_published_with_its_certificate(chain):
    result = chain.result("vol_surface")
    row = result.frames["surface_certificates"].iloc[0]
    assert result.status == "published"
    assert row["is_free"]
    assert (row["n_butterfly"], row["n_calendar"]) == (0, 0)
    assert row["grid_n_k"] >= 2000
    assert row["grid_n_tau"] == 200
    assert max(row["mass_error"], row["mean_error"]) < 1e-6
    assert row["second_mode"] < 0.01
    assert row["min_g"] == result.frames["surface_slices"]["min_g"].min() > 0.0
    assert result.quality["inside_share"] > 0.999


def test_published_numbers_give_every_bit_again(chain):
    rows = chain.result("vol_surface").frames["surface_slices"]
    again = rows.assign(params=[json.loads(json.dumps(each)) for each in rows["params"]])
    k = np.linspace(-0.5, 0.4, 101)
    for tau in (0.003, 0.1, 0.31, 1.7):
        np.testing.assert_array_equal(served_of(rows).iv(k, tau), served_of(again).iv(k, tau))
    quotes = chain.result("vol_surface").frames["surface_quotes"]
    one = quotes[quotes["expiry_at"] == rows["expiry_at"].iloc[2]]
    at = one["log_moneyness"].to_numpy()
    np.testing.assert_array_equal(one["surface_iv"], served_of(rows).slices[2].iv(at))


def test_every_contract_is_told_whether_and_why(chain):
    vols = chain.frame("implied_vols")
    quotes = chain.result("vol_surface").frames["surface_quotes"]
    assert set(quotes["contract"]) == set(vols["contract"])
    both = quotes.merge(vols[["contract", "is_otm", "bid_iv", "mid_iv", "ask_iv"]], on="contract")
    used = both[both["status"] == "ok"]
    assert used["is_otm"].all()
    assert (both.loc[~both["is_otm"], "status"] != "ok").all()
    np.testing.assert_allclose(used["residual_bps"], 1e4 * (used["mid_iv"] - used["surface_iv"]))
    inside = (used["surface_iv"] >= used["bid_iv"]) & (used["surface_iv"] <= used["ask_iv"])
    assert (used["is_inside"].astype(bool) == inside).all()
    assert (used["surface_iv_stderr"] > 0).all()
    np.testing.assert_allclose(used.groupby("expiry_at")["weight"].sum(), 1.0)


@pytest.mark.parametrize(
    ("place", "n", "status"),
    [(4, 2, "borrowed_shape"), (0, 1, "borrowed_shape"), (4, 0, "interpolated"), (-1, 0, "too_few_strikes")],
)
def test_thin_expiries_go_down_the_ladder(chain, place, n, status):
    result = surface(chain, thinned(place, n))
    rows = result.frames["surface_slices"]
    row = rows.iloc[place]
    assert result.status == "published"
    assert row["status"] == status
    assert (rows.drop(rows.index[place])["status"] == "ok").all()
    full = chain.result("vol_surface").frames["surface_slices"].iloc[place]
    if status == "too_few_strikes":
        assert np.isnan(row["atm_iv"])
        assert row["params"] is None
    else:
        assert row["atm_iv"] == pytest.approx(full["atm_iv"], abs=0.01)
        assert row["atm_iv_stderr"] > 0.0
    quotes = result.frames["surface_quotes"]
    here = quotes[quotes["expiry_at"] == row["expiry_at"]]
    assert (here["status"] == "ok").sum() == n
    assert here["surface_iv"].isna().all() == (status == "too_few_strikes")


def test_nothing_to_fit_is_rejected(chain):
    result = surface(chain, lambda vols, _: np.zeros(len(vols), bool))
    assert result.status == "rejected"
    assert result.frames["surface_certificates"].iloc[0]["status"] == "too_few_strikes"
    assert set(result.frames["surface_slices"]["status"]) == {"too_few_strikes"}
    assert result.quality["rejected_by"].startswith("too_few_strikes")


@pytest.mark.parametrize(
    ("found", "criterion"),
    [
        ({"n_butterfly": 3}, "butterfly: 3"),
        ({"n_calendar": 2}, "calendar: 2"),
        ({"mass_error": 1e-5}, "mass"),
        ({"right_wing": 2.5}, "wings"),
        ({"min_g": -0.1}, "density"),
    ],
)
def test_a_rejection_names_its_criterion(chain, found, criterion, monkeypatch):
    own = slices.certify_served
    broken = lambda surface: replace(own(surface), is_free=False, **found)  # noqa: E731
    monkeypatch.setattr(slices, "certify_served", broken)
    result = surface(chain)
    assert result.status == "rejected"
    assert result.quality["rejected_by"].startswith(criterion)


def test_nodes_are_those_of_the_market_within_their_errors(chain, truth):
    nodes = chain.frame("surface_grid")
    assert len(nodes) == 12 * (19 + 19)
    good = nodes[nodes["status"] == "ok"]
    assert good["iv_stderr"].between(0.0, 0.02).all()
    assert nodes.loc[nodes["status"] == "out_of_range", ["iv", "iv_stderr", "strike"]].isna().all(axis=None)
    assert nodes.loc[nodes["status"] == "extrapolated", "iv"].notna().all()
    whole = good[good["tenor_days"].isin([30.0, 91.0, 182.0])]
    at = [chain.as_of + timedelta(days=days) for days in whole["tenor_days"]]
    assert np.median(np.abs(whole["iv"].to_numpy() - truth.vol(whole["strike"], at))) < 10e-4


def test_deltas_of_nodes_are_forward_and_undiscounted(chain):
    nodes = chain.frame("surface_grid")
    own = nodes[(nodes["axis"] == "delta") & nodes["iv"].notna()]
    root = own["iv"] * np.sqrt(own["tau_years"])
    d1 = -own["log_moneyness"] / root + 0.5 * root

    np.testing.assert_allclose(ndtr(d1), own["coordinate"], atol=1e-9)


def test_skew_has_errors_quantiles_and_a_variance_above_the_vol_at_the_money(chain):
    rows = chain.frame("skew_metrics")
    good = rows[rows["status"] == "ok"]
    assert len(good) > 10
    assert (good[["atm_iv_stderr", "rr_25_stderr", "bf_25_stderr"]] > 0).all(axis=None)
    assert (good["variance_iv"] > good["atm_iv"]).all()
    quantiles = good[list(skew.QUANTILES)].to_numpy()
    assert (np.diff(quantiles, axis=1) > 0).all()
    assert np.abs(good["model_free_iv"] / good["variance_iv"] - 1).median() < 0.02
    assert rows["iv_rank"].isna().all()
    assert (rows["n_history"] == 0).all()


def test_rank_and_percentile_are_against_earlier_days():
    days = pd.date_range("2026-01-01", periods=40, tz="UTC")
    figures = pd.DataFrame({"as_of": days, "atm_iv_30d": np.linspace(0.10, 0.20, 40), "atm_iv_7d": np.nan})
    past = history.standings({"history": figures})
    assert list(past) == [30]
    standing = past[30].of(0.15)
    assert standing == {"iv_rank": pytest.approx(0.5), "iv_percentile": pytest.approx(0.5), "n_history": 40}
    few = history.standings({"history": figures.iloc[:5]})[30].of(0.15)
    assert np.isnan(few["iv_rank"])
    assert few["n_history"] == 5


def test_realised_vol_is_of_as_many_days_as_the_tenor():
    rng = np.random.default_rng(0)
    paths = 100 * np.exp(np.cumsum(rng.normal(0, 0.01 / 10, 260 * 100)).reshape(260, 100))
    bars = pd.DataFrame(
        {
            "session": pd.bdate_range("2025-01-01", periods=260).date,
            "open": paths[:, 0],
            "high": paths.max(axis=1),
            "low": paths.min(axis=1),
            "close": paths[:, -1],
        }
    )
    found = history.realized_vols({"underlying_bars": bars}, grid.TENORS_DAYS)
    assert set(found) == {7, 14, 30, 60, 91, 122, 152, 182, 273}
    assert found[273] == pytest.approx(0.01 * np.sqrt(252), rel=0.2)
    assert history.realized_vols(None, grid.TENORS_DAYS) == {}


def test_positioning_counts_by_expiry(chain):
    quotes = chain.frame("option_quotes").copy()
    rows = chain.result("vol_surface").frames["surface_slices"]
    first = rows["expiry_at"].iloc[3]
    here = quotes["expiry_at"] == first
    quotes["open_interest"] = np.where(here, 10.0, np.nan)
    quotes["volume"] = np.where(here, 5.0, np.nan)
    busy = quotes.index[here][0]
    quotes.loc[busy, "volume"] = 500.0
    found = positioning.rows(quotes, rows)
    assert (found["status"] != "ok").sum() == len(found) - 1
    row = found[found["expiry_at"] == first].iloc[0]
    calls = int((here & quotes["is_call"]).sum())
    assert row["call_open_interest"] == 10.0 * calls
    assert row["put_call_open_interest"] == pytest.approx((here.sum() - calls) / calls)
    assert row["n_unusual"] == 1
    assert row["most_unusual"] == quotes.loc[busy, "contract"]
    assert row["gex_usd"] == pytest.approx(row["call_gex_usd"] - row["put_gex_usd"])
    strikes = quotes.loc[here, "strike"]
    assert strikes.min() < row["max_pain_strike"] < strikes.max()


def test_errors_of_vols_grow_between_and_beyond_quotes(chain):
    rows = chain.result("vol_surface").frames["surface_slices"]
    errors = errors_of(rows)
    fitted = fitted_rows(rows)
    at_expiry = errors.stderr([0.0], float(fitted["tau_years"].iloc[4]))[0]
    assert at_expiry == pytest.approx(float(fitted["atm_iv_stderr"].iloc[4]), rel=1e-9)
    assert np.isnan(errors.stderr([6.5], 0.3)[0])
