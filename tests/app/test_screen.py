"""The app as a server: its client's files, and what is done before the first reader comes."""

from __future__ import annotations

import asyncio
import gc
import subprocess
import sys
from pathlib import Path

import httpx
import plotly
import pytest
import streamlit as st
from starlette.responses import PlainTextResponse

from app import cache, screen
from app.components import library
from app.queries import StoreUnavailableError
from tests.conftest import PROJECT

FILES = sorted((Path(st.__file__).with_name("static") / "static").rglob("*.js"))
PAGES = {f"app.views.{path.parent.name}.view" for path in (PROJECT / "app" / "views").glob("*/view.py")}


async def asked(*paths: str, method: str = "GET") -> list[httpx.Response]:
    transport = httpx.ASGITransport(screen.Assets(PlainTextResponse("passed on")))
    async with httpx.AsyncClient(transport=transport, base_url="http://app") as client:
        return [await client.request(method, path) for path in paths]


def test_files_of_the_client_are_whole_and_may_be_kept_for_ever():
    for path in (FILES[0], FILES[len(FILES) // 2], FILES[-1]):
        first, second = asyncio.run(asked(*[f"/static/{path.relative_to(path.parents[1])}"] * 2))
        assert first.content == second.content == path.read_bytes()
        assert "javascript" in first.headers["content-type"]
        assert "immutable" in first.headers["cache-control"]


def test_plotly_is_served_beside_them():
    (answer,) = asyncio.run(asked(f"/static/js/{library.NAME}"))
    assert answer.content == library.FILE.read_bytes()
    assert plotly.__version__ in library.NAME


@pytest.mark.parametrize(
    "path", ["/", "/overview", "/static/js/none.js", "/static/%2e%2e/index.html", "/static"]
)
def test_everything_else_is_passed_on(path):
    (answer,) = asyncio.run(asked(path))
    assert answer.text == "passed on"


def test_other_methods_are_passed_on():
    (answer,) = asyncio.run(asked(f"/static/{FILES[0].relative_to(FILES[0].parents[1])}", method="POST"))
    assert answer.text == "passed on"


def test_every_page_is_imported_before_readers_come():
    told = "import sys; from app import screen; screen._import_pages(); print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", told], cwd=PROJECT, capture_output=True, text=True, check=True
    )
    assert set(done.stdout.split()) >= PAGES
    assert len(PAGES) == 9


def test_a_store_that_does_not_answer_keeps_neither_pages_nor_their_speed(monkeypatch, caplog):
    def refuse():
        raise StoreUnavailableError("the store is down")

    monkeypatch.setattr(cache, "queries", refuse)

    async def opened() -> None:
        async with screen.ready(None):
            pass

    frozen = gc.get_freeze_count()
    try:
        asyncio.run(opened())
        assert "the store is down" in caplog.text
        assert gc.get_freeze_count() > max(frozen, 100_000)
    finally:
        gc.unfreeze()
