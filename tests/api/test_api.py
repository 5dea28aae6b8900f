"""The API: replies, versions, conditional requests, typed problems, who may ask."""

from __future__ import annotations

import json
import socket
import threading
from datetime import timedelta

import httpx
import pytest
import uvicorn
from fastapi.testclient import TestClient

from app.api.main import create_app
from app.api.schemas import ChainReply, Problem, SurfaceReply, UnderlyingsReply
from app.queries import Queries, StoreUnavailableError, to_jsonable
from periscope_assets.settings import Settings
from periscope_assets.store.postgres import PostgresStore
from periscope_assets.store.repository import PurgedError
from tests.app import market

LOCAL = {"Host": "127.0.0.1:8000"}


@pytest.fixture
def settings(tmp_path):
    return Settings(home=tmp_path / "home")


def client_of(settings, store) -> TestClient:
    return TestClient(
        create_app(settings, store), base_url="http://127.0.0.1:8000", raise_server_exceptions=False
    )


@pytest.fixture
def client(settings, store):
    market.publish(store)
    return client_of(settings, store)


@pytest.fixture(scope="module")
def reader(pg_server, tmp_path_factory):
    """A client of a store that no test of this module writes to."""
    pg_server.ensure_database("api_readers")
    store = PostgresStore(pg_server.url("api_readers"))
    store.migrate()
    market.publish(store)
    yield client_of(Settings(home=tmp_path_factory.mktemp("home")), store)
    store.close()


def problem(response: httpx.Response, status: int, code: str) -> dict:
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    body = response.json()
    Problem.model_validate(body)
    assert body["type"] == f"urn:periscope:problem:{code}"
    assert body["request_id"] == response.headers["x-request-id"]
    return body


@pytest.mark.parametrize(
    ("path", "reply", "ask"),
    [
        ("/v1/surface/SPX", SurfaceReply, lambda queries: queries.surface("SPX")),
        (
            "/v1/surface/SPX?coordinate=delta&points=5",
            SurfaceReply,
            lambda queries: queries.surface("SPX", coordinate="delta", points=5),
        ),
        ("/v1/chain/SPX", ChainReply, lambda queries: queries.chain("SPX")),
        ("/v1/underlyings", UnderlyingsReply, lambda queries: queries.underlyings()),
    ],
)
def test_replies_are_the_queries_answers(client, store, path, reply, ask):
    response = client.get(path)
    assert response.status_code == 200, response.text
    assert response.json() == to_jsonable(ask(Queries(store)))
    reply.model_validate(response.json())


def test_health_needs_no_store(settings):
    class Unreachable:
        def __getattr__(self, name):
            raise StoreUnavailableError("no server")

    client = client_of(settings, Unreachable())
    assert client.get("/health").json() == {"status": "ok"}
    body = problem(client.get("/ready"), 503, "store-unavailable")
    assert body["detail"] == "no server"
    problem(client.get("/v1/surface/SPX"), 503, "store-unavailable")


def test_where_the_store_is_is_not_told_to_strangers(tmp_path, caplog):
    """Nor is its password told to anybody; the log says which server did not answer."""
    url = "postgresql://reader:canary-pass@127.0.0.1:1/vault"
    for authentication, is_told in (("required", False), ("none", True)):
        caplog.clear()
        home = tmp_path / authentication
        api = {"authentication": authentication, "log_requests": True}
        client = client_of(Settings(home=home, database={"url": url}, api=api), None)
        key = {} if is_told else {"X-API-Key": "psk_0123456789ab_" + "x" * 43}
        replies = [client.get("/ready"), client.get("/v1/skew/SPX", headers=key)]
        for reply in replies:
            problem(reply, 503, "store-unavailable")
            assert ("vault" in reply.text) == is_told
            assert reply.headers["retry-after"] == "5"
        logged = "".join(record.getMessage() for record in caplog.records if "periscope" in record.name)
        assert "reader@127.0.0.1:1/vault" in logged
        assert replies[1].json()["request_id"] in logged
        assert "canary-pass" not in logged + "".join(reply.text for reply in replies)


def test_a_store_that_comes_back_is_opened_again(settings, store, monkeypatch):
    def refuse(_):
        raise StoreUnavailableError("no server at 127.0.0.1:1")

    monkeypatch.setattr("periscope_assets.store.connect.open_reader", refuse)
    client = client_of(settings, None)
    assert client.get("/ready").headers["retry-after"] == "5"
    monkeypatch.setattr("periscope_assets.store.connect.open_reader", lambda _: store)
    assert client.get("/ready").json()["status"] == "ready"


def test_the_same_bytes_are_not_sent_twice(client, store):
    first = client.get("/v1/surface/SPX")
    etag = first.headers["etag"]
    assert etag.startswith('"')
    for condition in (etag, f"W/{etag}", f'"other", {etag}', "*"):
        again = client.get("/v1/surface/SPX", headers={"If-None-Match": condition})
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", etag)
    assert client.get("/v1/surface/SPX", headers={"If-None-Match": '"other"'}).status_code == 200
    assert client.get("/v1/surface/SPX?points=5").headers["etag"] != etag
    market.publish(store, revision="2", level=0.2)
    changed = client.get("/v1/surface/SPX", headers={"If-None-Match": etag})
    assert changed.status_code == 200
    assert changed.headers["etag"] != etag


def test_known_at_replays_the_same_bytes(client, store):
    first = client.get("/v1/surface/SPX")
    market.publish(store, revision="2", level=0.2)
    known_at = first.json()["known_at"]
    again = client.get("/v1/surface/SPX", params={"known_at": known_at})
    assert again.content == first.content
    assert again.headers["etag"] == first.headers["etag"]
    assert client.get("/v1/surface/SPX").json()["version"] != first.json()["version"]


def test_stale_data_is_served_and_said_to_be(client, store):
    market.publish(store, as_of=market.AS_OF + timedelta(days=1), only=("option_quotes",))
    body = client.get("/v1/surface/SPX").json()
    assert body["status"] == "stale"
    assert body["warnings"]


def test_absent_numbers_are_null_with_a_status(reader):
    rows = reader.get("/v1/chain/SPX").json()["data"]["chain"]
    absent = [row for row in rows if row["mid_iv"] is None]
    assert absent
    assert {row["status"] for row in absent} == {"no_bid"}


def test_chain_of_one_expiry(reader):
    data = reader.get("/v1/chain/SPX", params={"expiry": "2026-01-16"}).json()["data"]
    assert {row["expiry"] for row in data["chain"]} == {"2026-01-16"}
    assert {row["root"] for row in data["chain"]} == {"SPX", "SPXW"}


def test_unknown_symbol_suggests(reader):
    body = problem(reader.get("/v1/surface/SPQ"), 404, "unknown-symbol")
    assert body["suggestions"] == ["SPX"]


def test_not_published_says_why_and_what_to_run(client, store):
    market.publish(store, "NDX", only=("option_quotes",))
    body = problem(client.get("/v1/surface/NDX"), 404, "not-built")
    assert body["remedy"].startswith("Run: periscope materialize")


def test_other_paths_do_not_exist(reader):
    problem(reader.get("/v1/nothing"), 404, "not-found")
    problem(reader.post("/v1/surface/SPX"), 405, "method-not-allowed")


@pytest.mark.parametrize(
    ("path", "parameter"),
    [
        ("/v1/surface/spx", "symbol"),
        ("/v1/surface/SPX%0A", "symbol"),
        ("/v1/surface/ABCDEFGHIJKLMNOP", "symbol"),
        ("/v1/surface/SPX?as_of=yesterday", "as_of"),
        ("/v1/surface/SPX?as_of=2026-01-02", "as_of"),
        ("/v1/surface/SPX?as_of=2026-01-02T21:00:00+00:00", "as_of"),
        ("/v1/chain/SPX?known_at=2026-02-30T00:00:00Z", "known_at"),
        ("/v1/chain/SPX?known_at=", "known_at"),
        ("/v1/surface/SPX?version=x", "version"),
        ("/v1/surface/SPX?points=1", "points"),
        ("/v1/surface/SPX?points=many", "points"),
        ("/v1/surface/SPX?coordinate=sideways", "coordinate"),
        ("/v1/chain/SPX?expiry=friday", "expiry"),
        ("/v1/chain/SPX?expiry=2030-01-01", "expiry"),
        ("/v1/surface/SPX?know_at=2026-01-02T21:00:00Z", "know_at"),
        ("/v1/underlyings?known_at=2026-01-02T21:00:00Z&known_at=2026-01-03T21:00:00Z", "known_at"),
        ("/v1/underlyings?known_at=now", "known_at"),
    ],
)
def test_bad_input_names_the_parameter(reader, path, parameter):
    body = problem(reader.get(path), 422, "invalid-parameter")
    assert [error["parameter"] for error in body["errors"]] == [parameter]


HOSTILE = [
    "' OR 1=1 --",
    "../../etc/passwd",
    "\x00",
    "{{7*7}}",
    "<script>",
    "٣",
    "💥",
    "A" * 5000,
    "%s%n",
    "null",
    "NaN",
]


@pytest.mark.parametrize("value", HOSTILE)
def test_hostile_values_are_refused_without_a_trace(reader, value):
    for parameter in ("as_of", "known_at", "version", "coordinate", "points", "expiry"):
        path = "/v1/chain/SPX" if parameter == "expiry" else "/v1/surface/SPX"
        response = reader.get(path, params={parameter: value})
        assert response.status_code in (404, 422), (parameter, response.status_code)
        assert "Traceback" not in response.text
        assert response.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.evil.example", "", "127.0.0.1@evil.example", "[::1"]
)
def test_other_hosts_are_refused(reader, host):
    problem(reader.get("/v1/surface/SPX", headers={"Host": host}), 403, "host-not-allowed")


@pytest.mark.parametrize("host", ["127.0.0.1:8000", "localhost", "localhost:9", "[::1]:8000"])
def test_loopback_hosts_are_served(reader, host):
    assert reader.get("/v1/surface/SPX", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "null", "http://127.0.0.1:9999", "http://localhost:x"]
)
def test_other_origins_are_refused(reader, origin):
    response = reader.get("/v1/surface/SPX", headers={"Origin": origin})
    problem(response, 403, "origin-not-allowed")


def test_own_origins_are_served(reader, settings):
    for port in (settings.ports.api, settings.ports.app):
        origin = f"http://127.0.0.1:{port}"
        assert reader.get("/v1/surface/SPX", headers={"Origin": origin}).status_code == 200


def test_request_ids_are_kept_if_they_are_harmless(reader):
    assert reader.get("/health", headers={"X-Request-Id": "abc-1"}).headers["x-request-id"] == "abc-1"
    assert reader.get("/health", headers={"X-Request-Id": "<b>"}).headers["x-request-id"] != "<b>"


def test_an_unexpected_failure_tells_nothing_but_its_id(settings):
    class Broken:
        def __getattr__(self, name):
            raise RuntimeError("secret detail")

    response = client_of(settings, Broken()).get("/v1/surface/SPX")
    problem(response, 500, "internal")
    assert "secret" not in response.text


def test_purged_rows_are_gone_and_not_empty(settings, store):
    class Purged:
        def __getattr__(self, name):
            return getattr(store, name)

        def rows(self, entry, table):
            raise PurgedError("the rows were dropped by retention")

    market.publish(store)
    problem(client_of(settings, Purged()).get("/v1/surface/SPX"), 410, "purged")


def test_openapi_lists_what_is_built(reader):
    paths = reader.get("/openapi.json").json()["paths"]
    of_symbol = (
        *("surface", "chain", "forwards", "skew", "term-structure", "heston", "mispricing", "signals"),
        *("history", "explain"),
    )
    assert set(paths) == {
        *("/health", "/ready", "/metrics", "/llms.txt", "/v1/underlyings"),
        *(f"/v1/{name}/{{symbol}}" for name in of_symbol),
        *("/v1/surface/{symbol}/nodes", "/v1/surface/{symbol}/parameters"),
        *(f"/v1/signals/{{symbol}}/{{signal_id}}/{verb}" for verb in ("acknowledge", "reopen")),
        *("/v1/alerts", "/v1/alerts/acknowledge", "/v1/alerts/reopen"),
        *("/v1/price", "/v1/implied-vol", "/v1/strategy"),
    }


def test_over_http(settings, store):
    """A real server on a loopback port, without the test client."""
    market.publish(store)
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    server = uvicorn.Server(uvicorn.Config(create_app(settings, store), log_level="warning"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=10) as client:
            response = client.get("/v1/surface/SPX")
            assert response.status_code == 200
            json.loads(response.content, parse_constant=lambda name: pytest.fail(f"{name} in JSON"))
            etag = response.headers["etag"]
            assert client.get("/v1/surface/SPX", headers={"If-None-Match": etag}).status_code == 304
            bare = client.head("/v1/surface/SPX")
            assert (bare.headers["etag"], bare.headers["content-length"], bare.content) == (
                etag,
                response.headers["content-length"],
                b"",
            )
            assert client.get("/v1/surface/SPX").content == response.content
            assert client.get("/v1/surface/SPX", headers={"Host": "evil.example"}).status_code == 403
    finally:
        server.should_exit = True
        thread.join(timeout=10)
    assert not thread.is_alive()
