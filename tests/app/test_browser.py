"""The app in a real browser: both pages drawn, dark and light, state in the URL, a camera that stays."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from app.queries import Queries
from periscope_assets.store.postgres import PostgresStore
from tests.app import market
from tests.conftest import PROJECT, required

pytestmark = [pytest.mark.browser, pytest.mark.slow]

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
PLOTS = "document.querySelectorAll('.js-plotly-plot')"
SURFACE = f"{PLOTS}[0]"
SCENE = f"{SURFACE}?._fullLayout?.scene?._scene"
CAMERA = f"JSON.stringify({SCENE}?.getCamera().eye)"
DRAWN = f"{PLOTS}.length === 2 && {PLOTS}[1]._fullData?.length > 0 && Boolean({SCENE}?.getCamera)"
RESTING = (
    f"(() => {{ const seen = window.seen; window.seen = {CAMERA}; return window.seen === seen && seen; }})()"
)
WIDTH = "document.documentElement.scrollWidth"
PROBES = "/_stcore/"


@pytest.fixture(scope="module")
def address(pg_server):
    """URL of a database that no test of this module writes to."""
    pg_server.ensure_database("browser")
    return pg_server.url("browser")


@pytest.fixture(scope="module")
def store(address):
    made = PostgresStore(address)
    made.migrate()
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
    }
    command = [sys.executable, "-m", "streamlit", "run", "app/main.py", "--server.port", str(port)]
    with (folder / "app.log").open("w") as log:
        process = subprocess.Popen(command, cwd=PROJECT, env=environment, stdout=log, stderr=log)
    try:
        _wait_until_healthy(f"http://127.0.0.1:{port}/_stcore/health", process)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(timeout=20)


def _wait_until_healthy(url: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(urllib.error.URLError, ConnectionError):
            if urllib.request.urlopen(url, timeout=2).status == 200:
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
        page.set_default_timeout(60_000)
        page.errors = []
        page.timeout_error = timeout_error
        page.on("pageerror", lambda error: page.errors.append(str(error)))
        page.on("response", lambda reply: _note(page.errors, reply))
        page.on("requestfailed", lambda request: page.errors.append(request.url))
        page.goto(app_url + path)
        return page

    yield open_page
    for context in contexts:
        context.close()


def _note(errors: list[str], reply) -> None:
    if reply.status >= 400 and PROBES not in reply.url:
        errors.append(f"{reply.status} {reply.url}")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_overview_is_drawn(visit, scheme):
    page = visit("/", scheme)
    page.wait_for_function("document.querySelector('[data-testid=stDataFrame] canvas') !== null")
    _keep_picture(page, f"overview-{scheme}")
    assert page.errors == []
    assert page.evaluate(WIDTH) <= 1280


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_surface_is_drawn_from_the_published_numbers(visit, store, scheme):
    page = visit("/surface?symbol=SPX", scheme)
    page.wait_for_function(DRAWN)
    drawn = page.evaluate(f"Array.from({SURFACE}._fullData[0].z, row => Array.from(row)).flat()")
    grid = Queries(store).surface("SPX", coordinate="delta", points=41).frames["surface_grid"]
    assert drawn == pytest.approx((100 * grid["iv"]).tolist(), rel=1e-12)
    _keep_picture(page, f"surface-{scheme}")
    assert page.errors == []
    assert page.evaluate(WIDTH) <= 1280
    page.set_viewport_size({"width": 390, "height": 844})
    page.wait_for_function(f"{WIDTH} <= 390")


def _keep_picture(page, name: str) -> None:
    folder = PROJECT / "artifacts" / "screenshots"
    folder.mkdir(parents=True, exist_ok=True)
    page.wait_for_load_state("networkidle")
    page.screenshot(path=str(folder / f"{name}.png"))


def test_the_url_is_the_state_and_the_camera_stays(visit):
    page = visit("/surface?symbol=SPX&axis=strike")
    page.wait_for_function(DRAWN)
    page.wait_for_url("**axis=strike&expiry=*")
    page.wait_for_load_state("networkidle")
    page.wait_for_function(DRAWN)
    turned = _turn(page)
    page.get_by_label("Expiry", exact=False).first.click()
    page.get_by_role("option", name="18 Dec 2026").first.click()
    page.wait_for_url("**expiry=2026-12-18T14*")
    page.wait_for_load_state("networkidle")
    page.wait_for_function(f"{CAMERA} === {turned!r}")


def _turn(page, attempts: int = 5) -> str:
    """Drag the surface until its camera moves: a drag that meets a redraw is lost."""
    before = page.evaluate(CAMERA)
    for _ in range(attempts):
        box = page.locator(".js-plotly-plot").first.bounding_box()
        page.mouse.move(box["x"] + 250, box["y"] + 280)
        page.mouse.down()
        page.mouse.move(box["x"] + 330, box["y"] + 300, steps=6)
        page.mouse.up()
        with contextlib.suppress(page.timeout_error):
            page.wait_for_function(f"{SCENE} && {CAMERA} !== {before!r}", timeout=10_000)
            return page.wait_for_function(RESTING, polling=500).json_value()
    pytest.fail(f"the camera did not move in {attempts} drags")


def test_an_unpublished_surface_names_the_command(visit):
    page = visit("/surface?symbol=NDX")
    page.get_by_text("periscope materialize").wait_for()
