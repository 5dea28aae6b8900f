"""Hostile symbols and file names are refused at every entrance: they become no key, path or parameter."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from typer.testing import CliRunner

from app.cli import app
from app.terminal import ingest as command
from periscope_analytics.conventions import check_symbol
from periscope_assets.defs.partitions import read_key
from periscope_assets.pipeline.dropped import Folder
from periscope_assets.settings import Settings
from periscope_assets.sources import files
from periscope_assets.sources.base import RawPayload, SourceError
from periscope_assets.sources.layouts.generic import MAP
from periscope_assets.store.lake import Lake
from tests.sources import source_samples as samples

HOSTILE = {
    "parent": "../x",
    "slash": "A/B",
    "backslash": "A\\B",
    "escaped": "..%2f",
    "NUL": "A\0B",
    "line": "SPX\nNDX",
    "long": "A" * 300,
    "SQL": "'; DROP TABLE periscope.publications; --",
    "Cyrillic A": "\u0410\u0410PL",
    "full width": "\uff33\uff30\uff38",
    "Greek chi": "SP\u03a7",
    "right to left": "SPX\u202e",
    "empty": "",
    "blank": " ",
    "lower": "spx",
    "home": "~",
    "option": "--help",
    "template": "${HOME}",
    "partition": "SPX|2026-01-02",
}
each_symbol = pytest.mark.parametrize("symbol", HOSTILE.values(), ids=HOSTILE)


@each_symbol
def test_the_one_check(symbol):
    with pytest.raises(ValueError, match="symbol"):
        check_symbol(symbol)


@each_symbol
def test_settings(symbol, tmp_path):
    with pytest.raises(ValueError, match="symbol"):
        Settings(home=tmp_path, universes={"desk": ["SPX", symbol]})
    with pytest.raises(ValueError, match="universe"):
        Settings(home=tmp_path, universes={f"{symbol}/": ["SPX"]})


@each_symbol
def test_partition_keys(symbol, tmp_path):
    settings = Settings(home=tmp_path)
    with pytest.raises(ValueError, match=r"symbol|partition key"):
        settings.members(read_key(f"2026-01-02|{symbol}").universe)


@each_symbol
def test_keys_of_the_lake(symbol, tmp_path):
    lake = Lake(str(tmp_path / "lake"))
    for act in (lake.sessions, lambda name: lake.read_dataset("forwards", name, samples_time(), "v1")):
        with pytest.raises(ValueError, match="symbol"):
            act(symbol)
    with pytest.raises(ValueError, match="sha256"):
        lake.read_raw(symbol)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def samples_time():
    return datetime(2026, 1, 2, 20, tzinfo=UTC)


CONTENTS = {
    "ladder underlying": (samples.LADDER, ",AAPL,2026", ",{},2026"),
    "simulated title": (samples.SIMULATED, ",1,SIMX,", ",1,{},"),
    "deribit currency": (samples.DERIBIT, ",BTC,95380", ",{},95380"),
    "cboe contract": (samples.CBOE, ",SPX230915C04500000", ",{}230915C04500000"),
    "yahoo contract": (samples.YAHOO, "SPY260821C00770000", "{}260821C00770000"),
    "massive contract": (samples.BY_LAYOUT["massive"], "O:SPY260618C", "O:{}260618C"),
    "cboe option": (samples.BY_LAYOUT["cboe"], '"SPX260618C', '"{}260618C'),
    "deribit instrument": (samples.BY_LAYOUT["deribit"], '"BTC-19JUN26-77000-C', '"{}-19JUN26-77000-C'),
}


@pytest.mark.parametrize("entrance", CONTENTS)
@each_symbol
def test_contents_of_files(symbol, entrance):
    content, old, new = CONTENTS[entrance]
    changed = content.decode().replace(old, new.format(symbol), 1).encode()
    assert changed != content
    with pytest.raises(SourceError) as caught:
        files.parse(samples.payload(changed))
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 300


@each_symbol
def test_symbols_of_any_table(symbol):
    table = "Sym,K,E,T,B,A,At\nSPX,4500,2026-06-18,C,1,2,2026-01-02T20:00:00Z\n"
    ours = {"symbol": "Sym", "strike": "K", "expiry": "E", "type": "T", "bid": "B", "ask": "A", "as_of": "At"}
    payload = RawPayload(
        "t.csv",
        table.replace("SPX", symbol).encode(),
        companions={MAP: json.dumps({"columns": ours}).encode()},
    )
    with pytest.raises(SourceError) as caught:
        files.parse(payload, "generic")
    assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    "arguments",
    [
        ("show", "chain"),
        ("export", "vol_surface"),
        ("ingest", "x.csv", "--symbols"),
        ("ingest", "x.csv", "--universe"),
        ("materialize", "--date", "2026-01-02", "--universe"),
    ],
    ids=lambda given: " ".join(given),
)
def test_the_command_line(arguments, tmp_path, monkeypatch):
    monkeypatch.setenv("PERISCOPE_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    Path("x.csv").write_bytes(samples.LADDER)
    for symbol in HOSTILE.values():
        if "\0" in symbol or symbol.startswith("--"):
            continue
        result = CliRunner().invoke(app, [*arguments, symbol], standalone_mode=False)
        assert result.exception is not None or result.exit_code not in (0, None), symbol
        assert not isinstance(result.exception, OSError), symbol
    assert not (tmp_path / "home" / "postgres").exists()
    assert {path.name for path in tmp_path.iterdir()} <= {"x.csv", "home"}


@pytest.mark.parametrize("name", ["a\nb.csv", "a\x1b[31m.csv", "A" * 300, "a\0b.csv", "a\u202evsc.exe"])
def test_names_of_files(name, tmp_path, capsys):
    good = tmp_path / "good.csv"
    good.write_bytes(samples.LADDER)
    asked = command.wanted(None, None, None, None, None)
    settings = Settings(home=tmp_path / "home")
    assert command.ingest([Path(name), tmp_path / name, good], asked, settings, land_only=True) is False
    shown = capsys.readouterr()
    assert shown.err.count("rename it") == 2
    assert all(line.isprintable() for line in shown.err.splitlines())
    assert "good.csv" in shown.out


def test_a_name_that_climbs_is_only_a_name(tmp_path, capsys):
    inside = tmp_path / "inside"
    inside.mkdir()
    (tmp_path / "..%2fx; DROP TABLE.csv").write_bytes(samples.LADDER)
    asked = command.wanted(None, None, None, None, None)
    settings = Settings(home=tmp_path / "home")
    assert command.ingest([inside / ".." / "..%2fx; DROP TABLE.csv"], asked, settings, land_only=True)
    keys = [path.relative_to(tmp_path / "home") for path in (tmp_path / "home").rglob("*") if path.is_file()]
    assert keys
    assert not any("DROP" in str(key) or "%" in str(key) for key in keys)
    assert "landed" in capsys.readouterr().out


def test_links_are_not_followed(tmp_path, capsys):
    secret = tmp_path / "secret.csv"
    secret.write_bytes(samples.LADDER)
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "link.csv").symlink_to(secret)
    (folder / "real.csv").write_bytes(samples.LADDER)
    (folder / "below").symlink_to(tmp_path)
    asked = command.wanted(None, None, None, None, None)
    settings = Settings(home=tmp_path / "home")
    assert command.ingest([folder], asked, settings, land_only=True)
    assert command.ingest([folder / "link.csv"], asked, settings, land_only=True) is False
    shown = capsys.readouterr()
    assert "real.csv" in shown.out
    assert "secret" not in shown.out
    assert "link.csv" not in shown.out
    assert "is a link" in shown.err
    lake, now = Lake(str(tmp_path / "lake")), datetime.now(UTC)
    looked = Folder(str(folder), settle_seconds=-60).look(lake, None, now, 9)
    assert [one.name for one in looked.landed] == ["real.csv"]
    assert list(looked.refused) == ["link.csv"]
    with pytest.raises(command.UserError, match="is a link"):
        command.wanted("generic", None, None, None, None, folder / "link.csv")
