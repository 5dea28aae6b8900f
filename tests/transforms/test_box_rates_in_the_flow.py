"""SPX's boxes in the pipeline: read by SPY, recorded among its inputs, and no input of SPX itself."""

from __future__ import annotations

from datetime import date

import pytest

from periscope_assets.pipeline import Pipeline, land
from periscope_assets.settings import Settings
from periscope_assets.sources import files
from tests.transforms.recorded import CBOE

pytestmark = [pytest.mark.data, pytest.mark.slow]
SESSION = date(2023, 9, 14)
STAGES = ("raw_chain", "option_quotes", "rate_curve", "forward_curve")


def outcomes(pipeline, symbols):
    made = {name: pipeline.build(name, symbols, SESSION, "run") for name in STAGES}
    return [each.outcome for each in made["forward_curve"]]


def basis(store, symbol):
    (head,) = store.heads("forward_curve", symbol)
    counted = {key: n for key, n in head.quality.items() if key.startswith("n_rate_")}
    return head, counted


def test_spy_takes_the_rates_of_spx_once_they_are_there(recorded, store, tmp_path):
    pipeline = Pipeline(Settings(home=tmp_path), store, store.lake)
    for symbol in ("spx", "spy"):
        land(store.lake, files.load(recorded / CBOE / f"{symbol}_quotedata.csv.gz"))

    assert outcomes(pipeline, ["SPY"]) == ["published"]
    alone, counted = basis(store, "SPY")
    assert set(counted) == {"n_rate_curve"}
    assert "box_rates" not in alone.inputs

    assert outcomes(pipeline, ["SPX", "SPY"]) == ["published", "published"]
    spx, _ = basis(store, "SPX")
    spy, counted = basis(store, "SPY")
    assert set(counted) == {"n_rate_box"}
    assert spy.inputs["box_rates"] == spx.version
    assert "box_rates" not in spx.inputs

    assert outcomes(pipeline, ["SPX", "SPY"]) == ["unchanged", "unchanged"]
