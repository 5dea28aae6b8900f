"""Rows as PostgreSQL's binary COPY wants them, encoded a block of rows at a time.

What belongs here: the wire format of each column type. What does not: checks (``frames``), transactions
(``publishing``).

A block is joined by Arrow out of pieces: what all rows have in one width is one structured array up to the
next cell that may be null or of any length. Neither a null nor a text costs a Python object.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import psycopg
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from psycopg import sql
from sqlalchemy import BigInteger, Boolean, Column, Date, DateTime, Double, Integer, SmallInteger, Table
from sqlalchemy.dialects.postgresql import JSONB

from periscope_assets.store.frames import Columns, nulls
from periscope_assets.store.tables import SCHEMA, content_columns

HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
TRAILER = b"\xff\xff"
ROWS_PER_BLOCK, BYTES_PER_BLOCK = 8192, 1 << 24
_NOTHING = pa.scalar(b"", pa.large_binary())
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
    """One column of a block.

    Attributes
    ----------
    lengths : int or ndarray of int, shape (n,)
        Bytes of each cell, -1 for null.
    values : ndarray or pyarrow array of large_binary or None
        Numbers on the wire, or cells of any length; None where all are null.
    absent : ndarray of bool, shape (n,), or None
        Numbers that are not sent.
    """

    lengths: NDArray[np.int64] | int
    values: Any
    absent: NDArray[np.bool_] | None = None

    @property
    def n_bytes(self) -> int:
        return self.values.nbytes if self.values is not None else 0


@dataclass(frozen=True, slots=True)
class _Field:
    """Cells of one width, side by side with others."""

    kind: Any
    values: Any
    absent: NDArray[np.bool_] | None = None


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
    n_bytes = n_rows * (head.itemsize + 4 * len(cells)) + sum(each.n_bytes for each in cells)
    if n_bytes <= BYTES_PER_BLOCK or n_rows == 1:
        yield _joined(cells, n_rows, head)
        return
    middle = rows.start + n_rows // 2
    for part in (slice(rows.start, middle), slice(middle, rows.stop)):
        yield from _blocks(described, columns, part, head)


def _joined(cells: list[_Cells], n_rows: int, head: NDArray[Any]) -> memoryview:
    pieces: list[pa.Array] = []
    run = [_Field(head.dtype, head)]
    for each in cells:
        run.append(_Field(">i4", each.lengths))
        if isinstance(each.values, np.ndarray):
            run.append(_Field(each.values.dtype, each.values, each.absent))
        elif each.values is not None:
            pieces += [_piece(run, n_rows), each.values]
            run = []
    if run:
        pieces.append(_piece(run, n_rows))
    joined = pc.binary_join_element_wise(*pieces, _NOTHING, null_handling="replace", null_replacement="")
    _, ends, content = joined.buffers()
    return memoryview(content)[: int(np.frombuffer(ends, dtype=np.int64)[n_rows])]


def _piece(run: list[_Field], n_rows: int) -> pa.Array:
    """Return the cells of some columns, without the absent ones, as one binary cell for each row."""
    block = np.empty(n_rows, dtype=[(f"c{i}", each.kind) for i, each in enumerate(run)])
    for i, each in enumerate(run):
        block[f"c{i}"] = each.values
    content: NDArray[Any] = block
    lengths = np.full(n_rows, block.itemsize, dtype=np.int64)
    if any(each.absent is not None for each in run):
        content = _compact(block, [each.absent for each in run])
        for each in run:
            if each.absent is not None:
                lengths -= np.dtype(each.kind).itemsize * each.absent
    ends = np.zeros(n_rows + 1, dtype=np.int64)
    np.cumsum(lengths, out=ends[1:])
    return pa.Array.from_buffers(pa.large_binary(), n_rows, [None, pa.py_buffer(ends), pa.py_buffer(content)])


def _compact(block: NDArray[Any], absent: list[NDArray[np.bool_] | None]) -> NDArray[Any]:
    """Leave out absent cells, in the largest unit that all cells are whole multiples of."""
    widths = [block.dtype[i].itemsize for i in range(len(absent))]
    unit = math.gcd(4, *widths)
    used = np.ones((len(block), block.itemsize // unit), dtype=bool)
    end = 0
    for width, left_out in zip(widths, absent, strict=True):
        start, end = end, end + width // unit
        if left_out is not None:
            used[:, start:end] = ~left_out[:, None]
    return block.view(f"u{unit}").reshape(used.shape)[used]


def _cells(column: Column[Any], values: Any) -> _Cells:
    code = next((code for kind, code in _FIXED.items() if isinstance(column.type, kind)), None)
    if code is None:
        return _varying(_documents(values) if isinstance(column.type, JSONB) else values)
    absent, width = nulls(values), np.dtype(code).itemsize
    if not absent.any():
        return _Cells(width, _numbers(values).astype(code))
    if absent.all():
        return _Cells(-1, None)
    if values.dtype == object:
        numbers = np.zeros(len(values), dtype=code)
        numbers[~absent] = values[~absent]
    else:
        numbers = _numbers(values).astype(code)
    return _Cells(np.where(absent, -1, width), numbers, absent)


def _numbers(values: NDArray[Any]) -> NDArray[Any]:
    """Return values as the numbers that the wire has: times and dates count from 2000."""
    if values.dtype.kind == "M":
        return (values - np.datetime64("2000-01-01")).view(np.int64)
    return values


def _documents(values: NDArray[Any]) -> pa.Array:
    texts = [None if each is None else f"\x01{json.dumps(each)}" for each in values]
    return pa.array(texts, type=pa.large_string())


def _varying(values: pa.Array) -> _Cells:
    if values.null_count == len(values):
        return _Cells(-1, None)
    ends = np.frombuffer(values.buffers()[1], dtype=np.int64)
    lengths = np.diff(ends[values.offset : values.offset + len(values) + 1])
    return _Cells(
        np.where(nulls(values), -1, lengths) if values.null_count else lengths,
        values.view(pa.large_binary()),
    )
