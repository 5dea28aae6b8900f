"""What each layout reads out of a well-formed file."""

from __future__ import annotations

from datetime import UTC, date, datetime

import numpy as np
import pytest

from periscope_assets.sources import files
from periscope_assets.sources.base import QUOTE_COLUMNS
from periscope_assets.sources.layouts import LAYOUTS
from tests.sources import source_samples as samples


@pytest.mark.parametrize("layout", samples.BY_LAYOUT)
@pytest.mark.parametrize("wrap", [lambda raw: raw, samples.zipped, lambda raw: raw.replace(b"\n", b"\r\n")])
def test_every_layout_is_told_by_content_alone(layout, wrap):
    payload = samples.payload(wrap(samples.BY_LAYOUT[layout]), name="download")
    name, chains = files.parse(payload)
    assert name == layout
    for chain in chains:
        assert list(chain.rows.columns) == list(QUOTE_COLUMNS)
        assert {key: str(kind) for key, kind in chain.rows.dtypes.items()} == dict(QUOTE_COLUMNS)
        assert len(chain.rows) == chain.n_raw
        assert chain.as_of.utcoffset().total_seconds() == 0


@pytest.mark.parametrize("layout", samples.BY_LAYOUT)
def test_no_file_is_recognised_by_two_layouts(layout):
    content = samples.BY_LAYOUT[layout]
    assert [each.name for each in LAYOUTS if each.recognises(content, "x")] == [layout]


def test_cboe_lines_hold_a_call_and_a_put():
    (chain,) = files.parse(samples.payload(samples.CBOE))[1]
    rows = chain.rows
    assert (chain.symbol, chain.n_raw, chain.spot) == ("SPX", 6, 4505.1001)
    assert chain.as_of == datetime(2023, 9, 14, 20, 31, tzinfo=UTC)
    assert rows["contract"].tolist()[:3] == [
        "SPX230915C04500000",
        "SPX230915P04500000",
        "SPXW230915C04500000",
    ]
    assert rows["settlement"].tolist() == ["am", "am", "pm", "pm", "am", "am"]
    assert rows["raw_line"].tolist() == [5, 5, 6, 6, 7, 7]
    assert rows["is_call"].tolist() == [True, False] * 3
    assert rows["bid"].tolist() == [20.1, 14.8, 23.1, 17.8, 60.2, 50.1]
    assert rows["open_interest"].tolist() == [120, 90, 121, 91, 3, 4]
    assert rows["strike"].iloc[-1] == 4512.5
    assert rows["expiry"].iloc[0] == date(2023, 9, 15)
    assert np.isnan(rows["ask"].iloc[3])


def test_ladder_takes_the_latest_stamp_of_the_capture_and_keeps_adjusted_contracts():
    (chain,) = files.parse(samples.payload(samples.LADDER))[1]
    assert (chain.symbol, chain.spot) == ("AAPL", 259.0)
    assert chain.as_of == datetime(2026, 4, 14, 0, 19, 11, 731000, tzinfo=UTC)
    assert chain.rows["root"].tolist() == ["AAPL", "AAPL", "AAPL1"]
    assert chain.rows["vendor_mark"].tolist() == [5.2, 1.15, 0.6]
    assert np.isnan(chain.rows["vendor_iv"].iloc[1])
    assert chain.rows["raw_line"].tolist() == [2, 3, 4]


def test_yahoo_time_and_spot_come_from_the_companion():
    (chain,) = files.parse(samples.payload(samples.YAHOO))[1]
    assert chain.as_of == datetime(2026, 8, 17, 14, 5, 34, 797991, tzinfo=UTC)
    assert chain.spot == 775.24
    assert chain.rows["vendor_iv"].tolist() == [0.1406, 1e-05]
    assert chain.rows["bid"].isna().tolist() == [False, True]


@pytest.mark.parametrize("content", [samples.DERIBIT, samples.deribit_parquet()], ids=["csv", "parquet"])
def test_deribit_is_one_chain_per_currency_and_snapshot(content):
    chains = files.parse(samples.payload(content))[1]
    stamp = datetime(2026, 1, 15, 21, 21, 56, 12012, tzinfo=UTC)
    assert [(c.symbol, c.as_of) for c in chains] == [
        ("BTC", stamp),
        ("ETH", stamp),
        ("BTC", datetime(2026, 1, 16, 21, 20, tzinfo=UTC)),
    ]
    btc, eth, _ = chains
    assert btc.spot == 95380.0
    assert btc.rows["underlying_price"].tolist() == [96307.16]
    assert btc.rows["settlement"].tolist() == ["utc08"]
    assert eth.rows["expiry"].tolist() == [date(2026, 4, 3)]
    assert np.isnan(eth.rows["bid"].iloc[0])


def test_simulated_layout_describes_itself():
    (chain,) = files.parse(samples.payload(samples.SIMULATED))[1]
    assert (chain.symbol, chain.spot, chain.n_raw) == ("SIMX", 5012.34, 2)
    assert chain.as_of == datetime(2026, 1, 2, 20, 45, tzinfo=UTC)
    assert chain.rows["settlement"].tolist() == ["am", "am"]
