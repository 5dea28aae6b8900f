"""Several sessions at once on one server process, each a websocket that asks as a browser does."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path

import pytest

from bench.sessions import PEAK, megabytes, server, walk
from periscope_assets.settings import Settings
from periscope_assets.store.postgres import PostgresStore
from tests.app import desk

SESSIONS, PAGES_EACH = 6, 3


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is read from /proc")
def test_sessions_are_served_side_by_side_within_bounds(store_url, home, monkeypatch):
    store = PostgresStore(store_url)
    desk.publish(store)
    store.close()
    monkeypatch.setenv("PERISCOPE_DATABASE__URL", store_url)
    with server(Settings(home=home)) as (port, pid):
        walked = asyncio.run(walk(port, ["SPX"], SESSIONS, PAGES_EACH))
        peak = megabytes(pid, PEAK)
    assert [len(session.seconds) for session in walked] == [PAGES_EACH] * SESSIONS
    drawn = sum((session.drawn for session in walked), Counter())
    assert drawn["plotly_chart"] >= SESSIONS
    assert peak < 700.0
