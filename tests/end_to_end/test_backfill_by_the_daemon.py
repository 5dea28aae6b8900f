"""A backfill handed to the daemon ends by itself, whatever becomes of the daemon meanwhile.

`survives` is the whole of it, in a home that runs already: ``test_control_room`` asks it of a few dates, this
module of a year of four universes.
"""

from __future__ import annotations

import json
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Callable, Mapping
from datetime import date

import pytest

from app.services import state
from app.services.processes import ProcessId, wait_until
from periscope_assets.defs.backfills import days_of
from periscope_assets.pipeline import METHOD_VERSIONS
from periscope_assets.sources.calendars import XNYS, sessions
from periscope_assets.store.tables import DATASETS
from periscope_assets.transforms import rates
from tests.end_to_end.command_line import Periscope, finish, free_ports
from tests.end_to_end.room import PATIENCE, Room

pytestmark = [pytest.mark.slow, pytest.mark.timeout(6 * 3600)]

DAYS = int(os.environ.get("PERISCOPE_BACKFILL_DAYS", "250"))
UNIVERSES = {"sim-index": ["SIMX"], "sim-tech": ["SIMN"], "sim-single": ["ACME"], "sim-coins": ["SIMBTC"]}
STILL = 700.0
"""Seconds without a publication or a change of a run after which a backfill has come to a stand: a run whose
launch was cut off is noticed after 600."""


@pytest.mark.nightly
@pytest.mark.skipif("PERISCOPE_NIGHTLY" not in os.environ, reason="250 days; make test-nightly runs them")
def test_a_year_of_four_universes_survives_two_kills_of_the_daemon(tmp_path):
    days = sessions(XNYS, date(2025, 1, 2), date(2026, 6, 30))[:DAYS]
    settings = {
        "PERISCOPE_UNIVERSES": json.dumps(UNIVERSES),
        "PERISCOPE_SOURCE__KIND": "simulated",
        "PERISCOPE_RUNS__MAX_CONCURRENT": "2",
        **free_ports(),
    }
    room = Room(Periscope(tmp_path / "home", settings))
    try:
        room.wait_running()
        survives(room, UNIVERSES, days[0], days[-1], kills=2, seed=1)
    finally:
        finish(room.child)
        assert room.periscope.processes() == []


def survives(
    room: Room, universes: Mapping[str, list[str]], first: date, last: date, *, kills: int, seed: int
) -> None:
    """Hand over a backfill of each universe, kill the daemon meanwhile, look at what is there at the end."""
    days = len(days_of(first, last))
    dates = ("--from", str(first), "--to", str(last), "--daemon")
    commands = [("backfill", "--universe", universe, *dates) for universe in universes]
    symbols = [symbol for members in universes.values() for symbol in members]
    before = set(room.backfills())
    moments = _moments(seed, kills)
    for command in commands:
        assert f"{days} of {days} dates to build" in room.periscope.run(*command).stdout

    def statuses() -> list[str]:
        return [status for name, status in room.backfills().items() if name not in before]

    for share, pause in moments:
        many = share * len(METHOD_VERSIONS) * len(symbols) * days
        _wait_moving(room, symbols, lambda many=many: room.published(symbols) >= many)
        time.sleep(pause)
        assert "REQUESTED" in statuses(), "the backfill had ended before the daemon was killed"
        _kill_daemon(room)
    _wait_moving(room, symbols, lambda: "REQUESTED" not in statuses())
    assert statuses() == ["COMPLETED_SUCCESS"] * len(universes), room.runs()
    _each_once(room, symbols, first, last)
    _again_is_nothing(room, commands, days)


def _moments(seed: int, kills: int) -> list[tuple[float, float]]:
    """Return when to kill: once a share of the publications is there, and some seconds later."""
    chance = random.Random(seed)
    moments = sorted((chance.uniform(0.0, 0.8), chance.uniform(0.0, 3.0)) for _ in range(kills))
    # Shown by pytest when the test fails.
    print(f"seed {seed}: " + ", ".join(f"{share:.0%} and {pause:.1f} s" for share, pause in moments))  # noqa: T201
    return moments


def _wait_moving(room: Room, symbols: list[str], reached: Callable[[], bool]) -> None:
    """Wait for something as long as publications or runs change: how fast they do is the machine's affair."""
    seen: object = None
    moved = time.monotonic()
    while not reached():
        now = room.published(symbols), sorted((run["id"], run["status"]) for run in room.runs())
        if now != seen:
            seen, moved = now, time.monotonic()
        assert time.monotonic() - moved < STILL, (room.backfills(), room.runs())
        time.sleep(1.0)


def _daemon(room: Room) -> ProcessId | None:
    known = state.read_state(room.periscope.home)
    assert known is not None, "`periscope up` has ended"
    return next(one.process for one in known.services if one.name == "dagster-daemon")


def _kill_daemon(room: Room) -> None:
    killed = _daemon(room)
    os.kill(killed.pid, signal.SIGKILL)
    assert wait_until(lambda: _daemon(room) != killed and _daemon(room).alive, PATIENCE)


def _each_once(room: Room, symbols: list[str], first: date, last: date) -> None:
    """Every dataset of every symbol and date was published, and no snapshot of it twice."""
    rows = room.publications([*symbols, rates.CURRENCY])
    times = Counter((dataset, symbol, as_of) for dataset, symbol, as_of, *_ in rows)
    assert not {key: number for key, number in times.items() if number > 1}
    found = {(dataset, symbol, day) for dataset, symbol, _, day in rows}
    wanted = {
        (dataset, rates.CURRENCY if dataset == rates.STAGE.name else symbol, day)
        for dataset in METHOD_VERSIONS
        for symbol in symbols
        for day in days_of(first, last)
    }
    assert found == wanted, sorted(found ^ wanted)[:20]


def _again_is_nothing(room: Room, commands: list[tuple[str, ...]], days: int) -> None:
    """The same commands say that there is nothing to build, start nothing and write nothing."""
    tables = ("publications", *(table for tables in DATASETS.values() for table in tables))
    before = room.periscope.counts(*tables), room.backfills(), room.runs()
    for command in commands:
        assert f"0 of {days} dates to build" in room.periscope.run(*command).stdout
    assert (room.periscope.counts(*tables), room.backfills(), room.runs()) == before
