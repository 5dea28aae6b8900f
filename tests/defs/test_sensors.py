"""Sensors: files dropped into a folder or bucket, universes that come and go."""

from __future__ import annotations

import json
import os
import time
from datetime import date

import dagster as dg
import pytest
from dagster._core.definitions.partitions.context import partition_loading_context

from periscope_assets.definitions import build_definitions
from periscope_assets.settings import Settings
from periscope_assets.sources import files
from periscope_assets.sources.simulated import SimulatedSource
from periscope_assets.store.connect import open_lake

DAY = date(2026, 3, 20)


@pytest.fixture
def home(tmp_path):
    return Settings(home=tmp_path / "home", universes={"desk": ["SIMX", "ACME"]}, source={"kind": "files"})


@pytest.fixture
def instance():
    with dg.instance_for_test() as made:
        yield made


def tick(home, instance, name, cursor=None):
    definitions = build_definitions(home)
    sensor = next(each for each in definitions.sensors if each.name == name)
    context = dg.build_sensor_context(
        instance, cursor=cursor, repository_def=definitions.get_repository_def()
    )
    with partition_loading_context(dynamic_partitions_store=instance):
        return sensor.evaluate_tick(context)


def chain(symbol, day=DAY):
    (payload,) = SimulatedSource(1).fetch(symbol, day)
    return payload.content


def drop(folder, name, content, age=60.0):
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    written = time.time() - age
    os.utime(path, (written, written))
    return path


def test_a_dropped_file_asks_for_its_partition_and_symbols_once(home, instance):
    folder = home.home / "landing"
    drop(folder, "SIMX_20260320.simulated.csv", chain("SIMX"))
    first = tick(home, instance, "dropped_files")
    (request,) = first.run_requests
    assert str(request.partition_key) == "2026-03-20|desk"
    assert request.tags["periscope/symbols"] == "SIMX"
    assert instance.get_dynamic_partitions("universe") == ["desk"]
    assert len(open_lake(home).manifests("SIMX", DAY)) == 1
    second = tick(home, instance, "dropped_files", first.cursor)
    assert not second.run_requests
    assert second.skip_message == "nothing new has landed"


def test_a_renamed_or_copied_file_is_no_news_even_when_the_cursor_is_lost(home, instance):
    folder = home.home / "landing"
    content = chain("SIMX")
    path = drop(folder, "SIMX_20260320.simulated.csv", content)
    first = tick(home, instance, "dropped_files")
    path.rename(folder / "again_SIMX_20260320.simulated.csv")
    drop(folder, "sub/SIMX_20260320.simulated.csv", content)
    assert not tick(home, instance, "dropped_files", first.cursor).run_requests
    lost = tick(home, instance, "dropped_files", None)
    assert {one.run_key for one in lost.run_requests} == {first.run_requests[0].run_key}


def test_a_file_that_still_grows_waits(home, instance):
    folder = home.home / "landing"
    content = chain("SIMX")
    drop(folder, "SIMX_20260320.simulated.csv", content[: len(content) // 2], age=0.0)
    young = tick(home, instance, "dropped_files")
    assert not young.run_requests
    assert young.skip_message == "1 files wait"
    drop(folder, "SIMX_20260320.simulated.csv", content)
    assert len(tick(home, instance, "dropped_files", young.cursor).run_requests) == 1


def test_a_bad_file_is_named_and_its_neighbours_go_on(home, instance):
    folder = home.home / "landing"
    drop(folder, "broken.csv", b"no,chain\n1,2\n")
    drop(folder, "ACME_20260320.simulated.csv", chain("ACME"))
    first = tick(home, instance, "dropped_files")
    assert [one.tags["periscope/symbols"] for one in first.run_requests] == ["ACME"]
    remembered = json.loads(first.cursor)
    assert "of no known layout" in remembered["broken.csv"][1]
    assert not tick(home, instance, "dropped_files", first.cursor).run_requests


def test_a_file_of_a_date_that_is_no_partition_is_named_and_its_neighbours_go_on(home, instance):
    late = home.model_copy(update={"first_date": date(2026, 3, 1)})
    folder = late.home / "landing"
    drop(folder, "SIMX_20260203.simulated.csv", chain("SIMX", date(2026, 2, 3)))
    alone = tick(late, instance, "dropped_files")
    assert not alone.run_requests
    assert "2026-02-03 is not between 2026-03-01" in alone.skip_message
    drop(folder, "ACME_20260320.simulated.csv", chain("ACME"))
    second = tick(late, instance, "dropped_files", alone.cursor)
    assert [str(one.partition_key) for one in second.run_requests] == ["2026-03-20|desk"]


def test_a_file_that_trips_a_reader_does_not_hold_up_its_neighbours(home, instance, monkeypatch):
    read = files.load

    def load(path):
        if path.name.startswith("trap"):
            raise RuntimeError("unforeseen")
        return read(path)

    monkeypatch.setattr(files, "load", load)
    folder = home.home / "landing"
    drop(folder, "trap.csv", b"x")
    drop(folder, "ACME_20260320.simulated.csv", chain("ACME"))
    first = tick(home, instance, "dropped_files")
    assert [one.tags["periscope/symbols"] for one in first.run_requests] == ["ACME"]
    assert json.loads(first.cursor)["trap.csv"][1] == "unforeseen"


def test_a_tick_takes_a_bounded_number_of_files_and_the_next_goes_on(home, instance):
    folder = home.home / "landing"
    days = [date(2026, 3, 2 + n) for n in range(23) if date(2026, 3, 2 + n).weekday() < 5]
    names = [f"{symbol}_{day:%Y%m%d}.simulated.csv" for day in days for symbol in ("SIMX", "ACME")]
    for name in names[:25]:
        symbol, rest = name.split("_")
        drop(folder, name, chain(symbol, date(int(rest[:4]), int(rest[4:6]), int(rest[6:8]))))
    first = tick(home, instance, "dropped_files")
    landed = sum(value[1] == "taken" for value in json.loads(first.cursor).values())
    second = tick(home, instance, "dropped_files", first.cursor)
    assert landed == 20
    assert sum(value[1] == "taken" for value in json.loads(second.cursor).values()) == 25
    keys = [str(one.partition_key) for one in [*first.run_requests, *second.run_requests]]
    assert len(set(keys)) == len({name.split("_")[1] for name in names[:25]})


def test_universes_follow_their_file(tmp_path, instance):
    path = tmp_path / "universes.json"
    path.write_text('{"desk": ["SIMX"], "coins": ["SIMBTC"]}')
    home = Settings(home=tmp_path / "home", universes_file=path)
    instance.add_dynamic_partitions("universe", ["AAPL"])
    first = tick(home, instance, "universes")
    (added,) = first.dynamic_partitions_requests
    assert added.partition_keys == ["coins", "desk"]
    instance.add_dynamic_partitions("universe", list(added.partition_keys))
    path.write_text('{"desk": ["SIMX"], "shares": ["ACME"]}')
    second = tick(home, instance, "universes", first.cursor)
    assert {
        (type(one).__name__, tuple(one.partition_keys)) for one in second.dynamic_partitions_requests
    } == {
        ("AddDynamicPartitionsRequest", ("shares",)),
        ("DeleteDynamicPartitionsRequest", ("coins",)),
    }


def test_a_universe_file_that_cannot_be_read_says_so(tmp_path):
    path = tmp_path / "universes.json"
    path.write_text("{")
    with pytest.raises(ValueError, match=r"universes_file .*expected JSON such as"):
        Settings(home=tmp_path / "home", universes_file=path)
