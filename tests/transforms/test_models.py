"""Models: what generated a smile or a path comes back, grades follow errors, bands hold all models."""

from __future__ import annotations

from datetime import UTC, date, datetime

import numpy as np
import pandas as pd
import pytest

from periscope_analytics.ou import OUParams
from periscope_analytics.sabr import SABRParams
from periscope_assets.transforms.models import ou, sabr
from periscope_assets.transforms.models.heston import PARAMETERS, params_of, slopes
from periscope_assets.transforms.stage import Snapshot
from tests.transforms.simulated_chain import simulated

NOW = datetime(2026, 3, 20, 19, 45, tzinfo=UTC)


@pytest.fixture(scope="module")
def chain():
    return simulated("SIMN")[0]


def smile(params, tau=0.25, forward=100.0, stderr=1e-3):
    k = np.linspace(-2.0, 2.0, 21) * 0.2 * np.sqrt(tau)
    strike = forward * np.exp(k)
    shared = {
        "expiry_at": pd.Timestamp("2026-06-19 20:00", tz="UTC"),
        "tau_years": tau,
        "forward": forward,
    }
    quoted = {
        "contract": [f"X{i}" for i in range(len(k))],
        "strike": strike,
        "is_call": k >= 0.0,
        "log_moneyness": k,
        "mid_iv": params.implied_vol(forward, strike, tau),
        "iv_stderr": stderr,
        "is_otm": True,
        "weight": 1.0,
        "early_exercise_premium": 0.0,
    }
    named = {"expiry": [date(2026, 6, 19)], "root": "X", "status": "ok"}
    at_money = {"atm_iv": float(params.implied_vol(forward, forward, tau))}
    return pd.DataFrame({**quoted, **shared}), pd.DataFrame({**named, **shared, **at_money})


def sabr_of(vols, slices):
    inputs = {"implied_vols": {"implied_vols": vols}, "vol_surface": {"surface_slices": slices}}
    return sabr.compute(Snapshot("X", NOW, inputs)).frames["sabr_calibrations"].iloc[0]


def test_sabr_comes_back():
    truth = SABRParams(0.2, 1.0, -0.4, 0.8)
    row = sabr_of(*smile(truth))
    assert (row["status"], row["beta"], row["n_quotes"]) == ("ok", 1.0, 21)
    assert [row[name] for name in ("alpha", "rho", "nu")] == pytest.approx([0.2, -0.4, 0.8], rel=1e-5)
    assert row["rmse_bps"] < 1e-3


def test_sabr_without_quotes_or_slice_says_why():
    vols, slices = smile(SABRParams(0.2, 1.0, -0.4, 0.8))
    few = sabr_of(vols.head(2), slices)
    assert (few["status"], few["n_quotes"]) == ("too_few_strikes", 0)
    gone = sabr_of(vols, slices.assign(atm_iv=np.nan, status="no_forward"))
    assert gone["status"] == "no_forward"
    assert np.isnan(gone["alpha"])


def ou_of(path, error=1e-4):
    figures = pd.DataFrame({f"{name}_30d": path[:-1] for name in ou.SERIES})
    month = pd.DataFrame(
        {
            "basis": ["constant_maturity"], "tenor_days": [30.0],
            **{name: [path[-1]] for name in ou.SERIES}, **{f"{name}_stderr": [error] for name in ou.SERIES},
        }
    )  # fmt: skip
    inputs = {"skew_metrics": {"skew_metrics": month}, ou.HISTORY.key: {"history": figures}}
    return ou.compute(Snapshot("X", NOW, inputs)).frames["ou_calibrations"].set_index("series")


def simulated_path(params, n, seed=3):
    rng, path = np.random.default_rng(seed), [params.theta]
    for _ in range(n - 1):
        path.append(float(params.mean(path[-1], 1.0)) + float(params.deviation(1.0)) * rng.standard_normal())
    return np.array(path)


def test_ou_covers_what_generated_the_path():
    truth = OUParams(0.15, 0.2, 0.01)
    row = ou_of(simulated_path(truth, 250)).loc["atm_iv"]
    assert row["status"] == "ok"
    assert abs(row["theta"] - 0.2) < 3.0 * row["theta_stderr"]
    assert abs(row["sigma"] - 0.01) < 3.0 * row["sigma_stderr"]
    assert row["z_score"] == pytest.approx((row["value"] - row["theta"]) / row["stationary_deviation"])
    assert row["half_life_sessions"] == pytest.approx(np.log(2.0) / row["kappa"])


def test_a_short_path_is_not_fitted():
    row = ou_of(simulated_path(OUParams(0.15, 0.2, 0.01), 29)).loc["atm_iv"]
    assert (row["status"], row["n_observations"]) == ("no_history", 29)
    assert np.isnan(row["kappa"])


def test_a_trend_is_not_taken_for_reversion():
    assert ou_of(np.linspace(0.1, 0.5, 60)).loc["atm_iv", "status"] in ("unidentified", "degenerate")


def test_heston_s_slopes_are_the_derivatives(chain):
    row = chain.frame("heston_fit").iloc[0].to_dict()
    params = params_of(row)
    strike, tau = np.array([90.0, 100.0, 115.0]), np.array([0.1, 0.5, 1.0])
    vols, by = slopes(params, np.full(3, 100.0), strike, tau)
    values = np.array([getattr(params, name) for name in PARAMETERS])
    step = 1e-3 * values
    moved = type(params)(*(values + step)).implied_vol(100.0, strike, tau)
    assert moved - vols == pytest.approx(by @ step, rel=0.02, abs=1e-7)


def test_the_error_of_a_fit_grows_with_noise_and_sets_its_grade(chain):
    row = chain.frame("heston_fit").iloc[0]
    assert row["grade"] == "a"
    lower = row["covariance"]["lower"]
    assert [len(each) for each in lower] == [1, 2, 3, 4, 5]
    assert all(each[-1] >= 0.0 for each in lower)
    errors = chain.frame("mispricing")
    known = errors[errors["status"] == "ok"]
    assert (known["stderr"] > 0.0).all()
    assert known["stderr"].median() < 0.02


def test_bands_hold_all_models_and_are_narrow_where_heston_is_true(chain):
    nodes = chain.frame("model_bands")
    known = nodes[nodes["status"] == "ok"]
    assert len(known) > 20
    models = known[["served_iv", "svi_iv", "essvi_iv", "heston_iv"]]
    assert (models.min(axis=1) == known["low_iv"]).all()
    assert (models.max(axis=1) == known["high_iv"]).all()
    assert known.loc[known["tenor_days"] >= 30, "n_models"].eq(4).all()
    wide = 1e4 * (known["high_iv"] - known["low_iv"])
    assert wide[known["delta"] == 0.5].median() < 60.0
    absent = nodes[nodes["status"] != "ok"]
    assert absent[["low_iv", "high_iv"]].isna().all(axis=None)
