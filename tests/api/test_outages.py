"""Caches are never wrong, and what the API does while Redis or the database is away."""

from __future__ import annotations

import shutil
import socket
import subprocess
import threading
import time
from contextlib import contextmanager

import httpx
import psycopg
import pytest
from fastapi.testclient import TestClient

from app.api.main import create_app
from app.commands import LOCAL, Role, keys
from periscope_assets.settings import Settings
from periscope_assets.store.connect import open_reader
from periscope_assets.store.embedded import EmbeddedServer
from periscope_assets.store.people import People
from periscope_assets.store.postgres import PostgresStore
from periscope_assets.store.roles import COMMANDS, READER
from tests.api.served import serving
from tests.app import market
from tests.conftest import required

PATIENCE = 120.0
PATHS = ("/v1/surface/SPX", "/v1/chain/SPX", "/v1/forwards/SPX", "/v1/skew/SPX")


def wait_for(condition, what: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        time.sleep(0.05)


@pytest.fixture
def redis_port():
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return probe.getsockname()[1]


@contextmanager
def redis(port: int):
    """Run a Redis server that keeps nothing on disk."""
    binary = shutil.which("redis-server")
    if binary is None:
        required("redis", "no redis-server on the path")
    command = [binary, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_for(lambda: _listens(port), "redis")
        yield process
    finally:
        process.kill()
        process.wait(PATIENCE)


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def app_of(home, url: str, **changed):
    store, people = PostgresStore(url, role=READER), People(url)
    app = create_app(Settings(home=home, api=changed), store, people)
    app.state.closing = (store, people)
    return app


def close(app) -> None:
    for each in app.state.closing:
        each.close()


class Load:
    """Readers that go on asking; every reply is one that is right."""

    def __init__(self, address: str, expected: dict[str, dict]) -> None:
        self._address, self._expected = address, expected
        self.codes: list[int] = []
        self.wrong: list[str] = []
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._ask, args=(n,)) for n in range(3)]

    def __enter__(self) -> Load:
        for each in self._threads:
            each.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for each in self._threads:
            each.join(PATIENCE)

    def _ask(self, number: int) -> None:
        with httpx.Client(base_url=self._address, timeout=PATIENCE) as client:
            while not self._stop.is_set():
                path = PATHS[(number + len(self.codes)) % len(PATHS)]
                reply = client.get(path)
                self.codes.append(reply.status_code)
                if reply.status_code == 200:
                    if reply.json()["data"] != self._expected[path]:
                        self.wrong.append(path)
                elif reply.json()["type"] != "urn:periscope:problem:store-unavailable":
                    self.wrong.append(reply.text)

    def wait_for_more(self, code: int, count: int = 5) -> None:
        """Wait until so many more replies of a code have come."""
        before = self.codes.count(code)
        wait_for(lambda: self.codes.count(code) >= before + count, f"{count} replies with {code}")


def expected_of(address: str) -> dict[str, dict]:
    return {path: httpx.get(address + path, timeout=PATIENCE).json()["data"] for path in PATHS}


@pytest.mark.redis
def test_redis_is_shared_and_its_loss_costs_time_only(store, store_url, tmp_path, redis_port, monkeypatch):
    monkeypatch.setattr("app.api.shared.AWAY_SECONDS", 0.05)
    market.publish(store)
    url = f"redis://127.0.0.1:{redis_port}/0"
    plain, first, second = (
        app_of(tmp_path, store_url, cache_bytes=0, **more)
        for more in ({}, {"redis_url": url}, {"redis_url": url})
    )
    with serving(plain) as address:
        expected = expected_of(address)
    with redis(redis_port), serving(first) as one, serving(second) as other:
        assert expected_of(one) == expected
        hits = second.state.metrics._lookups["content"]
        assert expected_of(other) == expected
        assert hits == [len(PATHS), len(PATHS)], "the second process finds what the first has made"
    with serving(first) as one, Load(one, expected) as load:
        load.wait_for_more(200)
        with redis(redis_port) as process:
            load.wait_for_more(200)
            process.kill()
            process.wait(PATIENCE)
            load.wait_for_more(200)
        with redis(redis_port):
            made = first.state.contents._far
            wait_for(lambda: (made.put("k", b"v"), made.get("k"))[1] == b"v", "redis to be used again")
            load.wait_for_more(200)
    assert load.wrong == []
    assert set(load.codes) == {200}
    for each in (plain, first, second):
        close(each)


@pytest.mark.redis
def test_bytes_that_are_not_ours_count_as_none(redis_port):
    from redis import Redis

    from app.api.content import PREFIX, InRedis
    from app.api.shared import SharedRedis

    with redis(redis_port):
        url = f"redis://127.0.0.1:{redis_port}/0"
        mine, raw = InRedis(SharedRedis(url)), Redis.from_url(url)
        mine.put("a", b"content")
        assert mine.get("a") == b"content"
        stored = raw.get(PREFIX + "a")
        for broken in (stored[:-1], stored + b"x", b"", b"x" * 32, stored[:32] + b"Content"):
            raw.set(PREFIX + "a", broken)
            assert mine.get("a") is None
        raw.set(PREFIX + "b", stored)
        assert mine.get("b") is None
        raw.close()


@pytest.mark.redis
def test_a_rate_holds_for_all_processes_and_for_each_while_redis_is_away(client_of, published, redis_port):
    people = People(published)
    key = {"X-API-Key": keys.create(people, LOCAL, name="desk", role=Role.VIEWER)[1]}
    people.close()
    rate = {"authentication": "required", "requests_per_minute": 4}
    both = [client_of(**rate, redis_url=f"redis://127.0.0.1:{redis_port}/0") for _ in range(2)]

    def asked(headers: dict[str, str], times: int) -> list[httpx.Response]:
        return [both[n % 2].get("/v1/underlyings", headers=headers) for n in range(times)]

    def codes(headers: dict[str, str], times: int) -> list[int]:
        return [reply.status_code for reply in asked(headers, times)]

    with redis(redis_port) as process:
        told = [reply.headers["ratelimit"].split(";")[1] for reply in asked(key, 4)]
        assert told == ["r=3", "r=2", "r=1", "r=0"]
        assert codes(key, 2) == [429] * 2
        assert codes({"X-API-Key": "psk_guessed"}, 6) == [401] * 4 + [429] * 2
        process.kill()
        process.wait(PATIENCE)
    assert codes(key, 10) == [200] * 8 + [429] * 2


def test_a_publication_is_seen_at_once_and_other_requests_meanwhile_are_right(store, store_url, tmp_path):
    app = app_of(tmp_path, store_url)
    market.publish(store)
    with serving(app) as address, httpx.Client(base_url=address, timeout=PATIENCE) as client:
        versions = [client.get("/v1/surface/SPX").json()["version"]]
        for number in range(2, 6):
            assert client.get("/v1/surface/SPX").json()["version"] == versions[-1]
            market.publish(store, revision=str(number), level=0.15 + 0.01 * number)
            versions.append(client.get("/v1/surface/SPX").json()["version"])
        assert len(set(versions)) == 5
        hits, lookups = app.state.metrics._lookups["reply"]
        assert hits >= 4
        assert lookups == 9
    close(app)


def test_replies_take_no_more_memory_than_they_may(store, store_url, tmp_path):
    market.publish(store)
    app = app_of(tmp_path, store_url, cache_bytes=4_000_000)
    with serving(app) as address, httpx.Client(base_url=address, timeout=PATIENCE) as client:
        for points in range(2, 60):
            assert client.get("/v1/surface/SPX", params={"points": points}).status_code == 200
        kept = next(layer for layer in _layers(app) if type(layer).__name__ == "KeptReplies")
        assert 0 < kept._bytes <= 2_000_000
        assert kept._bytes == sum(entry[2].size for entry in kept._replies.values())
        near = app.state.contents._near
        assert 0 < near._bytes <= 2_000_000
        assert near._bytes == sum(map(len, near._kept.values()))
    close(app)


def _layers(app):
    layer = app.middleware_stack
    while layer is not None:
        yield layer
        layer = getattr(layer, "app", None) or getattr(layer, "_app", None)


def test_the_database_restarts_under_load(tmp_path):
    """Meanwhile 503 with the problem type that says so, never anything wrong; afterwards 200 by itself."""
    server = EmbeddedServer(tmp_path / "home")
    server.start()
    try:
        server.ensure_database("periscope")
        url = server.url("periscope")
        store = PostgresStore(url)
        store.migrate()
        market.publish(store)
        store.close()
        app = app_of(tmp_path, url)
        with serving(app) as address:
            expected = expected_of(address)
            with Load(address, expected) as load:
                load.wait_for_more(200)
                server.stop()
                load.wait_for_more(503)
                assert httpx.get(f"{address}/health", timeout=PATIENCE).status_code == 200
                down = httpx.get(f"{address}/ready", timeout=PATIENCE)
                assert (down.status_code, down.headers["retry-after"]) == (503, "5")
                server.start()
                load.wait_for_more(200)
                for _ in range(2):
                    _kick(url)
                    load.wait_for_more(200)
        close(app)
        assert load.wrong == []
        assert set(load.codes) == {200, 503}
    finally:
        server.stop()


def test_an_application_of_settings_alone_reads_and_writes_in_its_roles(home):
    settings = Settings(home=home)
    app = create_app(settings)
    try:
        client = TestClient(app, base_url="http://127.0.0.1:8000")
        assert client.get("/v1/underlyings").json()["data"]["underlyings"] == []
        assert client.get("/v1/skew/SPX", headers={"Origin": "https://evil.example"}).status_code == 403
        people = app.state.people()
        assert people._fetch("SELECT current_user") == [(COMMANDS,)]
        reader = open_reader(settings)
        assert reader._fetch("SELECT current_user, current_setting('transaction_read_only')") == [
            (READER, "on")
        ]
        reader.close()
        app.state.trail.close(PATIENCE)
        (entry,) = people.audit_log()
        assert (entry.actor, entry.action, entry.outcome) == ("anonymous", "GET /v1/skew/SPX", "denied")
        people.close()
    finally:
        EmbeddedServer(home).stop()


def _kick(url: str) -> None:
    """End every other session of the database."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
