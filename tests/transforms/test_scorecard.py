"""Scores: the move in the signal's direction less both half-spreads; statistics with known answers."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest

from periscope_analytics.heston import HestonParams
from periscope_assets.transforms.signals.scorecard import compute
from periscope_assets.transforms.signals.track_record import track_record
from periscope_assets.transforms.stage import Snapshot

NOW = datetime(2026, 3, 20, 19, 45, tzinfo=UTC)
DAY = timedelta(days=1)
MODEL = {"v0": 0.04, "kappa": 2.0, "theta": 0.04, "sigma": 0.3, "rho": -0.5}
FAIR = float(HestonParams(**MODEL).implied_vol(100.0, 100.0, 0.1))
"""The model's vol of the contract at the forward, then and now: nothing to hedge unless a test says so."""


def signal(as_of, instrument="ACME260417C00100000", direction="buy", **columns):
    contract = instrument if instrument.startswith("ACME") else None
    row = {
        "signal_id": f"{instrument}|{as_of:%j}|{direction}", "as_of": pd.Timestamp(as_of), "generator": "g",
        "instrument": instrument, "contract": contract, "direction": direction, "state": "pending",
        "confidence": 0.8, "entry_iv": 0.20, "half_spread_iv": 0.002, "vega_usd": 10.0,
        "fair_iv": FAIR,
    }  # fmt: skip
    return {**row, **columns}


def scores(signals, *, known_at=None, days=25, vols=None, atm=(0.2, 0.2)):
    past = [NOW - (days - i) * DAY for i in range(days)]
    figures = pd.DataFrame(
        {
            "as_of": past,
            "known_at": [each + timedelta(minutes=5) if known_at is None else known_at for each in past],
        }
    )
    now = pd.DataFrame(
        {
            "contract": ["ACME260417C00100000", "ACME260417C00110000"],
            "bid_iv": [0.218, np.nan], "mid_iv": [0.22, np.nan], "ask_iv": [0.222, np.nan],
            "status": ["ok", "no_bid"], "forward": 100.0, "strike": [100.0, 110.0], "tau_years": 0.1,
        }
    )  # fmt: skip
    metrics = pd.DataFrame(
        {
            "basis": "constant_maturity",
            "tenor_days": [30.0, 60.0],
            "atm_iv": atm,
            "rr_25": -0.03,
            "bf_25": 0.01,
        }
    )
    fits = pd.DataFrame([{**MODEL, "status": "ok"}])
    inputs = {
        "implied_vols": {"implied_vols": now if vols is None else vols},
        "skew_metrics": {"skew_metrics": metrics},
        "heston_fit": {"heston_calibrations": fits},
        "trade_signals_history": {"history": figures, "trade_signals": pd.DataFrame(signals)},
    }
    return compute(Snapshot("ACME", NOW, inputs))


def test_a_score_is_the_move_less_both_half_spreads():
    made = scores([signal(NOW - DAY), signal(NOW - DAY, direction="sell")])
    buy, sell = made.frames["signal_scores"].to_dict("records")
    assert buy["gross_iv"] == pytest.approx(0.02)
    assert buy["net_iv"] == pytest.approx(0.02 - 0.002 - 0.002)
    assert buy["net_usd"] == pytest.approx(0.16)
    assert sell["net_iv"] == pytest.approx(-0.024)
    assert (buy["is_hit"], sell["is_hit"]) == (True, False)
    assert made.quality["hit_rate"] == 0.5


def test_the_model_s_own_move_is_hedged_away():
    (row,) = scores([signal(NOW - DAY, fair_iv=FAIR - 0.015)]).frames["signal_scores"].to_dict("records")
    assert row["hedge_iv"] == pytest.approx(0.015)
    assert row["gross_iv"] == pytest.approx(0.02 - 0.015)


def test_each_horizon_takes_the_signals_of_its_session():
    frame = scores([signal(NOW - n * DAY) for n in (1, 2, 5, 21)]).frames["signal_scores"]
    found = dict(zip(frame["horizon_sessions"], frame["signal_as_of"], strict=True))
    assert found == {n: pd.Timestamp(NOW - n * DAY) for n in (1, 5, 21)}


def test_the_basis_says_whether_the_signal_was_known():
    assert set(scores([signal(NOW - DAY)]).frames["signal_scores"]["basis"]) == {"as_served"}
    late = scores([signal(NOW - DAY)], known_at=NOW + DAY)
    assert set(late.frames["signal_scores"]["basis"]) == {"reconstructed"}


def test_what_has_no_vol_now_has_a_status():
    listed = signal(NOW - DAY, "ACME260417C00110000")
    gone = signal(NOW - DAY, "ACME260320C00100000")
    frame = scores([listed, gone]).frames["signal_scores"]
    assert list(frame["status"]) == ["no_bid", "expired"]
    assert frame["net_iv"].isna().all()
    assert frame["is_hit"].isna().all()


def test_series_are_scored_by_the_metrics():
    sold = [signal(NOW - DAY, name, "sell", entry_iv=0.25) for name in ("ATM 30d", "FWD 30d-60d")]
    frame = scores(sold, atm=(0.2, 0.22)).frames["signal_scores"]
    forward = np.sqrt((0.22**2 * 60 - 0.2**2 * 30) / 30)
    assert frame["exit_iv"].tolist() == pytest.approx([0.2, forward])
    assert frame["net_iv"].tolist() == pytest.approx([0.05 - 0.004, 0.25 - forward - 0.004])


def test_without_history_there_are_no_scores():
    made = scores([], days=0)
    assert made.frames["signal_scores"].empty
    assert made.quality["hit_rate"] is None


def test_a_real_edge_is_a_discovery_and_luck_is_not():
    rng = np.random.default_rng(7)
    parts = []
    for generator, edge in (("good", 0.004), *((f"luck{i}", 0.0) for i in range(19))):
        for session in range(120):
            net = edge + 0.01 * rng.standard_normal() + 0.001 * rng.standard_normal(5)
            parts.append(
                pd.DataFrame(
                    {
                        "basis": "as_served", "generator": generator, "signal_state": "pending",
                        "horizon_sessions": 5, "signal_as_of": pd.Timestamp(NOW) + session * DAY,
                        "net_iv": net, "is_hit": net > 0.0, "status": "ok",
                    }
                )
            )  # fmt: skip
    record = track_record(pd.concat(parts, ignore_index=True)).set_index("generator")
    assert record.index[record["is_discovery"]].tolist() == ["good"]
    good = record.loc["good"]
    assert (good["n_scores"], good["n_sessions"]) == (600, 120)
    assert good["net_low_bps"] < 40.0 < good["net_high_bps"]
    assert good["hit_low"] < good["hit_rate"] < good["hit_high"]


def test_two_sessions_tell_nothing():
    frame = pd.DataFrame(
        {
            "basis": "as_served", "generator": "g", "signal_state": "pending", "horizon_sessions": 1,
            "signal_as_of": [pd.Timestamp(NOW), pd.Timestamp(NOW + DAY)], "net_iv": [0.1, 0.1],
            "is_hit": True, "status": "ok",
        }
    )  # fmt: skip
    (row,) = track_record(frame).to_dict("records")
    assert row["hit_rate"] == 1.0
    assert np.isnan(row["p_value"])
    assert not row["is_discovery"]
