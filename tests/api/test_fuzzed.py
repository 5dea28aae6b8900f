"""Whatever is asked: no failure of the server, every refusal typed, nothing inside shown.

Cases are generated from the project's own OpenAPI, and hostile values go into every parameter; many more of
both under PERISCOPE_NIGHTLY=1.
"""

from __future__ import annotations

import os
import random
from urllib.parse import quote

import httpx
import hypothesis
import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given
from schemathesis.specs.openapi import checks

from app.api.main import create_app
from app.api.schemas import Problem
from periscope_assets.settings import Settings
from periscope_assets.store.people import People
from periscope_assets.store.postgres import PostgresStore
from periscope_assets.store.roles import READER
from tests.api.served import serving

NIGHTLY = "PERISCOPE_NIGHTLY" in os.environ
CASES, SCENARIOS, STEPS, VALUES = (450, 600, 12, 500) if NIGHTLY else (3, 4, 5, 50)
INSIDE = ("Traceback", "psycopg", "sqlalchemy", "site-packages", "SELECT ", "syntax error", "pg_catalog")
HEADERS = (*(b"Accept", b"X-Request-Id", b"If-None-Match", b"Accept-Encoding", b"X-API-Key", b"traceparent"),)
CONTROLS = bytes(range(32)) + b"\x7f"
"""What the server refuses in headers, before the application sees it."""
CHECKS = [
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_schema_conformance,
]


@pytest.fixture(scope="module")
def app(published, tmp_path_factory):
    store, people = PostgresStore(published, role=READER), People(published)
    yield create_app(Settings(home=tmp_path_factory.mktemp("home")), store, people)
    store.close()
    people.close()


@pytest.fixture(scope="module")
def address(app):
    with serving(app) as found:
        yield found


@pytest.fixture(scope="module")
def session():
    with requests.Session() as made:
        yield made


def bearable(status: int, kind: str, text: str, request_id: str, said: str = "") -> None:
    """Check what holds for every reply; a reply may quote what was said."""
    assert status < 500, text
    if status >= 400:
        assert kind == "application/problem+json", text[:500]
        assert Problem.model_validate_json(text).request_id == request_id
    if "html" in kind or status >= 400:
        assert not [word for word in INSIDE if word in text and word not in said], text[:500]


def looked_at(case, address, session) -> None:
    response = case.call(base_url=address, session=session, timeout=60)
    kind = response.headers.get("content-type", [""])[0]
    bearable(response.status_code, kind, response.text or "", response.headers["x-request-id"][0])
    case.validate_response(response, checks=CHECKS)


def bounded(cases: int, **more) -> hypothesis.settings:
    """Settings that draw so many cases, the same ones every time."""
    return hypothesis.settings(
        max_examples=cases,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
        **more,
    )


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("symbol", [None, "SIMN"], ids=["any symbol", "a known symbol"])
def test_cases_of_the_schema(app, address, session, symbol):
    schema = schemathesis.openapi.from_dict(app.openapi())
    modes = (schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE)
    for found in schema.get_all_operations():
        operation = found.ok()
        is_of_symbol = "{symbol}" in operation.path
        if symbol is not None and not is_of_symbol:
            continue
        fixed = {} if symbol is None else {"path_parameters": {"symbol": symbol}}
        for mode in modes:
            try:
                strategy = operation.as_strategy(generation_mode=mode, **fixed)

                @bounded(CASES if symbol is None else max(3, CASES // 3))
                @given(case=strategy)
                def examine(case):
                    looked_at(case, address, session)

                examine()
            except hypothesis.errors.Unsatisfiable:
                assert mode is schemathesis.GenerationMode.NEGATIVE


@pytest.mark.timeout(3600)
def test_scenarios_that_follow_links(app, address, session):
    schema = schemathesis.openapi.from_dict(app.openapi())
    machine = schema.as_state_machine()

    class Scenario(machine):
        def call(self, case, **kwargs):
            return case.call(base_url=address, session=session, timeout=60)

        def validate_response(self, response, case, **kwargs):
            kind = response.headers.get("content-type", [""])[0]
            identity = response.headers["x-request-id"][0]
            bearable(response.status_code, kind, response.text or "", identity)

    Scenario.run(settings=bounded(SCENARIOS, stateful_step_count=STEPS))


FIXED = [
    "' OR 1=1 --", "'; DROP TABLE periscope.publications; --", '" OR ""="', "1; SELECT pg_sleep(10)", "%27",
    "../../etc/passwd", "..%2f..%2fetc%2fpasswd", "/etc/passwd", "file:///etc/passwd", "\\\\host\\share",
    "\x00", "a\x00b", "\n", "\r\nSet-Cookie: a=b", "\t", "\u202e", "\ufeff", "\ud7ff", "💥" * 20, "٣", "é",
    "{{7*7}}", "${jndi:ldap://x}", "{0.__class__}", "%s%n%x", "<script>alert(1)</script>", "<!--", "]]>",
    "__import__('os').system('id')", "() { :; }; id", "| id", "$(id)", "`id`", "&& id", "a" * 4000,
    "null", "None", "NaN", "Infinity", "-Infinity", "1e400", "-1", "0", "1e-400", "999999999999999999999999",
    "true", "[]", "{}", "[1]", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999Z", "2026-13-45T99:99:99Z",
    "0001-01-01T00:00:00+23:59", "2026-01-01", "*", "",
]  # fmt: skip


def hostile() -> list[str]:
    """The fixed values, and random mixtures of them and of any characters."""
    draw = random.Random(20260102)
    found = list(FIXED)
    while len(found) < VALUES:
        pieces = [draw.choice(FIXED)[:40] for _ in range(draw.randint(0, 2))]
        pieces.append(
            "".join(
                chr(draw.choice((draw.randrange(1, 128), draw.randrange(0x80, 0xD800)))) for _ in range(8)
            )
        )
        draw.shuffle(pieces)
        found.append("".join(pieces))
    return found[:VALUES] if NIGHTLY else draw.sample(found, VALUES)


def places(schema):
    """Every parameter of every route, in path or query."""
    for path, operations in schema["paths"].items():
        for method, operation in operations.items():
            for parameter in operation.get("parameters", []):
                yield method, path, parameter["in"], parameter["name"]


@pytest.mark.timeout(3600)
def test_hostile_values_in_every_parameter(app, address):
    values = hostile()
    with httpx.Client(base_url=address, timeout=60) as client:
        for i, (method, path, where, name) in enumerate(places(app.openapi())):
            # Each parameter gets its share of the values, all of them at night.
            for value in values if NIGHTLY else values[i % 11 :: 11]:
                filled = path.replace("{symbol}", "SIMN").replace("{signal_id}", "x")
                params = {}
                if where == "path":
                    filled = path.replace(f"{{{name}}}", quote(value, safe="")).replace("{symbol}", "SIMN")
                    filled = filled.replace("{signal_id}", "x")
                else:
                    params = {name: value}
                body = {"json": {}} if method == "post" else {}
                reply = client.request(method, filled, params=params, **body)
                kind = reply.headers.get("content-type", "")
                bearable(reply.status_code, kind, reply.text, reply.headers["x-request-id"], value)
                assert "set-cookie" not in reply.headers


ACTS = (
    *((f"/v1/signals/SIMN/x/{verb}", {"note": "x"}) for verb in ("acknowledge", "reopen")),
    ("/v1/alerts/acknowledge", {"incident": "x", "hours": 1, "note": "x"}),
    ("/v1/alerts/reopen", {"incident": "x"}),
)


def refused(reply, value: str) -> None:
    assert reply.status_code in (413, 422), (reply.request.url, value, reply.text)
    kind = reply.headers["content-type"]
    bearable(reply.status_code, kind, reply.text, reply.headers["x-request-id"], value)


@pytest.mark.timeout(3600)
def test_hostile_values_in_bodies_and_headers(address):
    with httpx.Client(base_url=address, timeout=60) as client:
        for value in hostile():
            for path in ("/v1/price", "/v1/implied-vol", "/v1/strategy"):
                for body in (
                    value,
                    {value: 1},
                    {"symbol": value, "legs": value},
                    {"forward": value, "strike": [value]},
                ):
                    refused(client.post(path, json=body), value)
            for path, body in ACTS:
                for name in body:
                    refused(client.post(path, json={**body, name: [value]}), value)
                    reply = client.post(path, json={**body, name: value})
                    kind = reply.headers["content-type"]
                    bearable(reply.status_code, kind, reply.text, reply.headers["x-request-id"], value)
            said = value.encode("utf-8", "ignore").translate(None, CONTROLS).strip()
            for name in HEADERS:
                reply = client.get("/v1/skew/SIMN", headers=[(name, said)])
                kind = reply.headers.get("content-type", "")
                bearable(reply.status_code, kind, reply.text, reply.headers["x-request-id"], value)
