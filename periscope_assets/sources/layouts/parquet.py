"""Parquet as a table of columns, with a limit on what it unpacks to.

What belongs here: opening Parquet without following it into a bomb. What does not: the columns of any vendor.
A few kilobytes can name gigabytes: text is read as codes into a dictionary and measured before it is spread.
"""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from periscope_assets.sources.base import SourceError
from periscope_assets.sources.layouts import cells

MAGIC = b"PAR1"
MAX_RECORDS = 5_000_000
MAX_UNPACKED = 2**30
"""Largest size of all wanted columns in memory, in bytes."""


def names(name: str, content: bytes) -> list[str]:
    """Return the names of the columns.

    Raises
    ------
    SourceError
        If it is no Parquet file.
    """
    try:
        return [str(each) for each in pq.read_schema(io.BytesIO(content)).names]
    except (pa.ArrowException, OSError, ValueError) as error:
        raise _damaged(name, error) from None


def read(name: str, content: bytes, wanted: list[str]) -> cells.Table:
    """Read some columns of a Parquet file.

    Raises
    ------
    SourceError
        If it is damaged, lacks a column, is empty, has too many records or unpacks to more than the limit.
    """
    try:
        file = pq.ParquetFile(io.BytesIO(content))
        cells.check_columns(name, 1, [str(each) for each in file.schema_arrow.names], wanted)
        _check_size(name, file, wanted)
        texts = [key for key in wanted if _is_text(file.schema_arrow.field(key).type)]
        coded = pq.ParquetFile(io.BytesIO(content), read_dictionary=texts)
        table = coded.read(columns=wanted, use_threads=False)
        table.validate(full=True)
    except (pa.ArrowException, OSError, ValueError) as error:
        if isinstance(error, SourceError):
            raise
        raise _damaged(name, error) from None
    columns = {key: table.column(key) for key in wanted}
    unpacked = sum(_spread_size(each) for each in columns.values())
    if unpacked > MAX_UNPACKED:
        raise SourceError(
            f"{name}: unpacks to {unpacked:,} bytes, more than {MAX_UNPACKED:,}; split the file"
        )
    return cells.Table(name, {key: _plain(each) for key, each in columns.items()}, first=1, unit="record")


def _check_size(name: str, file: pq.ParquetFile, wanted: list[str]) -> None:
    records = file.metadata.num_rows
    if records == 0:
        raise SourceError(f"{name}: a Parquet schema but no records; download the file again")
    if records > MAX_RECORDS:
        raise SourceError(f"{name}: {records:,} records, more than {MAX_RECORDS:,}; split the file")
    groups = [file.metadata.row_group(number) for number in range(file.metadata.num_row_groups)]
    stated = sum(
        group.column(number).total_uncompressed_size
        for group in groups
        for number in range(group.num_columns)
        if group.column(number).path_in_schema in wanted
    )
    if stated > MAX_UNPACKED:
        raise SourceError(f"{name}: unpacks to {stated:,} bytes, more than {MAX_UNPACKED:,}; split the file")


def _spread_size(column: pa.ChunkedArray) -> int:
    if not pa.types.is_dictionary(column.type):
        return int(column.nbytes)
    total = 0
    for chunk in column.chunks:
        lengths = np.asarray(pc.fill_null(pc.binary_length(chunk.dictionary), 0), dtype=np.int64)
        used = chunk.indices.drop_null().to_numpy(zero_copy_only=False)
        total += int(lengths[used].sum())
    return total


def _plain(column: pa.ChunkedArray) -> Any:
    is_coded = pa.types.is_dictionary(column.type)
    return (column.cast(pa.large_string()) if is_coded else column).combine_chunks()


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _damaged(name: str, error: Exception) -> SourceError:
    return SourceError(f"{name}: damaged Parquet file ({cells.cut(str(error))}); download the file again")
