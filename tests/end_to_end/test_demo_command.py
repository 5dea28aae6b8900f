"""The demo as a script runs it, and what can be read afterwards."""

from __future__ import annotations

import subprocess
import sys

import pandas as pd
import pytest

pytestmark = [pytest.mark.xdist_group("simulated"), pytest.mark.slow]
TABLES = ("publications", "options_snapshots", "implied_vols", "svi_slices", "heston_calibrations")


def test_a_second_demo_writes_no_row_and_leaves_no_process(simulated):
    before = simulated.counts(*TABLES)
    assert before["options_snapshots"] > 1000
    assert before["svi_slices"] > 10
    assert "unchanged" in simulated.run("demo", "--exit", "--through", "2026-01-09").stdout
    assert simulated.counts(*TABLES) == before
    assert simulated.processes() == []


def test_what_was_built_can_be_shown(simulated):
    surface = simulated.run("show", "surface", "SIMX").stdout
    assert "SIMXW" in surface
    assert "certificate:" in surface
    assert simulated.show("surface", "SIMX")["svi_slices"]
    for view in ("chain", "skew", "heston", "signals"):
        assert "known_at" in simulated.run("show", view, "SIMBTC").stdout
    assert "SIMX" in simulated.run("status").stdout


def test_an_unknown_symbol_is_one_line_with_suggestions(simulated):
    result = simulated.run("show", "surface", "SIMY", code=2)
    assert result.stderr.count("\n") == 1
    assert "SIMX" in result.stderr


def test_rows_are_exported_with_their_stamp(simulated, tmp_path):
    for file_format, read in (("csv", pd.read_csv), ("parquet", pd.read_parquet)):
        simulated.run("export", "vol_surface", "SIMX", "--format", file_format, "--output", tmp_path)
        frame = read(next(tmp_path.glob(f"SIMX_svi_slices_*.{file_format}")))
        assert {"symbol", "as_of", "known_at", "version", "a", "b"} <= set(frame.columns)
        assert len(frame) == len(simulated.show("surface", "SIMX")["svi_slices"])


def test_one_partition_is_materialised_by_date_and_universe(simulated):
    result = simulated.run(
        "materialize", "--date", "2026-01-09", "--universe", "sim-index", "--select", "skew_metrics"
    )
    assert "SIMX" in result.stdout


def test_a_reader_that_stops_early_is_no_failure(simulated):
    pipe = f"{sys.executable} -m app.cli show chain SIMX --json | head -c 10"
    result = subprocess.run(
        pipe, shell=True, env=simulated.environment, capture_output=True, text=True, check=False
    )
    assert result.stdout.startswith("{")
    assert "unexpected" not in result.stderr
