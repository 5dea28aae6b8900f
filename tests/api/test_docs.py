"""The examples of docs/api.md, run as they stand against a server on another port."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys

import pytest

from app.agents.tools import TOOLS
from app.asgi import create_app
from periscope_assets.settings import Settings
from periscope_assets.store.postgres import PostgresStore
from tests.api.served import PATIENCE, Served
from tests.app import market
from tests.conftest import PROJECT, emptied

PAGE = (PROJECT / "docs" / "api.md").read_text(encoding="utf-8")
ADDRESS = "http://127.0.0.1:8000"


def examples(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, flags=re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def served(pg_server, tmp_path_factory):
    pg_server.ensure_database("docs")
    store = PostgresStore(emptied(pg_server.url("docs")))
    market.publish(store)
    with Served(lambda: create_app(Settings(home=tmp_path_factory.mktemp("home")), store)) as server:
        yield server
    store.close()


def run(command: list[str], text: str) -> str:
    done = subprocess.run(command, input=text, capture_output=True, text=True, timeout=PATIENCE, cwd=PROJECT)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


def test_the_page_has_an_example_of_each_kind():
    assert (len(examples("sh")), len(examples("python"))) == (1, 3)


def test_curl(served):
    if shutil.which("curl") is None:
        pytest.skip("there is no curl on this machine")
    (text,) = examples("sh")
    said = run(["sh", "-e"], text.replace(ADDRESS, served.base).replace("curl -s", "curl -sSf"))
    assert '"symbol":"SPX"' in said
    assert '"surface_points":[{' in said
    assert '"contract","strike","bid","ask","mid_iv","iv_stderr"' in said
    assert '"dataset":"price"' in said


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        (0, ["SPX 2026-01-02T21:00:00Z published", "not-built"]),
        (1, ["SPX stands at"]),
        (2, ["find", "+-", "published", "absent"]),
    ],
)
def test_python(served, number, expected):
    said = run([sys.executable, "-"], examples("python")[number].replace(ADDRESS, served.base))
    for part in expected:
        assert part in said


def test_the_page_names_what_there_is():
    for name in TOOLS:
        assert f"`{name}`" in PAGE
    (configuration,) = examples("json")
    assert json.loads(configuration)["mcpServers"]["periscope"]["args"] == ["mcp"]
