"""Recorded files through the whole graph, by the command a new user types."""

from __future__ import annotations

import gzip
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.end_to_end.command_line import Periscope

pytestmark = [pytest.mark.data, pytest.mark.slow]
LINE = re.compile(
    r"^(\S+)  (\S+ \S+ UTC)  (\w+)  ([\d,]+) accepted \+ ([\d,]+) quarantined  \((.+)\)$", re.MULTILINE
)
TABLES = (
    "publications",
    "options_snapshots",
    "quarantined_quotes",
    "implied_vols",
    "svi_slices",
    "trade_signals",
)
CBOE = "cboe-spx-spy-xsp-20230914"
OPTIONS = {"SPX": 19_920, "SPY": 7_292, "XSP": 10_882}


def _lines(output: str) -> dict[str, tuple[str, int, int]]:
    found = LINE.findall(output)
    return {
        symbol: (verdict, int(accepted.replace(",", "")), int(refused.replace(",", "")))
        for symbol, _, verdict, accepted, refused, _ in found
    }


def test_every_option_of_the_quote_tables_is_accepted_or_quarantined(indices):
    lines = _lines(indices.first.stdout)
    assert {symbol: accepted + refused for symbol, (_, accepted, refused) in lines.items()} == OPTIONS
    assert {verdict for verdict, _, _ in lines.values()} == {"published"}
    counts = indices.counts("options_snapshots", "quarantined_quotes")
    assert sum(counts.values()) == sum(OPTIONS.values())


def test_ingesting_again_says_unchanged_and_writes_no_row(indices, recorded):
    before = indices.counts(*TABLES)
    again = indices.run("ingest", recorded / CBOE)
    assert {symbol: verdict for symbol, (verdict, _, _) in _lines(again.stdout).items()} == dict.fromkeys(
        OPTIONS, "unchanged"
    )
    assert indices.counts(*TABLES) == before


def test_our_vols_agree_with_the_vendors(indices):
    chain = pd.DataFrame(indices.show("chain", "SPX")["chain"])
    compared = chain[(chain["status"] == "ok") & (chain["is_otm"] == True) & (chain["vendor_iv"] > 0)]  # noqa: E712
    difference = (compared["mid_iv"] - compared["vendor_iv"]).abs() * 1e4
    assert len(compared) > 5000
    assert difference.median() <= 3.0


def test_xsp_forwards_are_a_tenth_of_spx(indices):
    forwards = {
        symbol: pd.DataFrame(indices.show("surface", symbol)["forwards"]).query("status == 'ok'")
        for symbol in ("SPX", "XSP")
    }
    both = forwards["SPX"].merge(forwards["XSP"], on="expiry_at", suffixes=("_spx", "_xsp"))
    assert len(both) > 30
    difference = np.abs(10.0 * both["forward_xsp"] - both["forward_spx"])
    error = np.hypot(both["forward_stderr_spx"], 10.0 * both["forward_stderr_xsp"])
    assert difference.median() <= 0.1
    assert (difference <= 0.1 + error).all()
    assert (difference / 10.0).max() <= 0.1


def test_the_surface_is_printed_with_am_and_pm_apart(indices):
    output = indices.run("show", "surface", "SPX").stdout
    same_day = [line.split()[:3] for line in output.splitlines() if line.startswith("2023-09-15")]
    assert same_day == [["2023-09-15", "SPX", "am"], ["2023-09-15", "SPXW", "pm"]]
    assert "certificate:" in output
    assert "known_at" in output


@pytest.fixture
def bad_files(recorded, tmp_path) -> dict[str, Path]:
    packed = (recorded / CBOE / "xsp_quotedata.csv.gz").read_bytes()
    lines = gzip.decompress(packed).decode().splitlines(keepends=True)
    cells = lines[4].split(",")
    letters = [*lines[:4], ",".join([*cells[:4], "abc", *cells[5:]]), *lines[5:]]
    contents = {
        "unknown.csv": b"a,b,c\n1,2,3\n",
        "truncated.csv.gz": packed[: len(packed) // 2],
        "empty.csv": b"",
        "no_rows.csv": "".join(lines[:4]).encode(),
        "no_column.csv": "".join([*lines[:3], lines[3].replace(",Strike", ""), *lines[4:]]).encode(),
        "letters.csv": "".join(letters).encode(),
        "no_date.csv": "".join([*lines[:4], "Thu Sep 31 2023" + lines[4][15:], *lines[5:]]).encode(),
    }
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
    return {name: tmp_path / name for name in contents}


def test_bad_files_are_a_line_each_and_the_good_neighbour_goes_in(bad_files, recorded, tmp_path):
    periscope = Periscope(tmp_path / "home")
    good = recorded / "us-ladder-202604" / "NVDA_dte_ladder_20260415_203711.csv.gz"
    result = periscope.run("ingest", *bad_files.values(), "missing.csv", good, code=2)
    errors = result.stderr.splitlines()
    assert len(errors) == len(bad_files) + 1, result.stderr
    for name in [*bad_files, "missing.csv"]:
        assert sum(name in line for line in errors) == 1
    assert list(_lines(result.stdout)) == ["NVDA"]
    assert "NVDA" in periscope.run("status").stdout
    assert "XSP" not in periscope.run("status").stdout


def test_only_bad_files_publish_nothing_and_need_no_database(bad_files, tmp_path):
    periscope = Periscope(tmp_path / "home")
    result = periscope.run("ingest", *bad_files.values(), code=2)
    assert result.stdout == ""
    assert not (periscope.home / "postgres").exists()


def test_symbols_and_dates_that_are_not_in_the_files_are_named(recorded, tmp_path):
    periscope = Periscope(tmp_path / "home")
    ladder = recorded / "us-ladder-202604"
    unknown = periscope.run("ingest", ladder, "--symbols", "SPX,SPY", "--land-only", code=2)
    assert "SPX" in unknown.stderr
    assert "AAPL" in unknown.stderr
    outside = periscope.run("ingest", ladder, "--from", "2026-05-01", "--land-only", code=2)
    assert "2026-04-13 to 2026-04-17" in outside.stderr
    assert unknown.stderr.count("\n") == outside.stderr.count("\n") == 1


def test_a_week_of_bitcoin_is_one_run(recorded, tmp_path):
    periscope = Periscope(tmp_path / "home")
    folder = recorded / "deribit-btc-2026q1"
    week = ("--from", "2026-01-05", "--to", "2026-01-11")
    result = periscope.run("ingest", folder / "deribit_btc_daily_20260101_20260331.parquet", *week)
    assert len(LINE.findall(result.stdout)) == 7
    assert result.stdout.count("Building") == 1
    file = pd.read_parquet(folder / "deribit_btc_daily_20260101_20260331.parquet")
    days = pd.to_datetime(file["timestamp"], utc=True).dt.tz_convert("America/New_York").dt.date.astype(str)
    expected = int(days.between("2026-01-05", "2026-01-11").sum())
    assert sum(periscope.counts("options_snapshots", "quarantined_quotes").values()) == expected
