"""What an operator sees of the API: Prometheus metrics, one JSON line per event, traces.

What belongs here: how things are counted, logged and traced. What does not: what happens to a request.
"""

from __future__ import annotations

import json
import logging
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cache, partial
from time import perf_counter
from typing import Any

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

_NAME = "periscope.api"
_SECRETS = (
    (re.compile(r"psk_(?:([0-9a-f]{12})_)?[A-Za-z0-9_-]+"), r"psk_\1_***"),
    (re.compile(r"eyJ[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.?[A-Za-z0-9_-]*"), "***"),
    (re.compile(r"(://[^:/@\s\"]*):[^@/\s\"]+@"), r"\1:***@"),
    (re.compile(r"(?i)(bearer )[^\s,\"']+"), r"\1***"),
    (re.compile(r"(?i)(password|authorization|bearer|secret)([=: ]+)[^\s,\"']+"), r"\1\2***"),
)
_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class Metrics:
    """Counts of one application."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._requests = Counter(
            "api_requests", "Requests answered", ["method", "route", "status"], registry=self.registry
        )
        self._durations = Histogram(
            "api_request_duration_seconds",
            "Time to the last byte",
            ["method", "route"],
            registry=self.registry,
            buckets=_BUCKETS,
        )
        self._calculations = Histogram(
            "analytics_calculation_duration_seconds",
            "Time of calculations for a request",
            ["calculation"],
            registry=self.registry,
            buckets=_BUCKETS,
        )
        self._fetches = Histogram(
            "market_data_fetch_duration_seconds",
            "Time to read published market data from the store",
            ["dataset"],
            registry=self.registry,
            buckets=_BUCKETS,
        )
        self.websockets = Gauge(
            "websocket_connections_active", "Open connections of the stream", registry=self.registry
        )
        self._hit_rate = Gauge(
            "cache_hit_rate",
            "Share of look-ups that a cache answered since the start",
            ["cache"],
            registry=self.registry,
        )
        self._lookups: dict[str, list[int]] = {"reply": [0, 0], "content": [0, 0]}
        for name in self._lookups:
            self._hit_rate.labels(name).set_function(partial(self._rate, name))
        self._children: dict[tuple[str, ...], Any] = {}

    def answered(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count a request."""
        key = (method, route, str(status))
        counted = self._children.get(key)
        if counted is None:
            counted = self._requests.labels(*key), self._durations.labels(method, route)
            self._children[key] = counted
        counted[0].inc()
        counted[1].observe(seconds)

    def looked_up(self, cache: str, is_hit: bool) -> None:
        """Count a look-up of the cache ``reply`` or ``content``."""
        counts = self._lookups[cache]
        counts[0] += is_hit
        counts[1] += 1

    @contextmanager
    def calculating(self, name: str) -> Iterator[None]:
        """Measure a calculation."""
        started = perf_counter()
        try:
            yield
        finally:
            self._calculations.labels(name).observe(perf_counter() - started)

    @contextmanager
    def fetching(self, dataset: str) -> Iterator[None]:
        """Measure a read of the store."""
        started = perf_counter()
        try:
            yield
        finally:
            self._fetches.labels(dataset).observe(perf_counter() - started)

    def exposition(self) -> bytes:
        """Return all of it in Prometheus' text format."""
        return generate_latest(self.registry)

    def _rate(self, cache: str) -> float:
        hits, lookups = self._lookups[cache]
        return hits / lookups if lookups else 0.0


def redacted(text: str) -> str:
    """Return text without what looks like a key, a token or a password."""
    for pattern, shown in _SECRETS:
        text = pattern.sub(shown, text)
    return text


class JsonLines(logging.Formatter):
    """Makes a line of JSON of what other libraries log; what is one already stays."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        if record.name == _NAME:
            return record.getMessage()
        event = {"event": record.getMessage(), "logger": record.name, "level": record.levelname.lower()}
        event["at"] = datetime.fromtimestamp(record.created, UTC).isoformat()
        if record.exc_info:
            event["exception"] = self.formatException(record.exc_info)
        return _rendered(None, "", event)


def _rendered(_logger: Any, _name: str, event: Any) -> str:
    return redacted(json.dumps(event, default=str, ensure_ascii=False))


def configure_logs(level: int = logging.INFO) -> None:
    """Make every event one JSON line on stderr, those of other libraries included."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level)
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access"):
        logging.getLogger(name).handlers = []
        # Requests are logged by the outermost layer: the server's own line for each would be a second one.
        logging.getLogger(name).propagate = name != "uvicorn.access"
    logging.getLogger("mcp").setLevel(logging.WARNING)


@cache
def logger() -> Any:
    """Return the logger of the API: one JSON line for each event, however the process logs otherwise.

    Exceptions are told by message and place, never with the values of variables.
    """
    return structlog.wrap_logger(
        logging.getLogger(_NAME),
        wrapper_class=structlog.stdlib.BoundLogger,
        processors=[
            structlog.stdlib.filter_by_level,
            structlog.stdlib.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True, key="at"),
            structlog.processors.format_exc_info,
            _rendered,
        ],
    )
