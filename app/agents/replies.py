"""What every tool answers: numbers with units, errors and version, or the typed reason for their absence.

What belongs here: the one shape of answers, and pages. What does not: what is asked of ``app.queries``.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from typing import Any

import pandas as pd
from pydantic import BaseModel, ConfigDict, Field

from app.agents.inputs import Paged
from app.queries import (
    UNITS,
    Answer,
    InvalidParameterError,
    NotPublishedError,
    PurgedError,
    UnknownSymbolError,
)
from app.queries.answer import envelope, records
from app.queries.times import parse_time

Row = dict[str, Any]
_ERROR = "_stderr"
_ALWAYS = ("time", "vol")


class _Closed(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Absence(_Closed):
    """Why there is no answer: not an error, and never a zero."""

    type: str = Field(description="unknown-symbol, not-built or purged")
    reason: str
    remedy: str = ""
    suggestions: list[str] = []


class Uncertainty(_Closed):
    """How sure the numbers are."""

    columns: list[str] = Field(description="Columns of this answer that are one-sigma errors")
    note: str


class Reply(_Closed):
    """An answer. `next` is the cursor of the next page."""

    dataset: str
    symbol: str | None = None
    as_of: str | None = Field(default=None, description="Market time of the snapshot")
    known_at: str | None = Field(default=None, description="Ask again with it and the same rows come back")
    published_at: str | None = None
    version: str | None = None
    status: str = Field(description="published, stale, superseded, rejected, computed or absent")
    source: str | None = None
    run_id: str | None = None
    warnings: list[str] = []
    absence: Absence | None = None
    units: dict[str, str] = {}
    uncertainty: Uncertainty
    data: dict[str, list[Row]] = {}
    n_rows: dict[str, int] = Field(default={}, description="Rows of each table in all pages")
    next: str | None = None


def page(tool: str, asked: Paged, answer: Answer, table: str, usual: tuple[str, ...] = ()) -> Reply:
    """Return a page of one table of an answer.

    Raises
    ------
    InvalidParameterError
        If a column or the page is not there.
    """
    frame = answer.frames[table]
    chosen = _columns(frame, asked.fields, usual)
    offset = _offset(tool, asked)
    if offset and offset >= len(frame):
        raise InvalidParameterError("cursor", "there is no such page")
    end = offset + asked.limit
    rows = records(frame.iloc[offset:end][chosen])
    said = {name: value for name, value in envelope(answer).items() if name in Reply.model_fields}
    following = _cursor(tool, asked, str(said["known_at"]), end) if end < len(frame) else None
    return Reply.model_validate(
        said
        | {
            "units": units(chosen),
            "uncertainty": uncertainty(chosen),
            "data": {table: rows},
            "n_rows": {table: len(frame)},
            "next": following,
        }
    )


def pinned_time(tool: str, asked: Paged, known_at: str | None) -> str | None:
    """Return the time as known that a question is about: the cursor's if there is one."""
    if asked.cursor is None:
        return known_at
    return _resumed(tool, asked)[0]


def absent(dataset: str, symbol: str | None, error: LookupError) -> Reply:
    """Return the typed reason why there is no answer."""
    kinds = {UnknownSymbolError: "unknown-symbol", NotPublishedError: "not-built", PurgedError: "purged"}
    absence = Absence(
        type=kinds[type(error)],
        reason=str(getattr(error, "reason", error)),
        remedy=str(getattr(error, "remedy", "")),
        suggestions=list(getattr(error, "suggestions", ())),
    )
    nothing = Uncertainty(columns=[], note="There are no numbers in this answer.")
    return Reply(dataset=dataset, symbol=symbol, status="absent", absence=absence, uncertainty=nothing)


def units(columns: list[str]) -> dict[str, str]:
    """Return the units of what is in an answer."""
    return {
        name: unit
        for name, unit in UNITS.items()
        if name in _ALWAYS or any(_is_of(name, column) for column in columns)
    }


def uncertainty(columns: list[str]) -> Uncertainty:
    """Say which columns are errors."""
    errors = [name for name in columns if name.endswith(_ERROR)]
    note = "One-sigma errors in the unit of their column; say them with the number."
    return Uncertainty(columns=errors, note=note if errors else "No error is published for these numbers.")


def _is_of(unit: str, column: str) -> bool:
    return column.endswith(unit[1:]) if unit.startswith("*") else unit in column


def _columns(frame: pd.DataFrame, fields: list[str] | None, usual: tuple[str, ...]) -> list[str]:
    there = [str(name) for name in frame.columns]
    if fields is None:
        return [name for name in usual if name in there] or there
    for name in fields:
        if name not in there:
            raise InvalidParameterError("fields", f"no column {name}; there are {', '.join(there)}")
    return list(dict.fromkeys(fields)) or there


def _question(tool: str, asked: Paged) -> str:
    said = asked.model_dump(mode="json", exclude={"cursor", "limit"})
    return hashlib.sha256(json.dumps([tool, said], sort_keys=True).encode()).hexdigest()[:16]


def _cursor(tool: str, asked: Paged, known_at: str, offset: int) -> str:
    content = json.dumps([_question(tool, asked), known_at, offset], separators=(",", ":"))
    return base64.urlsafe_b64encode(content.encode()).decode().rstrip("=")


def _offset(tool: str, asked: Paged) -> int:
    return 0 if asked.cursor is None else _resumed(tool, asked)[1]


def _resumed(tool: str, asked: Paged) -> tuple[str, int]:
    """Return the time as known and the offset of a cursor."""
    wrong = InvalidParameterError("cursor", "expected the `next` of a page of this very question")
    text = asked.cursor or ""
    try:
        content = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        question, known_at, offset = json.loads(content)
        if not isinstance(known_at, str):
            raise wrong
        parse_time(known_at, "cursor")
    except (ValueError, TypeError, RecursionError):
        raise wrong from None
    if question != _question(tool, asked) or type(offset) is not int or not 0 < offset < 10**9:
        raise wrong
    return known_at, offset


def computed(
    dataset: str, version: str, columns: Mapping[str, list[float | None]], status: list[str]
) -> Reply:
    """Return results that were computed and not read."""
    rows = [
        dict(zip([*columns, "status"], cells, strict=True))
        for cells in zip(*columns.values(), status, strict=True)
    ]
    names = list(columns)
    return Reply(
        dataset=dataset,
        version=version,
        status="computed",
        units=units(names),
        uncertainty=uncertainty(names),
        data={dataset: rows},
        n_rows={dataset: len(rows)},
    )
