"""Signals: only beyond spread and error, on the right side, ranked, named for good."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pandas as pd
import pytest

from periscope_assets.settings import SignalSettings
from periscope_assets.transforms.signals.generators import HORIZON_SESSIONS, confidence
from periscope_assets.transforms.signals.trade import compute, signal_id
from periscope_assets.transforms.stage import Snapshot

AS_OF = datetime(2026, 3, 20, 19, 45, tzinfo=UTC)
EXPIRY = pd.Timestamp("2026-04-17 20:00", tz="UTC")
TENORS = (7, 14, 30, 60, 91, 122)


def mispricings(**columns):
    n = len(next(iter(columns.values())))
    default = {
        "contract": [f"ACME260417C{i:08d}" for i in range(n)],
        "expiry_at": pd.Series([EXPIRY] * n, dtype="datetime64[us, UTC]"),
        "strike": np.arange(n) + 100.0,
        "is_call": True,
        "market_iv": 0.25,
        "model_iv": 0.25 - np.asarray(columns.get("difference", 0.0)),
        "difference": 0.0,
        "stderr": 0.001,
        "half_spread_iv": 0.002,
        "vega_usd": 10.0,
        "z_score": 0.0,
        "z_basis": "surface",
        "edge_usd": 0.05,
        "status": "ok",
    }
    return pd.DataFrame({**default, **columns})


def metrics(vols=None, *, percentile=0.5, realized=0.15):
    vols = np.full(len(TENORS), 0.2) if vols is None else np.asarray(vols)
    days = np.array(TENORS, dtype=float)
    w = np.append(0.0, vols**2 * days)
    return pd.DataFrame(
        {
            "basis": "constant_maturity",
            "tenor_days": days,
            "atm_iv": vols,
            "atm_iv_stderr": 2e-4,
            "forward_iv": np.sqrt(np.diff(w) / np.diff(np.append(0.0, days))),
            "iv_percentile": percentile,
            "realized_vol": realized,
        }
    )


def reversion(**columns):
    default = {
        "series": ["atm_iv"],
        "value": 0.30,
        "value_stderr": 5e-4,
        "kappa": 0.1,
        "theta": 0.20,
        "theta_stderr": 2e-3,
        "sigma": 0.03 * np.sqrt(0.2),
        "z_score": (0.30 - 0.20) / 0.03,
        "status": "ok",
    }
    return pd.DataFrame({**default, **columns})


def signals(frame, as_of=AS_OF, *, fits=None, skew=None, **limits):
    inputs = {
        "mispricing": {"mispricings": frame},
        "ou_fit": {"ou_calibrations": reversion(status="unidentified") if fits is None else fits},
        "skew_metrics": {"skew_metrics": metrics() if skew is None else skew},
    }
    chosen = {**SignalSettings().model_dump(), **limits}
    return compute(Snapshot("ACME", as_of, inputs, {"signals": chosen}))


def rows(*arguments, **named):
    return signals(*arguments, **named).frames["trade_signals"]


def test_a_signal_needs_more_than_half_the_spread_and_one_error():
    made = signals(mispricings(difference=[0.0029, 0.0031, -0.0031, 0.0]))
    frame = made.frames["trade_signals"]
    assert set(frame["strike"]) == {101.0, 102.0}
    assert dict(zip(frame["strike"], frame["direction"], strict=True)) == {101.0: "sell", 102.0: "buy"}
    assert made.quality["n_candidates"] == 2


def test_inside_the_spread_or_without_a_model_there_is_no_signal():
    frame = mispricings(difference=[0.02, 0.02], edge_usd=[np.nan, 0.1], status=["ok", "not_converged"])
    assert signals(frame).frames["trade_signals"].empty


def test_ranks_follow_the_edge_and_confidence_stays_below_one():
    frame = signals(mispricings(difference=[0.004, -0.02, 0.008, 0.0, 0.0, 0.0])).frames["trade_signals"]
    assert list(frame["strike"]) == [101.0, 102.0, 100.0]
    assert list(frame["rank"]) == [1, 2, 3]
    assert frame["confidence"].between(0, 1).all()
    assert frame["confidence"].is_monotonic_decreasing


def test_what_the_model_gets_wrong_throughout_an_expiry_is_not_trusted():
    lonely = signals(mispricings(difference=[0.02, *[0.0] * 9])).frames["trade_signals"]
    common = signals(mispricings(difference=[0.02] * 10)).frames["trade_signals"]
    assert lonely["confidence"].iloc[0] > 0.99
    assert common["confidence"].max() < 0.6


def test_a_signal_keeps_its_name_and_gives_its_numbers():
    frame = mispricings(difference=[0.02, 0.0])
    first, again = (signals(frame).frames["trade_signals"] for _ in range(2))
    assert list(first["signal_id"]) == list(again["signal_id"])
    assert first["signal_id"].iloc[0] == signal_id(
        "heston_relative_value", "ACME260417C00000000", "2026-03-20T19:45:00Z", "sell"
    )
    later = signals(frame, AS_OF.replace(hour=20)).frames["trade_signals"]
    assert later["signal_id"].iloc[0] != first["signal_id"].iloc[0]
    assert "200 bps above" in first["reason"].iloc[0]


@pytest.mark.parametrize("status", ["too_few_strikes", "not_converged"])
def test_no_fit_gives_an_empty_but_complete_table(status):
    made = signals(mispricings(status=[status] * 3))
    assert made.frames["trade_signals"].empty
    assert "signal_id" in made.frames["trade_signals"].columns
    assert made.quality["signal_share"] == 0.0


def test_a_stretched_series_is_sold_toward_where_its_past_expects_it():
    frame = rows(mispricings(difference=[0.0, 0.0]), fits=reversion())
    (signal,) = frame.to_dict("records")
    fair = 0.20 + 0.10 * np.exp(-0.1 * HORIZON_SESSIONS)
    assert (signal["generator"], signal["instrument"], signal["direction"]) == (
        "mean_reversion",
        "ATM 30d",
        "sell",
    )
    assert signal["fair_iv"] == pytest.approx(fair)
    assert signal["edge_iv"] == pytest.approx(0.30 - fair - 0.002)
    assert signal["state"] == "pending"
    assert signal["contract"] is None or signal["contract"] != signal["contract"]


@pytest.mark.parametrize(("series", "legs"), [("rr_25", 2), ("bf_25", 3)])
def test_more_legs_cost_more(series, legs):
    (signal,) = rows(mispricings(difference=[0.0]), fits=reversion(series=[series])).to_dict("records")
    assert signal["half_spread_iv"] == pytest.approx(legs * 0.002)


def test_a_series_near_its_mean_gives_no_signal():
    assert rows(mispricings(difference=[0.0]), fits=reversion(value=[0.24], z_score=1.33)).empty


def test_a_kink_in_forward_vol_is_sold():
    vols = np.full(len(TENORS), 0.2)
    vols[3] = 0.23
    frame = rows(mispricings(difference=[0.0]), skew=metrics(vols)).set_index("instrument")
    assert frame.loc["FWD 30d-60d", "direction"] == "sell"
    assert frame.loc["FWD 60d-91d", "direction"] == "buy"
    assert (frame["half_spread_iv"] > 0.002).all()
    assert (frame["generator"] == "term_structure").all()


def test_a_smooth_curve_gives_no_signal():
    assert rows(mispricings(difference=[0.0]), skew=metrics([0.2, 0.201, 0.203, 0.206, 0.209, 0.212])).empty


@pytest.mark.parametrize(
    ("told", "found"),
    [
        ({"percentile": 0.9}, "stressed"),
        ({"vols": [0.3, 0.28, 0.26, 0.24, 0.22, 0.21]}, "stressed"),
        ({"realized": 0.25}, "trending"),
        ({}, "calm"),
        ({"percentile": np.nan, "realized": np.nan}, "calm"),
    ],
)
def test_regimes(told, found):
    made = signals(mispricings(difference=[0.0]), fits=reversion(), skew=metrics(**told))
    assert made.quality["regime"] == found
    calm = rows(mispricings(difference=[0.0]), fits=reversion())["confidence"].iloc[0]
    frame = made.frames["trade_signals"]
    mine = frame[frame["generator"] == "mean_reversion"]["confidence"].iloc[0]
    assert mine == pytest.approx(calm * {"stressed": 0.5, "trending": 0.7, "calm": 1.0}[found])


def test_the_weaker_of_two_generators_is_overruled_and_says_by_whom():
    cheap = mispricings(difference=[-0.05, *[0.0] * 9])
    frame = rows(cheap, fits=reversion(value=[0.27], z_score=2.33))
    by = frame.set_index("generator")
    assert by.loc["heston_relative_value", "state"] == "pending"
    assert by.loc["mean_reversion", "state"] == "overruled"
    assert "heston_relative_value weighs +1.00" in by.loc["mean_reversion", "decision"]
    agreed = rows(mispricings(difference=[0.05, *[0.0] * 9]), fits=reversion())
    assert set(agreed["state"]) == {"pending"}


def test_each_filter_says_its_reason():
    spread = mispricings(difference=[0.2, 0.1, 0.0, 0.0, 0.0, 0.0], half_spread_iv=[0.06, *[0.002] * 5])
    wide = rows(spread).set_index("strike")
    assert wide.loc[100.0, "decision"] == "Half-spread 600 bps is above 500 bps."
    assert wide.loc[101.0, "state"] == "pending"
    common = rows(mispricings(difference=[0.02] * 10))
    assert set(common["state"]) == {"filtered"}
    assert common["decision"].str.contains("is below 0.60").all()
    many = mispricings(difference=[*np.linspace(0.1, 0.2, 8), *[0.0] * 20])
    crowded = rows(many, max_per_expiry=3)
    assert (crowded["state"] == "pending").sum() == 3
    assert crowded["decision"].str.contains("expiry has 3 better").sum() == 5
    limited = rows(many, max_signals=2, max_per_expiry=50)
    assert list(limited.loc[limited["state"] == "pending", "rank"]) == [1, 2]
    assert limited["decision"].str.contains("underlying has 2 better").sum() == 6


def test_confidence_is_a_probability():
    assert confidence(np.array([0.0, 1.0, 40.0])) == pytest.approx([0.0, 0.6826894921370859, 1.0])
