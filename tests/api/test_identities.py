"""Who may do what: every route for every kind of identity, and nothing secret in what is said about it."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime, timedelta

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from pydantic import ValidationError

from app.api.identity import Identities
from app.api.policy import PUBLIC, rule_for
from app.commands import LOCAL, Role, keys
from app.commands.actors import Role as Roles
from periscope_assets.settings import ApiSettings
from periscope_assets.store.people import People
from tests.api.served import PATIENCE
from tests.api.test_api import problem

S = "SIMN"
SIGNER = ed25519.Ed25519PrivateKey.generate()
PEM = SIGNER.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
CLAIMS = {"iss": "https://issuer.example", "aud": "periscope", "sub": "desk"}
SETTINGS = {
    "authentication": "required",
    "jwt_issuer": CLAIMS["iss"],
    "jwt_audience": CLAIMS["aud"],
    "jwt_key": PEM,
    "requests_per_minute": 100_000,
}
OPTIONS = {"forward": 100.0, "strike": 100.0, "tau_years": 1.0, "is_call": True}

ROUTES = [
    *(("GET", path, None) for path in ("/health", "/ready", "/openapi.json", "/llms.txt", "/metrics")),
    ("GET", "/v1/underlyings", None),
    ("GET", "/v1/alerts", None),
    *(("POST", f"/v1/alerts/{verb}", {"incident": "nothing"}) for verb in ("acknowledge", "reopen")),
    *(
        ("GET", f"/v1/{name}/{S}", None)
        for name in (
            *("surface", "chain", "forwards", "skew", "term-structure", "heston", "mispricing"),
            *("signals", "history", "explain"),
        )
    ),
    *(("GET", f"/v1/surface/{S}/{name}", None) for name in ("nodes", "parameters")),
    ("POST", "/v1/price", {**OPTIONS, "vol": 0.2}),
    ("POST", "/v1/implied-vol", {**OPTIONS, "price": 8.0}),
    ("POST", "/v1/strategy", {"symbol": S, "legs": [{"kind": "underlying", "quantity": 1}]}),
    ("POST", f"/v1/signals/{S}/nothing/acknowledge", {}),
    ("POST", f"/v1/signals/{S}/nothing/reopen", {}),
]
ANSWERED = {
    "/v1/strategy": 422,
    "/v1/alerts/acknowledge": 404,
    "/v1/alerts/reopen": 404,
    f"/v1/signals/{S}/nothing/acknowledge": 404,
    f"/v1/signals/{S}/nothing/reopen": 404,
}
"""What a route says to somebody who may ask it just this."""
IDENTITIES = (
    *("none", "bad key", "revoked", "expired", "wrong audience", "alg none", "lower role", "right role"),
)


def token(signer=SIGNER, algorithm="EdDSA", **changed) -> str:
    claims = {**CLAIMS, "role": "admin", "exp": datetime.now(UTC) + timedelta(minutes=5), **changed}
    given = {name: value for name, value in claims.items() if value is not None}
    return jwt.encode(given, signer, algorithm=algorithm)


@pytest.fixture(scope="module")
def people(published):
    made = People(published)
    yield made
    made.close()


@pytest.fixture(scope="module")
def guarded(client_of):
    return client_of(**SETTINGS)


@pytest.fixture(scope="module")
def headers(people):
    """Headers of each identity by the role that a route takes."""
    make = {role: keys.create(people, LOCAL, name=role.label, role=role)[1] for role in Roles}
    gone_id, gone = keys.create(people, LOCAL, name="gone", role=Role.ADMIN)
    keys.revoke(people, LOCAL, gone_id)
    past = datetime.now(UTC) - timedelta(seconds=1)
    old = keys.create(people, LOCAL, name="old", role=Role.ADMIN, expires_at=past)[1]
    narrow = keys.create(people, LOCAL, name="narrow", role=Role.VIEWER, scopes=["admin"])[1]

    def of(identity: str, rule) -> dict[str, str]:
        role = rule.role or Role.VIEWER
        below = make[Role(role - 1)] if role > Role.VIEWER else narrow
        presented = {
            "none": None,
            "bad key": "psk_0123456789ab_" + "x" * 43,
            "revoked": gone,
            "expired": old,
            "wrong audience": token(aud="elsewhere"),
            "alg none": token(signer=None, algorithm="none"),
            "lower role": below,
            "right role": make[role],
        }[identity]
        return {} if presented is None else {"Authorization": f"Bearer {presented}"}

    return of


@pytest.mark.parametrize("identity", IDENTITIES)
@pytest.mark.parametrize(("method", "path", "body"), ROUTES, ids=lambda value: str(value)[:60])
def test_every_route_for_every_identity(guarded, headers, method, path, body, identity):
    rule = rule_for(method, path)
    response = guarded.request(method, path, json=body, headers=headers(identity, rule))
    if rule == PUBLIC or identity == "right role":
        assert response.status_code == ANSWERED.get(path, 200), response.text[:300]
    elif identity == "lower role":
        problem(response, 403, "forbidden")
    else:
        problem(response, 401, "unauthenticated")
        assert response.headers["www-authenticate"].startswith("Bearer")


def test_the_table_covers_every_route_that_is_built(guarded):
    built = set(guarded.app.openapi()["paths"])
    asked = {path.replace(S, "{symbol}").replace("nothing", "{signal_id}") for _, path, _ in ROUTES}
    assert built | {"/openapi.json"} == asked


def test_what_no_line_of_the_table_names_takes_an_operator():
    assert rule_for("POST", "/v1/unheard-of").role is Role.OPERATOR
    assert rule_for("DELETE", "/v1/chain/SPX").role is Role.OPERATOR
    assert rule_for("GET", "/v1/unheard-of").role is Role.VIEWER
    assert rule_for("GET", "/health/../v1/chain").role is Role.VIEWER


@pytest.mark.parametrize(
    "changed",
    [
        {"iss": "https://other.example"},
        {"exp": None},
        {"sub": None},
        {"aud": None},
        {"exp": datetime(2020, 1, 1, tzinfo=UTC)},
        {"role": "root"},
        {"role": None},
        {"nbf": datetime(2100, 1, 1, tzinfo=UTC)},
        {"signer": ed25519.Ed25519PrivateKey.generate()},
        {"signer": rsa.generate_private_key(65537, 2048), "algorithm": "RS256"},
        {"signer": "a shared secret of thirty-two bytes", "algorithm": "HS256"},
    ],
    ids=["issuer", "exp", "sub", "aud", "expired", "role", "no-role", "nbf", "other-key", "rsa", "hs256"],
)
def test_tokens_that_are_not_believed(guarded, changed):
    response = guarded.get(f"/v1/skew/{S}", headers={"Authorization": f"Bearer {token(**changed)}"})
    body = problem(response, 401, "unauthenticated")
    assert "error=" in response.headers["www-authenticate"]
    assert "token" in body["detail"]


def test_a_token_is_signed_with_the_configured_algorithm_by_the_configured_key():
    """The public key as the secret of HS256, the classic confusion, is no better than any other."""
    with pytest.raises(ValueError, match="algorithm RS256"):
        Identities(ApiSettings(**{**SETTINGS, "jwt_algorithm": "RS256"}), lambda: None, lambda _: None)
    with pytest.raises(ValueError, match="PEM"):
        Identities(ApiSettings(**{**SETTINGS, "jwt_key": "nonsense"}), lambda: None, lambda _: None)
    with pytest.raises(ValidationError, match="all three"):
        ApiSettings(jwt_key=PEM)


@pytest.mark.parametrize("said", ["Basic abc", "Bearer", "Bearer " + "x" * 9000, "psk_", "Bearer \xe9\xff"])
def test_other_headers_are_not_believed(guarded, said):
    problem(
        guarded.get(f"/v1/skew/{S}", headers={"Authorization": said.encode("latin-1")}),
        401,
        "unauthenticated",
    )


def test_a_role_by_token_and_a_bad_key_on_loopback(guarded, client):
    allowed = {"Authorization": f"Bearer {token(role='viewer')}"}
    assert guarded.get(f"/v1/skew/{S}", headers=allowed).status_code == 200
    path = f"/v1/signals/{S}/nothing/acknowledge"
    problem(guarded.post(path, json={}, headers=allowed), 403, "forbidden")
    problem(client.get(f"/v1/skew/{S}", headers={"X-API-Key": "psk_x"}), 401, "unauthenticated")


def test_off_loopback_it_does_not_start_without_authentication():
    with pytest.raises(ValidationError, match="not loopback"):
        ApiSettings(host="0.0.0.0", authentication="none")
    assert not ApiSettings(host="0.0.0.0").is_open
    assert ApiSettings().is_open


def test_reached_off_loopback_an_open_one_refuses(client):
    """Somebody may run uvicorn with another --host than the settings know."""
    import asyncio

    sent = []

    async def ask():
        scope = {
            "type": "http", "method": "GET", "path": "/v1/skew/SIMN", "query_string": b"", "raw_path": b"",
            "headers": [(b"host", b"127.0.0.1:8000")], "server": ("10.1.2.3", 1), "client": ("10.1.2.4", 1),
            "http_version": "1.1", "scheme": "http", "root_path": "", "asgi": {"version": "3.0"},
        }  # fmt: skip

        async def receive():
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message):
            sent.append(message)

        await client.app(scope, receive, send)

    asyncio.run(ask())
    assert sent[0]["status"] == 403


def test_a_key_has_its_rate_and_is_told_when_to_come_back(client_of, people):
    limited = client_of(**{**SETTINGS, "requests_per_minute": 3})
    mine, other = (
        {"X-API-Key": keys.create(people, LOCAL, name=name, role=Role.VIEWER)[1]} for name in ("a", "b")
    )
    left = []
    for _ in range(3):
        response = limited.get("/v1/underlyings", headers=mine)
        assert response.status_code == 200
        assert response.headers["ratelimit-policy"] == '"default";q=3;w=60'
        left.append(response.headers["ratelimit"])
    assert [each.split(";")[1] for each in left] == ["r=2", "r=1", "r=0"]
    refused = limited.get("/v1/underlyings", headers=mine)
    problem(refused, 429, "too-many-requests")
    assert 1 <= int(refused.headers["retry-after"]) <= 20
    assert limited.get("/v1/underlyings", headers=other).status_code == 200


def test_guessing_keys_is_slowed_down(client_of):
    fresh = client_of(**{**SETTINGS, "requests_per_minute": 5})
    codes = [fresh.get("/v1/underlyings", headers={"X-API-Key": f"psk_{n}"}).status_code for n in range(8)]
    assert codes[:5] == [401] * 5
    assert 429 in codes[5:]


def test_cors_is_strict_and_replies_carry_security_headers(client_of, people):
    page = "https://desk.example"
    api = client_of(
        **{**SETTINGS, "allowed_origins": [page], "host": "0.0.0.0", "allowed_hosts": ["api.example"]}
    )
    key = keys.create(people, LOCAL, name="page", role=Role.VIEWER)[1]
    host = {"Host": "api.example"}
    asked = {**host, "Origin": page, "Access-Control-Request-Method": "GET"}
    preflight = api.options("/v1/underlyings", headers=asked)
    assert preflight.status_code == 204
    assert preflight.headers["access-control-allow-origin"] == page
    assert "X-API-Key" in preflight.headers["access-control-allow-headers"]
    reply = api.get("/v1/underlyings", headers={**host, "Origin": page, "X-API-Key": key})
    assert reply.headers["access-control-allow-origin"] == page
    assert "Origin" in reply.headers["vary"]
    assert "access-control-allow-credentials" not in reply.headers
    for origin in ("https://desk.example.evil", "http://desk.example", "null"):
        problem(api.get("/v1/underlyings", headers={**host, "Origin": origin}), 403, "origin-not-allowed")
    problem(api.get("/v1/underlyings", headers={"Host": "evil.example"}), 403, "host-not-allowed")
    for response in (reply, preflight, api.get("/v1/underlyings", headers=host)):
        for name in (
            "content-security-policy",
            "x-frame-options",
            "referrer-policy",
            "strict-transport-security",
        ):
            assert name in response.headers
        assert response.headers["x-content-type-options"] == "nosniff"
    assert "access-control-allow-origin" not in api.get("/health", headers={**host, "Origin": page}).headers


def test_writes_and_denials_are_in_the_audit_log(client_of, people):
    api = client_of(**SETTINGS)
    before = people.audit_log(limit=10_000)
    viewer = {"X-API-Key": keys.create(people, LOCAL, name="curious", role=Role.VIEWER)[1]}
    analyst_id, whole = keys.create(people, LOCAL, name="desk", role=Role.ANALYST)
    signal = api.get(f"/v1/signals/{S}", headers=viewer).json()["data"]["trade_signals"][0]["signal_id"]
    path = f"/v1/signals/{S}/{signal}/acknowledge"
    problem(api.post(path, json={}, headers=viewer), 403, "forbidden")
    for _ in range(3):
        problem(api.get("/v1/forwards/ZZZ"), 401, "unauthenticated")
    assert api.post(path, json={"note": "x"}, headers={"X-API-Key": whole}).status_code == 201
    api.app.state.trail.close(PATIENCE)
    new = people.audit_log(after=len(before))
    assert people.check_audit_log().fault is None
    done = [(each.actor, each.target) for each in new if each.action == "signals.acknowledge"]
    assert done == [(f"key:{analyst_id}", f"{S}/{signal}")]
    denied = [each for each in new if each.outcome == "denied"]
    assert {(each.actor, each.action) for each in denied} >= {
        (f"key:{viewer['X-API-Key'][4:16]}", f"POST {path}"),
        ("anonymous", "GET /v1/forwards/ZZZ"),
    }
    counted = [each.detail["count"] for each in denied if each.action == "GET /v1/forwards/ZZZ"]
    assert sum(counted) == 3
    used = {key.key_id for key in people.api_keys() if key.last_used_at is not None}
    assert analyst_id in used


def test_canaries_are_never_said(client_of, people, published, caplog):
    """Secrets planted in requests and settings turn up in no reply, log line, trace or audit entry."""
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    exporter = InMemorySpanExporter()
    canary = "canary-4f1d-5e7a"
    redis = f"redis://:{canary}-redis@127.0.0.1:1/0"
    api = client_of(**SETTINGS, redis_url=redis, log_requests=True, exporter=exporter)
    _, whole = keys.create(people, LOCAL, name="plain", role=Role.ADMIN)
    secret, signed = whole[17:], token()
    said = []
    with caplog.at_level(logging.DEBUG):
        for presented in (whole, whole[:-4] + "AAAA", signed, signed[:-8] + "AAAAAAAA", f"psk_{canary}"):
            for path in (f"/v1/chain/{S}", f"/v1/surface/{S}?points=x", "/v1/nothing", f"/v1/{presented}"):
                head = {"Authorization": f"Bearer {presented}", "Cookie": f"s={canary}", "X-Secret": canary}
                said.append(api.get(path, headers=head))
        broken = client_of(**SETTINGS, exporter=exporter)
        broken.app.state.contents = None
        said.append(broken.get(f"/v1/skew/{S}", headers={"X-API-Key": whole, "X-Secret": canary}))
    assert said[-1].status_code == 500
    api.app.state.trail.close(PATIENCE)
    texts = [reply.text + json.dumps(dict(reply.headers)) for reply in said]
    own = [record for record in caplog.records if not record.name.startswith("http")]
    texts += [record.getMessage() + str(record.exc_text) for record in own]
    texts += [span.to_json() for span in exporter.get_finished_spans()]
    texts += [
        json.dumps([each.action, each.target, dict(each.detail)]) for each in people.audit_log(limit=100_000)
    ]
    texts.append(api.get("/metrics", headers={"X-API-Key": whole}).text)
    assert len(exporter.get_finished_spans()) >= 20
    assert any("request failed" in text for text in texts)
    for text in texts:
        for hidden in (canary, secret, signed.rsplit(".", 1)[1]):
            assert hidden not in text, text[:500]


def test_a_revoked_key_is_forgotten_within_seconds(client_of, people, monkeypatch):
    monkeypatch.setattr("app.api.identity.KEEP_SECONDS", 0.0)
    api = client_of(**SETTINGS)
    key_id, whole = keys.create(people, LOCAL, name="brief", role=Role.VIEWER)
    assert api.get("/v1/underlyings", headers={"X-API-Key": whole}).status_code == 200
    keys.revoke(people, LOCAL, key_id)
    body = problem(api.get("/v1/underlyings", headers={"X-API-Key": whole}), 401, "unauthenticated")
    assert "revoked" in body["detail"]
