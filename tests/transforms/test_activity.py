"""Unusual activity: volume against that of earlier sessions."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest

from periscope_assets.transforms.surfaces import activity, positioning
from tests.transforms.simulated_chain import simulated

NOW = datetime(2026, 3, 20, 20, tzinfo=UTC)
NEAR, FAR, NEW = (NOW + timedelta(days=days) for days in (10, 200, 14))


def rows(expiries, at, calls, puts):
    return pd.DataFrame(
        {
            "expiry_at": pd.DatetimeIndex(expiries).as_unit("us"),
            "tau_years": [(each - at).days / 365.0 for each in expiries],
            "call_volume": np.asarray(calls, float),
            "put_volume": np.asarray(puts, float),
        }
    )


def history(n, seed=3, level=2000.0):
    rng = np.random.default_rng(seed)
    parts = []
    for back in range(n, 0, -1):
        at = NOW - timedelta(days=back)
        part = rows(
            [NEAR, FAR],
            at,
            level * np.exp(0.2 * rng.normal(size=2)),
            level * np.exp(0.2 * rng.normal(size=2)),
        )
        parts.append(part.assign(as_of=at))
    return {"positioning": pd.concat(parts, ignore_index=True)}


def told(calls, puts, past):
    held = rows([NEAR, NEW, FAR], NOW, calls, puts)
    return held.assign(**activity.columns(held, past))


def test_a_rush_stands_out_against_the_expirys_own_sessions():
    found = told([9000.0, 2000.0, 2000.0], [2000.0] * 3, history(15))
    assert found["call_volume_z"][0] > 5.0
    assert found["put_volume_z"].abs().max() < 2.5
    assert found["volume_basis"].tolist() == ["expiry", "maturity", "expiry"]
    assert found["n_volume_history"].tolist() == [15, 15, 15]
    figures = activity.quality(found, history(15))
    assert figures["n_unusual_expiries"] == 1
    assert figures["volume_z"] > 2.0


def test_scores_of_ordinary_days_are_of_order_one():
    rng = np.random.default_rng(9)
    scores = []
    for seed in range(60):
        usual = 2000.0 * np.exp(0.2 * rng.normal(size=3))
        scores += told(usual, [2000.0] * 3, history(20, seed))["call_volume_z"].tolist()
    assert 0.7 < np.std(scores) < 1.8


@pytest.mark.parametrize("past", [None, {"positioning": pd.DataFrame()}, history(4)])
def test_a_short_history_says_nothing(past):
    found = told([9000.0] * 3, [2000.0] * 3, past)
    assert found[list(activity.COLUMNS)].isna().all(axis=None)
    assert activity.quality(found, past) == {"n_unusual_expiries": 0, "volume_z": None}


def test_positioning_holds_volume_against_its_history():
    chain = simulated("SIMX")[0]
    quotes = chain.frame("option_quotes").assign(volume=20.0, open_interest=10.0)
    slices = chain.result("vol_surface").frames["surface_slices"]
    usual = positioning.rows(quotes, slices)
    assert usual["call_volume_z"].isna().all()
    past = [usual.assign(as_of=NOW - timedelta(days=back)) for back in range(1, 8)]
    first = quotes["expiry_at"].eq(usual["expiry_at"].iloc[0])
    busy = quotes.assign(volume=quotes["volume"].where(~(first & quotes["is_call"]), 900.0))
    found = positioning.rows(busy, slices, None, {"positioning": pd.concat(past, ignore_index=True)})
    assert found["call_volume_z"].iloc[0] > 3.0
    assert found["put_volume_z"].abs().max() < 0.5
    assert found["call_volume_z"].iloc[1:].abs().max() < 0.5
    assert set(found["volume_basis"]) == {"expiry"}


def test_counting_alone_spreads_small_volumes():
    past = history(10, level=4.0)
    past["positioning"][["call_volume", "put_volume"]] = 4.0
    assert told([7.0] * 3, [4.0] * 3, past)["call_volume_z"].abs().max() < 1.5
