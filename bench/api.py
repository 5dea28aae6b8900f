"""The API, the stream and its replies under load from a second process on loopback, on a store of any size.

    python -m bench.api [--quotes N] [--seconds S] [--clients C] [--only cached,uncached,...] [--url ...]

What belongs here: requests a second on one core, latencies, the overhead over a bare FastAPI endpoint that
returns the same bytes, publications to many stream clients, memory over time. The server is one uvicorn
process as `periscope up` starts it; this process is the load. Each connection asks again once it has its
answer, so that no more than ``--connections`` requests are ever under way.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from itertools import cycle, repeat
from pathlib import Path

import numpy as np
import psycopg
from fastapi import FastAPI, Response
from websockets.asyncio.client import connect

from bench.store import database, grow
from periscope_assets.store.postgres import PostgresStore

PROJECT = Path(__file__).resolve().parents[1]
PARTS = ("cached", "uncached", "price", "overhead", "stream", "memory")
APART = timedelta(minutes=1)
"""From one snapshot to the next: they must end before the first expiry."""
WARM_UP = 20
BODY = "PERISCOPE_BENCH_BODY"
"""Variable that names the file whose bytes the bare endpoint returns."""


def bare() -> FastAPI:
    """The peer: one route, the same bytes, nothing else."""
    body = Path(os.environ[BODY]).read_bytes()
    app = FastAPI(docs_url=None, redoc_url=None)

    @app.get("/bare")
    async def bytes_only() -> Response:
        return Response(body, media_type="application/json")

    return app


@dataclass
class Server:
    """A server process on loopback."""

    port: int
    process: subprocess.Popen[bytes]

    def megabytes(self) -> float:
        pages = int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


@contextmanager
def serving(application: str, environment: dict[str, str]) -> Iterator[Server]:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    options = (
        "--no-access-log",
        "--no-server-header",
        "--log-level",
        "warning",
        "--ws-per-message-deflate",
        "false",
    )
    command = [sys.executable, "-m", "uvicorn", application, "--factory", "--port", str(port), *options]
    process = subprocess.Popen(command, env={**os.environ, **environment}, cwd=PROJECT)
    try:
        for _ in range(600):
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                time.sleep(0.1)
        yield Server(port, process)
    finally:
        process.terminate()
        process.wait(30)


def get(path: str) -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: application/json\r\n\r\n".encode()


def post(path: str, body: bytes) -> bytes:
    head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


async def _ask(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytes) -> bytes:
    writer.write(request)
    head = await reader.readuntil(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200"), head[:300]
    length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
    return await reader.readexactly(length)


async def load(port: int, requests: Iterable[bytes], seconds: float, connections: int) -> np.ndarray:
    """Return the seconds that each request took, asked on some connections until the time is up."""
    shared, taken = iter(requests), []
    until = time.perf_counter() + seconds

    async def one() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=2**24)
        while time.perf_counter() < until and (request := next(shared, None)) is not None:
            began = time.perf_counter()
            await _ask(reader, writer, request)
            taken.append(time.perf_counter() - began)
        writer.close()

    await asyncio.gather(*(one() for _ in range(connections)))
    return np.array(taken)


def once(port: int, request: bytes) -> bytes:
    async def ask() -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=2**24)
        body = await _ask(reader, writer, request)
        writer.close()
        return body

    return asyncio.run(ask())


def said(name: str, taken: np.ndarray, seconds: float) -> None:
    p50, p99 = 1e3 * np.quantile(taken, [0.5, 0.99])
    rate = f"{len(taken) / seconds:>9,.0f} requests/s"
    print(f"{name:<34} {rate}  p50 {p50:7.2f} ms  p99 {p99:7.2f} ms  ({len(taken):,})", flush=True)


def timed(name: str, port: int, requests: Iterable[bytes], seconds: float, connections: int) -> float:
    began = time.perf_counter()
    taken = asyncio.run(load(port, requests, seconds, connections))
    spent = time.perf_counter() - began
    said(name, taken, spent)
    return len(taken) / spent


def fill(url: str, store: PostgresStore, quotes: int, snapshots: int) -> None:
    """Publish invented quotes up to a number, and real surfaces of several snapshots of SPX.

    What the server puts off after so much writing is done at once, so that it falls into no measurement.
    """
    from tests.app import market

    began = time.perf_counter()
    if quotes >= 1_000_000:
        grow(store, quotes)
    elif quotes:
        grow(store, quotes, symbols=10, rows=max(1, quotes // 10))
    for number in range(snapshots):
        market.publish(store, as_of=market.AS_OF + number * APART, revision="bench")
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("VACUUM ANALYZE")
        connection.execute("CHECKPOINT")
    spent = time.perf_counter() - began
    print(f"{quotes:,} quotes and {snapshots} snapshots of SPX published in {spent:.0f} s", flush=True)


def cached(server: Server, asked: argparse.Namespace) -> None:
    request = get("/v1/surface/SPX")
    print(f"surface: {len(once(server.port, request)):,} bytes")
    timed("surface, cached", server.port, repeat(request), asked.seconds, asked.connections)


def uncached(server: Server, asked: argparse.Namespace) -> None:
    """Each request is of a snapshot and grid that nobody asked for before; the first ones only warm up."""
    from tests.app import market

    moments = [market.AS_OF + number * APART for number in range(asked.snapshots)]
    paths = [f"/v1/surface/SPX?as_of={moment:%Y-%m-%dT%H:%M:%SZ}&points=23" for moment in moments]
    asyncio.run(load(server.port, map(get, paths[:WARM_UP]), 60.0, 1))
    timed("surface, uncached", server.port, map(get, paths[WARM_UP:]), 600.0, 1)


def price(server: Server, asked: argparse.Namespace) -> None:
    n, rng = 10_000, np.random.default_rng(1)
    body = {
        "forward": 6877.0,
        "strike": rng.uniform(5000, 9000, n).round(2).tolist(),
        "tau_years": rng.uniform(0.01, 2.0, n).tolist(),
        "vol": rng.uniform(0.05, 0.9, n).tolist(),
        "is_call": (rng.random(n) < 0.5).tolist(),
    }
    request = post("/v1/price", json.dumps(body).encode())
    once(server.port, request)
    timed("price, 10,000 options", server.port, repeat(request, 200), asked.seconds, 1)


def overhead(server: Server, asked: argparse.Namespace) -> None:
    """Turns of both servers; the median of the turns' ratios."""
    request = get("/v1/surface/SPX")
    with tempfile.NamedTemporaryFile() as file:
        file.write(once(server.port, request))
        file.flush()
        with serving("bench.api:bare", {BODY: file.name}) as peer:
            once(peer.port, get("/bare"))
            ratios = []
            for _ in range(5):
                turn = asked.seconds / 5, asked.connections
                ours = timed("  Periscope", server.port, repeat(request), *turn)
                theirs = timed("  bare FastAPI", peer.port, repeat(get("/bare")), *turn)
                ratios.append(theirs / ours)
    print(f"{'overhead over bare FastAPI':<34} {np.median(ratios):.2f} x")


def stream(server: Server, store: PostgresStore, asked: argparse.Namespace) -> None:
    latencies = asyncio.run(_stream(server, store, asked.clients, asked.publications))
    worst = latencies.max(axis=1)
    print(
        f"{f'stream, {asked.clients} clients':<34} reached all: median {1e3 * np.median(worst):.0f} ms, "
        f"worst {1e3 * worst.max():.0f} ms after known_at ({len(worst)} publications)",
        flush=True,
    )


async def _stream(server: Server, store: PostgresStore, clients: int, publications: int) -> np.ndarray:
    """Return seconds from the publication's instant to each client, by publication and client."""
    from tests.app import market

    drafts = market.drafts("SPX", only=("vol_surface",))
    ask = json.dumps({"op": "subscribe", "symbols": ["SPX"], "channels": ["surface"]})
    async with asyncio.TaskGroup() as group, _Sockets() as sockets:
        address = f"ws://127.0.0.1:{server.port}/v1/stream"
        opened = [await sockets.open(address) for _ in range(clients)]
        for each in opened:
            await each.send(ask)
        for each in opened:
            while json.loads(await each.recv())["type"] != "snapshot":
                pass
        taken = []
        for number in range(publications):
            hearing = [group.create_task(_update(each)) for each in opened]
            await asyncio.sleep(0.2)
            changed = [replace(draft, version=f"bench{time.time_ns()}{number}") for draft in drafts]
            await asyncio.to_thread(store.publish, changed, store.fence())
            taken.append([await each for each in hearing])
    return np.array(taken)


async def _update(each: object) -> float:
    while True:
        message = await each.recv()
        arrived = time.time()
        found = json.loads(message)
        if found["type"] == "update":
            return arrived - found["seq"] / 1e6


class _Sockets:
    """Connections that are closed together."""

    async def __aenter__(self) -> _Sockets:
        self._opened: list = []
        return self

    async def open(self, address: str) -> object:
        self._opened.append(await connect(address, proxy=None, compression=None, open_timeout=60))
        return self._opened[-1]

    async def __aexit__(self, *_: object) -> None:
        await asyncio.gather(*(each.close() for each in self._opened), return_exceptions=True)


def memory(server: Server, asked: argparse.Namespace) -> None:
    """Mixed load at a bounded rate; the server's memory after a tenth of the time against all later."""
    paths = ["/v1/surface/SPX", "/v1/chain/SPX?limit=200", "/v1/underlyings", "/v1/explain/SPX"]
    paths += [f"/v1/surface/SPX?points={points}" for points in range(2, 100)]
    seen, step = [], max(1.0, asked.memory_seconds / 100)
    until = time.monotonic() + asked.memory_seconds
    requests = cycle(map(get, paths))
    while time.monotonic() < until:
        asyncio.run(load(server.port, requests, step, 2))
        seen.append(server.megabytes())
    later = np.array(seen[max(1, len(seen) // 10) :] or seen)
    first, drift = later[0], 100 * (later.max() / later[0] - 1)
    print(f"{'memory':<34} {first:.0f} MB, at most {drift:+.1f} % in {asked.memory_seconds:.0f} s")


def run(asked: argparse.Namespace) -> None:
    wanted = asked.only.split(",")
    with ExitStack() as stack:
        url = stack.enter_context(database(asked.url))
        store = PostgresStore(url)
        stack.callback(store.close)
        store.migrate()
        fill(url, store, asked.quotes, asked.snapshots)
        home = stack.enter_context(tempfile.TemporaryDirectory())
        environment = {"PERISCOPE_DATABASE__URL": url, "PERISCOPE_HOME": home}
        server = stack.enter_context(serving("app.asgi:create_default_app", environment))
        calls: dict[str, Callable[[], None]] = {
            "uncached": lambda: uncached(server, asked),
            "cached": lambda: cached(server, asked),
            "price": lambda: price(server, asked),
            "overhead": lambda: overhead(server, asked),
            "stream": lambda: stream(server, store, asked),
            "memory": lambda: memory(server, asked),
        }
        once(server.port, get("/ready"))
        for name, call in calls.items():
            if name in wanted:
                call()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url")
    parser.add_argument("--quotes", type=int, default=0)
    parser.add_argument("--snapshots", type=int, default=300)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--memory-seconds", type=float, default=600.0)
    parser.add_argument("--connections", type=int, default=8)
    parser.add_argument("--clients", type=int, default=500)
    parser.add_argument("--publications", type=int, default=20)
    parser.add_argument("--only", default=",".join(PARTS), help=f"of {', '.join(PARTS)}")
    run(parser.parse_args())


if __name__ == "__main__":
    main()
