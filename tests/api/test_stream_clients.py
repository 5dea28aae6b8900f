"""Many clients of the stream through drops, slow readers and restarts: all end where the ledger is."""

from __future__ import annotations

import asyncio
import json
import os
import random
import time

import pytest
from websockets.asyncio.server import serve

from app.api.main import create_app
from app.api.stream.outbox import Outbox
from app.client import Stream
from app.queries.feed import Feed, Topic
from periscope_assets.settings import Settings
from periscope_assets.store.postgres import PostgresStore
from tests.api.served import PATIENCE, Served
from tests.app import market
from tests.conftest import emptied

NIGHTLY = os.environ.get("PERISCOPE_NIGHTLY") == "1"
CLIENTS, ROUNDS, RESTARTS = (500, 200, 5) if NIGHTLY else (20, 24, 2)
SYMBOLS = ("SPX", "NDX", "RUT")
RECONVERGE_SECONDS = 2.0


@pytest.fixture
def database(pg_server):
    pg_server.ensure_database("stream_clients")
    return emptied(pg_server.url("stream_clients"))


class Follower:
    """A client that keeps what it heard and, now and then, is slow or loses its connection."""

    def __init__(self, base: str, number: int) -> None:
        self.stream = Stream(base, SYMBOLS, ["surface", "alerts"])
        self.chance = random.Random(number)
        self.heard: list[dict] = []
        self.is_disturbed = True
        self.reached: float | None = None
        self.goal: dict[str, int] = {}

    async def run(self) -> None:
        async for message in self.stream:
            if message["type"] in ("status", "incidents"):
                continue
            self.heard.append(message)
            if self.goal and self.has_arrived():
                self.reached = self.reached or time.monotonic()
            if self.is_disturbed and self.chance.random() < 0.05:
                await self.stream.drop()
            elif self.is_disturbed and self.chance.random() < 0.1:
                await asyncio.sleep(0.3)

    def has_arrived(self) -> bool:
        return all(self.stream.seqs.get(topic) == seq for topic, seq in self.goal.items())

    def seconds_to_converge(self) -> float:
        """From its last reconnection until it was where the ledger is."""
        assert self.reached is not None
        assert self.stream.connected_at is not None
        return self.reached - self.stream.connected_at

    def broken_links(self) -> list[dict]:
        """Updates that do not follow what was heard before of their topic."""
        last: dict[tuple, int] = {}
        broken = []
        for message in self.heard:
            topic = (message["channel"], message["symbol"])
            if message["type"] == "update" and message["prev"] != last.get(topic):
                broken.append(message)
            last[topic] = message["seq"]
        return broken


def test_all_reconverge_whatever_happens(database, tmp_path):
    writer, readers = PostgresStore(database), []

    def make():
        readers.append(PostgresStore(database))
        return create_app(Settings(home=tmp_path / "home"), readers[-1])

    def publish(number: int) -> None:
        symbol = SYMBOLS[number % len(SYMBOLS)]
        market.publish(writer, symbol, revision=str(number), only=("vol_surface",))

    async def play(served) -> list[Follower]:
        followers = [Follower(served.base, number) for number in range(CLIENTS)]
        tasks = [asyncio.create_task(each.run()) for each in followers]
        for number in range(ROUNDS):
            await asyncio.to_thread(publish, number)
            if number % (ROUNDS // (RESTARTS + 1)) == 1 and number > 1:
                await asyncio.to_thread(served.stop)
                await asyncio.to_thread(publish, ROUNDS + number)
                await asyncio.to_thread(served.start)
        for each in followers:
            each.is_disturbed = False
        await asyncio.to_thread(served.stop)
        await asyncio.to_thread(publish, 2 * ROUNDS)
        goal = await asyncio.to_thread(_goal, writer)
        for each in followers:
            each.goal = goal
        await asyncio.to_thread(served.start)
        try:
            async with asyncio.timeout(PATIENCE):
                while not all(each.has_arrived() for each in followers):
                    await asyncio.sleep(0.05)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        return followers

    try:
        with Served(make) as served:
            followers = asyncio.run(play(served))
    finally:
        for each in (writer, *readers):
            each.close()
    if NIGHTLY:
        assert max(each.seconds_to_converge() for each in followers) <= RECONVERGE_SECONDS
    assert [each.broken_links() for each in followers] == [[]] * CLIENTS
    assert sum(each.stream.reconnects for each in followers) >= CLIENTS
    assert sum(each.stream.gaps for each in followers) == 0


def _goal(store: PostgresStore) -> dict[str, int]:
    """Last sequence number of each topic, by the ledger."""
    feed = Feed(store)
    return {
        str(topic): feed.tail(topic, 1)[-1].seq for topic in (Topic("surface", symbol) for symbol in SYMBOLS)
    }


def test_what_is_told_while_a_topic_is_subscribed_to_goes_out_in_order():
    topic, outbox = Topic("surface", "SPX"), Outbox()
    outbox.offer(topic, 5, b"5")
    outbox.start(topic, 3)
    for seq in (4, 5):
        outbox.offer(topic, seq, str(seq).encode())
    assert [outbox.next() for _ in range(3)] == [b"4", b"5", None]


def test_a_gap_is_noticed_and_mended():
    """A server that leaves one update out: the client asks for a snapshot and goes on from there."""
    asked = []

    def said(kind: str, seq: int, prev: int | None = None) -> str:
        more = {} if prev is None else {"prev": prev}
        return json.dumps({"type": kind, "channel": "surface", "symbol": "SPX", "seq": seq, **more})

    async def leave_one_out(socket) -> None:
        await socket.send(json.dumps({"type": "hello", "heartbeat_seconds": 15.0}))
        asked.append(json.loads(await socket.recv()))
        await socket.send(said("snapshot", 1))
        for seq, prev in ((2, 1), (4, 3), (5, 4)):
            await socket.send(said("update", seq, prev))
        asked.append(json.loads(await socket.recv()))
        await socket.send(said("snapshot", 5))
        await socket.send(said("update", 6, 5))
        await socket.wait_closed()

    async def play():
        async with serve(leave_one_out, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            stream = Stream(f"http://127.0.0.1:{port}", ["SPX"])
            heard = []
            async with asyncio.timeout(PATIENCE):
                async for message in stream:
                    heard.append(message["seq"])
                    if message["seq"] == 6:
                        return stream, heard
        return None

    stream, heard = asyncio.run(play())
    assert heard == [1, 2, 5, 6]
    assert stream.gaps == 1
    assert asked[1] == {"op": "subscribe", "symbols": ["SPX"], "channels": ["surface"], "resume": {}}
    assert asked[0]["resume"] == {}


def test_a_silent_server_is_left_and_asked_again():
    """No message for three heartbeats: the connection is made anew and goes on where it was."""
    asked = []

    async def fall_silent(socket) -> None:
        await socket.send(json.dumps({"type": "hello", "heartbeat_seconds": 0.1}))
        asked.append(json.loads(await socket.recv())["resume"])
        message = {"type": "snapshot", "channel": "surface", "symbol": "SPX", "seq": len(asked)}
        await socket.send(json.dumps(message))
        await socket.wait_closed()

    async def play():
        async with serve(fall_silent, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            async with asyncio.timeout(PATIENCE):
                async for message in Stream(f"http://127.0.0.1:{port}", ["SPX"]):
                    if message["seq"] == 2:
                        return

    asyncio.run(play())
    assert asked == [{}, {"surface:SPX": 1}]


def test_without_an_event_loop(database, tmp_path):
    store = PostgresStore(database)
    market.publish(store)
    with Served(lambda: create_app(Settings(home=tmp_path / "home"), store)) as served:
        messages = iter(Stream(served.base, ["SPX"]))
        first = next(messages)
        market.publish(store, revision="2", only=("vol_surface",))
        second = next(messages)
        messages.close()
        with pytest.raises(ValueError, match="symbols"):
            next(iter(Stream(served.base, ["no symbol"])))
    store.close()
    assert (first["type"], second["type"]) == ("snapshot", "update")
    assert second["prev"] == first["seq"]
