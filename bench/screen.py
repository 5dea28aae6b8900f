"""The analyst app from outside: first paint, page switch, redraw of the surface; its queries; many sessions.

First paint is that of the overview's first numbers, its totals; the table below them comes later.
On the store of a home, against an app that runs on it (``periscope up`` or ``demo``); for ``sessions`` this
starts an app of its own, whose process has served nobody yet:
``PERISCOPE_HOME=... python -m bench.screen --url http://127.0.0.1:8501 --symbol SIMX [--only sessions]``
"""

from __future__ import annotations

import argparse
import statistics
import time
from pathlib import Path

CHROMIUM = "/usr/bin/chromium"
FLAGS = ["--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"]
PAINTED = "document.querySelector('.st-key-totals strong, [data-testid=stDataFrame] canvas') !== null"
HEADING = "document.querySelector('[data-testid=stHeading]')?.innerText.startsWith({!r})"
AXIS = "document.querySelector('.js-plotly-plot')?._fullLayout?.scene?.xaxis?.title?.text.startsWith({!r})"
PAGES = ("Surface", "Term structure", "Heston", "Overview")
AXES = {"strike": "strike", "delta": "call delta"}
PARTS = ("queries", "browser", "sessions")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", default="http://127.0.0.1:8501")
    parser.add_argument("--symbol", default="SIMX")
    parser.add_argument("--times", type=int, default=5)
    parser.add_argument("--sessions", type=int, default=30)
    parser.add_argument("--pages", type=int, default=9, help="that each session opens")
    parser.add_argument("--only", default=",".join(PARTS), help="of " + ", ".join(PARTS))
    asked = parser.parse_args()
    parts = asked.only.split(",")
    if "queries" in parts:
        queries(asked.symbol, asked.times)
    if "browser" in parts and Path(CHROMIUM).exists():
        screen(asked.url, asked.symbol, asked.times)
    if "sessions" in parts:
        many_sessions(asked.sessions, asked.pages)


def report(name: str, seconds: list[float]) -> None:
    middle, worst = 1e3 * statistics.median(seconds), 1e3 * max(seconds)
    print(f"{name:44s} median {middle:8.1f} ms   worst {worst:8.1f} ms")


def timed(call) -> float:
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


def queries(symbol: str, times: int) -> None:
    from app.queries import Queries
    from periscope_assets.settings import Settings
    from periscope_assets.store.connect import open_store

    store = Queries(open_store(Settings()))
    asked = {
        "symbols": store.symbols,
        "board": store.board,
        "underlyings": store.underlyings,
        "status": store.status,
        "surface, 41 points an expiry": lambda: store.surface(symbol, coordinate="delta", points=41),
        "chain": lambda: store.chain(symbol),
        "skew": lambda: store.skew(symbol),
        "a year of skew": lambda: store.skew_path(symbol),
        "a year of Heston": lambda: store.heston_path(symbol),
        "250 snapshots": lambda: store.recent_snapshots(symbol, "vol_surface"),
    }
    for name, call in asked.items():
        call()
        report(f"query, nothing remembered: {name}", [timed(call) for _ in range(times)])


def many_sessions(sessions: int, pages: int) -> None:
    from app.queries import Queries
    from app.services.database import database
    from bench.sessions import measure
    from periscope_assets.settings import Settings
    from periscope_assets.store.connect import open_store

    settings = Settings()
    with database(settings):
        measure(settings, Queries(open_store(settings)).symbols(), sessions, pages)


def screen(url: str, symbol: str, times: int) -> None:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        first, page = [], None
        for _ in range(times):
            if page is not None:
                page.context.close()
            page = browser.new_context(viewport={"width": 1280, "height": 1350}).new_page()
            page.set_default_timeout(60_000)
            first.append(timed(lambda page=page: (page.goto(url), page.wait_for_function(PAINTED))))
        report("first useful paint", first)
        switch = []
        for title in PAGES * times:
            page.wait_for_load_state("networkidle")
            page.get_by_role("link", name=title).first.click()
            switch.append(timed(lambda title=title: page.wait_for_function(HEADING.format(title))))
        report("page switch, to its heading", switch)
        redraw(page, url, symbol, times)
        browser.close()


def redraw(page, url: str, symbol: str, times: int) -> None:
    page.goto(f"{url}/surface?symbol={symbol}")
    page.wait_for_function(AXIS.format("call delta"))
    spent = []
    for name, title in list(AXES.items()) * times:
        page.wait_for_load_state("networkidle")
        page.get_by_text(name, exact=True).first.click()
        spent.append(timed(lambda title=title: page.wait_for_function(AXIS.format(title))))
    report("redraw of the surface, other axis", spent)


if __name__ == "__main__":
    main()
