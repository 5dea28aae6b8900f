"""The stream's protocol: over a real server and a real database."""

from __future__ import annotations

import asyncio
import json
import threading
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import httpx
import psycopg
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from app.api.main import create_app
from app.api.stream import messages
from app.queries.feed import sequence
from periscope_assets.alerts.incidents import Incident
from periscope_assets.settings import Settings
from periscope_assets.store.alerts import AlertLog
from periscope_assets.store.audit import Act
from periscope_assets.store.embedded import EmbeddedServer
from periscope_assets.store.postgres import PostgresStore
from tests.api.served import PATIENCE, Served
from tests.app import market
from tests.conftest import emptied


@pytest.fixture(scope="module")
def database(pg_server):
    pg_server.ensure_database("stream")
    return pg_server.url("stream")


@pytest.fixture
def store(database):
    made = PostgresStore(emptied(database))
    yield made
    made.close()


@pytest.fixture
def served(store, database, tmp_path):
    readers = []

    def make():
        readers.append(PostgresStore(database))
        return create_app(Settings(home=tmp_path / "home"), readers[-1])

    with Served(make) as server:
        yield server
    for reader in readers:
        reader.close()


class Talk:
    """A connection, message by message."""

    def __init__(self, socket) -> None:
        self._socket = socket

    async def say(self, **said) -> None:
        await self._socket.send(json.dumps(said))

    async def raw(self, text) -> None:
        await self._socket.send(text)

    async def hear(self, *kinds: str) -> dict:
        """The next message of some kinds; others are passed over, except errors."""
        async with asyncio.timeout(PATIENCE):
            while True:
                found = json.loads(await self._socket.recv())
                assert len(found["trace_id"]) == 32
                if found["type"] in kinds:
                    return found
                assert found["type"] != "error", found

    async def subscribe(self, *topics_of, channels=("surface",), **more) -> list[dict]:
        await self.say(op="subscribe", symbols=list(topics_of), channels=list(channels), **more)
        await self.hear("subscribed")
        return [await self.hear("snapshot") for _ in range(len(topics_of) * len(channels))]

    async def closed(self) -> int:
        async with asyncio.timeout(PATIENCE):
            await self._socket.wait_closed()
        return self._socket.close_code


@asynccontextmanager
async def talk(served, **options):
    address = served.base.replace("http", "ws") + "/v1/stream"
    async with connect(address, proxy=None, open_timeout=PATIENCE, **options) as socket:
        talker = Talk(socket)
        talker.hello = await talker.hear("hello")
        yield talker


async def publish(store, *args, **kwargs) -> None:
    await asyncio.to_thread(market.publish, store, *args, **kwargs)


SURFACE = ("vol_surface",)
ODD = 'run_failed:"quoted" é\\'


def test_hello_snapshot_and_updates_in_one_unbroken_sequence(served, store):
    async def play():
        async with talk(served) as client:
            assert client.hello["protocol"] == 1
            assert client.hello["state"] == "live"
            (empty,) = await client.subscribe("SPX")
            assert (empty["seq"], empty["entry"]) == (0, None)
            await publish(store)
            first = await client.hear("update")
            await publish(store, revision="2", only=SURFACE)
            second = await client.hear("update")
            (again,) = await client.subscribe("SPX")
        return empty, first, second, again

    empty, first, second, again = asyncio.run(play())
    assert first["prev"] == empty["seq"]
    assert second["prev"] == first["seq"] < second["seq"] == again["seq"]
    heads = store.heads("vol_surface", "SPX")
    assert second["seq"] == sequence(heads[0].known_at)
    assert [entry["version"] for entry in second["entries"]] == [heads[0].version]
    assert again["entry"] == second["entries"][0]
    reply = httpx.get(served.base + again["entry"]["href"])
    assert reply.json()["version"] == heads[0].version


def test_channels_tell_of_what_they_carry_and_no_more(served, store):
    async def play():
        async with talk(served) as client:
            await client.subscribe("SPX", channels=("chain", "surface", "signals", "alerts"))
            await publish(store)
            first = [await client.hear("update") for _ in range(2)]
            await client.say(op="unsubscribe", symbols=["SPX"], channels=["surface"], id="u1")
            assert (await client.hear("unsubscribed"))["id"] == "u1"
            await publish(store, "NDX")
            await publish(store, revision="2")
            return [*first, await client.hear("update")]

    heard = asyncio.run(play())
    assert sorted(each["channel"] for each in heard[:2]) == ["chain", "surface"]
    assert heard[2]["channel"] == "chain"
    assert {each["symbol"] for each in heard} == {"SPX"}
    datasets = {entry["dataset"] for each in heard for entry in each["entries"] if each["channel"] == "chain"}
    assert datasets == {"option_quotes", "implied_vols"}


def test_what_was_rejected_is_an_alert(served, store):
    async def play():
        async with talk(served) as client:
            await client.subscribe("SPX", channels=("alerts",))
            await publish(store)
            bad = [replace(draft, status="rejected") for draft in market.drafts(revision="2", only=SURFACE)]
            await asyncio.to_thread(lambda: store.publish(bad, store.fence()))
            return await client.hear("update")

    heard = asyncio.run(play())
    assert [(e["dataset"], e["status"], e["href"]) for e in heard["entries"]] == [
        ("vol_surface", "rejected", None)
    ]
    assert heard["prev"] == 0


def test_incidents_are_told_at_once_to_who_listens_to_alerts(served, store, database):
    log, now = AlertLog(database), datetime.now(UTC)
    raised = [(key, "raised", Incident(key, "Failed.", now).to_details()) for key in ("run_failed:a", ODD)]

    async def play():
        async with talk(served) as client, talk(served) as other:
            await client.subscribe("SPX", "NDX", channels=("alerts",))
            await other.subscribe("SPX")
            await asyncio.to_thread(log.add_alerts, raised, now)
            heard = [await client.hear("incidents", "update")]
            act = Act("key:1", "alerts.acknowledge", ODD)
            await asyncio.to_thread(
                lambda: log.add_alert_event(act, incident=ODD, kind="acknowledged", details={"note": "mine"})
            )
            heard.append(await client.hear("incidents", "update"))
            await publish(store)
            return heard, await other.hear("incidents", "update")

    heard, other = asyncio.run(play())
    log.close()
    assert [[(e["incident"], e["event"]) for e in each["events"]] for each in heard] == [
        [("run_failed:a", "raised"), (ODD, "raised")],
        [(ODD, "acknowledged")],
    ]
    assert {each["href"] for each in heard} == {"/v1/alerts"}
    assert other["type"] == "update"


@pytest.mark.parametrize("restarted", [False, True])
def test_a_client_goes_on_where_it_was(served, store, restarted):
    """Also in another process: the sequence is the ledger's."""

    async def play():
        async with talk(served) as client:
            await client.subscribe("SPX")
            await publish(store)
            known = await client.hear("update")
        for revision in ("2", "3"):
            await publish(store, revision=revision, only=SURFACE)
        if restarted:
            await asyncio.to_thread(served.stop)
            await asyncio.to_thread(served.start)
        async with talk(served) as client:
            resume = {"surface:SPX": known["seq"]}
            await client.say(op="subscribe", symbols=["SPX"], channels=["surface"], resume=resume)
            return [known, *[await client.hear("update", "snapshot") for _ in range(2)]]

    known, second, third = asyncio.run(play())
    assert (second["type"], third["type"]) == ("update", "update")
    assert second["prev"] == known["seq"]
    assert third["prev"] == second["seq"]


@pytest.mark.parametrize("seq", [1, 2**52])
def test_who_has_missed_too_much_or_asks_for_nonsense_gets_a_snapshot(served, store, seq):
    async def play():
        await publish(store)
        async with talk(served) as client:
            return await client.subscribe("SPX", resume={"surface:SPX": seq})

    (found,) = asyncio.run(play())
    assert found["seq"] == sequence(store.watermark())


def test_several_processes_tell_the_same(store, database, served, tmp_path):
    other_store = PostgresStore(database)

    async def play(other):
        async with talk(served) as one, talk(other) as two:
            for client in (one, two):
                await client.subscribe("SPX")
            await publish(store)
            return [await client.hear("update") for client in (one, two)]

    with Served(lambda: create_app(Settings(home=tmp_path / "home"), other_store)) as other:
        first, second = asyncio.run(play(other))
    other_store.close()
    assert first | {"trace_id": ""} == second | {"trace_id": ""}


NO_REQUESTS = [
    "",
    "{",
    "[]",
    "null",
    '{"op":"explode"}',
    '{"op":"subscribe","symbols":["SPX"],"channels":["surface"],"known_att":1}',
    '{"op":"subscribe","symbols":["spx; DROP TABLE"],"channels":["surface"]}',
    '{"op":"subscribe","symbols":[],"channels":["surface"]}',
    '{"op":"subscribe","symbols":["SPX"],"channels":["secrets"]}',
    '{"op":"subscribe","symbols":["SPX"],"channels":["surface"],"resume":{"surface:NDX":1}}',
    '{"op":"subscribe","symbols":["SPX"],"channels":["surface"],"resume":{"surface:SPX":-1}}',
    "[" * 20_000,
]


def test_what_is_no_request_is_refused_and_the_connection_lives(served):
    async def play():
        async with talk(served, additional_headers={"X-Request-Id": "mine-1"}) as client:
            wrong = []
            for text in NO_REQUESTS:
                await client.raw(text)
                wrong.append(await client.hear("error"))
            await client.subscribe("SPX", id="still-here")
            return wrong

    for wrong in asyncio.run(play()):
        assert wrong["code"] == "invalid-message"
        assert wrong["request_id"] == "mine-1"
        assert "Traceback" not in wrong["detail"]


def test_too_much_is_refused(served, monkeypatch):
    async def too_long():
        async with talk(served) as client:
            await client.raw("x" * (messages.LONGEST_MESSAGE + 1))
            return await client.closed()

    async def bytes_instead():
        async with talk(served) as client:
            await client.raw(b"{}")
            return await client.closed()

    async def too_many_topics():
        async with talk(served) as client:
            await client.say(op="subscribe", symbols=["SPX", "NDX", "RUT"], channels=["chain"], id="a")
            return await client.hear("error")

    async def too_many_clients():
        async with talk(served):
            address = served.base.replace("http", "ws") + "/v1/stream"
            async with connect(address, proxy=None) as socket:
                return await Talk(socket).hear("error")

    assert asyncio.run(too_long()) == 1009
    assert asyncio.run(bytes_instead()) == 1008
    monkeypatch.setattr(messages, "MOST_TOPICS", 2)
    refused = asyncio.run(too_many_topics())
    assert (refused["code"], refused["id"]) == ("too-many-topics", "a")
    monkeypatch.setattr(messages, "MOST_CLIENTS", 1)
    assert asyncio.run(too_many_clients())["code"] == "too-many-connections"


@pytest.mark.parametrize("headers", [{"Host": "evil.example"}, {"Origin": "https://evil.example"}])
def test_pages_elsewhere_get_no_socket(served, headers):
    async def play():
        address = served.base.replace("http", "ws") + "/v1/stream"
        async with connect(address, proxy=None, additional_headers=headers):
            pass

    if "Host" in headers:
        reply = httpx.get(served.base + "/v1/stream", headers=headers)
        assert reply.status_code == 403
    else:
        with pytest.raises(InvalidStatus) as refused:
            asyncio.run(play())
        assert refused.value.response.status_code == 403
    assert httpx.get(served.base + "/v1/stream").status_code == 426


def test_a_slow_reader_is_told_that_it_lags_and_where_it_stands(served, store, monkeypatch):
    """It reads nothing while much is published; nobody waits for it, and it ends where all others do."""
    monkeypatch.setattr(messages, "MOST_QUEUED", 4)
    # More than what the kernel and the libraries hold for a reader that sleeps.
    bulk, times = "x" * 2**20, 40

    def publish_bulk(revision: int) -> None:
        (draft,) = market.drafts(revision=str(revision), only=SURFACE)
        store.publish([replace(draft, quality={"bulk": bulk})], store.fence())

    async def play():
        plain = {"max_size": None, "compression": None}
        async with talk(served, max_queue=1, **plain) as slow, talk(served, **plain) as quick:
            await slow.subscribe("SPX")
            await quick.subscribe("SPX")
            seqs, heard = [], []
            for revision in range(times):
                await asyncio.to_thread(publish_bulk, revision)
                seqs.append((await quick.hear("update"))["seq"])
            while not heard or heard[-1].get("seq") != seqs[-1]:
                heard.append(await slow.hear("update", "lagged", "snapshot"))
            return seqs, heard

    seqs, heard = asyncio.run(play())
    assert seqs == sorted(set(seqs))
    kinds = [each["type"] for each in heard]
    lagged = heard[kinds.index("lagged")]
    assert lagged["topics"] == ["surface:SPX"]
    assert 0 < lagged["dropped"] < times
    assert "snapshot" in kinds[kinds.index("lagged") :]
    assert kinds.count("update") < times


def test_the_database_goes_and_comes_back(tmp_path):
    server = EmbeddedServer(tmp_path / "home")
    server.start()
    server.ensure_database("periscope")
    store = PostgresStore(server.url("periscope"))
    store.migrate()
    reader = PostgresStore(server.url("periscope"))

    async def play(served):
        async with talk(served) as client:
            await client.subscribe("SPX")
            await publish(store)
            before = await client.hear("update")
            await asyncio.to_thread(server.stop)
            lost = await client.hear("status")
            await asyncio.to_thread(server.start)
            await asyncio.to_thread(_publish_patiently, store)
            back = await client.hear("status", "update")
            after = back if back["type"] == "update" else await client.hear("update")
            return before, lost, after

    try:
        with Served(lambda: create_app(Settings(home=tmp_path / "home"), reader)) as served:
            before, lost, after = asyncio.run(play(served))
    finally:
        for each in (store, reader):
            each.close()
        server.stop()
    assert lost["state"] == "degraded"
    assert after["prev"] == before["seq"]


def _publish_patiently(store) -> None:
    from periscope_assets.store.repository import StoreUnavailableError

    waited = threading.Event()
    for _ in range(int(PATIENCE)):
        try:
            market.publish(store, revision="2", only=SURFACE)
            return
        except StoreUnavailableError:
            waited.wait(1.0)
    pytest.fail("the database did not come back")


def test_a_listener_whose_connection_is_cut_misses_nothing(served, store, database):
    async def play():
        async with talk(served) as client:
            await client.subscribe("SPX")
            await asyncio.to_thread(_cut, database)
            await publish(store)
            first = await client.hear("update")
            await publish(store, revision="2", only=SURFACE)
            return first, await client.hear("update")

    first, second = asyncio.run(play())
    assert (first["prev"], second["prev"]) == (0, first["seq"])


def _cut(database: str) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        killed = connection.execute(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
            "WHERE datname = current_database() AND query LIKE 'LISTEN%'"
        ).fetchone()
    assert killed is not None
    assert killed[0] == 1


def test_as_of_of_the_past_is_news_too(served, store):
    async def play():
        await publish(store)
        async with talk(served) as client:
            (now,) = await client.subscribe("SPX")
            await publish(store, as_of=market.AS_OF - timedelta(days=1))
            return now, await client.hear("update"), await client.subscribe("SPX")

    now, late, (after,) = asyncio.run(play())
    assert late["entries"][0]["as_of"] < now["entry"]["as_of"]
    assert after["entry"]["as_of"] == now["entry"]["as_of"]
