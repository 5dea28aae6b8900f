"""Answers as HTTP responses.

What belongs here: bytes, strong ETags, 304. What does not: what the answer holds.
"""

from __future__ import annotations

import hashlib
import json

from fastapi import Request, Response

from app.queries import Answer, to_jsonable


def respond(request: Request, answer: Answer) -> Response:
    """Return the answer as JSON, or 304 if the client holds these very bytes."""
    body = json.dumps(to_jsonable(answer), allow_nan=False, separators=(",", ":")).encode()
    digest = hashlib.sha256(answer.version.encode() + b"\0application/json\0" + body).hexdigest()
    headers = {"ETag": f'"{digest[:40]}"', "Cache-Control": "no-cache"}
    if _matches(request.headers.get("if-none-match"), headers["ETag"]):
        return Response(status_code=304, headers=headers)
    return Response(body, media_type="application/json", headers=headers)


def _matches(condition: str | None, etag: str) -> bool:
    """Tell whether If-None-Match names `etag`, by RFC 9110's weak comparison."""
    if condition is None:
        return False
    return condition.strip() == "*" or etag in {
        item.strip().removeprefix("W/") for item in condition.split(",")
    }
