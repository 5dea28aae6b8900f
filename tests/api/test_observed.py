"""What an operator sees: metrics by their names, log lines of JSON, traces down to the SQL."""

from __future__ import annotations

import json
import logging
import re
import subprocess
import sys

import psycopg
import pytest
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from app.api.observed import redacted
from periscope_assets.store.postgres import PostgresStore
from periscope_assets.store.sessions import tagged

NAMES = (
    "api_requests_total",
    "api_request_duration_seconds_bucket",
    "analytics_calculation_duration_seconds_bucket",
    "market_data_fetch_duration_seconds_bucket",
    "websocket_connections_active",
    "cache_hit_rate",
)


def test_metrics_have_their_names_and_count(client_of):
    client = client_of()
    for _ in range(3):
        client.get("/v1/surface/SIMN")
    client.get("/v1/surface/SIMN?points=x")
    client.get("/v1/../../nothing")
    client.request("BREW", "/v1/surface/SIMN")
    text = client.get("/metrics").text
    for name in NAMES:
        assert re.search(rf"^{name}[{{ ]", text, flags=re.MULTILINE), name
    assert 'api_requests_total{method="GET",route="/v1/surface/{symbol}",status="200"} 3.0' in text
    assert 'api_requests_total{method="GET",route="/v1/surface/{symbol}",status="422"} 1.0' in text
    assert 'route="unmatched"' in text
    assert "BREW" not in text
    assert 'calculation="vol_surface"' in text
    assert re.search(r'cache_hit_rate\{cache="reply"\} 0\.[45]', text)


def test_the_number_of_series_is_bounded(client_of):
    client = client_of()
    for number in range(50):
        client.get(f"/v1/unknown/{number}")
        client.get(f"/v1/surface/A{number}")
    text = client.get("/metrics").text
    series = {line.partition(" ")[0] for line in text.splitlines() if line.startswith("api_requests_total")}
    assert len(series) < 5


def test_requests_are_logged_as_json_with_their_id(client_of, caplog):
    client = client_of(log_requests=True)
    with caplog.at_level(logging.INFO, logger="periscope.api"):
        client.get("/v1/skew/SIMN", headers={"X-Request-Id": "abc-1"})
    events = [json.loads(record.getMessage()) for record in caplog.records if record.name == "periscope.api"]
    (mine,) = [event for event in events if event.get("request_id") == "abc-1"]
    assert (mine["event"], mine["status"], mine["route"]) == ("request", 200, "/v1/skew/{symbol}")
    assert {"at", "level", "milliseconds", "actor", "method"} <= mine.keys()


def test_a_process_logs_nothing_but_json():
    program = (
        "import logging, uvicorn; from app.api.observed import configure_logs, logger; configure_logs();"
        "logging.getLogger('uvicorn.error').warning('one %s', 'Bearer abcdef');"
        "logger().warning('two', key='psk_0123456789ab_secret')\n"
        "try:\n    secret = 'hidden'; 1 / 0\n"
        "except ZeroDivisionError:\n    logging.exception('three'); logger().exception('four')"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    events = [json.loads(line) for line in done.stderr.splitlines()]
    assert [event["event"] for event in events] == ["one Bearer ***", "two", "three", "four"]
    assert events[1]["key"] == "psk_0123456789ab_***"
    assert all("ZeroDivisionError" in event["exception"] for event in events[2:])
    assert "secret = " not in events[3]["exception"].replace("secret = 'hidden'; 1 / 0", "")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("postgresql://user:pa55@host/db", "postgresql://user:***@host/db"),
        ("Authorization: Bearer abc.def", "Authorization: *** ***"),
        ("password=hunter2 host=x", "password=*** host=x"),
        ("key psk_0123456789ab_abc-DEF_1 used", "key psk_0123456789ab_*** used"),
        ("eyJhbGciOiJFZERTQSJ9.eyJzdWIiOiJ4In0.c2ln", "***"),
        ("nothing to hide at 12:30", "nothing to hide at 12:30"),
    ],
)
def test_what_looks_secret_is_not_shown(text, shown):
    assert redacted(text) == shown


def test_a_trace_reaches_the_sql(client_of, published, pg_server):
    """The request's id and trace stand behind its SQL, as the database's own log shows it."""
    exporter = InMemorySpanExporter()
    client = client_of(exporter=exporter)
    with psycopg.connect(pg_server.url("postgres"), autocommit=True) as connection:
        connection.execute("ALTER DATABASE api_published SET log_statement = 'all'")
    try:
        client.app.state.store.queries()._store._reader._reader.close()
        parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
        head = {"X-Request-Id": "trace-me-1", "traceparent": parent}
        assert client.get("/v1/mispricing/SIMN?fields=contract", headers=head).status_code == 200
    finally:
        with psycopg.connect(pg_server.url("postgres"), autocommit=True) as connection:
            connection.execute("ALTER DATABASE api_published RESET log_statement")
    spans = exporter.get_finished_spans()
    (span,) = [each for each in spans if each.attributes["periscope.request_id"] == "trace-me-1"]
    assert span.name == "GET /v1/mispricing/{symbol}"
    assert f"{span.context.trace_id:032x}" == parent[3:35]
    assert f"{span.parent.span_id:016x}" == parent[36:52]
    assert span.attributes["http.response.status_code"] == 200
    log = pg_server._log.read_text(errors="replace")
    tag = f"/* request_id='trace-me-1',traceparent='00-{parent[3:35]}-{span.context.span_id:016x}-01' */"
    statements = [line for line in log.splitlines() if tag in line]
    assert any("periscope.publications" in line for line in log.split("LOG:") if tag in line)
    assert statements


def test_a_tag_cannot_end_the_comment(published):
    store = PostgresStore(published)
    for value in ("*/ SELECT 1 --", "a'b", "x" * 200, "%s"):
        with tagged(request_id=value):
            assert store.watermark() is not None
    with tagged(request_id="fine-1"):
        assert store._fetch("SELECT query FROM pg_stat_activity WHERE pid = pg_backend_pid()") == [
            ("SELECT query FROM pg_stat_activity WHERE pid = pg_backend_pid() /* request_id='fine-1' */",)
        ]
    store.close()
