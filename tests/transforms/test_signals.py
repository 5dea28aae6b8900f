"""Signals: only beyond spread and error, on the right side, ranked, named for good."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pandas as pd
import pytest

from periscope_assets.transforms.signals import compute_trade_signals, signal_id
from periscope_assets.transforms.stage import Snapshot

AS_OF = datetime(2026, 3, 20, 19, 45, tzinfo=UTC)
EXPIRY = pd.Timestamp("2026-06-19 20:00", tz="UTC")


def mispricings(**columns):
    n = len(next(iter(columns.values())))
    default = {
        "contract": [f"ACME260619C{i:08d}" for i in range(n)],
        "expiry_at": pd.Series([EXPIRY] * n, dtype="datetime64[us, UTC]"),
        "strike": np.arange(n) + 100.0,
        "is_call": True,
        "market_iv": 0.25,
        "model_iv": 0.25,
        "difference": 0.0,
        "stderr": 0.001,
        "half_spread_iv": 0.002,
        "z_score": 0.0,
        "edge_usd": 0.05,
        "status": "ok",
    }
    return pd.DataFrame({**default, **columns})


def signals(frame, as_of=AS_OF):
    return compute_trade_signals(Snapshot("ACME", as_of, {"mispricing": {"mispricings": frame}}))


def test_a_signal_needs_more_than_half_the_spread_and_one_error():
    made = signals(mispricings(difference=[0.0029, 0.0031, -0.0031, 0.0]))
    frame = made.frames["trade_signals"]
    assert set(frame["strike"]) == {101.0, 102.0}
    assert dict(zip(frame["strike"], frame["direction"], strict=True)) == {101.0: "sell", 102.0: "buy"}
    assert made.quality["n_signals"] == 2


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
    assert first["signal_id"].iloc[0] == signal_id("ACME260619C00000000", "2026-03-20T19:45:00Z", "sell")
    later = signals(frame, AS_OF.replace(hour=20)).frames["trade_signals"]
    assert later["signal_id"].iloc[0] != first["signal_id"].iloc[0]
    assert "200 bps above" in first["reason"].iloc[0]


@pytest.mark.parametrize("status", ["too_few_strikes", "not_converged"])
def test_no_fit_gives_an_empty_but_complete_table(status):
    made = signals(mispricings(status=[status] * 3))
    assert made.frames["trade_signals"].empty
    assert "signal_id" in made.frames["trade_signals"].columns
    assert made.quality["signal_share"] == 0.0
