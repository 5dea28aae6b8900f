"""Which part of an answer is sent: columns, table, page, and the format that Accept asks for.

What belongs here: the parameters and the cutting of frames. What does not: bytes (``render``).
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Annotated
from urllib.parse import urlencode

import pandas as pd
from fastapi import Depends, Query, Request
from starlette.exceptions import HTTPException

from app.queries import InvalidParameterError
from app.queries.times import parse_time

JSON, CSV = "application/json", "text/csv"
ARROW, PARQUET = "application/vnd.apache.arrow.stream", "application/vnd.apache.parquet"
FORMATS = (JSON, CSV, ARROW, PARQUET)
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,60}", re.ASCII)
_ALL = "*/*"


@dataclass(frozen=True, slots=True)
class Shape:
    """What of an answer a client wants.

    Attributes
    ----------
    media_type : str
        One of ``FORMATS``.
    fields : tuple of str
        Columns; empty for all.
    table : str or None
        Only this table; formats that hold one table take the first by default.
    limit : int or None
        Most rows.
    offset : int
        Rows of the pages before.
    known_at : str or None
        Time as known that a cursor pins, RFC 3339.
    """

    media_type: str = JSON
    fields: tuple[str, ...] = ()
    table: str | None = None
    limit: int | None = None
    offset: int = 0
    known_at: str | None = None

    @property
    def token(self) -> str:
        """What tells this representation from others of the same content."""
        return json.dumps([self.media_type, self.fields, self.table, self.limit, self.offset])


def get_shape(
    request: Request,
    fields: Annotated[
        str | None,
        Query(description="Only these columns, separated by commas", examples=["strike,iv"], max_length=2000),
    ] = None,
    table: Annotated[
        str | None,
        Query(description="Only this table of the answer; CSV, Arrow and Parquet hold one, the first"),
    ] = None,
    limit: Annotated[int | None, Query(ge=1, description="Most rows in this reply")] = None,
    cursor: Annotated[
        str | None, Query(description="`next` of the page before; pins what was known", max_length=600)
    ] = None,
) -> Shape:
    """Return the checked shape.

    Raises
    ------
    InvalidParameterError
        Naming the parameter that can't be one.
    HTTPException
        406 where none of the formats is accepted.
    """
    most: int = request.app.state.settings.api.max_rows
    shape = Shape(
        _negotiated(request.headers.get("accept")),
        _names(fields),
        None if table is None else _name("table", table),
        min(limit or most, most),
    )
    return shape if cursor is None else _resumed(request, shape, cursor)


ShapeDep = Annotated[Shape, Depends(get_shape)]


def cut(frames: Mapping[str, pd.DataFrame], shape: Shape) -> tuple[dict[str, pd.DataFrame], int | None]:
    """Return the part of frames that is wanted, and the offset of the next page or None.

    Raises
    ------
    InvalidParameterError
        If a column or the table is not there.
    """
    chosen = _tables(frames, shape)
    if shape.fields:
        known = {str(name) for frame in chosen.values() for name in frame.columns}
        if unknown := [name for name in shape.fields if name not in known]:
            raise InvalidParameterError("fields", f"no column {unknown[0]}; there are {_listed(known)}")
        chosen = {
            name: frame[[field for field in shape.fields if field in frame.columns]]
            for name, frame in chosen.items()
        }
    return _page(chosen, shape)


def next_cursor(request: Request, known_at: str, offset: int) -> str:
    """Return the opaque place of the next page; it pins what was known and belongs to this question."""
    content = json.dumps([_question(request), known_at, offset], separators=(",", ":")).encode()
    return base64.urlsafe_b64encode(_seal(content) + content).decode().rstrip("=")


def next_query(request: Request, cursor: str) -> str:
    """Return the query that asks for the next page: this one's, from a cursor on."""
    asked = [pair for pair in request.query_params.multi_items() if pair[0] != "cursor"]
    return urlencode([*asked, ("cursor", cursor)])


def _tables(frames: Mapping[str, pd.DataFrame], shape: Shape) -> dict[str, pd.DataFrame]:
    if shape.table is not None:
        if shape.table not in frames:
            raise InvalidParameterError("table", f"expected one of {_listed(frames)}")
        return {shape.table: frames[shape.table]}
    if shape.media_type == JSON:
        return dict(frames)
    first = next(iter(frames))
    return {first: frames[first]}


def _page(frames: dict[str, pd.DataFrame], shape: Shape) -> tuple[dict[str, pd.DataFrame], int | None]:
    """Cut a page out of the tables' rows, counted through all tables in order."""
    total = sum(len(frame) for frame in frames.values())
    end = total if shape.limit is None else min(total, shape.offset + shape.limit)
    if shape.offset and shape.offset >= total:
        raise InvalidParameterError("cursor", "there is no such page")
    pages, before = {}, 0
    for name, frame in frames.items():
        first, last = max(0, shape.offset - before), max(0, end - before)
        pages[name] = frame if (first, last) == (0, len(frame)) else frame.iloc[first:last]
        before += len(frame)
    return pages, end if end < total else None


def _resumed(request: Request, shape: Shape, cursor: str) -> Shape:
    wrong = InvalidParameterError("cursor", "expected the `next` of a page of this very question")
    try:
        content = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        if content[:12] != _seal(content[12:]):
            raise wrong
        question, known_at, offset = json.loads(content[12:])
        parse_time(known_at, "cursor")
    except (ValueError, TypeError):
        raise wrong from None
    if question != _question(request) or type(offset) is not int or offset < 0:
        raise wrong
    return replace(shape, offset=offset, known_at=known_at)


def _question(request: Request) -> str:
    """Return a digest of path and parameters that a cursor belongs to; page sizes may change."""
    asked = sorted(pair for pair in request.query_params.multi_items() if pair[0] not in ("cursor", "limit"))
    return hashlib.sha256(json.dumps([request.url.path, asked]).encode()).hexdigest()[:16]


def _seal(content: bytes) -> bytes:
    return hashlib.sha256(b"periscope cursor\0" + content).digest()[:12]


def _names(fields: str | None) -> tuple[str, ...]:
    if fields is None:
        return ()
    return tuple(dict.fromkeys(_name("fields", each.strip()) for each in fields.split(",")))


def _name(parameter: str, value: str) -> str:
    if not _NAME.fullmatch(value):
        raise InvalidParameterError(parameter, "expected names of letters, digits and _")
    return value


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(names))


def _negotiated(accept: str | None) -> str:
    """Return the format that Accept prefers; ours in order where it prefers none."""
    if accept is None or not accept.strip():
        return JSON
    wanted: dict[str, float] = {}
    for part in accept.lower().split(","):
        kind, _, parameters = part.partition(";")
        wanted[kind.strip()] = _weight(parameters)

    def weight(media_type: str) -> float:
        group = f"{media_type.partition('/')[0]}/*"
        return wanted.get(media_type, wanted.get(group, wanted.get(_ALL, 0.0)))

    best = max(FORMATS, key=weight)
    if weight(best) <= 0.0:
        raise HTTPException(406, f"Expected Accept to take one of {', '.join(FORMATS)}.")
    return best


def _weight(parameters: str) -> float:
    for each in parameters.split(";"):
        name, _, value = each.strip().partition("=")
        if name.strip() == "q":
            try:
                return min(1.0, max(0.0, float(value)))
            except ValueError:
                return 0.0
    return 1.0
