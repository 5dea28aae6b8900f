"""The published surface on recorded chains: quotes inside their spread, certificates, what does not publish.

Shares are weighted by vega. Their denominator is every unexpired out-of-the-money quote with 0 < bid < ask,
quarantined ones included; whatever the surface did not use counts as outside.
"""

from __future__ import annotations

import os

import numpy as np
import pandas as pd
import pytest

from periscope_analytics import black
from periscope_analytics.implied_vol import implied_vol
from periscope_assets.sources import files
from periscope_assets.transforms.frames import years_to
from tests.transforms.recorded import cboe_chain
from tests.transforms.simulated_chain import chain_of

pytestmark = pytest.mark.data

BTC = "deribit-btc-2026q1/deribit_btc_daily_20260101_20260331.parquet"
FOLDERS = ("cboe-spx-spy-xsp-20230914", "us-ladder-202604", "yahoo-spy-iwm-202608", "deribit-btc-2026q1")
nightly = [
    pytest.mark.nightly,
    pytest.mark.skipif("PERISCOPE_NIGHTLY" not in os.environ, reason="run by make test-nightly"),
]


def raw_quotes(chain):
    """All quotes with 0 < bid < ask, accepted or not, unexpired and out of the money of their forward."""
    frames = chain.result("option_quotes").frames
    columns = ["contract", "expiry_at", "strike", "is_call", "bid", "ask", "quote_unit"]
    refused = pd.DataFrame(frames["quarantined_quotes"]["record"].tolist())
    parts = [frames["options_snapshots"][columns]]
    if len(refused):
        refused = refused.reindex(columns=columns)
        parts.append(refused.assign(expiry_at=pd.to_datetime(refused["expiry_at"], utc=True)))
    rows = pd.concat(parts, ignore_index=True).astype({"bid": float, "ask": float, "strike": float})
    rows = rows[(rows["bid"] > 0) & (rows["ask"] > rows["bid"])].reset_index(drop=True)
    known = chain.frame("forward_curve").set_index("expiry_at")[["forward", "discount"]]
    rows = rows.join(known, on="expiry_at").assign(tau=years_to(rows["expiry_at"], chain.as_of))
    assert rows.loc[rows["tau"] > 0, "forward"].notna().all(), "an unexpired quote has no forward"
    out = rows["is_call"].astype(bool) == (rows["strike"] >= rows["forward"])
    return rows[out & (rows["tau"] > 0)]


def shares(chain):
    """Share inside of the whole chain, and of its worst expiry of ten quotes or more."""
    rows = raw_quotes(chain)
    said = chain.result("vol_surface").frames["surface_quotes"][["contract", "is_inside", "status"]]
    rows = rows.merge(said, on="contract", how="left")
    unit = np.where(rows["quote_unit"] == "coin", 1.0, rows["forward"] * rows["discount"])
    k, tau = np.log(rows["strike"] / rows["forward"]).to_numpy(), rows["tau"].to_numpy()
    call = rows["is_call"].to_numpy(bool)
    mid = (0.5 * (rows["bid"] + rows["ask"]) / unit).to_numpy(float)
    vol = implied_vol(mid, 1.0, np.exp(k), tau, call).sigma
    rows["vega"] = np.nan_to_num(black.greeks(1.0, np.exp(k), tau, vol, call).vega)
    rows["hit"] = rows["vega"] * ((rows["status"] == "ok") & rows["is_inside"].eq(True))
    by_expiry = rows.groupby("expiry_at").agg(hit=("hit", "sum"), vega=("vega", "sum"), n=("vega", "size"))
    many = by_expiry[by_expiry["n"] >= 10]
    return rows["hit"].sum() / rows["vega"].sum(), float((many["hit"] / many["vega"]).min())


def check_certificate(chain):
    result = chain.result("vol_surface")
    row = result.frames["surface_certificates"].iloc[0]
    assert result.status == "published"
    assert row["is_free"]
    assert (row["n_butterfly"], row["n_calendar"]) == (0, 0)
    assert row["grid_n_k"] >= 2000
    assert row["grid_n_tau"] >= 200
    assert max(row["mass_error"], row["mean_error"]) <= 1e-6
    assert row["second_mode"] <= 0.01


@pytest.mark.parametrize("symbol", ["SPX", "XSP"])
def test_index_quotes_lie_inside_their_spread(recorded, symbol):
    chain = cboe_chain(recorded, symbol)
    whole, worst = shares(chain)
    assert whole >= 0.995
    assert worst >= 0.95
    check_certificate(chain)


def btc_shares(recorded, step):
    parsed = files.parse(files.load(recorded / BTC))[1]
    found = []
    for each in parsed[::step]:
        chain = chain_of(each)
        check_certificate(chain)
        found.append(shares(chain))
    return np.array(found)


def test_coin_quotes_lie_inside_their_spread_every_tenth_day(recorded):
    found = btc_shares(recorded, 10)
    assert len(found) == 9
    assert found[:, 0].mean() >= 0.995
    assert found.min(axis=0)[0] >= 0.97
    assert found.min(axis=0)[1] >= 0.95


class TestAllDays:
    """Every recorded chain."""

    pytestmark = nightly

    def test_coin_quotes_lie_inside_their_spread(self, recorded):
        found = btc_shares(recorded, 1)
        assert len(found) == 90
        assert found[:, 0].mean() >= 0.995
        assert found.min(axis=0)[0] >= 0.97
        assert found.min(axis=0)[1] >= 0.95

    def test_nearly_all_days_publish_and_the_rest_say_why(self, recorded):
        outcomes = {}
        for folder in FOLDERS:
            chains = (each for each in (recorded / folder).iterdir() if each.suffix in {".gz", ".parquet"})
            for path in sorted(chains):
                for parsed in files.parse(files.load(path))[1]:
                    chain = chain_of(parsed)
                    result = chain.result("vol_surface")
                    reason = result.frames["surface_certificates"].iloc[0]["status"]
                    outcomes[parsed.symbol, parsed.as_of] = (result.status, reason)
                    if result.status == "published":
                        check_certificate(chain)
        refused = {key: reason for key, (status, reason) in outcomes.items() if status != "published"}
        assert len(outcomes) >= 120
        assert len(refused) <= 0.02 * len(outcomes), refused
