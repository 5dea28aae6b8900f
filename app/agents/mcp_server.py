"""The tools over the Model Context Protocol: streamable HTTP inside the API, and stdio for a local agent.

What belongs here: the protocol. What does not: what tools do (``tools``), who may call them (the API's
doorkeeper does).
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import Any

import anyio
from mcp import types
from mcp.server.lowlevel import Server
from mcp.server.stdio import stdio_server
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from app.agents.tools import INSTRUCTIONS, TOOLS, Tool, ToolError, call
from app.queries import Queries

PATH = "/mcp"
_METHODS = ["GET", "POST", "DELETE"]
_LARGEST_BODY = 1024 * 1024


def make_server(queries: Callable[[], Queries]) -> Server[Any]:
    """Return a server of the tools.

    Parameters
    ----------
    queries : callable
        Opens the reads, in a thread.
    """

    async def list_tools(_: Any, __: types.PaginatedRequestParams | None) -> types.ListToolsResult:
        return types.ListToolsResult(tools=[_described(tool) for tool in TOOLS.values()])

    async def call_tool(_: Any, asked: types.CallToolRequestParams) -> types.CallToolResult:
        arguments = asked.arguments or {}
        try:
            found = await anyio.to_thread.run_sync(call, queries, asked.name, arguments)
        except ToolError as error:
            return types.CallToolResult(content=[_text(str(error))], is_error=True)
        return types.CallToolResult(content=[_text(json.dumps(found))], structured_content=found)

    return Server(
        "periscope",
        version=version("periscope"),
        title="Periscope",
        instructions=INSTRUCTIONS,
        on_list_tools=list_tools,
        on_call_tool=call_tool,
    )


def mount(app: Starlette, queries: Callable[[], Queries]) -> None:
    """Serve the tools at ``/mcp`` of an application, for as long as its lifespan lasts."""
    door = _Door(make_server(queries))
    app.router.routes.append(Route(PATH, endpoint=door, methods=_METHODS, include_in_schema=False))
    inner = app.router.lifespan_context

    @asynccontextmanager
    async def lifespan(running: Any) -> AsyncIterator[Any]:
        async with inner(running) as state, door.open():
            yield state

    app.router.lifespan_context = lifespan


class _Door:
    """ASGI endpoint of a server without sessions: any process answers any request."""

    def __init__(self, server: Server[Any]) -> None:
        self._server = server
        self._manager: StreamableHTTPSessionManager | None = None

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        self._manager = StreamableHTTPSessionManager(
            self._server, json_response=True, stateless=True, max_request_body_size=_LARGEST_BODY
        )
        try:
            async with self._manager.run():
                yield
        finally:
            self._manager = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._manager is None:
            await Response(status_code=503, headers={"Retry-After": "1"})(scope, receive, send)
        elif scope["method"] == "GET":
            # There are no sessions, hence nothing that a standing connection could tell.
            await Response(status_code=405, headers={"Allow": "POST"})(scope, receive, send)
        else:
            await self._manager.handle_request(scope, receive, send)


async def serve_stdio(queries: Callable[[], Queries]) -> None:
    """Serve the tools over standard input and output, until the input ends."""
    server = make_server(queries)
    async with stdio_server() as (read, write):
        await server.run(read, write, server.create_initialization_options())


def _described(tool: Tool) -> types.Tool:
    return types.Tool(
        name=tool.name,
        title=tool.title,
        description=tool.description,
        input_schema=tool.input_schema,
        output_schema=tool.output_schema,
        annotations=types.ToolAnnotations(
            title=tool.title,
            read_only_hint=True,
            destructive_hint=False,
            idempotent_hint=True,
            open_world_hint=False,
        ),
    )


def _text(content: str) -> types.TextContent:
    return types.TextContent(type="text", text=content)
