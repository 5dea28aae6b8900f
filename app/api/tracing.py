"""Traces by OpenTelemetry, off unless an endpoint is configured.

What belongs here: a span around each request, and what the store writes beside its SQL. What does not:
metrics, logs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from periscope_assets.store.sessions import tagged

_CONTEXT = (b"traceparent", b"tracestate")


class Tracing:
    """Spans of requests.

    Parameters
    ----------
    endpoint : str or None
        Where to send them, OTLP over HTTP; None for nowhere.
    exporter : SpanExporter, optional
        Takes them instead.
    """

    def __init__(self, endpoint: str | None, exporter: Any = None) -> None:
        self._tracer: Any = None
        self._provider: Any = None
        if endpoint is not None or exporter is not None:
            self._start(endpoint, exporter)

    def _start(self, endpoint: str | None, exporter: Any) -> None:
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor

        self._provider = TracerProvider(resource=Resource.create({"service.name": "periscope-api"}))
        if exporter is None:
            from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

            self._provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=endpoint)))
        else:
            self._provider.add_span_processor(SimpleSpanProcessor(exporter))
        self._tracer = self._provider.get_tracer("periscope.api")

    def request(
        self, request_id: str, method: str, headers: Mapping[bytes, bytes]
    ) -> AbstractContextManager[Span]:
        """Give the span of a request; SQL of this context carries its ids meanwhile."""
        if self._tracer is None:
            return _Untraced(request_id)
        return self._traced(request_id, method, headers)

    @contextmanager
    def _traced(self, request_id: str, method: str, headers: Mapping[bytes, bytes]) -> Iterator[Span]:
        from opentelemetry import trace
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        said = {name.decode(): headers[name].decode("latin-1") for name in _CONTEXT if name in headers}
        parent = TraceContextTextMapPropagator().extract(said)
        kind = trace.SpanKind.SERVER
        with self._tracer.start_as_current_span(method, context=parent, kind=kind) as span:
            context = span.get_span_context()
            trace_id = f"{context.trace_id:032x}"
            span.set_attribute("http.request.method", method)
            span.set_attribute("periscope.request_id", request_id)
            traceparent = f"00-{trace_id}-{context.span_id:016x}-01"
            with tagged(request_id=request_id, traceparent=traceparent):
                yield Span(span, trace_id)

    def close(self) -> None:
        """Send what is left."""
        if self._provider is not None:
            self._provider.shutdown()


class Span:
    """One request's span, or nothing where nobody traces."""

    def __init__(self, span: Any, trace_id: str | None = None) -> None:
        self._span = span
        self.trace_id = trace_id

    def end(self, method: str, route: str, status: int) -> None:
        """Name the span after its route and write down the outcome."""
        if self._span is not None:
            self._span.update_name(f"{method} {route}")
            self._span.set_attribute("http.route", route)
            self._span.set_attribute("http.response.status_code", status)


_NO_SPAN = Span(None)


class _Untraced:
    """The context of a request that nobody traces."""

    def __init__(self, request_id: str) -> None:
        self._tags = tagged(request_id=request_id)

    def __enter__(self) -> Span:
        self._tags.__enter__()
        return _NO_SPAN

    def __exit__(self, *_: object) -> None:
        self._tags.__exit__()
