"""Dagster as an operator meets it: webserver, daemon, code location, embedded database, in a browser.

A file is dropped and its surface served; the daemon is killed under a backfill; the pages are looked at.
"""

from __future__ import annotations

import json
import os
from datetime import date, timedelta
from pathlib import Path

import pytest

from app.services.processes import wait_until
from periscope_assets.sources.simulated import SimulatedSource
from tests.conftest import required
from tests.end_to_end.command_line import Periscope, finish, free_ports
from tests.end_to_end.room import PATIENCE, STEP, Room
from tests.end_to_end.test_backfill_by_the_daemon import survives

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

CHROMIUM = Path("/usr/bin/chromium")
SERVED = 20.0 if "PERISCOPE_NIGHTLY" in os.environ else PATIENCE
"""Seconds from a file in the landing folder to its surface served; other tests run beside it by day."""
DAY = date(2026, 3, 20)
PARTITION_TAGS = {
    "dagster/partition",
    "dagster/asset_partition_range_start",
    "dagster/asset_partition_range_end",
}


@pytest.fixture(scope="module")
def room(tmp_path_factory):
    universes = json.dumps({"sim-index": ["SIMX"], "sim-coins": ["SIMBTC"]})
    settings = {
        "PERISCOPE_UNIVERSES": universes,
        "PERISCOPE_SOURCE__KIND": "simulated",
        "PERISCOPE_LANDING__SETTLE_SECONDS": "1",
        "PERISCOPE_RUNS__BATCH_DAYS": "2",
        "PERISCOPE_RUNS__MAX_CONCURRENT": "1",
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
    assert wait_until(lambda: room.surface("SIMX") is not None, SERVED, every=STEP), room.runs()
    assert room.surface("SIMX")["as_of"].startswith("2026-03-20")
    assert wait_until(lambda: [run["status"] for run in room.runs()] == ["SUCCESS"], PATIENCE, every=STEP)
    (run,) = room.runs()
    tags = {tag["key"]: tag["value"] for tag in run["tags"]}
    assert tags["periscope/symbols"] == "SIMX"
    assert tags["dagster/sensor_name"] == "dropped_files"


def test_a_backfill_of_one_universe_survives_a_kill_of_the_daemon(room):
    before = {run["id"] for run in room.runs()}
    survives(room, {"sim-coins": ["SIMBTC"]}, DAY - timedelta(days=2), DAY, kills=1, seed=1)
    asked = [run for run in room.runs() if run["id"] not in before]
    ends = {tag["value"] for run in asked for tag in run["tags"] if tag["key"] in PARTITION_TAGS}
    assert ends
    assert all(value.endswith("|sim-coins") for value in ends)


ELEMENTS = "document.querySelectorAll('*').length"
PLOTTED = ("n_quotes", "n_used", "inside_share", "median_rmse_bps", "min_g", "age_minutes", "seconds")


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
            _keep_picture(page, kept / f"{name}.png")
        page.goto(f"{room.dagster}/assets/vol_surface?view=overview")
        page.get_by_text("Plots", exact=True).click()
        # By partition, Dagster plots the latest hundred only; the first of this name is a tab.
        page.get_by_text("Events", exact=True).last.click()
        page.locator("canvas").first.scroll_into_view_if_needed()
        _keep_picture(page, kept / "plots.png")
        assert page.locator("canvas").count() >= len(PLOTTED)
        for name in PLOTTED:
            assert page.get_by_text(name, exact=True).count() >= 1, name
        browser.close()
    assert {each.stem for each in kept.glob("*.png")} == {*pages, "plots"}


def _keep_picture(page, path: Path) -> None:
    """Keep a picture of a page once nothing is added to it any more; times on it go on."""
    page.wait_for_load_state("networkidle")
    sizes = [-1, page.evaluate(ELEMENTS)]

    def at_rest() -> bool:
        sizes.append(page.evaluate(ELEMENTS))
        return sizes[-1] == sizes[-2] == sizes[-3]

    assert wait_until(at_rest, PATIENCE, every=0.5)
    page.screenshot(path=path)
