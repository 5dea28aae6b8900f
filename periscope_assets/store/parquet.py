"""Published rows as Parquet, from checked columns and back.

What belongs here: the Arrow type and encoding of each column type. What does not: where objects rest
(``lake``), checks (``frames``).
"""

from __future__ import annotations

import io
import json
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from sqlalchemy import Boolean, Column, Date, DateTime, Double, Integer, Text
from sqlalchemy.dialects.postgresql import JSONB

from periscope_assets.store import tables
from periscope_assets.store.frames import Columns

_ARROW = {
    Double: pa.float64(),
    Integer: pa.int64(),
    Boolean: pa.bool_(),
    Text: pa.large_string(),
    Date: pa.date32(),
    DateTime: pa.timestamp("us", tz="UTC"),
    JSONB: pa.large_string(),
}
_ENCODINGS = {
    Double: "BYTE_STREAM_SPLIT",
    Integer: "DELTA_BINARY_PACKED",
    DateTime: "DELTA_BINARY_PACKED",
    Date: "DELTA_BINARY_PACKED",
}


def to_parquet(name: str, columns: Columns) -> bytes:
    """Return the rows of a table: labels by dictionary, doubles byte by byte, times by differences.

    Keys are all different and numbers of a chain hardly repeat: a dictionary of them only costs time.

    Parameters
    ----------
    name : str
        Table.
    columns : Columns
        As ``frames.check`` returns them.
    """
    of = tables.table(name)
    kinds = {each: _kind(of.c[each]) for each in columns}
    arrow = pa.table({each: _array(kinds[each], values) for each, values in columns.items()})
    sink = pa.BufferOutputStream()
    pq.write_table(
        arrow,
        sink,
        compression="zstd",
        use_dictionary=[each for each, kind in kinds.items() if kind is Text and each != "contract"],
        column_encoding={each: _ENCODINGS[kind] for each, kind in kinds.items() if kind in _ENCODINGS},
        write_statistics=False,
    )
    return bytes(sink.getvalue())


def from_parquet(name: str, content: bytes) -> pd.DataFrame:
    """Return the rows of a table as ``frames.framed`` gave them.

    Raises
    ------
    ValueError, OSError
        If the content is not Parquet of that table.
    """
    of = tables.table(name)
    frame = pd.read_parquet(io.BytesIO(content))
    for each in frame.columns:
        kind = _kind(of.c[each])
        if kind is JSONB:
            frame[each] = pd.Series([json.loads(value) for value in frame[each]], dtype=object)
        elif kind is Integer and frame[each].dtype != np.int64:
            frame[each] = frame[each].astype("Int64")
    return frame


def _kind(column: Column[Any]) -> type:
    return next(kind for kind in _ARROW if isinstance(column.type, kind))


def _array(kind: type, values: Any) -> pa.Array:
    if isinstance(values, pa.Array):
        return values
    if kind is JSONB:
        # Objects of varying keys have no one Parquet type: they rest as JSON text.
        return pa.array([json.dumps(each, sort_keys=True) for each in values], type=_ARROW[kind])
    return pa.array(values, type=_ARROW[kind], from_pandas=True)
