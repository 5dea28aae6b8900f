"""What goes over a stream's socket, both ways.

What belongs here: shapes, limits and bytes of messages. What does not: when one is sent.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, TypeAdapter
from pydantic_core import to_json

from app.queries.feed import CHANNELS, News, Topic, told
from periscope_analytics.conventions import SYMBOL_PATTERN
from periscope_assets.store.repository import LedgerEntry

PROTOCOL = 1
HEARTBEAT_SECONDS = 15.0
LONGEST_MESSAGE = 64 * 1024
MOST_TOPICS = 1000
MOST_CLIENTS = 1000
MOST_QUEUED = 256
MESSAGES_PER_MINUTE = 600

Symbol = Annotated[str, StringConstraints(pattern=f"^{SYMBOL_PATTERN.pattern}$", max_length=15)]
ChannelName = Literal["chain", "surface", "signals", "alerts"]
RequestId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._\-]{1,64}$")]


class _Closed(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class _Topics(_Closed):
    id: RequestId | None = None
    symbols: Annotated[list[Symbol], Field(min_length=1, max_length=MOST_TOPICS)]
    channels: Annotated[list[ChannelName], Field(min_length=1, max_length=len(CHANNELS))]

    def topics(self) -> list[Topic]:
        """Return every channel of every symbol, each once."""
        pairs = ((channel, symbol) for symbol in self.symbols for channel in self.channels)
        return [Topic(*pair) for pair in dict.fromkeys(pairs)]


class Subscribe(_Topics):
    """Wish to hear of topics; `resume` names the last sequence number known of each ``channel:SYMBOL``."""

    op: Literal["subscribe"]
    resume: Annotated[dict[str, Annotated[int, Field(ge=0, lt=2**53)]], Field(max_length=MOST_TOPICS)] = {}


class Unsubscribe(_Topics):
    """Wish to hear no more of topics."""

    op: Literal["unsubscribe"]


Request = Annotated[Subscribe | Unsubscribe, Field(discriminator="op")]
REQUEST: TypeAdapter[Subscribe | Unsubscribe] = TypeAdapter(Request)


def message(kind: str, trace_id: str, **fields: Any) -> bytes:
    """Return the bytes of a message."""
    return to_json({"type": kind, "trace_id": trace_id, **fields})


def new_trace() -> str:
    """Return an id by which a message is found in logs."""
    return uuid.uuid4().hex


def hello(trace_id: str, request_id: str, seq: int, state: str) -> bytes:
    """Return the first message of a connection."""
    return message(
        "hello",
        trace_id,
        protocol=PROTOCOL,
        request_id=request_id,
        seq=seq,
        state=state,
        heartbeat_seconds=HEARTBEAT_SECONDS,
        channels=list(CHANNELS),
        limits={"topics": MOST_TOPICS, "message_bytes": LONGEST_MESSAGE, "queue": MOST_QUEUED},
    )


def update(news: News, prev: int, trace_id: str) -> bytes:
    """Return what became known of a topic at one instant; `prev` is the sequence number before."""
    return message(
        "update",
        trace_id,
        **_of(news.topic),
        seq=news.seq,
        prev=prev,
        entries=[told(entry, news.topic) for entry in news.entries],
    )


def snapshot(topic: Topic, seq: int, served: LedgerEntry | None) -> bytes:
    """Return where a topic stands: its last sequence number, and what is served as known then."""
    entry = None if served is None else told(served, topic)
    return message("snapshot", new_trace(), **_of(topic), seq=seq, entry=entry)


def incidents(events: Sequence[str], trace_id: str) -> bytes:
    """Return what happened to incidents, given as JSON; they are of no symbol and have no sequence."""
    return message("incidents", trace_id, events=[json.loads(each) for each in events], href="/v1/alerts")


def error(trace_id: str, request_id: str, code: str, detail: str, reply_to: str | None = None) -> bytes:
    """Return why something was not done."""
    return message("error", trace_id, code=code, detail=detail, request_id=request_id, id=reply_to)


def id_of(text: str) -> str | None:
    """Return the id that a message which is otherwise wrong calls itself by, None without a proper one."""
    try:
        found = json.loads(text).get("id")
    except (ValueError, AttributeError, RecursionError):
        return None
    return found if isinstance(found, str) and len(found) <= 64 and found.isprintable() else None


def _of(topic: Topic) -> dict[str, str]:
    return {"channel": topic.channel, "symbol": topic.symbol}
