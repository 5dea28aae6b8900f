"""Rows as PostgreSQL's binary COPY wants them, encoded a column at a time.

What belongs here: the wire format of each column type. What does not: checks (``frames``), transactions
(``publishing``).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import BigInteger, Boolean, Column, Date, DateTime, Double, Integer, SmallInteger, Table
from sqlalchemy.dialects.postgresql import JSONB

from periscope_assets.store.frames import Columns, nulls
from periscope_assets.store.tables import content_columns

HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
TRAILER = b"\xff\xff"
ROWS_PER_BLOCK = 8192
_NULL = b"\xff\xff\xff\xff"
_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
_FIXED: dict[type, str] = {
    Double: ">f8",
    Boolean: ">u1",
    Date: ">i4",
    DateTime: ">i8",
    SmallInteger: ">i2",
    BigInteger: ">i8",
    Integer: ">i4",
}

_Fixed = tuple[str, NDArray[Any]]
"""Wire type and values, none of them null."""


def encode(
    table: Table, columns: Columns, n_rows: int, publication_id: int, as_of: datetime
) -> Iterator[bytes]:
    """Yield the rows of one publication in blocks, without header and trailer.

    Parameters
    ----------
    table : Table
    columns : Columns
        As ``frames.check`` returns them.
    n_rows : int
    publication_id : int
    as_of : datetime
    """
    described = content_columns(table)
    stamp = (as_of - _EPOCH) // timedelta(microseconds=1)
    head = (len(described) + 2).to_bytes(2, "big")
    head += (
        b"\0\0\0\x08"
        + publication_id.to_bytes(8, "big")
        + b"\0\0\0\x08"
        + stamp.to_bytes(8, "big", signed=True)
    )
    for start in range(0, n_rows, ROWS_PER_BLOCK):
        block = [(column, columns[column.name][start : start + ROWS_PER_BLOCK]) for column in described]
        yield b"".join(chain.from_iterable(zip(*_pieces(block, head), strict=True)))


def _pieces(block: Sequence[tuple[Column[Any], NDArray[Any]]], head: bytes) -> list[list[bytes]]:
    """Return the cells by column; neighbours of fixed width without nulls are one piece of each row."""
    pieces: list[list[bytes]] = [[head] * len(block[0][1])]
    together: list[_Fixed] = []
    for column, values in block:
        code = next((code for kind, code in _FIXED.items() if isinstance(column.type, kind)), None)
        absent = None if code is None else nulls(values)
        if code is not None and absent is not None and not absent.any():
            together.append((code, _numbers(values)))
            continue
        if together:
            pieces.append(_joined(together))
            together = []
        pieces.append(_varying(column, values) if code is None else _sparse(values, code, absent))
    if together:
        pieces.append(_joined(together))
    return pieces


def _sparse(values: NDArray[Any], code: str, absent: Any) -> list[bytes]:
    cells = [_NULL] * len(values)
    rows = np.flatnonzero(~absent)
    if len(rows):
        for row, cell in zip(rows, _joined([(code, _numbers(values[rows]))]), strict=True):
            cells[row] = cell
    return cells


def _joined(columns: Sequence[_Fixed]) -> list[bytes]:
    """Return, for each row, length and value of every column as bytes."""
    layout = [
        (f"{part}{i}", kind)
        for i, (code, _) in enumerate(columns)
        for part, kind in (("n", ">i4"), ("v", code))
    ]
    rows = np.empty(len(columns[0][1]), dtype=layout)
    for i, (code, values) in enumerate(columns):
        rows[f"n{i}"] = int(code[-1])
        rows[f"v{i}"] = values
    cells: list[bytes] = rows.view(f"V{rows.dtype.itemsize}").tolist()
    return cells


def _numbers(values: NDArray[Any]) -> NDArray[Any]:
    """Return values, none of them null, as the numbers that the wire has: times and dates count from 2000."""
    if values.dtype.kind == "M":
        return (values - np.datetime64("2000-01-01", "us")).view(np.int64)
    if values.dtype == object and len(values) and isinstance(values[0], date):
        known = {day: (day - _EPOCH.date()).days for day in set(values)}
        return np.array([known[day] for day in values])
    return values


def _varying(column: Column[Any], values: NDArray[Any]) -> list[bytes]:
    if isinstance(column.type, JSONB):
        return [_NULL if each is None else _sized(b"\x01" + json.dumps(each).encode()) for each in values]
    known = {each: _NULL if each is None else _sized(each.encode()) for each in set(values)}
    return [known[each] for each in values]


def _sized(content: bytes) -> bytes:
    return len(content).to_bytes(4, "big") + content
