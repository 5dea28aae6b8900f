"""Rows as PostgreSQL's binary COPY wants them, encoded a block of rows at a time.

What belongs here: the wire format of each column type. What does not: checks (``frames``), transactions
(``publishing``).

A block is laid out with every cell at the widest that its column needs, then what no cell uses is left out in
one pass: neither a null nor a short text costs a Python object.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import psycopg
import pyarrow as pa
from numpy.typing import NDArray
from psycopg import sql
from sqlalchemy import BigInteger, Boolean, Column, Date, DateTime, Double, Integer, SmallInteger, Table
from sqlalchemy.dialects.postgresql import JSONB

from periscope_assets.store.frames import Columns, nulls
from periscope_assets.store.tables import SCHEMA, content_columns

HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
TRAILER = b"\xff\xff"
ROWS_PER_BLOCK, BYTES_PER_BLOCK = 8192, 1 << 24
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


@dataclass(frozen=True, slots=True)
class _Cells:
    """One column of a block: values of one width, and how many bytes of each are used; -1 is null."""

    kind: str
    values: NDArray[Any]
    lengths: NDArray[np.int64] | int

    @property
    def width(self) -> int:
        return np.dtype(self.kind).itemsize


def copy(cursor: psycopg.Cursor[Any], table: Table, blocks: Iterator[memoryview]) -> None:
    """Send blocks of rows to a table."""
    statement = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT BINARY)").format(
        sql.Identifier(SCHEMA, table.name),
        sql.SQL(", ").join(sql.Identifier(column.name) for column in table.columns),
    )
    with cursor.copy(statement) as stream:
        stream.write(HEADER)
        for block in _ahead(blocks):
            stream.write(block)
        stream.write(TRAILER)


def encode(
    table: Table, columns: Columns, n_rows: int, publication_id: int, as_of: datetime
) -> Iterator[memoryview]:
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
    head = np.array(
        [(len(described) + 2, 8, publication_id, 8, (as_of - _EPOCH) // timedelta(microseconds=1))],
        dtype=">i2,>i4,>i8,>i4,>i8",
    )
    for start in range(0, n_rows, ROWS_PER_BLOCK):
        rows = slice(start, min(start + ROWS_PER_BLOCK, n_rows))
        yield from _blocks(described, columns, rows, head)


def _ahead(blocks: Iterator[memoryview]) -> Iterator[memoryview]:
    """Yield the blocks, each of them encoded while the server takes in the one before."""
    with ThreadPoolExecutor(1) as pool:
        upcoming = pool.submit(next, blocks, None)
        while (block := upcoming.result()) is not None:
            upcoming = pool.submit(next, blocks, None)
            yield block


def _blocks(
    described: list[Column[Any]], columns: Columns, rows: slice, head: NDArray[Any]
) -> Iterator[memoryview]:
    n_rows = rows.stop - rows.start
    cells = [_cells(column, columns[column.name][rows]) for column in described]
    width = head.itemsize + sum(4 + each.width for each in cells)
    if n_rows * width <= BYTES_PER_BLOCK or n_rows == 1:
        yield _joined(cells, n_rows, head)
        return
    middle = rows.start + n_rows // 2
    for part in (slice(rows.start, middle), slice(middle, rows.stop)):
        yield from _blocks(described, columns, part, head)


def _joined(cells: list[_Cells], n_rows: int, head: NDArray[Any]) -> memoryview:
    fields = [
        (f"{part}{i}", kind)
        for i, each in enumerate(cells)
        for part, kind in (("n", ">i4"), ("v", each.kind))
    ]
    block = np.empty(n_rows, dtype=[("head", head.dtype), *fields])
    block["head"] = head
    used = np.ones((n_rows, block.itemsize), dtype=bool)
    end, is_whole = head.itemsize, True
    for i, each in enumerate(cells):
        block[f"n{i}"] = each.lengths
        if each.width:
            block[f"v{i}"] = each.values
        start, end = end + 4, end + 4 + each.width
        if not isinstance(each.lengths, int):
            used[:, start:end] = np.arange(each.width) < each.lengths[:, None]
            is_whole = False
    if is_whole:
        return block.view(np.uint8).data
    return block.view(np.uint8).reshape(n_rows, -1)[used].data


def _cells(column: Column[Any], values: Any) -> _Cells:
    code = next((code for kind, code in _FIXED.items() if isinstance(column.type, kind)), None)
    if code is None:
        return _varying(_documents(values) if isinstance(column.type, JSONB) else values)
    absent, width = nulls(values), np.dtype(code).itemsize
    if not absent.any():
        return _Cells(code, _numbers(values), width)
    if absent.all():
        return _Cells("V0", np.empty(len(values), dtype="V0"), -1)
    numbers = np.zeros(len(values), dtype=code)
    numbers[~absent] = _numbers(values[~absent])
    return _Cells(code, numbers, np.where(absent, -1, width))


def _numbers(values: NDArray[Any]) -> NDArray[Any]:
    """Return values, none of them null, as the numbers that the wire has: times and dates count from 2000."""
    if values.dtype.kind == "M":
        return (values - np.datetime64("2000-01-01")).view(np.int64)
    return values


def _documents(values: NDArray[Any]) -> pa.Array:
    texts = [None if each is None else f"\x01{json.dumps(each)}" for each in values]
    return pa.array(texts, type=pa.large_string())


def _varying(values: pa.Array) -> _Cells:
    _, ends, content = values.buffers()
    offsets = np.frombuffer(ends, dtype=np.int64)[values.offset : values.offset + len(values) + 1]
    lengths = np.diff(offsets)
    width = int(lengths.max(initial=0))
    cells = np.empty((len(values), 0), dtype=np.uint8)
    if width:
        given = np.frombuffer(content, dtype=np.uint8)
        cells = given.take(offsets[:-1, None] + np.arange(width), mode="clip")
    absent = nulls(values)
    is_even = not absent.any() and bool((lengths == width).all())
    return _Cells(
        f"V{width}",
        cells.view(f"V{width}")[:, 0] if width else cells,
        width if is_even else np.where(absent, -1, lengths),
    )
