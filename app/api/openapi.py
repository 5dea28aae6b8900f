"""What OpenAPI says beyond signatures: formats, problems, security, examples and links.

What belongs here: descriptions. What does not: behaviour.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from app.api.errors import PROBLEM_JSON
from app.api.policy import rule_for
from app.api.schemas import Problem
from app.api.shape import ARROW, CSV, JSON, PARQUET

SYMBOL, KNOWN_AT = "SPX", "2026-01-02T21:05:00Z"
PROBLEMS: dict[int | str, dict[str, Any]] = {
    code: {"model": Problem, "description": what}
    for code, what in (
        (400, "The request can't be read"),
        (401, "Who asks is not known, or not believed"),
        (403, "Host, Origin, role or scope does not allow it"),
        (404, "Unknown symbol, not published, or not built: told apart by type"),
        (405, "There is no such method here"),
        (406, "None of the formats is accepted"),
        (410, "Dropped by retention; the raw bytes are in the lake"),
        (413, "The body is too large"),
        (414, "The URI is too long"),
        (422, "A parameter or the body is wrong; `errors` names it"),
        (429, "Too many requests; see Retry-After"),
        (503, "The store is out of reach; see Retry-After"),
    )
}
_SCHEMES = {
    "key": {"type": "apiKey", "in": "header", "name": "X-API-Key", "description": "psk_<id>_<secret>"},
    "bearer": {"type": "http", "scheme": "bearer", "description": "An API key, or a signed token (JWT)"},
}


def reading(dataset: str, table: str, row: Mapping[str, object]) -> dict[str, Any]:
    """Return keyword arguments of a reading route: its formats, with an example of a row, and links."""
    example = {
        "dataset": dataset,
        "symbol": SYMBOL,
        "as_of": "2026-01-02T21:00:00Z",
        "known_at": KNOWN_AT,
        "published_at": "2026-01-02T21:01:12.25Z",
        "version": "3c9f0d1e5b7a48f2a6d4c1b0e9f8a7d6",
        "status": "published",
        "source": "simulated",
        "run_id": "b1d2c3e4",
        "quality": {},
        "parts": {dataset: "3c9f0d1e5b7a48f2a6d4c1b0e9f8a7d6"},
        "warnings": [],
        "units": {"time": "RFC 3339, UTC", "vol": "decimal per square-root year: 0.20 is 20 %"},
        "data": {table: [dict(row)]},
    }
    text = {"schema": {"type": "string"}, "example": ",".join(row) + "\n"}
    binary = {"schema": {"type": "string", "format": "binary"}}
    content = {JSON: {"example": example}, CSV: text, ARROW: binary, PARQUET: binary}
    found = {"description": "The answer", "content": content}
    return {"responses": {200: found, 304: {"description": "The client holds these very bytes"}}}


def install(app: FastAPI) -> None:
    """Make the application describe itself so."""

    def describe() -> dict[str, Any]:
        if app.openapi_schema is None:
            schema = get_openapi(
                title=app.title, version=app.version, description=app.description, routes=app.routes
            )
            app.openapi_schema = _completed(schema)
        return app.openapi_schema

    app.openapi = describe  # type: ignore[method-assign]


def _completed(schema: dict[str, Any]) -> dict[str, Any]:
    schema.setdefault("components", {})["securitySchemes"] = _SCHEMES
    for path, operations in schema["paths"].items():
        for method, operation in operations.items():
            rule = rule_for(method.upper(), path)
            if rule.role is not None:
                operation["security"] = [{"key": []}, {"bearer": []}]
                taken = f"Takes the role {rule.role.label} and, of limited keys, the scope {rule.scope}."
                operation["description"] = f"{operation.get('description', '')}\n\n{taken}".strip()
            for status, response in operation["responses"].items():
                if int(status) >= 400 and JSON in response.get("content", {}):
                    response["content"][PROBLEM_JSON] = response["content"].pop(JSON)
            _link(path, operation)
    return schema


def _link(path: str, operation: dict[str, Any]) -> None:
    """Say how to go on from a reply: to the surface of a listed symbol, and back to what was known."""
    found = operation["responses"].get("200", {})
    names = {parameter["name"] for parameter in operation.get("parameters", [])}
    if path == "/v1/underlyings":
        symbol = {"symbol": "$response.body#/data/underlyings/0/symbol"}
        found["links"] = {
            f"{target} of the first symbol": {"operationId": target, "parameters": symbol}
            for target in ("surface", "chain", "skew", "signals")
        }
    elif {"symbol", "known_at", "as_of"} <= names:
        again = {
            "symbol": "$response.body#/symbol",
            "known_at": "$response.body#/known_at",
            "as_of": "$response.body#/as_of",
        }
        found["links"] = {"same answer": {"operationId": operation["operationId"], "parameters": again}}
