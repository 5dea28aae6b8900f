"""Memory is flat however long it runs; only under PERISCOPE_NIGHTLY=1."""

from __future__ import annotations

import os
import subprocess
import sys
import time

import httpx
import psutil
import pytest

from tests.api.test_outages import wait_for

MINUTES = 10.0
PROGRAM = """
import sys, uvicorn
from app.api.main import create_app
from periscope_assets.settings import Settings
from periscope_assets.store.people import People
from periscope_assets.store.postgres import PostgresStore
from periscope_assets.store.roles import READER
url, home, port = sys.argv[1:]
settings = Settings(home=home, api={"cache_bytes": 32_000_000})
app = create_app(settings, PostgresStore(url, role=READER), People(url))
uvicorn.run(app, host="127.0.0.1", port=int(port), log_level="warning", access_log=False)
"""


@pytest.mark.nightly
@pytest.mark.timeout(3600)
@pytest.mark.skipif("PERISCOPE_NIGHTLY" not in os.environ, reason="run by make test-nightly")
def test_memory_is_flat_over_ten_minutes(published, tmp_path):
    port = _free_port()
    command = [sys.executable, "-c", PROGRAM, published, str(tmp_path), str(port)]
    process = subprocess.Popen(command)
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as client:
            wait_for(lambda: _answers(client), "the server")
            sizes = _sizes(client, psutil.Process(process.pid))
    finally:
        process.terminate()
        process.wait(60)
    # Caches fill in the first quarter.
    settled = sizes[len(sizes) // 4 :]
    assert max(settled) <= 1.05 * min(settled), sizes


def _sizes(client: httpx.Client, process: psutil.Process) -> list[int]:
    sizes, number, end = [], 0, time.monotonic() + 60.0 * MINUTES
    while time.monotonic() < end:
        for _ in range(500):
            number += 1
            assert client.get(f"/v1/surface/SIMN?points={2 + number % 400}").status_code == 200
            assert client.get("/v1/chain/SIMN", params={"limit": 1 + number % 300}).status_code == 200
        sizes.append(process.memory_info().rss)
    return sizes


def _answers(client: httpx.Client) -> bool:
    try:
        return client.get("/ready").status_code == 200
    except httpx.TransportError:
        return False


def _free_port() -> int:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])
