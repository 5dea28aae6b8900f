"""Who may open the stream and the agents' door, and for how long."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from app.api import identity
from app.api.stream import messages
from app.asgi import create_app
from app.client import Stream
from app.commands import LOCAL, Role, keys
from periscope_assets.settings import Settings
from periscope_assets.store.people import People
from periscope_assets.store.postgres import PostgresStore
from tests.api.served import PATIENCE, serving
from tests.api.test_identities import SETTINGS, token
from tests.conftest import emptied

LIST_TOOLS = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
ACCEPT = {"Accept": "application/json, text/event-stream"}


@pytest.fixture(scope="module")
def database(pg_server):
    pg_server.ensure_database("doors")
    return emptied(pg_server.url("doors"))


@pytest.fixture(scope="module")
def people(database):
    made = People(database)
    yield made
    made.close()


@pytest.fixture(scope="module")
def base(database, people, tmp_path_factory):
    store = PostgresStore(database)
    settings = Settings(home=tmp_path_factory.mktemp("home"), api=SETTINGS)
    with serving(create_app(settings, store, people)) as address:
        yield address
    store.close()


def socket_status(base: str, key: str | None) -> int:
    async def play() -> int:
        headers = {} if key is None else {"X-API-Key": key}
        address = base.replace("http", "ws") + "/v1/stream"
        try:
            async with connect(address, additional_headers=headers, proxy=None, open_timeout=PATIENCE):
                return 101
        except InvalidStatus as refused:
            return refused.response.status_code

    return asyncio.run(play())


def door_status(base: str, key: str | None) -> int:
    headers = ACCEPT if key is None else {**ACCEPT, "X-API-Key": key}
    return httpx.post(f"{base}/mcp", json=LIST_TOOLS, headers=headers, timeout=PATIENCE).status_code


@pytest.mark.parametrize(
    ("scopes", "socket", "door"),
    [
        (None, 401, 401),
        (["read"], 403, 403),
        (["stream"], 101, 403),
        (["agents"], 403, 200),
        ([], 101, 200),
    ],
)
def test_both_doors_ask_who_comes_and_what_for(base, people, scopes, socket, door):
    key = None
    if scopes is not None:
        key = keys.create(people, LOCAL, name="door", role=Role.VIEWER, scopes=scopes)[1]
    assert socket_status(base, key) == socket
    assert door_status(base, key) == door


def test_neither_door_believes_what_no_route_believes(base, people):
    gone_id, gone = keys.create(people, LOCAL, name="gone", role=Role.ADMIN)
    keys.revoke(people, LOCAL, gone_id)
    past = datetime.now(UTC) - timedelta(seconds=1)
    old = keys.create(people, LOCAL, name="old", role=Role.ADMIN, expires_at=past)[1]
    bad = {
        "bad key": "psk_0123456789ab_" + "x" * 43,
        "revoked": gone,
        "expired": old,
        "wrong audience": token(aud="elsewhere"),
        "alg none": token(signer=None, algorithm="none"),
    }
    for name, presented in bad.items():
        assert (socket_status(base, presented), door_status(base, presented)) == (401, 401), name
    assert (socket_status(base, token(role="viewer")), door_status(base, token(role="viewer"))) == (101, 200)


def test_a_key_that_is_revoked_ends_its_streams(base, people, monkeypatch):
    monkeypatch.setattr(messages, "HEARTBEAT_SECONDS", 0.2)
    monkeypatch.setattr(identity, "KEEP_SECONDS", 0.0)
    key_id, key = keys.create(people, LOCAL, name="short", role=Role.VIEWER)

    async def play() -> tuple[dict, int | None]:
        address = base.replace("http", "ws") + "/v1/stream"
        async with (
            asyncio.timeout(PATIENCE),
            connect(address, additional_headers={"X-API-Key": key}, proxy=None) as socket,
        ):
            assert json.loads(await socket.recv())["type"] == "hello"
            await asyncio.to_thread(keys.revoke, people, LOCAL, key_id)
            while (said := json.loads(await socket.recv()))["type"] != "error":
                pass
            await socket.wait_closed()
            return said, socket.close_code

    said, code = asyncio.run(play())
    assert said["code"] == "unauthenticated"
    assert "revoked" in said["detail"]
    assert code == 1008


def test_the_client_says_that_it_was_refused(base):
    with pytest.raises(PermissionError, match="401"):
        next(iter(Stream(base, ["SPX"])))
