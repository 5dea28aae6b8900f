"""The stream's door.

What belongs here: the route. What does not: anything that is said over the socket (``app.api.stream``).
"""

from __future__ import annotations

from fastapi import APIRouter, WebSocket
from starlette.exceptions import HTTPException

from app.api.identity import Identities, Refused
from app.api.stream.hub import Hub
from app.api.stream.messages import new_trace
from app.api.stream.session import Session
from periscope_assets.store.repository import StoreUnavailableError

router = APIRouter()
PATH = "/v1/stream"


@router.websocket(PATH)
async def stream(socket: WebSocket) -> None:
    """Tell a client of publications as they happen."""
    state, hub = socket.app.state, socket.app.state.hub
    assert isinstance(hub, Hub)
    identities: Identities = state.identities
    said = socket.scope["state"]

    async def still_welcome() -> str | None:
        try:
            found = await identities.of(said["fields"])
        except StoreUnavailableError:
            return None
        return f"Authentication is required: {found.reason}." if isinstance(found, Refused) else None

    await socket.accept()
    with state.metrics.websockets.track_inprogress():
        trace_id = said.get("trace_id") or new_trace()
        await Session(socket, hub, said["request_id"], trace_id, still_welcome).run()


@router.get(PATH, include_in_schema=False)
async def not_a_socket() -> None:
    """Say that this is a WebSocket."""
    raise HTTPException(426, "Connect to this address by WebSocket.", {"Upgrade": "websocket"})
