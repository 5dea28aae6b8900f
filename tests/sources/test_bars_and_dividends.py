"""Files of dividends and of daily bars, and the bars of the simulated markets."""

from __future__ import annotations

from datetime import date
from hashlib import sha256

import numpy as np
import pytest

from periscope_assets.pipeline.bars import bars_draft
from periscope_assets.pipeline.landing import Landed
from periscope_assets.settings import SourceSettings
from periscope_assets.sources import bars
from periscope_assets.sources.base import SourceError
from periscope_assets.sources.dividends import Dividend, parse_dividends
from periscope_assets.sources.opening import DividendsBeside
from periscope_assets.sources.simulated import SimulatedSource
from periscope_assets.store.lake import Lake

DIVIDENDS = b"""\
symbol,ex_date,pay_date,amount,currency
SPY,2026-06-19,2026-07-31,1.75,USD
BRK.B,2026-05-01,,0.5,USD
SPY,2026-03-20,2026-04-30,1.70,USD
"""
BARS = b"""\
date,open,high,low,close,volume
2026-06-02,600.5,604.1,598.2,603,1000000
2026-06-01,601,602.5,599,600.25,
"""


def test_dividends_are_by_symbol_and_ex_date():
    found = parse_dividends(DIVIDENDS, "d.csv")
    assert found["SPY"] == (
        Dividend(date(2026, 3, 20), 1.70, date(2026, 4, 30)),
        Dividend(date(2026, 6, 19), 1.75, date(2026, 7, 31)),
    )
    assert found["BRK.B"][0].pay_date is None


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        (b"1.75", b"-1.75", "line 2, column amount: -1.75 is not positive"),
        (b"1.75", b"", "line 2, column amount: is blank"),
        (b"1.75,USD", b"1.75,EUR", "line 2, column currency: 'EUR'"),
        (b"2026-06-19", b"2026-06-31", "line 2, column ex_date"),
        (b"2026-03-20", b"2026-06-19", "line 4, column ex_date: SPY has a dividend"),
        (b"BRK.B", b"../SPY", "line 3, column symbol: '../SPY'"),
        (b"ex_date", b"exdate", "column ex_date is missing"),
    ],
)
def test_bad_dividends_are_one_clear_line(old, new, says):
    with pytest.raises(SourceError, match=says):
        parse_dividends(DIVIDENDS.replace(old, new, 1), "d.csv")


def test_a_dividend_file_that_is_absent(tmp_path):
    with pytest.raises(SourceError, match=r"none\.csv: no such file"):
        DividendsBeside(None, tmp_path / "none.csv").dividends("SPY")


def test_files_of_bars_and_dividends_rest_in_the_lake_as_they_came(tmp_path):
    lake = Lake(str(tmp_path / "lake"))
    (tmp_path / "SPY.csv").write_bytes(BARS)
    settings = SourceSettings(kind="files", bars=tmp_path)
    draft = bars_draft(settings, lake, "SPY", date(2026, 6, 2), "run")
    assert draft.quality["sha256"] == sha256(BARS).hexdigest()
    assert lake.read_raw(draft.quality["sha256"]) == BARS
    (tmp_path / "d.csv").write_bytes(DIVIDENDS)
    landed = Landed(lake, DividendsBeside(None, tmp_path / "d.csv"), lambda _: "XNYS", None)
    assert landed.dividends("SPY", "files") != []
    assert lake.read_raw(sha256(DIVIDENDS).hexdigest()) == DIVIDENDS


def test_bytes_of_bars_that_cannot_be_read_are_kept_all_the_same(tmp_path):
    lake = Lake(str(tmp_path / "lake"))
    broken = BARS.replace(b"604.1", b"602")
    (tmp_path / "SPY.csv").write_bytes(broken)
    with pytest.raises(SourceError, match="column high"):
        bars_draft(SourceSettings(kind="files", bars=tmp_path), lake, "SPY", date(2026, 6, 2), "run")
    assert lake.read_raw(sha256(broken).hexdigest()) == broken


def test_bars_of_a_file_are_ascending_and_between_two_dates(tmp_path):
    (tmp_path / "SPY.csv").write_bytes(BARS)
    settings = SourceSettings(bars=tmp_path)
    whole = bars.load_bars(settings, "SPY", date(2026, 1, 1), date(2026, 12, 31))
    assert tuple(whole.columns) == bars.COLUMNS
    assert whole["session"].tolist() == [date(2026, 6, 1), date(2026, 6, 2)]
    assert whole["close"].tolist() == [600.25, 603.0]
    assert np.isnan(whole["volume"].iloc[0])
    one = bars.load_bars(settings, "SPY", date(2026, 6, 2), date(2026, 6, 2))
    assert one["open"].tolist() == [600.5]
    assert bars.load_bars(settings, "QQQ", date(2026, 1, 1), date(2026, 12, 31)).empty


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        (b"604.1", b"602", "line 2, column high: low 598.2, high 602.0 do not hold"),
        (b"598.2", b"0", "line 2, column high"),
        (b"1000000", b"-1", "line 2, column volume"),
        (b"2026-06-01", b"2026-06-02", "line 3, column date: 2026-06-02 is there twice"),
        (b"600.25", b"", "line 3, column close: is blank"),
    ],
)
def test_bad_bars_are_one_clear_line(old, new, says):
    with pytest.raises(SourceError, match=says):
        bars.parse_bars(BARS.replace(old, new, 1), "b.csv")


@pytest.mark.parametrize("symbol", ["../SPY", "A/B", "SPY\0", "A" * 300, "spy"])
def test_hostile_symbols_never_become_a_path(tmp_path, symbol):
    with pytest.raises(SourceError, match="expected 1-15 characters"):
        bars.load_bars(SourceSettings(bars=tmp_path), symbol, date(2026, 6, 1), date(2026, 6, 2))


def test_bars_behind_a_link_are_refused(tmp_path):
    (tmp_path / "b.csv").write_bytes(BARS)
    (tmp_path / "SPY.csv").symlink_to(tmp_path / "b.csv")
    with pytest.raises(SourceError, match="is a link"):
        bars.load_bars(SourceSettings(bars=tmp_path), "SPY", date(2026, 6, 1), date(2026, 6, 2))


@pytest.mark.parametrize("symbol", ["SIMX", "ACME", "SIMBTC"])
def test_simulated_bars_close_at_the_path_and_open_where_the_last_closed(symbol):
    settings = SourceSettings()
    made = bars.load_bars(settings, symbol, date(2026, 1, 1), date(2026, 3, 31))
    assert len(made) == (90 if symbol == "SIMBTC" else 61)
    truth = SimulatedSource(settings.seed).truth(symbol, made["session"].iloc[-1])
    assert made["close"].iloc[-1] == truth.spot
    assert made["open"].tolist()[1:] == made["close"].tolist()[:-1]
    assert (made["low"] <= made[["open", "close"]].min(axis=1)).all()
    assert (made["high"] >= made[["open", "close"]].max(axis=1)).all()
    later = bars.load_bars(settings, symbol, date(2026, 2, 2), date(2026, 3, 31))
    assert later.equals(made[made["session"] >= date(2026, 2, 2)].reset_index(drop=True))


def test_simulated_bars_are_of_the_simulated_source_only():
    assert bars.load_bars(SourceSettings(kind="files"), "SIMX", date(2026, 1, 1), date(2026, 3, 31)).empty
    assert bars.load_bars(SourceSettings(), "SIMX", date(2018, 1, 1), date(2018, 12, 31)).empty
