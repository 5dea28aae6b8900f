"""The command line without a database: help, bad arguments, formats, which dates are built."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from app.terminal import building, output
from app.terminal.building import last_sessions
from app.terminal.ingest import spans
from app.terminal.output import UserError
from tests.commands import run_command

PATIENCE = 120.0


@pytest.fixture
def periscope(tmp_path, monkeypatch):
    monkeypatch.setenv("PERISCOPE_HOME", str(tmp_path / "home"))

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return run_command(arguments, os.environ, PATIENCE)

    return run


def test_help_is_quick_and_imports_neither_pandas_nor_dagster():
    probe = (
        "import sys, app.cli; print(sorted({'pandas', 'dagster', 'numpy', 'streamlit'} & set(sys.modules)))"
    )
    found = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
    start = time.perf_counter()
    subprocess.run([sys.executable, "-m", "app.cli", "--help"], capture_output=True, check=True)
    assert time.perf_counter() - start < 1.5


@pytest.mark.parametrize(
    "command", ["demo", "up", "stop", "materialize", "ingest", "status", "show", "export"]
)
def test_every_command_explains_itself(periscope, command):
    result = periscope(command, "--help")
    assert result.returncode == 0
    assert command in result.stdout


BAD = {
    "no such command": (("shwo",), "No such command"),
    "no such option": (("status", "--colour"), "No such option"),
    "no such view": (("show", "smile", "SPX"), "is not one of"),
    "missing symbol": (("show", "surface"), "Missing argument 'SYMBOL'"),
    "bad date": (("materialize", "--date", "2026-02-30", "--universe", "SPX"), "--date '2026-02-30'"),
    "date before the first": (("materialize", "--date", "2019-01-02", "--universe", "SPX"), "2019-01-02"),
    "date to come": (("materialize", "--date", "9999-01-04", "--universe", "SPX"), "--date 9999-01-04"),
    "demo of days to come": (("demo", "--exit", "--through", "9999-12-31"), "--through 9999-12-31"),
    "demo before calendars": (("demo", "--exit", "--through", "0001-01-02"), "PERISCOPE_FIRST_DATE"),
    "compact date": (("materialize", "--date", "20260203", "--universe", "SPX"), "--date '20260203'"),
    "unknown universe": (("materialize", "--date", "2026-02-03", "--universe", "spx"), "--universe 'spx'"),
    "unknown asset": (
        ("materialize", "--date", "2026-02-03", "--universe", "SPX", "--select", "vol"),
        "--select 'vol'",
    ),
    "missing file": (("ingest", "no/such/file.csv"), "no such file"),
    "unknown layout": (("ingest", "x.csv", "--layout", "excel"), "--layout 'excel': expected one of"),
    "bad symbol": (("ingest", "x.csv", "--symbols", "SPX,../etc"), "--symbols: symbol '../etc'"),
    "bad from": (("ingest", "x.csv", "--from", "yesterday"), "--from 'yesterday': expected a date"),
    "from after to": (("ingest", "x.csv", "--from", "2026-02-03", "--to", "2026-02-02"), "is after"),
    "bad expiry": (("show", "chain", "SPX", "--expiry", "soon"), "--expiry 'soon'"),
    "bad through": (("demo", "--exit", "--through", "friday"), "--through 'friday'"),
}


@pytest.mark.parametrize(("arguments", "says"), BAD.values(), ids=list(BAD))
def test_bad_input_is_one_line_and_exit_code_2(periscope, tmp_path, arguments, says):
    result = periscope(*arguments)
    assert result.returncode == 2
    assert says in result.stderr
    assert result.stderr.count("\n") == 1
    assert not (tmp_path / "home" / "postgres").exists()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PERISCOPE_PORTS__API", "eighty"),
        ("PERISCOPE_DATABASE__URL", "mysql://someone:hunter2@127.0.0.1/periscope"),
        ("PERISCOPE_LAKE__URL", "ftp://somewhere/lake"),
    ],
)
def test_a_bad_setting_is_named(periscope, monkeypatch, name, value):
    monkeypatch.setenv(name, value)
    result = periscope("status")
    assert (result.returncode, result.stderr.count("\n")) == (2, 1)
    assert name in result.stderr
    assert "hunter2" not in result.stderr


def test_stop_says_so_when_nothing_runs(periscope, tmp_path):
    result = periscope("stop")
    assert result.returncode == 0
    assert result.stdout.startswith("Nothing is running")


def test_sessions_of_the_demo_are_over_and_skip_holidays():
    before_close = datetime(2026, 1, 5, 20, 59, tzinfo=UTC)
    assert last_sessions(before_close) == (date(2025, 12, 26), date(2026, 1, 2))
    assert last_sessions(before_close + timedelta(minutes=1)) == (date(2025, 12, 29), date(2026, 1, 5))
    assert last_sessions(date(2026, 1, 5)) == (date(2025, 12, 29), date(2026, 1, 5))


@dataclass(frozen=True)
class Landed:
    symbol: str
    session: date


def test_a_range_never_covers_a_session_for_which_nothing_landed():
    days = [date(2026, 4, 13), date(2026, 4, 15), date(2026, 4, 16), date(2026, 4, 17), date(2026, 4, 20)]
    found = spans([Landed("SPY", day) for day in days])
    assert found == [(days[0], days[0]), (days[1], days[-1])]
    weekend = [Landed("BTC", date(2026, 4, 17)), Landed("BTC", date(2026, 4, 20))]
    assert [start == end for start, end in spans(weekend)] == [True, True]


def test_times_are_utc_with_their_zone_and_absent_numbers_are_dashes():
    moment = datetime(2026, 1, 2, 16, 0, tzinfo=UTC)
    assert output.when(moment) == "2026-01-02 16:00 UTC"
    assert output.exactly(moment) == "2026-01-02T16:00:00.000000Z"
    assert output.number(float("nan")) == output.number(None) == output.when(None) == "-"
    assert output.number(0.2, 1, 100.0) == "20.0"
    assert output.age(timedelta(hours=3)) == "3 h"


def test_columns_line_up_and_nothing_is_cut():
    lines = list(output.columns(("symbol", "n"), [("SPX", "1"), ("A" * 200, "12,345")], left=("symbol",)))
    assert (
        len({line.rindex(end) + len(end) for line, end in zip(lines, ("n", "1", "12,345"), strict=True)}) == 1
    )
    assert "A" * 200 in lines[2]


def test_a_date_is_ten_characters():
    assert output.day("2026-01-02", "--date") == date(2026, 1, 2)
    for text in ("2026-1-2", "2026-W01-1", "", "2026-01-02T00:00:00"):
        with pytest.raises(UserError, match="--date"):
            output.day(text, "--date")


def test_an_unexpected_failure_names_its_log(periscope, tmp_path):
    home = tmp_path / "home"
    home.mkdir()
    (home / "run").write_text("a file where a folder belongs")
    result = periscope("status")
    assert (result.returncode, result.stderr.count("\n")) == (1, 1)
    assert str(home / "logs" / "periscope.log") in result.stderr
    assert "Traceback" in Path(home / "logs" / "periscope.log").read_text()


@pytest.mark.parametrize("arguments", [("status",), ("up",), ("demo", "--exit")], ids=lambda value: value[0])
def test_a_database_that_cannot_be_reached_is_one_line_without_its_password(
    periscope, monkeypatch, arguments
):
    monkeypatch.setenv("PERISCOPE_DATABASE__URL", "postgresql://someone:hunter2@127.0.0.1:1/periscope")
    with ExitStack() as held:
        probes = [held.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(3)]
        free = [str(probe.getsockname()[1]) for probe in probes]
    for name, port in zip(("DAGSTER", "APP", "API"), free, strict=True):
        monkeypatch.setenv(f"PERISCOPE_PORTS__{name}", port)
    result = periscope(*arguments)
    assert result.returncode == 2
    assert result.stderr.count("\n") == 1
    assert "127.0.0.1" in result.stderr
    assert "hunter2" not in result.stdout + result.stderr


@pytest.mark.parametrize("name", ["PERISCOPE_DATABSE__URL", "PERISCOPE_PORTS__APY"])
def test_a_misspelt_setting_is_named(periscope, monkeypatch, name):
    monkeypatch.setenv(name, "1")
    result = periscope("status")
    assert result.returncode == 2
    assert name in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_the_compilation_of_kernels_is_told_once_and_only_when_it_happens(capsys):
    import numba

    with building._compilation_told():
        numba.njit(lambda x: x)(1.0)
        numba.njit(lambda x: x + 1.0)(1.0)
    assert capsys.readouterr().out.count("Compiling the numerical kernels") == 1
    compiled = numba.njit(lambda x: x)
    compiled(1.0)
    with building._compilation_told():
        compiled(1.0)
    assert capsys.readouterr().out == ""
