"""The agents' tools through the official client, over HTTP and over standard input and output."""

from __future__ import annotations

import asyncio
import json
import os
import random
import sys
from contextlib import asynccontextmanager

import httpx
import jsonschema
import pytest
from mcp import Client, MCPError, StdioServerParameters, stdio_client

from app.agents.tools import TOOLS, ToolError, call
from app.asgi import create_app
from app.queries import Queries, StoreUnavailableError
from app.queries.caching import CachedReader
from periscope_assets.settings import Settings
from periscope_assets.store import sessions
from periscope_assets.store.postgres import PostgresStore
from tests.api.served import PATIENCE, Served
from tests.app import market
from tests.conftest import PROJECT, emptied

PRICED = {"forward": 6877.0, "strike": [6700.0, 6900.0], "tau_years": 0.134, "is_call": [False, True]}
CALLS: dict[str, tuple[dict, str, str]] = {
    "find": ({}, "/v1/underlyings", "underlyings"),
    "chain": ({"symbol": "SPX", "expiry": "2026-02-20", "limit": 200}, "/v1/chain/SPX", "chain"),
    "surface": ({"symbol": "SPX", "strike": 6800, "days": 30}, "/v1/surface/SPX", "surface_points"),
    "skew_and_term": ({"symbol": "SPX", "basis": "expiry"}, "/v1/skew/SPX", "skew_metrics"),
    "fits": ({"symbol": "SPX", "model": "heston"}, "/v1/heston/SPX", "heston_calibrations"),
    "signals": ({"symbol": "SPX"}, "/v1/signals/SPX", "trade_signals"),
    "price": ({**PRICED, "vol": 0.17, "greeks": True}, "/v1/price", "price"),
    "explain": ({"symbol": "SPX"}, "/v1/explain/SPX", "lineage"),
}
"""A call of each tool, the route that answers the same, and its table."""
NOT_PARAMETERS = {"limit", "basis", "model"}


@pytest.fixture(scope="module")
def database(pg_server):
    pg_server.ensure_database("agents")
    url = emptied(pg_server.url("agents"))
    store = PostgresStore(url)
    market.publish(store)
    store.close()
    return url


@pytest.fixture(scope="module")
def queries(database):
    made = PostgresStore(database)
    yield Queries(CachedReader(made), lazy=True)
    made.close()


@pytest.fixture(scope="module")
def settings(database, tmp_path_factory):
    return Settings(home=tmp_path_factory.mktemp("home"), database={"url": database})


@pytest.fixture(scope="module")
def served(settings):
    with Served(lambda: create_app(settings)) as server:
        yield server


@asynccontextmanager
async def over_http(served):
    async with Client(f"{served.base}/mcp") as client:
        yield client


@asynccontextmanager
async def over_stdio(settings):
    environment = {
        **os.environ,
        "PERISCOPE_HOME": str(settings.home),
        "PERISCOPE_DATABASE__URL": settings.database.url.get_secret_value(),
    }
    command = StdioServerParameters(
        command=sys.executable, args=["-m", "app.cli", "mcp"], env=environment, cwd=str(PROJECT)
    )
    async with Client(stdio_client(command), read_timeout_seconds=PATIENCE) as client:
        yield client


async def listed_and_called(client) -> tuple[list, dict]:
    tools = (await client.list_tools()).tools
    answers = {name: await client.call_tool(name, arguments) for name, (arguments, _, _) in CALLS.items()}
    return tools, answers


@pytest.mark.parametrize("transport", ["http", "stdio"])
def test_a_client_lists_and_calls_every_tool_and_answers_are_those_of_rest(served, settings, transport):
    async def play():
        async with over_http(served) if transport == "http" else over_stdio(settings) as client:
            return await listed_and_called(client)

    tools, answers = asyncio.run(play())
    assert [tool.name for tool in tools] == list(TOOLS)
    assert len(tools) <= 8
    for tool in tools:
        assert tool.annotations.read_only_hint
        assert not tool.annotations.destructive_hint
        assert tool.input_schema["additionalProperties"] is False
        found = answers[tool.name]
        assert not found.is_error, found
        jsonschema.validate(found.structured_content, tool.output_schema)
        assert json.loads(found.content[0].text) == found.structured_content
        _same_as_rest(served, tool.name, found.structured_content)


def _same_as_rest(served, name: str, answer: dict) -> None:
    arguments, path, table = CALLS[name]
    if name == "price":
        body = {key: value for key, value in arguments.items() if key != "greeks"}
        said = httpx.post(served.base + path, json=body, params={"greeks": True}, timeout=PATIENCE).json()
        columns = said["data"]
        rows = [dict(zip(columns, cells, strict=True)) for cells in zip(*columns.values(), strict=True)]
    else:
        asked = {key: value for key, value in arguments.items() if key not in {"symbol", *NOT_PARAMETERS}}
        reply = httpx.get(served.base + path, params=asked, timeout=PATIENCE)
        said = reply.json()
        if reply.status_code == 404:
            assert answer["status"] == "absent"
            assert said["type"].endswith(answer["absence"]["type"])
            assert (answer["absence"]["reason"], answer["absence"]["remedy"]) == (
                said["reason"],
                said["remedy"],
            )
            return
        rows = said["data"][table]
        assert (answer["known_at"], answer["as_of"]) == (said["known_at"], said["as_of"])
        if name == "skew_and_term":
            rows = [row for row in rows if row["basis"] == "expiry"]
    assert answer["version"] == said["version"]
    assert answer["status"] == said["status"]
    mine = answer["data"][table]
    assert mine
    assert mine == [{key: row[key] for key in mine[0]} for row in rows[: len(mine)]]
    assert answer["n_rows"][table] == len(rows)
    assert set(answer["units"].items()) <= set(said["units"].items())
    assert set(answer["uncertainty"]["columns"]) == {key for key in mine[0] if key.endswith("_stderr")}


def test_pages_hold_every_row_once_as_known_at_one_time(queries):
    whole = call(lambda: queries, "chain", {"symbol": "SPX", "limit": 200, "fields": ["contract"]})
    cursor, contracts, pages = None, [], 0
    while cursor is not None or not contracts:
        arguments = {"symbol": "SPX", "limit": 150, "fields": ["contract"], "cursor": cursor}
        page = call(lambda: queries, "chain", arguments)
        assert page["known_at"] == whole["known_at"]
        contracts += [row["contract"] for row in page["data"]["chain"]]
        cursor, pages = page["next"], pages + 1
    assert len(contracts) == len(set(contracts)) == whole["n_rows"]["chain"]
    assert pages > 2
    other = {"symbol": "SPX", "limit": 150, "side": "call", "cursor": whole["next"]}
    with pytest.raises(ToolError, match="this very question"):
        call(lambda: queries, "chain", other)


def test_answers_are_small_by_default(queries):
    for name, (arguments, _, _) in CALLS.items():
        small = {key: value for key, value in arguments.items() if key not in ("limit", "expiry")}
        assert len(json.dumps(call(lambda: queries, name, small))) < 16_000, name


def test_absence_is_typed(queries):
    unknown = call(lambda: queries, "surface", {"symbol": "SPY"})
    assert unknown["absence"]["type"] == "unknown-symbol"
    assert unknown["absence"]["suggestions"] == ["SPX"]
    assert (unknown["status"], unknown["data"]) == ("absent", {})
    nothing = call(lambda: queries, "fits", {"symbol": "SPX"})
    assert nothing["absence"]["type"] == "not-built"
    assert "periscope materialize" in nothing["absence"]["remedy"]


def test_a_chain_can_be_narrowed(queries):
    arguments = {"symbol": "SPX", "side": "put", "strike_from": 6000, "strike_to": 6500, "limit": 200}
    rows = call(lambda: queries, "chain", arguments)["data"]["chain"]
    assert rows
    assert all(not row["is_call"] and 6000 <= row["strike"] <= 6500 for row in rows)
    refused = call(lambda: queries, "chain", {"symbol": "SPX", "rejected": True})["data"]["rejected"]
    assert {row["reason"] for row in refused} == {"crossed"}


def test_implied_vols_undo_prices(queries):
    prices = call(lambda: queries, "price", {**PRICED, "vol": [0.2, 0.3]})["data"]["price"]
    given = [row["price"] for row in prices]
    back = call(lambda: queries, "price", {**PRICED, "price": given, "price_stderr": 0.5})
    rows = back["data"]["implied_vol"]
    assert [row["iv"] for row in rows] == pytest.approx([0.2, 0.3], abs=1e-12)
    assert back["uncertainty"]["columns"] == ["iv_stderr"]


def test_unknown_arguments_and_tools_are_refused(served):
    async def play():
        async with over_http(served) as client:
            slip = await client.call_tool("surface", {"symbol": "SPX", "know_at": "2026-01-02T21:00:00Z"})
            try:
                none = await client.call_tool("drop_table", {})
            except MCPError as error:
                return slip, str(error)
            return slip, none.content[0].text

    slip, none = asyncio.run(play())
    assert slip.is_error
    assert "know_at" in slip.content[0].text
    assert "drop_table" in none or "unknown-tool" in none


def test_a_store_out_of_reach_is_said():
    def closed():
        raise StoreUnavailableError("PostgreSQL at secret-host: refused")

    with pytest.raises(ToolError, match="store-unavailable") as failure:
        call(closed, "find", {})
    assert "secret-host" not in str(failure.value)


HOSTILE = (
    *("'; DROP TABLE periscope.publications; --", '" OR 1=1', "../../etc/passwd", "\x00", "%s", "{{7*7}}"),
    *("SPX\n", "ＳＰＸ", "\ud800", "A" * 100_000, "$(id)", "<script>", "1e400", "NaN", "-0", "0x1F"),
    *("2026-02-30", "9999-12-31", "2026-01-02T21:00:00", "0001-01-01T00:00:00+23:59", "\u202e"),
    *(True, None, -1, 0, 2**63, 10**400, 1e308, -1e-308, float("nan"), float("inf")),
    *([], {}, [[]], [None], ["'"], {"$gt": ""}, [1] * 500, ["*"], [{"a": 1}], {"__class__": 1}),
)


LEAKS = ("Traceback", "psycopg", "SELECT ", "/site-packages", "syntax error", "internal:")


def _hostile(count: int) -> list:
    """Some fixed values, then random ones."""
    chance = random.Random(7)
    letters = "'\"\\;%{}()<>$\x00\n\t ./-_~ＡÄ🙂0123456789eEnNaAiIfF"
    more = ["".join(chance.choices(letters, k=chance.randint(1, 40))) for _ in range(count)]
    return [*HOSTILE, *more][:count]


def test_hostile_values_in_every_argument_get_nothing_out(queries):
    """Each answer is an answer, a typed absence, or a refusal: never SQL, a trace or a path."""
    count = 500 if os.environ.get("PERISCOPE_NIGHTLY") == "1" else len(HOSTILE)
    base = {name: arguments for name, (arguments, _, _) in CALLS.items()}
    before = queries.watermark()
    for name, tool in TOOLS.items():
        for argument in tool.arguments.model_fields:
            for value in _hostile(count):
                said = _called(queries, name, {**base[name], argument: value})
                assert not any(leak in said for leak in LEAKS), (name, argument, value, said[:400])
    assert queries.watermark() == before


def _called(queries, name: str, arguments: dict) -> str:
    try:
        return json.dumps(call(lambda: queries, name, arguments), allow_nan=False)
    except ToolError as error:
        return str(error)


def test_hostile_values_over_the_wire(served):
    values = [value for value in HOSTILE if not isinstance(value, float)]

    async def play():
        async with over_http(served) as client:
            return [await client.call_tool("surface", {"symbol": value}) for value in values[:8]]

    for found in asyncio.run(play()):
        assert found.is_error
        assert "invalid-argument" in found.content[0].text


def test_a_call_carries_the_requests_id_to_its_sql(served, monkeypatch):
    seen = []
    monkeypatch.setattr(sessions, "commented", lambda query: seen.append(sessions._tags.get()) or query)
    asked = {"name": "find", "arguments": {}}
    message = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": asked}
    headers = {"X-Request-Id": "agent-7", "Accept": "application/json, text/event-stream"}
    reply = httpx.post(f"{served.base}/mcp", json=message, headers=headers, timeout=PATIENCE)
    assert reply.json()["result"]["structuredContent"]["dataset"] == "underlyings"
    assert " /* request_id='agent-7' */" in seen


def test_pages_elsewhere_may_not_call(served):
    message = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
    for headers in ({"Host": "evil.example"}, {"Origin": "https://evil.example"}):
        assert httpx.post(f"{served.base}/mcp", json=message, headers=headers).status_code == 403
    assert httpx.get(f"{served.base}/mcp").status_code == 405
