"""Cross-fade: shares run from put to call through the forward, and blended vols are smoother there."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from periscope_assets.transforms.surfaces.crossfade import REACH, call_share, crossfaded
from periscope_assets.transforms.surfaces.vols import liquid
from tests.transforms.recorded import SPY_DIVIDENDS, beside_quotes, cboe_chain
from tests.transforms.simulated_chain import simulated


def test_the_call_has_all_above_half_at_and_nothing_below_the_forward():
    share = call_share(np.array([-0.1, -REACH * 0.1, 0.0, REACH * 0.05, 0.1]), np.full(5, 0.1))
    assert share == pytest.approx([0.0, 0.0, 0.5, 0.75, 1.0])


def chain(put_iv, call_iv):
    strikes = np.arange(96.0, 105.0)
    sides = []
    for is_call, iv in ((False, put_iv), (True, call_iv)):
        columns = {"strike": strikes, "is_call": is_call, "log_moneyness": np.log(strikes / 100.0)}
        vols = {"bid_iv": iv - 0.01, "mid_iv": iv, "ask_iv": iv + 0.01, "iv_stderr": 0.004, "tau_years": 0.04}
        sides.append(pd.DataFrame(columns | vols))
    frame = pd.concat(sides, ignore_index=True)
    return frame.assign(expiry_at=pd.Timestamp("2026-03-20 20:00", tz="UTC").as_unit("us"))


def test_vols_go_over_linearly_and_errors_add_as_independent():
    blended = crossfaded(chain(0.24, 0.26)).pivot(index="strike", columns="is_call", values="mid_iv")
    near = np.abs(np.log(blended.index / 100.0)) < REACH * 0.05
    assert near.sum() == 3
    assert np.array_equal(blended[True][near], blended[False][near])
    assert blended[True][100.0] == pytest.approx(0.25)
    assert (blended[True][~near] == 0.26).all()
    assert (blended[False][~near] == 0.24).all()
    errors = crossfaded(chain(0.24, 0.26)).set_index("strike")["iv_stderr"]
    assert errors[100.0].to_numpy() == pytest.approx(0.004 / np.sqrt(2.0))
    assert (errors[103.0] == 0.004).all()


def test_an_absent_vol_leaves_the_strike_alone():
    frame = chain(0.24, 0.26)
    frame.loc[(frame["strike"] == 100.0) & frame["is_call"], "bid_iv"] = np.nan
    found = crossfaded(frame).query("strike == 100")
    assert list(found["mid_iv"]) == [0.24, 0.26]


def test_models_see_blended_vols_of_american_chains_only():
    for symbol, is_blended in (("SIMX", False), ("CRUX", True)):
        vols = simulated(symbol)[0].frame("implied_vols")
        seen = liquid(vols).merge(vols, on="contract")
        assert (seen["mid_iv_x"] != seen["mid_iv_y"]).any() == is_blended
        assert seen["contract"].is_unique


@pytest.mark.data
def test_it_smooths_the_smile_of_spy(recorded):
    def roughness(vols):
        """Mean distance of a vol from the line through its neighbours, bps."""
        misses = []
        for _, smile in vols[vols["is_otm"] & (vols["z"].abs() < 0.6)].groupby("expiry_at"):
            smile = smile.sort_values("strike")
            k, iv = smile["strike"].to_numpy(), smile["mid_iv"].to_numpy()
            line = (iv[:-2] * (k[2:] - k[1:-1]) + iv[2:] * (k[1:-1] - k[:-2])) / (k[2:] - k[:-2])
            misses.append(1e4 * np.abs(iv[1:-1] - line))
        return np.concatenate(misses).mean()

    spx = cboe_chain(recorded, "SPX")
    vols = beside_quotes(cboe_chain(recorded, "SPY", SPY_DIVIDENDS, spx)).query(
        "5 < days < 130 and status == 'ok'"
    )
    assert roughness(crossfaded(vols)) < 0.95 * roughness(vols)
