"""The recorded files: every row read, symbols and times as their notes say."""

from __future__ import annotations

import time
from datetime import UTC, datetime

import numpy as np
import pytest

from periscope_assets.sources import calendars, files

pytestmark = pytest.mark.data


def parsed(path):
    return files.parse(files.load(path))


@pytest.mark.parametrize(
    ("name", "symbol", "count", "spot"),
    [("spx", "SPX", 19_920, 4505.1001), ("spy", "SPY", 7_292, 450.81), ("xsp", "XSP", 10_882, 450.51)],
)
def test_cboe_counts(recorded, name, symbol, count, spot):
    layout, (chain,) = parsed(recorded / "cboe-spx-spy-xsp-20230914" / f"{name}_quotedata.csv.gz")
    assert (layout, chain.symbol, chain.n_raw, len(chain.rows)) == ("cboe_quote_table", symbol, count, count)
    minute = 30 if name == "xsp" else 31
    assert (chain.as_of, chain.spot) == (datetime(2023, 9, 14, 20, minute, tzinfo=UTC), spot)
    assert chain.rows["contract"].is_unique


def test_spx_and_spxw_of_one_date_are_kept_apart(recorded):
    _, (chain,) = parsed(recorded / "cboe-spx-spy-xsp-20230914" / "spx_quotedata.csv.gz")
    rows = chain.rows
    assert rows.groupby(["expiry", "root"]).ngroups == 59
    assert set(zip(rows["root"], rows["settlement"], strict=True)) == {("SPX", "am"), ("SPXW", "pm")}
    both = rows.groupby("expiry")["root"].nunique()
    assert (both == 2).sum() == 6
    am = sorted(set(rows.loc[rows["root"] == "SPX", "expiry"]))
    assert all(day.weekday() == 4 and 15 <= day.day <= 21 for day in am)


def test_spx_is_read_fast(recorded):
    payload = files.load(recorded / "cboe-spx-spy-xsp-20230914" / "spx_quotedata.csv.gz")
    best = np.inf
    for _ in range(3):
        start = time.process_time()
        files.parse(payload)
        best = min(best, time.process_time() - start)
    assert best < 1.0


def test_every_ladder_file_is_read_whole(recorded):
    paths = sorted((recorded / "us-ladder-202604").glob("*.csv.gz"))
    assert len(paths) == 20
    for path in paths:
        lines = files.decompress(files.read_bytes(path)).count(b"\n")
        layout, (chain,) = parsed(path)
        assert (layout, chain.symbol) == ("occ_ladder", path.name.split("_")[0])
        assert chain.n_raw == lines - 1
        stamp = chain.as_of.strftime("%Y%m%d_%H%M%S")
        assert stamp == "_".join(path.name.removesuffix(".csv.gz").split("_")[3:])
        assert calendars.is_session("XNYS", calendars.session_date(chain.as_of))


def test_every_yahoo_file_is_read_whole(recorded):
    paths = sorted((recorded / "yahoo-spy-iwm-202608").glob("*.csv.gz"))
    assert len(paths) == 12
    for path in paths:
        layout, (chain,) = parsed(path)
        assert (layout, chain.symbol) == ("yahoo_chain", path.name[11:14])
        assert chain.n_raw == files.decompress(files.read_bytes(path)).count(b"\n") - 1
        assert calendars.session_date(chain.as_of).isoformat() > path.name[:10]


def test_ninety_days_of_btc(recorded):
    folder = recorded / "deribit-btc-2026q1"
    layout, chains = parsed(folder / "deribit_btc_daily_20260101_20260331.parquet")
    assert (layout, len(chains), sum(c.n_raw for c in chains)) == ("deribit_books", 90, 73_548)
    assert {c.symbol for c in chains} == {"BTC"}
    assert len({calendars.session_date(c.as_of) for c in chains}) == 90
    assert all(c.rows["contract"].is_unique for c in chains)
    assert sum(int(c.rows["bid"].isna().sum()) for c in chains) == 3_986


def test_the_raw_snapshot_holds_two_currencies(recorded):
    folder = recorded / "deribit-btc-2026q1"
    _, chains = parsed(folder / "raw_sample_deribit_options_snapshot_20260115T212156Z.csv.gz")
    assert {c.symbol: c.n_raw for c in chains} == {"BTC": 684, "ETH": 732}
    daily = {c.as_of: c for c in parsed(folder / "deribit_btc_daily_20260101_20260331.parquet")[1]}
    btc = next(c for c in chains if c.symbol == "BTC")
    assert daily[btc.as_of].n_raw == btc.n_raw
