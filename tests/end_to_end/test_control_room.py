"""Dagster as an operator meets it: webserver, daemon, code location, embedded database, in a browser.

A file is dropped and its surface served; a backfill is handed to the daemon; the pages are looked at.
"""

from __future__ import annotations

import json
import os
import urllib.request
from datetime import date
from pathlib import Path

import pytest

from app.services import state
from app.services.processes import wait_until
from periscope_assets.sources.simulated import SimulatedSource
from tests.conftest import required
from tests.end_to_end.command_line import Periscope, finish, free_ports

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

CHROMIUM = Path("/usr/bin/chromium")
DAY = date(2026, 3, 20)
PATIENCE, STEP = 240.0, 0.5
"""Seconds: how long something may take, and how often it is asked for, which takes the services' time too."""
RUNS = "{ runsOrError { ... on Runs { results { id status tags { key value } } } } }"
BACKFILLS = (
    "{ partitionBackfillsOrError { ... on PartitionBackfills { results { id status numPartitions } } } }"
)


class Room:
    """A home with everything running."""

    def __init__(self, periscope: Periscope) -> None:
        self.periscope = periscope
        self.child = periscope.start("up")
        ports = periscope.settings
        self.dagster = f"http://127.0.0.1:{ports['PERISCOPE_PORTS__DAGSTER']}"
        self.api = f"http://127.0.0.1:{ports['PERISCOPE_PORTS__API']}"

    def wait_running(self) -> None:
        def running() -> bool:
            known = state.read_state(self.periscope.home)
            return known is not None and known.phase == state.RUNNING

        assert wait_until(running, PATIENCE), finish(self.child)

    def graphql(self, query: str) -> dict:
        body = json.dumps({"query": query}).encode()
        request = urllib.request.Request(
            f"{self.dagster}/graphql", body, {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=120) as reply:
            return json.load(reply)["data"]

    def runs(self) -> list[dict]:
        return self.graphql(RUNS)["runsOrError"]["results"]

    def surface(self, symbol: str) -> dict | None:
        try:
            with urllib.request.urlopen(f"{self.api}/v1/surface/{symbol}", timeout=30) as reply:
                return json.load(reply)
        except OSError:
            return None


@pytest.fixture(scope="module")
def room(tmp_path_factory):
    universes = json.dumps({"sim-index": ["SIMX"], "sim-coins": ["SIMBTC"]})
    settings = {
        "PERISCOPE_UNIVERSES": universes,
        "PERISCOPE_SOURCE__KIND": "simulated",
        "PERISCOPE_LANDING__SETTLE_SECONDS": "1",
        **free_ports(),
    }
    made = Room(Periscope(tmp_path_factory.mktemp("room") / "home", settings))
    try:
        made.wait_running()
        yield made
    finally:
        finish(made.child)
        assert made.periscope.processes() == []


def test_a_dropped_file_is_served(room):
    folder = room.periscope.home / "landing"
    (payload,) = SimulatedSource(7).fetch("SIMX", DAY)
    assert wait_until(folder.is_dir, PATIENCE), "the sensor never looked into the landing folder"
    draft = folder / ".SIMX_20260320.simulated.csv"
    draft.write_bytes(payload.content)
    draft.rename(folder / "SIMX_20260320.simulated.csv")
    assert wait_until(lambda: room.surface("SIMX") is not None, PATIENCE, every=STEP), room.runs()
    assert room.surface("SIMX")["as_of"].startswith("2026-03-20")
    assert wait_until(lambda: [run["status"] for run in room.runs()] == ["SUCCESS"], PATIENCE, every=STEP)
    (run,) = room.runs()
    tags = {tag["key"]: tag["value"] for tag in run["tags"]}
    assert tags["periscope/symbols"] == "SIMX"
    assert tags["dagster/sensor_name"] == "dropped_files"


def test_a_backfill_handed_to_the_daemon_builds_dates_of_one_universe(room):
    arguments = ("backfill", "--universe", "sim-coins", "--from", "2026-03-18", "--to", "2026-03-20")
    said = room.periscope.run(*arguments, "--daemon").stdout
    assert "3 of 3 dates to build" in said

    def done() -> bool:
        results = room.graphql(BACKFILLS)["partitionBackfillsOrError"]["results"]
        return [one["status"] for one in results] == ["COMPLETED_SUCCESS"]

    assert wait_until(done, PATIENCE, every=STEP), (room.graphql(BACKFILLS), room.runs())
    universes = {
        tag["value"]
        for run in room.runs()
        for tag in run["tags"]
        if tag["key"] in ("dagster/asset_partition_range_start", "dagster/partition")
    }
    assert {value for value in universes if value.endswith("sim-coins")}
    assert len(room.runs()) <= 3
    assert "0 of 3 dates to build" in room.periscope.run(*arguments).stdout


@pytest.mark.browser
def test_pages_look_right(room, tmp_path):
    if not CHROMIUM.exists():
        required("browser", "no Chromium: apt-get install chromium")
    from playwright.sync_api import sync_playwright

    kept = Path(os.environ.get("PERISCOPE_TEST_ARTIFACTS", tmp_path)) / "dagster"
    kept.mkdir(parents=True, exist_ok=True)
    pages = {
        "lineage": ("/asset-groups", "surfaces"),
        "asset": ("/assets/vol_surface?view=overview", "Arbitrage-free surface"),
        "upstream": ("/assets/vol_surface?view=lineage", "implied_vols"),
        "partition": (f"/assets/vol_surface?view=partitions&partition={DAY}%7Csim-index", "median_rmse_bps"),
        "checks": ("/assets/vol_surface?view=checks", "certificate"),
        "backfills": ("/runs?view=backfills", "sim-coins"),
        "automation": ("/automation", "dropped_files"),
    }
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1440, "height": 1000})
        page.set_default_timeout(120_000)
        for name, (path, text) in pages.items():
            page.goto(f"{room.dagster}{path}")
            page.get_by_text(text).first.wait_for()
            page.screenshot(path=kept / f"{name}.png")
        browser.close()
    assert {each.stem for each in kept.glob("*.png")} >= set(pages)
