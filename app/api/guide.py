"""The API told to a language model: one page of plain text (``/llms.txt``).

What belongs here: that text. What does not: routes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_HEAD = """# Periscope

> Options surfaces as published: quotes, forwards, implied vols, an arbitrage-free surface, model fits and
> signals, each as it was known at any time.

Every reply names as_of (market time), known_at (ask again with it and the same rows come back), version and
status (published, stale, superseded, rejected). Vols are decimals: 0.20 is 20 %. An absent number is null and
a status column says why; never read it as zero. Columns that end in _stderr are one-sigma errors: say them
with the number. Failures are problem+json with a type; 422 names the parameter. Send X-API-Key where a key is
asked for. Large tables come in pages: follow next with cursor. Full schema: /openapi.json

## Doors besides REST

- MCP /mcp: the same numbers as read-only tools over the Model Context Protocol (streamable HTTP, without
  sessions): small answers, typed absence. Prefer it if you can call tools.
- WEBSOCKET /v1/stream: publications as they happen. Send {"op": "subscribe", "symbols": ["SPX"], "channels":
  ["chain", "surface", "signals", "alerts"]}; each update has seq and prev, and names rows by href.

## Routes
"""


def guide(schema: Mapping[str, Any]) -> str:
    """Return the page for an OpenAPI schema."""
    lines = [
        f"- {method.upper()} {path}: {operation.get('description', '').partition(chr(10))[0]}"
        for path, operations in schema["paths"].items()
        for method, operation in operations.items()
    ]
    return _HEAD + "\n".join(lines) + "\n"
