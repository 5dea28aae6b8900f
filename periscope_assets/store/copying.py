"""Rows as PostgreSQL's binary COPY wants them, encoded a column at a time.

What belongs here: the wire format of each column type. What does not: checks (``frames``), transactions
(``publishing``).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import chain
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sqlalchemy import BigInteger, Boolean, Column, Date, DateTime, Double, Integer, SmallInteger, Table
from sqlalchemy.dialects.postgresql import JSONB

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


def encode(table: Table, frame: pd.DataFrame, publication_id: int, as_of: datetime) -> Iterator[bytes]:
    """Yield the rows of one publication in blocks, without header and trailer.

    Parameters
    ----------
    table : Table
    frame : DataFrame
        As ``frames.conform`` returns it.
    publication_id : int
    as_of : datetime
    """
    columns = content_columns(table)
    stamp = (as_of - _EPOCH) // timedelta(microseconds=1)
    head = (len(columns) + 2).to_bytes(2, "big")
    head += (
        b"\0\0\0\x08"
        + publication_id.to_bytes(8, "big")
        + b"\0\0\0\x08"
        + stamp.to_bytes(8, "big", signed=True)
    )
    for start in range(0, len(frame), ROWS_PER_BLOCK):
        block = frame.iloc[start : start + ROWS_PER_BLOCK]
        yield b"".join(chain.from_iterable(zip(*_pieces(columns, block, head), strict=True)))


def _pieces(columns: Sequence[Column[Any]], block: pd.DataFrame, head: bytes) -> list[list[bytes]]:
    """Return the cells by column; neighbours of fixed width without nulls are one piece of each row."""
    pieces: list[list[bytes]] = [[head] * len(block)]
    together: list[NDArray[Any]] = []
    for column in columns:
        values = block[column.name]
        code = next((code for kind, code in _FIXED.items() if isinstance(column.type, kind)), None)
        if code is None:
            cells = _varying(column, values)
        else:
            numbers, nulls = _numbers(column, values, code)
            if not nulls.any():
                together.append(numbers)
                continue
            cells = _joined([numbers])
            for row in np.flatnonzero(nulls):
                cells[row] = _NULL
        if together:
            pieces.append(_joined(together))
            together = []
        pieces.append(cells)
    if together:
        pieces.append(_joined(together))
    return pieces


def _joined(columns: Sequence[NDArray[Any]]) -> list[bytes]:
    """Return, for each row, length and value of every column as bytes."""
    layout = [
        (f"{part}{i}", kind)
        for i, each in enumerate(columns)
        for part, kind in (("n", ">i4"), ("v", each.dtype))
    ]
    rows = np.empty(len(columns[0]), dtype=layout)
    for i, each in enumerate(columns):
        rows[f"n{i}"] = each.dtype.itemsize
        rows[f"v{i}"] = each
    cells: list[bytes] = rows.view(f"V{rows.dtype.itemsize}").tolist()
    return cells


def _numbers(
    column: Column[Any], values: pd.Series[Any], code: str
) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """Return the values as the wire has them, and where they are null."""
    nulls = values.isna().to_numpy()
    if isinstance(column.type, Double):
        return values.to_numpy(dtype=code), nulls
    if isinstance(column.type, DateTime):
        times = values.dt.tz_localize(None).to_numpy(dtype="datetime64[us]")
        return (times - np.datetime64("2000-01-01", "us")).astype(code), nulls
    if isinstance(column.type, Date):
        days = values.to_numpy(dtype="datetime64[D]")
        return (days - np.datetime64("2000-01-01", "D")).astype(np.int64).astype(code), nulls
    filled = values.where(~nulls, 0) if nulls.any() else values
    return filled.to_numpy(dtype=np.int64).astype(code), nulls


def _varying(column: Column[Any], values: pd.Series[Any]) -> list[bytes]:
    if isinstance(column.type, JSONB):
        return [_NULL if each is None else _sized(b"\x01" + json.dumps(each).encode()) for each in values]
    codes, texts = pd.factorize(values)
    cells = [*(_sized(text.encode()) for text in texts), _NULL]
    return [cells[code] for code in codes]


def _sized(content: bytes) -> bytes:
    return len(content).to_bytes(4, "big") + content
