"""Failures as RFC 9457 problem+json, each with a type of its own and the request's id.

What belongs here: the problem types and the handlers that make them. What does not: routes.
"""

from __future__ import annotations

from collections.abc import Mapping

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from app.api.observed import logger
from app.commands.actors import DeniedError
from app.queries import (
    InvalidParameterError,
    NotPublishedError,
    PurgedError,
    StoreUnavailableError,
    UnknownSymbolError,
)

PROBLEM_JSON = "application/problem+json"
TYPE_PREFIX = "urn:periscope:problem:"
_CODES = {
    400: "bad-request",
    404: "not-found",
    405: "method-not-allowed",
    406: "not-acceptable",
    413: "body-too-large",
    415: "unsupported-media-type",
}


class UnknownIncidentError(LookupError):
    """An incident that is not open."""


class UnknownSignalError(LookupError):
    """A signal that the snapshot asked for does not have."""


def refused(error: ValueError) -> InvalidParameterError:
    """Return a command's refusal of an argument, "name: message", as that of a parameter."""
    name, _, message = str(error).partition(": ")
    return InvalidParameterError(name, message)


def problem(
    request_id: str,
    status: int,
    code: str,
    title: str,
    detail: str,
    extra: Mapping[str, object] | None = None,
    headers: Mapping[str, str] | None = None,
) -> JSONResponse:
    """Return a problem+json response; `code` ends its type."""
    body = {
        "type": f"{TYPE_PREFIX}{code}",
        "title": title,
        "status": status,
        "detail": detail,
        "request_id": request_id,
        **(extra or {}),
    }
    return JSONResponse(body, status, {"Cache-Control": "no-store", **(headers or {})}, PROBLEM_JSON)


def install(app: FastAPI) -> None:
    """Register a handler for every failure that a route can have."""
    app.add_exception_handler(UnknownSymbolError, _unknown_symbol)
    app.add_exception_handler(NotPublishedError, _not_published)
    app.add_exception_handler(InvalidParameterError, _invalid_parameter)
    app.add_exception_handler(RequestValidationError, _invalid_request)
    app.add_exception_handler(PurgedError, _purged)
    app.add_exception_handler(StoreUnavailableError, _unavailable)
    app.add_exception_handler(UnknownSignalError, _unknown_signal)
    app.add_exception_handler(UnknownIncidentError, _unknown_incident)
    app.add_exception_handler(DeniedError, _denied)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(Exception, _unexpected)


def request_id(request: Request) -> str:
    """Return the id that the guard gave this request."""
    return str(request.scope.get("state", {}).get("request_id", ""))


def _unknown_symbol(request: Request, error: Exception) -> JSONResponse:
    extra = {"suggestions": list(getattr(error, "suggestions", ()))}
    return problem(request_id(request), 404, "unknown-symbol", "Unknown symbol", str(error), extra)


def _not_published(request: Request, error: Exception) -> JSONResponse:
    extra = {name: getattr(error, name) for name in ("dataset", "symbol", "reason", "remedy")}
    return problem(request_id(request), 404, "not-built", "Not published", str(error), extra)


def _invalid_parameter(request: Request, error: Exception) -> JSONResponse:
    name, message = str(getattr(error, "parameter", "")), str(error)
    extra = {"errors": [{"parameter": name, "message": message.removeprefix(f"{name}: ")}]}
    return problem(request_id(request), 422, "invalid-parameter", "Invalid parameter", message, extra)


def _invalid_request(request: Request, error: Exception) -> JSONResponse:
    found = error.errors() if isinstance(error, RequestValidationError) else []
    errors = [{"parameter": str(item["loc"][-1]), "message": str(item["msg"])} for item in found]
    detail = "; ".join(f"{item['parameter']}: {item['message']}" for item in errors)
    extra = {"errors": errors}
    return problem(request_id(request), 422, "invalid-parameter", "Invalid parameter", detail, extra)


def _purged(request: Request, error: Exception) -> JSONResponse:
    return problem(request_id(request), 410, "purged", "Purged by retention", str(error))


def unavailable(identity: str, error: Exception, *, is_open: bool) -> JSONResponse:
    """Return that the store is out of reach; where it is and why is for the log, and for who is at home."""
    logger().warning("the store is out of reach", request_id=identity, reason=str(error))
    detail = str(error) if is_open else "The server's log has the reason under this request's id."
    headers = {"Retry-After": "5"}
    return problem(identity, 503, "store-unavailable", "The store can't be reached", detail, headers=headers)


def _unavailable(request: Request, error: Exception) -> JSONResponse:
    return unavailable(request_id(request), error, is_open=request.app.state.settings.api.is_open)


def _unknown_signal(request: Request, error: Exception) -> JSONResponse:
    return problem(request_id(request), 404, "unknown-signal", "Unknown signal", str(error))


def _unknown_incident(request: Request, error: Exception) -> JSONResponse:
    return problem(request_id(request), 404, "unknown-incident", "Unknown incident", str(error))


def _denied(request: Request, error: Exception) -> JSONResponse:
    return problem(request_id(request), 403, "forbidden", "Not allowed", str(error))


def _http(request: Request, error: Exception) -> JSONResponse:
    status = error.status_code if isinstance(error, HTTPException) else 500
    detail = str(error.detail) if isinstance(error, HTTPException) else ""
    headers = dict(error.headers or {}) if isinstance(error, HTTPException) else {}
    if headers.get("Allow") == "GET":
        headers["Allow"] = "GET, HEAD"
    code = _CODES.get(status, "http-error")
    return problem(request_id(request), status, code, detail, detail, headers=headers)


def _unexpected(request: Request, _: Exception) -> JSONResponse:
    detail = "Something failed on the server; its log has the request id."
    return problem(request_id(request), 500, "internal", "Internal error", detail)
