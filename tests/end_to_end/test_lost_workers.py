"""Run workers that are killed: noticed, tried again once, and nothing published twice or lost."""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import time
from datetime import date

import psutil
import psycopg
import pytest

from app.services.processes import wait_until
from periscope_assets.sources.calendars import XNYS, sessions
from periscope_assets.sources.simulated import SimulatedSource
from periscope_assets.store.embedded import EmbeddedServer
from tests.end_to_end.command_line import Periscope, finish, free_ports
from tests.end_to_end.room import PATIENCE, Room

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]

FULL = "PERISCOPE_NIGHTLY" in os.environ
KILLS = 20 if FULL else 1
SEED = 20260320
ENDED = {"SUCCESS", "FAILURE", "CANCELED"}
NOTICED = 120.0 if FULL else PATIENCE


@pytest.fixture(scope="module")
def room(tmp_path_factory):
    settings = {
        "PERISCOPE_UNIVERSES": json.dumps({"sim-index": ["SIMX"]}),
        "PERISCOPE_LANDING__SETTLE_SECONDS": "1",
        "PERISCOPE_RUNS__MAX_CONCURRENT": "1",
        **free_ports(),
    }
    made = Room(Periscope(tmp_path_factory.mktemp("lost") / "home", settings))
    try:
        made.wait_running()
        yield made
    finally:
        finish(made.child)
        assert made.periscope.processes() == []


def worker_of(room: Room, run_id: str) -> psutil.Process | None:
    for process in room.periscope.processes():
        with contextlib.suppress(psutil.Error):
            line = " ".join(process.cmdline())
            if run_id in line and "execute_run" in line:
                return process
    return None


def tags(run: dict) -> dict[str, str]:
    return {tag["key"]: tag["value"] for tag in run["tags"]}


def test_killed_runs_are_noticed_and_done_again_once(room):
    chance = random.Random(SEED)
    days = sessions(XNYS, date(2026, 1, 5), date(2026, 3, 20))[:KILLS]
    folder = room.periscope.home / "landing"
    assert wait_until(folder.is_dir, PATIENCE)
    for day in days:
        _kill_one(room, folder, day, chance)
    assert room.surface("SIMX") is not None
    _nothing_doubled(room, days)


def _kill_one(room: Room, folder, day, chance: random.Random) -> None:
    before = {run["id"] for run in room.runs()}
    (payload,) = SimulatedSource(11).fetch("SIMX", day)
    draft = folder / f".SIMX_{day:%Y%m%d}"
    draft.write_bytes(payload.content)
    draft.rename(folder / f"SIMX_{day:%Y%m%d}.simulated.csv")

    def started() -> bool:
        return any(run["status"] == "STARTED" for run in room.runs() if run["id"] not in before)

    assert wait_until(started, PATIENCE), room.runs()
    (run,) = [run for run in room.runs() if run["id"] not in before]
    time.sleep(chance.uniform(0.0, 3.0))
    worker = worker_of(room, run["id"])
    if worker is not None:
        with contextlib.suppress(psutil.NoSuchProcess):
            os.kill(worker.pid, signal.SIGKILL)

    def status(run_id: str) -> str:
        return next(one["status"] for one in room.runs() if one["id"] == run_id)

    killed = time.monotonic()
    assert wait_until(lambda: status(run["id"]) in ENDED, PATIENCE), room.runs()
    if status(run["id"]) == "SUCCESS":
        return
    assert time.monotonic() - killed <= NOTICED
    assert status(run["id"]) == "FAILURE"

    def retried() -> list[dict]:
        return [one for one in room.runs() if tags(one).get("dagster/parent_run_id") == run["id"]]

    assert wait_until(lambda: [one["status"] for one in retried()] == ["SUCCESS"], PATIENCE), room.runs()


def _nothing_doubled(room: Room, days) -> None:
    server_rows = _versions(room)
    for day in days:
        mine = [row for row in server_rows if row[0] == str(day)]
        assert len(mine) == len(set(mine)), f"{day} was published twice"
        assert {row[1] for row in mine} >= {"option_quotes", "vol_surface", "trade_signals"}, f"{day} lost"


def _versions(room: Room) -> list[tuple[str, str, str]]:
    server = EmbeddedServer(room.periscope.home)
    with psycopg.connect(server.url()) as connection:
        return connection.execute(
            "SELECT (as_of AT TIME ZONE 'America/New_York')::date::text, dataset, version "
            "FROM periscope.publications WHERE symbol = 'SIMX'"
        ).fetchall()
