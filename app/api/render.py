"""Answers as HTTP replies: JSON, CSV, Arrow, Parquet.

What belongs here: bytes of an answer. What does not: which part of it (``shape``), validators and coding
(``reply``), what the answer holds.
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from fastapi import Request, Response
from pyarrow import csv, parquet
from pydantic_core import to_json

from app.api.content import Contents
from app.api.observed import Metrics
from app.api.reply import Reply
from app.api.shape import ARROW, CSV, JSON, Shape, cut, next_cursor, next_query
from app.queries.answer import Answer, envelope, plain, records
from app.queries.times import rfc3339

METADATA = b"periscope"
"""Key of the schema's metadata of Arrow and Parquet: all that JSON says besides rows."""


@dataclass(frozen=True, slots=True)
class _Content:
    """Rendered rows, and the offset of the next page or None."""

    body: bytes
    following: int | None

    def packed(self) -> bytes:
        """Return both as bytes."""
        return b"%d\n" % (-1 if self.following is None else self.following) + self.body

    @classmethod
    def unpacked(cls, content: bytes) -> _Content:
        """Return what :meth:`packed` packed."""
        head, _, body = content.partition(b"\n")
        return cls(body, None if int(head) < 0 else int(head))


def respond(
    request: Request,
    answer: Answer,
    shape: Shape = Shape(),  # noqa: B008
    *,
    is_kept: bool = True,
) -> Response:
    """Return the answer in the format that is wanted; `is_kept` lets the whole reply be remembered."""
    said = envelope(answer)
    headers = _headers(answer)
    if shape.media_type == JSON:
        content = _json_content(request, answer, shape)
        if content.following is not None:
            said["next"] = next_cursor(request, str(said["known_at"]), content.following)
        body = to_json(said)[:-1] + b',"data":' + content.body + b"}"
    else:
        frames, following = cut(answer.frames, shape)
        if following is not None:
            said["next"] = next_cursor(request, str(said["known_at"]), following)
        body = _TABULAR[shape.media_type](next(iter(frames.values())), said)
    if "next" in said:
        headers["Link"] = f'<?{next_query(request, str(said["next"]))}>; rel="next"'
    known_at = answer.known_at if is_kept else None
    reply = Reply(body, shape.media_type, answer.version, known_at, headers)
    if is_kept:
        request.scope["state"]["reply"] = reply
    return reply


def _json_content(request: Request, answer: Answer, shape: Shape) -> _Content:
    """Return the rows as JSON, rendered before or now."""
    contents: Contents = request.app.state.contents
    metrics: Metrics = request.app.state.metrics
    key = f"{answer.key}:{shape.token}"
    found = contents.get(key) if answer.key else None
    if found is not None:
        return _Content.unpacked(found)
    with metrics.calculating(answer.dataset):
        frames, following = cut(answer.frames, shape)
        made = _Content(to_json({name: records(frame) for name, frame in frames.items()}), following)
    if answer.key:
        contents.put(key, made.packed())
    return made


def _headers(answer: Answer) -> dict[str, str]:
    """Return what every format says of its content, for those that have no place for it inside."""
    said = {
        "Periscope-As-Of": None if answer.as_of is None else rfc3339(answer.as_of),
        "Periscope-Known-At": rfc3339(answer.known_at),
        "Periscope-Version": answer.version,
        "Periscope-Status": answer.status,
    }
    return {name: value for name, value in said.items() if value is not None}


def _csv(frame: pd.DataFrame, said: Mapping[str, object]) -> bytes:  # noqa: ARG001
    table = _table(frame)
    for i, field in enumerate(table.schema):
        if pa.types.is_timestamp(field.type):
            text = pc.strftime(table.column(i), format="%Y-%m-%dT%H:%M:%SZ")
            table = table.set_column(i, field.name, text)
    out = io.BytesIO()
    csv.write_csv(table, out)
    return out.getvalue()


def _arrow(frame: pd.DataFrame, said: Mapping[str, object]) -> bytes:
    table = _described(_table(frame), said)
    out = io.BytesIO()
    with pa.ipc.new_stream(out, table.schema) as writer:
        writer.write_table(table)
    return out.getvalue()


def _parquet(frame: pd.DataFrame, said: Mapping[str, object]) -> bytes:
    out = io.BytesIO()
    parquet.write_table(_described(_table(frame), said), out, compression="zstd")
    return out.getvalue()


_TABULAR = {CSV: _csv, ARROW: _arrow, "application/vnd.apache.parquet": _parquet}


def _described(table: pa.Table, said: Mapping[str, object]) -> pa.Table:
    return table.replace_schema_metadata({METADATA: to_json(said)})


def _table(frame: pd.DataFrame) -> pa.Table:
    """Return a frame as an Arrow table; documents become JSON text, NaN becomes null."""
    columns = {}
    for name in map(str, frame.columns):
        column = frame[name]
        if column.dtype == object and any(isinstance(value, dict | list) for value in column):
            column = pd.Series(
                [None if value is None else json.dumps(plain(value)) for value in column], dtype="str"
            )
        columns[name] = pa.Array.from_pandas(column)
    return pa.table(columns)
