"""Every reading route: its answer, its shape, its formats, pages and validators."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import csv, parquet

from app.api.schemas import (
    AlertEventReply,
    ChainReply,
    ComputedReply,
    RowsReply,
    SignalEventReply,
    SurfaceReply,
)
from app.queries import Queries, to_jsonable
from periscope_analytics import black, implied_vol
from periscope_assets.alerts.incidents import Incident
from periscope_assets.store.alerts import AlertLog
from periscope_assets.store.postgres import PostgresStore
from tests.api.test_api import problem

S = "SIMN"
READ = {
    "forwards": ("forward_curve", RowsReply),
    "skew": ("skew_metrics", RowsReply),
    "heston": ("heston_fit", RowsReply),
    "mispricing": ("mispricing", RowsReply),
    "surface/{}/nodes": ("surface_grid", RowsReply),
    "surface/{}/parameters": ("vol_surface", RowsReply),
}


@pytest.fixture(scope="module")
def queries(published):
    store = PostgresStore(published)
    yield Queries(store)
    store.close()


def rows_of(response, table):
    assert response.status_code == 200, response.text
    return response.json()["data"][table]


def path_of(name):
    return f"/v1/{name.format(S)}" if "{}" in name else f"/v1/{name}/{S}"


@pytest.mark.parametrize("name", READ)
def test_a_dataset_is_what_the_queries_read(client, queries, name):
    dataset, reply = READ[name]
    response = client.get(path_of(name))
    assert response.status_code == 200, response.text
    assert response.json() == to_jsonable(queries.read(dataset, S))
    reply.model_validate(response.json())


@pytest.mark.parametrize("name", [*READ, "surface", "chain", "term-structure", "signals", "explain"])
def test_times_and_version_are_taken_everywhere(client, queries, name):
    first, last = queries.snapshots(S)[::-1]
    now = client.get(path_of(name)).json()
    then = client.get(path_of(name), params={"as_of": first.as_of.isoformat()}).json()
    assert (now["as_of"], then["as_of"]) == tuple(
        each.as_of.isoformat().replace("+00:00", "Z") for each in (last, first)
    )
    pinned = client.get(path_of(name), params={"version": then["version"][:12], "known_at": now["known_at"]})
    assert pinned.json()["version"] == then["version"]
    before = client.get(path_of(name), params={"known_at": "2020-01-01T00:00:00Z"})
    problem(before, 404, "unknown-symbol")
    assert {"units", "status", "warnings", "parts"} <= now.keys()


def test_a_point_by_strike_and_expiry_lies_on_its_slice(client, queries):
    slices = queries.read("vol_surface", S).frames["surface_slices"]
    row = slices[slices["status"] == "ok"].iloc[2]
    params = {"strike": row["forward"], "expiry": row["expiry"].isoformat()}
    response = client.get(f"/v1/surface/{S}", params=params)
    SurfaceReply.model_validate(response.json())
    points = rows_of(response, "surface_points")
    mine = [
        each for each in points if each["expiry_at"] == row["expiry_at"].isoformat().replace("+00:00", "Z")
    ]
    assert mine[0]["iv"] == pytest.approx(row["atm_iv"], rel=1e-12)
    assert mine[0]["iv_stderr"] == pytest.approx(row["atm_iv_stderr"], rel=0.2)
    assert mine[0]["status"] == "ok"


def test_a_point_by_delta_and_days_is_the_node_of_the_grid(client, queries):
    nodes = queries.read("surface_grid", S).frames["surface_nodes"]
    node = nodes[
        (nodes["axis"] == "delta") & (nodes["tenor_days"] == 30.0) & (nodes["coordinate"] == 0.25)
    ].iloc[0]
    (point,) = rows_of(client.get(f"/v1/surface/{S}?delta=0.25&days=30"), "surface_points")
    for name in ("iv", "iv_stderr", "strike", "forward"):
        assert point[name] == pytest.approx(node[name], rel=1e-9), name
    (put,) = rows_of(client.get(f"/v1/surface/{S}?delta=0.75&days=30&is_call=false"), "surface_points")
    assert put["strike"] == pytest.approx(node["strike"], rel=1e-9)


@pytest.mark.parametrize(
    ("params", "status"),
    [
        ("strike=5&days=30", "extrapolated"),
        ("delta=0.5&days=9000", "out_of_range"),
        ("delta=0.5&expiry=2026-03-21", "out_of_range"),
    ],
)
def test_points_outside_say_so(client, params, status):
    (point,) = rows_of(client.get(f"/v1/surface/{S}?{params}"), "surface_points")
    assert point["status"] == status
    assert (point["iv"] is None) == (status == "out_of_range")


@pytest.mark.parametrize(
    ("query", "parameter"),
    [
        ("surface/SIMN?strike=100", "expiry"),
        ("surface/SIMN?strike=100&delta=0.2&days=3", "strike"),
        ("surface/SIMN?strike=-1&days=3", "strike"),
        ("surface/SIMN?strike=nan&days=3", "strike"),
        ("surface/SIMN?delta=1&days=3", "delta"),
        ("surface/SIMN?delta=0.2&days=inf", "days"),
        ("surface/SIMN?delta=0.2&expiry=9999-12-31", "expiry"),
        ("surface/SIMN?delta=0.2&expiry=2001-01-01", "expiry"),
        ("surface/SIMN?fields=nothing", "fields"),
        ("surface/SIMN?fields=iv,", "fields"),
        ("surface/SIMN?table=nothing", "table"),
        ("chain/SIMN?limit=0", "limit"),
        ("chain/SIMN?cursor=abc", "cursor"),
        ("underlyings?as_of=2026-03-20T00:00:00Z", "as_of"),
        ("history/SIMN?of=implied_vols", "table"),
        ("history/SIMN?every=0d", "every"),
        ("history/SIMN?start=2026-03-21T00:00:00Z&end=2026-03-20T00:00:00Z", "start"),
        ("history/SIMN?start=1990-01-01T00:00:00Z", "start"),
        ("history/SIMN?of=forwards&tenor_days=30", "tenor_days"),
        ("explain/SIMN?dataset=nothing", "dataset"),
        ("explain/SIMN?contract=nothing", "contract"),
        ("explain/SIMN?expiry=2001-01-01", "expiry"),
    ],
)  # fmt: skip
def test_bad_input_names_the_parameter(client, query, parameter):
    body = problem(client.get(f"/v1/{query}"), 422, "invalid-parameter")
    assert [error["parameter"] for error in body["errors"]] == [parameter]


def test_term_structure_is_a_part_of_skew(client):
    term, skew = (
        rows_of(client.get(f"/v1/{name}/{S}"), "skew_metrics") for name in ("term-structure", "skew")
    )
    assert [{name: row[name] for name in term[0]} for row in skew] == term
    assert "rr_25" not in term[0]


def test_history_holds_both_sessions(client):
    rows = rows_of(client.get(f"/v1/history/{S}?tenor_days=30"), "skew_metrics")
    assert len({row["as_of"] for row in rows}) == len(rows) == 2
    weekly = rows_of(client.get(f"/v1/history/{S}?tenor_days=30&every=1w"), "skew_metrics")
    assert [row["as_of"] for row in weekly] == [rows[-1]["as_of"]]
    none = client.get(f"/v1/history/{S}?start=2026-01-01T00:00:00Z&end=2026-01-02T00:00:00Z")
    problem(none, 404, "not-built")


def test_what_is_behind_a_number(client, queries):
    response = client.get(f"/v1/explain/{S}?dataset=skew_metrics")
    data = response.json()["data"]
    assert {row["dataset"] for row in data["lineage"]} >= {
        "skew_metrics",
        "vol_surface",
        "implied_vols",
        "option_quotes",
        "raw_chain",
    }
    assert {row["state"] for row in data["lineage"]} <= {"as used", "digest"}
    assert {row["run_id"] for row in data["lineage"] if row["run_id"]} == {"run-1"}
    chain = queries.chain(S).frames
    assert (len(data["quotes"]), len(data["refused"])) == (len(chain["chain"]), len(chain["rejected"]))
    contract = data["quotes"][0]["contract"]
    one = client.get(f"/v1/explain/{S}", params={"contract": contract}).json()["data"]
    assert [row["contract"] for row in one["quotes"]] == [contract]
    refused = sum(row["n_quotes"] for row in data["rules"] if row["outcome"] == "refused")
    assert refused == len(data["refused"])


def test_fields_and_table_choose(client):
    data = client.get(f"/v1/chain/{S}?fields=strike,mid_iv,reason").json()["data"]
    assert {*data["chain"][0]} == {"strike", "mid_iv"}
    assert {*client.get(f"/v1/chain/{S}?table=rejected").json()["data"]} == {"rejected"}


def test_pages_are_the_whole_and_pin_what_was_known(client):
    whole = client.get(f"/v1/chain/{S}").json()
    pages, cursor, known = [], None, set()
    while True:
        params = {"limit": 97, **({"cursor": cursor} if cursor else {})}
        response = client.get(f"/v1/chain/{S}", params=params)
        body = response.json()
        ChainReply.model_validate(body)
        pages.append(body["data"])
        known.add(body["known_at"])
        assert ("next" in body) == ("link" in response.headers)
        if "next" not in body:
            break
        cursor = body["next"]
    for table, rows in whole["data"].items():
        assert [row for page in pages for row in page[table]] == rows
    assert known == {whole["known_at"]}
    other = client.get(f"/v1/mispricing/{S}", params={"cursor": cursor})
    problem(other, 422, "invalid-parameter")
    flipped = cursor[:-2] + ("A" if cursor[-2] != "A" else "B") + cursor[-1]
    problem(client.get(f"/v1/chain/{S}", params={"cursor": flipped}), 422, "invalid-parameter")


@pytest.mark.parametrize("accept", ["application/json", "text/csv"])
def test_the_link_leads_to_the_next_page_of_the_same_question(client, accept):
    path, pages = f"/v1/mispricing/{S}?fields=contract&limit=150", []
    while path:
        response = client.get(path, headers={"Accept": accept})
        assert response.status_code == 200, response.text
        pages.append(response)
        following = response.links.get("next")
        path = following and str(response.url.join(following["url"]))
    whole = rows_of(client.get(f"/v1/mispricing/{S}"), "mispricings")
    if accept == "text/csv":
        got = [line.strip('"') for page in pages for line in page.text.splitlines()[1:]]
    else:
        got = [row["contract"] for page in pages for row in rows_of(page, "mispricings")]
    assert len(pages) > 2
    assert got == [row["contract"] for row in whole]


def test_no_reply_has_more_rows_than_the_limit(client_of):
    body = client_of(max_rows=50).get(f"/v1/chain/{S}?limit=1000").json()
    assert sum(map(len, body["data"].values())) == 50
    assert body["next"]


@pytest.mark.parametrize(
    "path", [f"/v1/chain/{S}", f"/v1/surface/{S}/parameters", f"/v1/skew/{S}", "/v1/underlyings"]
)
def test_tables_say_the_same_in_every_format(client, path):
    body = client.get(path).json()
    rows = next(iter(body["data"].values()))
    kinds = ("text/csv", "application/vnd.apache.arrow.stream", "application/vnd.apache.parquet")
    replies = {kind: client.get(path, headers={"Accept": kind}) for kind in kinds}
    assert {kind: reply.headers["content-type"].partition(";")[0] for kind, reply in replies.items()} == {
        kind: kind for kind in kinds
    }
    tables = [
        csv.read_csv(io.BytesIO(replies[kinds[0]].content)),
        pa.ipc.open_stream(replies[kinds[1]].content).read_all(),
        parquet.read_table(io.BytesIO(replies[kinds[2]].content)),
    ]
    for table in tables:
        assert table.column_names == list(rows[0])
        assert table.num_rows == len(rows)
        for name in table.column_names:
            if all(isinstance(row[name], float) for row in rows):
                assert table.column(name).to_pylist() == pytest.approx([row[name] for row in rows])
    for table in tables[1:]:
        said = json.loads(table.schema.metadata[b"periscope"])
        assert said == {name: value for name, value in body.items() if name != "data"}
    etags = {reply.headers["etag"] for reply in replies.values()}
    assert len(etags) == 3
    assert {reply.headers["periscope-version"] for reply in replies.values()} == {body["version"]}


def test_accept_is_weighed(client):
    path = f"/v1/forwards/{S}"
    for accept, kind in (
        ("text/csv;q=0.5, application/json", "application/json"),
        ("text/*", "text/csv"),
        ("application/json;q=0, */*;q=0.1", "text/csv"),
        ("*/*", "application/json"),
    ):
        found = client.get(path, headers={"Accept": accept}).headers["content-type"]
        assert found.startswith(kind), accept
    problem(client.get(path, headers={"Accept": "image/png"}), 406, "not-acceptable")


def test_bytes_are_compressed_and_each_coding_has_its_etag(client):
    path, tags = f"/v1/chain/{S}", {}
    for coding in ("br", "gzip", "identity"):
        response = client.get(path, headers={"Accept-Encoding": coding})
        assert response.headers.get("content-encoding", "identity") == coding
        tags[coding] = response.headers["etag"]
        assert "Accept-Encoding" in response.headers["vary"]
    assert len(set(tags.values())) == 3
    for tag in tags.values():
        again = client.get(path, headers={"If-None-Match": tag, "Accept-Encoding": "br"})
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tags["br"])
    plain = client.get(path, headers={"Accept-Encoding": "br;q=0, gzip"})
    assert plain.headers["content-encoding"] == "gzip"


OPTIONS = {
    "forward": 100.0,
    "strike": [80.0, 100.0, 120.0],
    "tau_years": [0.1, 0.5, 1.0],
    "vol": 0.2,
    "is_call": [True, False, True],
    "discount": 0.98,
}


def test_prices_are_the_analytics(client):
    response = client.post("/v1/price?greeks=true", json={**OPTIONS, "vol_stderr": 0.01})
    body = response.json()
    ComputedReply.model_validate(body)
    expected = black.greeks(100.0, [80.0, 100.0, 120.0], [0.1, 0.5, 1.0], 0.2, [True, False, True], 0.98)
    for name in ("price", "delta", "vega", "theta", "volga"):
        assert body["data"][name] == getattr(expected, name).tolist()
    assert body["data"]["price_stderr"] == pytest.approx((0.01 * expected.vega).tolist())
    plain = client.post("/v1/price", json=OPTIONS).json()["data"]
    assert {*plain} == {"price", "status"}
    assert plain["price"] == pytest.approx(expected.price.tolist(), rel=1e-14)


def test_vols_come_back_and_absent_ones_say_why(client):
    price = black.price(100.0, [80.0, 100.0, 120.0], [0.1, 0.5, 1.0], 0.2, [True, False, True], 0.98)
    asked = {name: value for name, value in OPTIONS.items() if name != "vol"}
    body = client.post(
        "/v1/implied-vol", json={**asked, "price": price.tolist(), "price_stderr": 0.01}
    ).json()
    assert body["data"]["iv"] == pytest.approx([0.2] * 3, rel=1e-9)
    assert all(error > 0 for error in body["data"]["iv_stderr"])
    broken = {**asked, "price": [-1.0, 500.0, 1.0], "tau_years": [0.1, 0.5, -1.0]}
    data = client.post("/v1/implied-vol", json=broken).json()["data"]
    assert data["iv"] == [None] * 3
    assert data["status"] == ["below_intrinsic", "above_maximum", "invalid_value"]
    assert implied_vol.implied_vol(-1.0, 100.0, 80.0, 0.1, True, 0.98).status != 0


@pytest.mark.parametrize(
    ("change", "parameter"),
    [
        ({"strike": [1.0, 2.0]}, "strike"),
        ({"strike": []}, "strike"),
        ({"strike": "100"}, "strike"),
        ({"strike": [[100.0]]}, "strike"),
        ({"strike": [True]}, "strike"),
        ({"strike": 10**400}, "strike"),
        ({"is_call": 1}, "is_call"),
        ({"vol": None}, "vol"),
        ({"forwards": 1}, "forwards"),
        ({"strike": [1.0] * 100_001}, "strike"),
    ],
)
def test_bad_columns_are_named(client, change, parameter):
    body = problem(client.post("/v1/price", json={**OPTIONS, **change}), 422, "invalid-parameter")
    assert [error["parameter"] for error in body["errors"]] == [parameter]


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b"1", b'{"a":NaN}', b"\xff", b"[" * 5000])
def test_bodies_that_are_none(client, content):
    response = client.post("/v1/price", content=content, headers={"Content-Type": "application/json"})
    problem(response, 422, "invalid-parameter")
    other = client.post("/v1/price", content=content, headers={"Content-Type": "text/plain"})
    problem(other, 415, "unsupported-media-type")


def test_extreme_numbers_give_a_status_and_no_failure(client):
    values = [0.0, -0.0, 5e-324, 1e308, -1e308, 1e-300, 3.0]
    rng = np.random.default_rng(7)
    asked = {
        name: rng.choice(values, 200).tolist()
        for name in ("forward", "strike", "tau_years", "vol", "discount")
    }
    asked["is_call"] = True
    for path in ("/v1/price?greeks=true", "/v1/implied-vol"):
        body = {**asked}
        if "implied" in path:
            body["price"] = body.pop("vol")
        response = client.post(path, json=body)
        data = response.json()["data"]
        first = "price" if "price?" in path else "iv"
        assert all(
            (value is None) == (status != "ok")
            for value, status in zip(data[first], data["status"], strict=True)
        )


def test_a_strategy_on_the_surface(client, queries):
    chain = queries.chain(S).frames["chain"]
    row = chain[(chain["status"] == "ok") & chain["is_call"]].iloc[len(chain) // 3]
    leg = {"kind": "call", "quantity": 2, "strike": row["strike"], "expiry": row["expiry_at"].isoformat()}
    response = client.post("/v1/strategy", json={"symbol": S, "legs": [leg]})
    body = response.json()
    assert response.status_code == 200, body
    RowsReply.model_validate(body)
    assert {*body["data"]} == {"legs", "totals", "break_evens", "profile", "scenarios"}
    wrong = client.post("/v1/strategy", json={"symbol": S, "legs": [{**leg, "kind": "banana"}]})
    problem(wrong, 422, "invalid-parameter")
    problem(
        client.post("/v1/strategy", json={"symbol": S, "legs": [{**leg, "expiry": "x"}]}),
        422,
        "invalid-parameter",
    )
    problem(client.post("/v1/strategy", json={"symbol": "NOPE", "legs": [leg]}), 404, "unknown-symbol")


def test_a_signal_is_acknowledged_and_reopened(client):
    rows = rows_of(client.get(f"/v1/signals/{S}"), "trade_signals")
    assert [row["rank"] for row in rows] == sorted(row["rank"] for row in rows)
    signal_id = rows[0]["signal_id"]
    response = client.post(f"/v1/signals/{S}/{signal_id}/acknowledge", json={"note": "mine"})
    assert response.status_code == 201, response.text
    SignalEventReply.model_validate(response.json())
    again = rows_of(client.get(f"/v1/signals/{S}"), "trade_signals")
    assert again[0]["acknowledged_by"] == "local"
    assert datetime.fromisoformat(again[0]["acknowledged_at"]) == datetime.fromisoformat(
        response.json()["at"]
    )
    assert {row["acknowledged_by"] for row in again[1:]} <= {None}
    assert client.post(f"/v1/signals/{S}/{signal_id}/reopen", json={}).status_code == 201
    assert rows_of(client.get(f"/v1/signals/{S}"), "trade_signals")[0]["acknowledged_at"] is None
    broken = client.post(f"/v1/signals/{S}/{signal_id}/acknowledge", json={"note": "\0"})
    problem(broken, 422, "invalid-parameter")
    unknown = client.post(f"/v1/signals/{S}/nothing/acknowledge", json={})
    problem(unknown, 404, "unknown-signal")
    problem(
        client.post(f"/v1/signals/{S}/{signal_id}/acknowledge", json={"note": "x" * 501}),
        422,
        "invalid-parameter",
    )


def test_an_incident_is_taken_care_of(client, published):
    log = AlertLog(published)
    raised = datetime.now(UTC) - timedelta(minutes=1)
    incident = Incident("run_failed:one", "A run failed.", raised)
    log.add_alerts([(incident.key, "raised", incident.to_details())], raised)
    log.close()
    response = client.get("/v1/alerts")
    RowsReply.model_validate(response.json())
    (row,) = rows_of(response, "open")
    assert (row["incident"], row["state"], row["acknowledged_by"]) == ("run_failed:one", "open", None)
    said = {"incident": "run_failed:one", "hours": 2, "note": "mine"}
    taken = client.post("/v1/alerts/acknowledge", json=said)
    assert taken.status_code == 201, taken.text
    AlertEventReply.model_validate(taken.json())
    (row,) = rows_of(client.get("/v1/alerts"), "open")
    assert (row["acknowledged_by"], row["note"], row["state"]) == ("local", "mine", "acknowledged")
    assert rows_of(client.get("/v1/alerts?known_at=2020-01-01T00:00:00Z"), "open") == []
    assert client.post("/v1/alerts/reopen", json={"incident": "run_failed:one"}).status_code == 201
    problem(client.post("/v1/alerts/reopen", json={"incident": "other"}), 404, "unknown-incident")
    problem(client.post("/v1/alerts/acknowledge", json={**said, "note": "\0"}), 422, "invalid-parameter")
    problem(client.post("/v1/alerts/acknowledge", json={**said, "hours": 1000}), 422, "invalid-parameter")


def test_bodies_have_a_limit(client_of):
    small = client_of(max_body_bytes=2000)
    problem(small.post("/v1/price", json={**OPTIONS, "strike": [100.0] * 1000}), 413, "body-too-large")

    def drip():
        for _ in range(100):
            yield b"1" * 100

    response = small.post("/v1/price", content=drip(), headers={"Content-Type": "application/json"})
    problem(response, 413, "body-too-large")
    problem(small.get(f"/v1/skew/{S}?fields=" + "a" * 9000), 414, "uri-too-long")


def test_the_guide_names_every_route_and_door(client):
    text = client.get("/llms.txt").text
    assert all(path in text for path in client.get("/openapi.json").json()["paths"])
    assert all(f" {door}" in text for door in ("/v1/stream", "/mcp"))


def test_head_is_get_without_its_body(client):
    schema = client.get("/openapi.json").json()
    paths = [path.replace("{symbol}", S) for path, found in schema["paths"].items() if "get" in found]
    known_at = client.get("/v1/underlyings").json()["known_at"]
    for path in (*paths, "/openapi.json", "/v1/nothing", f"/v1/surface/{S}?points=x"):
        params = {"known_at": known_at} if path == "/v1/alerts" else None
        asked = {"params": params, "headers": {"X-Request-Id": "one", "Accept-Encoding": "br"}}
        whole, bare = client.get(path, **asked), client.head(path, **asked)
        assert (bare.status_code, bare.content) == (whole.status_code, b""), path
        for found in (whole, bare):
            assert int(found.headers.pop("content-length")) > 0 or path == "/metrics"
        assert bare.headers == whole.headers, path
    first = client.head(f"/v1/chain/{S}")
    again = client.head(f"/v1/chain/{S}", headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.headers["etag"]) == (304, first.headers["etag"])
    assert client.post(f"/v1/chain/{S}").headers["allow"] == "GET, HEAD"
    problem_of = client.head("/v1/price")
    assert (problem_of.status_code, problem_of.headers["allow"]) == (405, "POST")
