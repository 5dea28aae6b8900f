"""The analyst's pages in a real browser: light and dark, mouse and keyboard, camera and zoom that stay."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from dataclasses import replace
from pathlib import Path
from urllib.parse import unquote

import numpy as np
import pytest
from PIL import Image

from app.components.clock import stamp
from app.queries import Queries
from app.queries.times import rfc3339
from periscope_assets.charts.theme import DARK, LIGHT
from periscope_assets.store.postgres import PostgresStore
from periscope_assets.transforms.surfaces.served import fitted_rows
from tests.app import market
from tests.app import simulated_desk as desk
from tests.conftest import PROJECT, emptied, required

pytestmark = [pytest.mark.browser, pytest.mark.slow]

NIGHTLY = os.environ.get("PERISCOPE_NIGHTLY") == "1"
REFRESHES = 20 if NIGHTLY else 3
CHROMIUM = Path("/usr/bin/chromium")
FLAGS = [
    "--no-sandbox",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
]
PATIENCE = 120_000
PLOTS = "document.querySelectorAll('.js-plotly-plot')"
LETTERS = f"Array.from({PLOTS}).map((each) => each._fullLayout?.font.color)"
SURFACE = f"{PLOTS}[0]"
SCENE = f"{SURFACE}?._fullLayout?.scene?._scene"
CAMERA = f"Object.values({SCENE}?.getCamera().eye ?? {{}}).map(each => each.toFixed(6)).join()"
HEIGHTS = f"JSON.stringify(Array.from({SURFACE}?._fullData?.[0]?.z ?? []))"
EXPIRIES = f"new Set({SURFACE}._fullData[0].y).size"
DRAWN = f"{PLOTS}.length === 2 && {PLOTS}[1]._fullData?.length > 0 && Boolean({SCENE}?.getCamera)"
QUIET = """(() => {
  const all = (what) => [...document.querySelectorAll(what)];
  return document.querySelector('[data-testid=stApp]')?.dataset.testScriptState === 'notRunning'
    && all('[data-testid=stSkeleton]').length === 0
    && all('.periscope-figure').every((each) => each.querySelector('.js-plotly-plot .main-svg'))
    && all('[data-testid=stDataFrame]').every((each) => each.querySelector('canvas'));
})()"""
RESTING = (
    f"(() => {{ const seen = window.seen; window.seen = {CAMERA}; return window.seen === seen && seen; }})()"
)
WIDTH = "document.documentElement.scrollWidth"
GROUND = "getComputedStyle(document.querySelector('[data-testid=stApp]')).backgroundColor"
SMILE = "document.querySelector('.st-key-smile .js-plotly-plot')?._fullLayout"
RANGES = f"JSON.stringify([{SMILE}?.xaxis.range, {SMILE}?.yaxis.range])"
SCROLLED = "document.querySelector('[data-testid=stMain]').scrollTop"
PROBES = "/_stcore/"
PAGES = {
    "overview": "/",
    "surface": "/surface?symbol=SIMX",
    "surface-heat": "/surface?symbol=SIMX&view=heat&colour=mispricing&axis=log_moneyness",
    "term": "/term?symbol=SIMX",
    "heston": "/heston?symbol=SIMX",
}


@pytest.fixture(scope="module")
def address(pg_server):
    """URL of a database that only this module writes to."""
    pg_server.ensure_database("browser")
    return emptied(pg_server.url("browser"))


@pytest.fixture(scope="module")
def store(address):
    made = PostgresStore(address)
    for session in desk.SESSIONS:
        desk.publish(made, session)
    market.publish(made)
    market.publish(made, "NDX", only=("option_quotes",))
    yield made
    made.close()


@pytest.fixture(scope="module")
def app_url(store, address, tmp_path_factory):
    """Address of the app over that store, as a process of its own."""
    folder = tmp_path_factory.mktemp("app")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    environment = {
        **os.environ,
        "PERISCOPE_HOME": str(folder / "home"),
        "PERISCOPE_DATABASE__URL": address,
        "PERISCOPE_SCREEN__REFRESH_SECONDS": "1",
    }
    command = [sys.executable, "-m", "streamlit", "run", "app/screen.py", "--server.port", str(port)]
    with (folder / "app.log").open("w") as log:
        process = subprocess.Popen(command, cwd=PROJECT, env=environment, stdout=log, stderr=log)
    try:
        _wait_until_healthy(f"http://127.0.0.1:{port}/_stcore/health", process)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(timeout=20)


def _wait_until_healthy(url: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(urllib.error.URLError, ConnectionError, TimeoutError):
            if urllib.request.urlopen(url, timeout=5).status == 200:
                return
        time.sleep(0.1)
    pytest.fail("the app did not start")


@pytest.fixture(scope="module")
def browser():
    if not CHROMIUM.exists():
        required("browser", f"no browser: {CHROMIUM} is missing (apt-get install chromium)")
    playwright = pytest.importorskip("playwright.sync_api")
    with playwright.sync_playwright() as driver:
        started = driver.chromium.launch(executable_path=str(CHROMIUM), args=FLAGS)
        yield started
        started.close()


@pytest.fixture
def visit(browser, app_url):
    """Open a page of the app; failures of the page itself are collected in `errors`."""
    timeout_error = pytest.importorskip("playwright.sync_api").TimeoutError
    contexts = []

    def open_page(path: str, scheme: str = "light"):
        context = browser.new_context(color_scheme=scheme, viewport={"width": 1280, "height": 1350})
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(PATIENCE)
        page.errors = []
        page.timeout_error = timeout_error
        page.on("pageerror", lambda error: page.errors.append(str(error)))
        page.on("response", lambda reply: _note(page.errors, reply))
        page.on("console", lambda message: _note_console(page.errors, message))
        page.goto(app_url + path if path.startswith("/") else path)
        return page

    yield open_page
    for context in contexts:
        context.close()


def _note(errors: list[str], reply) -> None:
    if reply.status >= 400 and PROBES not in reply.url:
        errors.append(f"{reply.status} {reply.url}")


def _note_console(errors: list[str], message) -> None:
    """Note what the page complains of; failed loads are noted by their replies."""
    if message.type == "error" and not message.text.startswith("Failed to load resource"):
        errors.append(message.text)


def artifacts(tmp_path_factory) -> Path:
    """Folder that keeps pictures of pages."""
    named = os.environ.get("PERISCOPE_TEST_ARTIFACTS")
    folder = Path(named) if named else tmp_path_factory.getbasetemp() / "screenshots"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def settle(page) -> None:
    """Wait until nothing is drawn any more."""
    page.wait_for_function(QUIET)
    page.wait_for_load_state("networkidle")
    page.wait_for_function(QUIET)


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_drawn_light_and_dark_wide_and_narrow(visit, tmp_path_factory, name):
    page, folder = visit(PAGES[name]), artifacts(tmp_path_factory)
    settle(page)
    page.screenshot(path=str(folder / f"{name}-light.png"), full_page=True)
    light = page.evaluate(GROUND)
    assert page.evaluate(WIDTH) <= 1280
    page.emulate_media(color_scheme="dark")
    page.wait_for_function(f"{GROUND} !== {light!r}")
    page.wait_for_function(f"{LETTERS}.every((each) => each === '{DARK.text}')")
    settle(page)
    page.screenshot(path=str(folder / f"{name}-dark.png"), full_page=True)
    page.set_viewport_size({"width": 390, "height": 844})
    page.wait_for_function(f"{WIDTH} <= 390")
    settle(page)
    page.screenshot(path=str(folder / f"{name}-narrow.png"))
    assert page.errors == []


def test_figures_follow_a_page_that_turns_dark_and_light_again(visit):
    page = visit("/surface?symbol=SIMX")
    page.wait_for_function(DRAWN)
    settle(page)
    for scheme, look in (("dark", DARK), ("light", LIGHT), ("dark", DARK)):
        page.emulate_media(color_scheme=scheme)
        page.wait_for_function(f"{LETTERS}.length === 2 && {LETTERS}.every((each) => each === '{look.text}')")
    assert page.errors == []


def test_nothing_of_a_scene_is_cut_on_a_narrow_page(visit, tmp_path_factory):
    page = visit("/surface?symbol=SIMX")
    page.set_viewport_size({"width": 390, "height": 844})
    page.reload()
    page.wait_for_function(DRAWN)
    settle(page)
    scene = page.locator(".st-key-surface_3d .gl-container canvas").first
    path = artifacts(tmp_path_factory) / "scene-narrow.png"
    scene.screenshot(path=str(path))
    shown = np.asarray(Image.open(path).convert("RGB")).astype(int)
    assert shown.shape[0] < 1.3 * shown.shape[1]
    assert np.ptp(shown, axis=(0, 1)).max() > 100
    assert np.ptp(shown[:, :2], axis=(0, 1)).max() == np.ptp(shown[:, -2:], axis=(0, 1)).max() == 0


def test_surface_is_drawn_from_the_published_numbers(visit, store):
    page = visit("/surface?symbol=SPX")
    page.wait_for_function(DRAWN)
    drawn = page.evaluate(f"Array.from({SURFACE}._fullData[0].z)")
    grid = Queries(store).surface("SPX", coordinate="delta", points=41).frames["surface_grid"]
    assert drawn == pytest.approx((100 * grid["iv"]).tolist(), rel=1e-12)


def test_a_symbol_is_found_by_keyboard(visit, store):
    page = visit("/surface?symbol=SIMX")
    settle(page)
    page.keyboard.press("/")
    page.wait_for_function("document.activeElement?.closest('.st-key-symbol') !== null")
    page.keyboard.type("SPX")
    page.get_by_role("option", name="SPX").first.wait_for()
    page.keyboard.press("Enter")
    page.wait_for_url(lambda url: "symbol=SPX" in url)
    version = Queries(store).locate("vol_surface", "SPX").entry.version
    page.get_by_text(version[:12]).first.wait_for()


def test_the_colour_is_switched(visit):
    page = visit("/surface?symbol=SIMX")
    page.wait_for_function(DRAWN)
    settle(page)
    page.get_by_text("mispricing", exact=True).click()
    page.wait_for_url(lambda url: "colour=mispricing" in url)
    page.wait_for_function(f"{SURFACE}?._fullData?.[0]?.cmin === -3")


def test_the_picture_is_saved_by_the_browser(visit):
    page = visit("/surface?symbol=SIMX")
    page.wait_for_function(DRAWN)
    settle(page)
    page.locator(".st-key-smile .js-plotly-plot").hover()
    with page.expect_download() as waiting:
        page.locator(".st-key-smile [data-title^='Download plot']").click()
    assert waiting.value.suggested_filename == "smile_SIMX.png"
    assert Path(waiting.value.path()).read_bytes().startswith(b"\x89PNG")


def test_the_camera_and_the_scroll_survive_refreshes(visit, store):
    """Every refresh brings another surface: of one expiry less, or of more than the one before."""
    page = visit("/surface?symbol=SIMX")
    page.wait_for_function(DRAWN)
    settle(page)
    turned = _turn(page)
    page.evaluate("document.querySelector('[data-testid=stMain]').scrollTop = 120")
    scrolled = page.evaluate(SCROLLED)
    for count in range(REFRESHES):
        n_expiries = _publish_without(store, count % 3 + 1)
        page.get_by_text(stamp(store.watermark())).first.wait_for()
        page.wait_for_function(f"{DRAWN} && {EXPIRIES} === {n_expiries}")
        page.wait_for_function(f"{CAMERA} === {turned!r}")
        assert page.evaluate(SCROLLED) == scrolled
    assert page.errors == []


def test_the_camera_survives_another_colour_another_axis_and_another_date(visit, store):
    page = visit("/surface?symbol=SIMX")
    page.wait_for_function(DRAWN)
    settle(page)
    turned = _turn(page)
    page.get_by_text("mispricing", exact=True).click()
    page.wait_for_function(f"{SURFACE}?._fullData?.[0]?.cmin === -3 && {CAMERA} === {turned!r}")
    page.get_by_text("strike", exact=True).first.click()
    axis = f"{SURFACE}?._fullLayout?.scene?.xaxis?.title?.text.startsWith('strike')"
    page.wait_for_function(f"{axis} && {CAMERA} === {turned!r}")
    settle(page)
    before = page.evaluate(HEIGHTS)
    _travel(page)
    page.wait_for_function(f"{DRAWN} && {HEIGHTS} !== {before!r} && {CAMERA} === {turned!r}")
    assert page.errors == []


def test_the_zoom_survives_refreshes_until_it_is_undone(visit, store):
    page = visit("/surface?symbol=SIMX")
    page.wait_for_function(DRAWN)
    settle(page)
    whole = page.evaluate(RANGES)
    zoomed = _zoom(page)
    assert zoomed != whole
    for count in (1, 2):
        _publish_without(store, count)
        page.get_by_text(stamp(store.watermark())).first.wait_for()
        settle(page)
        page.wait_for_function(f"{RANGES} === {zoomed!r}")
    page.mouse.dblclick(*_middle(page))
    page.wait_for_function(f"{RANGES} === {whole!r}")
    _publish_without(store, 1)
    page.get_by_text(stamp(store.watermark())).first.wait_for()
    settle(page)
    page.wait_for_function(f"{RANGES} === {whole!r}")
    assert page.errors == []


def _zoom(page, attempts: int = 8) -> str:
    """Drag a box over the smile until its ranges change: a drag that meets a redraw is lost."""
    before = page.evaluate(RANGES)
    for _ in range(attempts):
        x, y = _middle(page)
        page.mouse.move(x - 80, y - 80)
        page.mouse.down()
        page.mouse.move(x + 80, y + 80, steps=6)
        page.mouse.up()
        with contextlib.suppress(page.timeout_error):
            page.wait_for_function(f"{RANGES} !== {before!r}", timeout=10_000)
            return page.evaluate(RANGES)
    pytest.fail(f"the smile was not zoomed in {attempts} drags")


def _middle(page) -> tuple[float, float]:
    """Bring the smile into sight and return its middle."""
    plot = page.locator(".st-key-smile .nsewdrag").first
    plot.scroll_into_view_if_needed()
    box = plot.bounding_box()
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def _publish_without(store, count: int) -> int:
    """Publish the last surface anew without its last expiries; return how many are left."""
    (whole,) = desk.drafts(revision=f"refresh-{time.time_ns()}", only=("vol_surface",))
    slices = whole.frames["surface_slices"]
    left = fitted_rows(slices).sort_values("expiry_at").iloc[:-count]
    store.publish([replace(whole, frames={**whole.frames, "surface_slices": left})], store.fence())
    return len(left)


def _travel(page) -> None:
    """Choose the earliest snapshot on offer."""
    page.locator(".st-key-as_of input").click()
    page.get_by_role("option").last.click()
    page.wait_for_url(lambda url: "as_of=" in url)


def test_travel_to_an_earlier_snapshot_is_in_the_url_and_marked(visit, store):
    page = visit("/term?symbol=SIMX")
    settle(page)
    earlier = Queries(store).recent_snapshots("SIMX", "skew_metrics")[-1]
    _travel(page)
    page.wait_for_url(lambda url: f"as_of={rfc3339(earlier.as_of)}" in unquote(url))
    page.get_by_text("pinned in time").first.wait_for()
    page.get_by_text(earlier.version[:12]).first.wait_for()


def test_a_link_opens_the_same_numbers_after_a_correction(visit, store):
    page = visit("/heston?symbol=SIMX")
    settle(page)
    page.locator(".st-key-link button").first.click()
    link = page.locator(".st-key-link code, [data-testid=stPopoverBody] code").first.inner_text()
    version = Queries(store).locate("heston_fit", "SIMX").entry.version
    assert f"version={version}" in link
    desk.publish(store, revision=f"correction-{time.time_ns()}", only=("heston_fit",))
    again = visit(link.strip())
    again.get_by_text(version[:12]).first.wait_for()
    again.get_by_text("pinned in time").first.wait_for()
    assert again.errors == []


def _turn(page, attempts: int = 8) -> str:
    """Drag the surface until its camera moves: a drag that meets a redraw is lost."""
    before = page.evaluate(CAMERA)
    for _ in range(attempts):
        box = page.locator(".js-plotly-plot").first.bounding_box()
        x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
        page.mouse.move(x, y)
        page.mouse.down()
        page.mouse.move(x + 80, y, steps=6)
        page.mouse.up()
        with contextlib.suppress(page.timeout_error):
            page.wait_for_function(f"{SCENE} && {CAMERA} !== {before!r}", timeout=10_000)
            return page.wait_for_function(RESTING, polling=500).json_value()
    pytest.fail(f"the camera did not move in {attempts} drags")


def test_an_unpublished_surface_names_the_command(visit):
    page = visit("/surface?symbol=NDX")
    page.get_by_text("periscope materialize").wait_for()
