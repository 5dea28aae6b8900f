"""From a row back to the bytes it was read from: which raw object, which line or record of it.

What belongs here: what `raw_line` counts in each kind of payload. What does not: finding the payload of a
publication (``pipeline.landing``).
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from hashlib import sha256
from types import MappingProxyType

import pyarrow.parquet as pq

from periscope_assets.sources import files
from periscope_assets.sources.base import RawPayload, SourceError
from periscope_assets.sources.layouts import (
    answers,
    cboe_delayed,
    cells,
    deribit_summary,
    massive_snapshot,
    records,
)
from periscope_assets.sources.layouts.deribit_books import PARQUET_MAGIC

_RECORDS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        massive_snapshot.NAME: (massive_snapshot.SNAPSHOT, "results"),
        cboe_delayed.NAME: (cboe_delayed.KIND, "data.options"),
        deribit_summary.NAME: (deribit_summary.SUMMARY, "result"),
    }
)


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a row was read.

    Attributes
    ----------
    sha256 : str
        Of the raw object: the file, or the one answer of several.
    name : str
    number : int
        Line or record of that object, from 1.
    text : str
        The line, or the record as JSON.
    url, request_id : str or None
    received_at : datetime or None
    """

    sha256: str
    name: str
    number: int
    text: str
    url: str | None = None
    request_id: str | None = None
    received_at: datetime | None = None


def trace(payload: RawPayload, layout: str, raw_line: int) -> Origin:
    """Return where in a payload the row of a `raw_line` was read.

    Raises
    ------
    SourceError
        If there is no such line, or the payload can't be read.
    """
    if layout in _RECORDS:
        return _answer(payload, *_RECORDS[layout], raw_line)
    plain = files.decompress(payload.content, payload.name)
    if plain.startswith(PARQUET_MAGIC):
        table = pq.read_table(io.BytesIO(plain), use_threads=False)
        _check(payload.name, raw_line, table.num_rows)
        row = table.slice(raw_line - 1, 1).to_pylist()[0]
        return _origin(payload, raw_line, json.dumps(row, default=str))
    lines = cells.split_lines(cells.decode(plain, payload.name))
    _check(payload.name, raw_line, len(lines))
    return _origin(payload, raw_line, lines[raw_line - 1])


def _answer(payload: RawPayload, kind: str, field: str, raw_line: int) -> Origin:
    plain = replace(payload, content=files.decompress(payload.content, payload.name))
    before = 0
    pages = answers.uncover(plain).of(kind)
    for page in pages:
        found = records.list_of_records(records.read_object(page.content, page.name), field, page.name)
        if before < raw_line <= before + len(found):
            number = raw_line - before
            whole = payload if page is plain else page
            return _origin(whole, number, json.dumps(found[number - 1]))
        before += len(found)
    raise _absent(payload.name, raw_line, before)


def _check(name: str, raw_line: int, count: int) -> None:
    if not 1 <= raw_line <= count:
        raise _absent(name, raw_line, count)


def _absent(name: str, raw_line: int, count: int) -> SourceError:
    return SourceError(f"{name}: has {count:,} lines or records, asked for {raw_line}; check the number")


def _origin(payload: RawPayload, number: int, text: str) -> Origin:
    digest = sha256(payload.content).hexdigest()
    return Origin(digest, payload.name, number, text, payload.url, payload.request_id, payload.received_at)
