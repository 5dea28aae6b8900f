"""The desk's pages in a real browser: drawn and readable, light and dark; walked with mouse and keyboard."""

from __future__ import annotations

import csv
import io
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from app.queries import Queries
from app.queries.strategy import build_strategy
from app.views.strategy import legs
from periscope_assets.charts.theme import DARK
from periscope_assets.settings import Settings
from periscope_assets.store.connect import open_lake
from periscope_assets.store.people import People
from periscope_assets.store.postgres import PostgresStore
from tests.app import desk
from tests.app import test_browser as shared
from tests.conftest import PROJECT, emptied

pytestmark = [pytest.mark.browser, pytest.mark.slow]

CONTRAST = (Path(__file__).parent / "contrast.js").read_text()
PAGES = {
    "signals": "/signals?symbol=SPX",
    "strategy": "/strategy?symbol=SPX",
    "positioning": "/positioning?symbol=SPX",
    "health": "/health?symbol=SPX",
    "quarantine": "/health?symbol=SPX&part=quarantine",
    "lineage": "/health?symbol=SPX&part=lineage",
    "settings": "/settings",
}
READY = """(() => {
  const all = (what) => [...document.querySelectorAll(what)];
  return all('[data-testid=stHeading]').length > 0 && all('[data-testid=stSkeleton]').length === 0
    && all('.periscope-figure').every((each) => each.querySelector('.xaxislayer-above'))
    && all('[data-testid=stDataFrame]').every((each) => each.querySelector('canvas'))
    && document.querySelector('[data-testid=stApp]')?.dataset.testScriptState === 'notRunning';
})()"""
GROUND = "getComputedStyle(document.querySelector('[data-testid=stApp]')).backgroundColor"
WIDTH = "document.documentElement.scrollWidth"
LETTERS = ".stGraphVizChart text"
REACHABLE = """[...document.querySelectorAll(
  '[data-testid=stMain] :is(button, input, a[href], [role=slider]):not([disabled]):not([tabindex="-1"])'
)].filter((each) => each.getClientRects().length && getComputedStyle(each).visibility === 'visible'
  && !each.closest('.modebar, [data-testid=stElementToolbar]'))"""


@pytest.fixture(scope="module")
def url(pg_server):
    pg_server.ensure_database("browser_desk")
    return emptied(pg_server.url("browser_desk"))


@pytest.fixture(scope="module")
def store(url):
    made = PostgresStore(url)
    desk.publish(made)
    yield made
    made.close()


@pytest.fixture(scope="module")
def app_url(store, url, tmp_path_factory):
    """Address of the app over that store, as a process of its own."""
    home = tmp_path_factory.mktemp("app") / "home"
    open_lake(Settings(home=home)).land(desk.raw_bytes())
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    environment = {**os.environ, "PERISCOPE_HOME": str(home), "PERISCOPE_DATABASE__URL": url}
    command = [sys.executable, "-m", "streamlit", "run", "app/screen.py", "--server.port", str(port)]
    with (home.parent / "app.log").open("w") as log:
        process = subprocess.Popen(command, cwd=PROJECT, env=environment, stdout=log, stderr=log)
    try:
        shared._wait_until_healthy(f"http://127.0.0.1:{port}/_stcore/health", process)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(timeout=20)


browser = shared.browser


@pytest.fixture
def visit(browser, app_url):
    """Open a page of the app; what goes wrong in it is collected in `errors`."""
    contexts = []

    def open_page(path: str, scheme: str = "light"):
        context = browser.new_context(
            color_scheme=scheme, viewport={"width": 1280, "height": 1700}, accept_downloads=True
        )
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(120_000)
        page.errors = []
        page.on("pageerror", lambda error: page.errors.append(str(error)))
        page.on("response", lambda reply: shared._note(page.errors, reply))
        page.on("console", lambda message: _note_console(page.errors, message))
        page.goto(app_url + path)
        return page

    yield open_page
    for context in contexts:
        context.close()


def _note_console(errors: list[str], message) -> None:
    if message.type == "error" and shared.PROBES not in message.location.get("url", ""):
        errors.append(message.text)


def _settle(page) -> None:
    page.wait_for_function(READY)
    page.wait_for_load_state("networkidle")
    page.wait_for_function(READY)


def _keep_picture(page, tmp_path_factory, name: str) -> None:
    named = os.environ.get("PERISCOPE_TEST_ARTIFACTS")
    folder = Path(named) if named else tmp_path_factory.getbasetemp() / "screenshots"
    folder.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=str(folder / f"{name}.png"), full_page=True)


@pytest.mark.parametrize("name", list(PAGES))
def test_the_page_is_drawn_and_readable_light_and_dark_wide_and_narrow(visit, tmp_path_factory, name):
    page = visit(PAGES[name])
    _settle(page)
    _keep_picture(page, tmp_path_factory, f"{name}-light")
    assert page.evaluate(WIDTH) <= 1280
    assert page.evaluate(CONTRAST) == []
    light = page.evaluate(GROUND)
    page.emulate_media(color_scheme="dark")
    page.wait_for_function(f"{GROUND} !== {light!r}")
    page.wait_for_function(f"{shared.LETTERS}.every((each) => each === '{DARK.text}')")
    _settle(page)
    _keep_picture(page, tmp_path_factory, f"{name}-dark")
    assert page.evaluate(CONTRAST) == []
    page.set_viewport_size({"width": 390, "height": 844})
    page.wait_for_function(f"{WIDTH} <= 390")
    _settle(page)
    _keep_picture(page, tmp_path_factory, f"{name}-narrow")
    assert page.errors == []


def test_the_lineage_is_read_on_a_narrow_page(visit):
    page = visit(PAGES["lineage"])
    page.set_viewport_size({"width": 390, "height": 844})
    page.locator(LETTERS).first.wait_for()
    _settle(page)
    boxes = f"[...document.querySelectorAll('{LETTERS}')].map((each) => each.getBoundingClientRect())"
    assert min(page.evaluate(f"{boxes}.map((box) => box.height)")) >= 11
    assert page.evaluate(f"Math.max(...{boxes}.map((box) => box.right))") > 390
    page.locator(".stGraphVizChart").hover()
    page.mouse.wheel(4000, 0)
    page.wait_for_function(f"Math.max(...{boxes}.map((box) => box.right)) <= 390")
    assert page.evaluate(WIDTH) <= 390
    assert page.errors == []


def _choose(page, label: str, option: str) -> None:
    page.get_by_role("combobox", name=label, exact=True).click()
    page.get_by_role("option", name=option).first.click()


def test_a_signal_is_opened_and_acknowledged(visit, url):
    page = visit("/signals?symbol=SPX&state=any")
    page.wait_for_function(READY)
    _choose(page, "Signal", "2.")
    page.wait_for_url("**signal=*")
    page.wait_for_function(READY)
    page.get_by_label("Note").fill("on it")
    page.get_by_role("button", name="Acknowledge").click()
    page.get_by_text("Acknowledged by local").wait_for()
    people = People(url)
    (event,) = people.signal_events("SPX")
    people.close()
    assert (event.kind, event.note) == ("acknowledged", "on it")
    assert page.errors == []


def test_a_strategy_is_built_from_a_preset_and_exported(visit, store):
    page = visit("/strategy?symbol=SPX")
    page.wait_for_function(READY)
    _choose(page, "Preset", "butterfly")
    page.get_by_role("button", name="Place").click()
    page.wait_for_url("**legs=1C*~-2C*~1C*")
    page.wait_for_function(READY)
    with page.expect_download() as waiting:
        page.get_by_role("button", name="CSV").last.click()
    rows = list(csv.DictReader(io.StringIO(Path(waiting.value.path()).read_text())))
    asked = legs.read(page.url.partition("legs=")[2].partition("&")[0])
    mine = build_strategy(Queries(store), "SPX", asked).frames["legs"]
    assert [float(row["value_usd"]) for row in rows] == mine["value_usd"].tolist()
    assert page.errors == []


def test_every_widget_of_a_page_is_reached_by_the_tab_key(visit):
    page = visit("/strategy?symbol=SPX")
    page.wait_for_function(READY)
    wanted = page.evaluate(f"{REACHABLE}.map((each, i) => {{ each.dataset.stop = i; return i; }}).length")
    assert wanted > 15
    seen = set()
    for _ in range(4 * wanted):
        page.keyboard.press("Tab")
        stop = page.evaluate("document.activeElement?.dataset?.stop ?? null")
        seen |= {stop} - {None}
        if len(seen) == wanted:
            break
    missed = page.evaluate(
        f"(seen) => {REACHABLE}.filter((at) => !seen.includes(at.dataset.stop)).map((one) => one.outerHTML)",
        sorted(seen),
    )
    assert missed == []


def test_a_theme_is_chosen_and_stays(visit):
    page = visit("/settings", "light")
    page.wait_for_function(READY)
    _choose(page, "Theme", "dark")
    dark = f"{GROUND} === 'rgb(15, 21, 28)'"
    page.wait_for_function(dark)
    page.goto(page.url.partition("/settings")[0] + "/positioning?symbol=SPX")
    page.wait_for_function(dark)
    page.wait_for_function(READY)
    page.goto(page.url.partition("/positioning")[0] + "/settings")
    page.wait_for_function(READY)
    _choose(page, "Theme", "as the system")
    page.wait_for_function(f"!({dark})")
