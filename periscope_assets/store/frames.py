"""Frames as the schema wants them: checked and coerced before they are written, typed when they are read.

What belongs here: the pandas type of each column type, and what a publisher may hand over for it. What does
not: rules about market data, SQL.

=========== ================================ ==============================================
schema      frame                            accepted
=========== ================================ ==============================================
Double      float64, NaN for null            real numbers; never infinite
integers    int64 (Int64 where nullable)     integers, floats of integral value
Boolean     bool (object where null)         bool, numpy bool, None
Text        str, NaN for null                strings without NUL
Date        object of datetime.date          dates, timestamps at midnight
DateTime    datetime64[us, UTC]              aware datetimes
JSONB       object of dict                   mappings; NaN inside becomes null
=========== ================================ ==============================================
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from sqlalchemy import BigInteger, Boolean, Column, Date, DateTime, Double, Integer, SmallInteger, Table, Text
from sqlalchemy.dialects.postgresql import JSONB

from periscope_assets.store.tables import content_columns, natural_key

_INTEGER_RANGES = {SmallInteger: 2**15, BigInteger: 2**63, Integer: 2**31}


Columns = dict[str, Any]
"""Content of a table by column: arrays of float64, int64, bool, datetime64[us] in UTC, datetime64[D]; Arrow's
large strings; objects (None for null) for documents, and for integers and flags where one is null."""


def check(table: Table, frame: pd.DataFrame) -> Columns:
    """Return the content columns of a frame, in the table's order, each of its type.

    Parameters
    ----------
    table : Table
        One of the data tables.
    frame : DataFrame
        Rows without `publication_id` and `as_of`, in any column order.

    Raises
    ------
    ValueError
        If a column is missing, unknown or of another type, null where the schema forbids it, or the natural
        key is not unique; the message names table and column.
    """
    columns = content_columns(table)
    names = {column.name for column in columns}
    if len(frame.columns) != len(columns) or set(frame.columns) != names:
        missing = [name for name in names if name not in frame.columns]
        unknown = [str(name) for name in frame.columns if name not in names]
        raise ValueError(f"{table.name}: missing columns {sorted(missing)}, unknown columns {unknown}")
    checked = {column.name: _check_column(table, column, frame[column.name]) for column in columns}
    _check_key(table, checked, len(frame))
    return checked


def conform(table: Table, frame: pd.DataFrame) -> pd.DataFrame:
    """Return the frame with the table's content columns, in order, each of the pandas type above.

    Raises
    ------
    ValueError
        As :func:`check` does.
    """
    return framed(table, check(table, frame))


def framed(table: Table, columns: Columns) -> pd.DataFrame:
    """Return checked columns as a frame of the pandas types above."""
    return pd.DataFrame(
        {name: _FRAMED.get(_kind(table.c[name]), _as_is)(values) for name, values in columns.items()},
        copy=False,
    )


def typed(table: Table, names: Sequence[str], rows: Sequence[Sequence[Any]]) -> pd.DataFrame:
    """Return rows that were read from a table as a frame of the types above.

    Parameters
    ----------
    table : Table
    names : sequence of str
        Columns in the order of the rows.
    rows : sequence of tuples
        Values as the database driver gives them; times with a zone, or times and dates as the microseconds
        and days since 2000 that the wire has.
    """
    cells = list(zip(*rows, strict=True)) if rows else [() for _ in names]
    columns = {
        name: _READERS[_kind(table.c[name])](values) for name, values in zip(names, cells, strict=True)
    }
    return pd.DataFrame(columns, copy=False)


def nulls(values: Any) -> NDArray[np.bool_]:
    """Return where a checked column is null."""
    if isinstance(values, pa.Array):
        return np.asarray(values.is_null().to_numpy(zero_copy_only=False))
    if values.dtype == object:
        return np.array([each is None for each in values.tolist()], dtype=bool)
    if values.dtype.kind == "f":
        return np.asarray(np.isnan(values))
    return np.asarray(np.isnat(values)) if values.dtype.kind == "M" else np.zeros(len(values), dtype=bool)


def _check_column(table: Table, column: Column[Any], values: pd.Series[Any]) -> NDArray[Any]:
    try:
        result = _CHECKS[_kind(column)](column, values)
    except (TypeError, ValueError, OverflowError) as error:
        raise ValueError(f"{table.name}.{column.name}: {error}") from error
    if not column.nullable:
        absent = nulls(result)
        if absent.any():
            row = int(np.argmax(absent))
            raise ValueError(f"{table.name}.{column.name}: null in row {row}, but it must be filled in")
    return result


def _check_key(table: Table, columns: Columns, n_rows: int) -> None:
    key = natural_key(table)
    if not key and n_rows > 1:
        raise ValueError(f"{table.name}: expected at most one row, got {n_rows}")
    if key and not _is_unique([columns[name] for name in key], n_rows):
        rows = framed(table, {name: columns[name] for name in key})
        repeated = rows.duplicated().to_numpy()
        if repeated.any():
            first = rows.iloc[int(np.argmax(repeated))].to_dict()
            raise ValueError(f"{table.name}: several rows with the key {first}")


def _is_unique(key: Sequence[Any], n_rows: int) -> bool:
    """Tell that one column alone tells the rows apart; False also where only several do."""
    first = key[0]
    if isinstance(first, pa.Array) and pc.all(pc.less(first[:-1], first[1:])).as_py():
        return True
    distinct = pc.count_distinct(first).as_py() if isinstance(first, pa.Array) else len(np.unique(first))
    return bool(distinct == n_rows)


def _kind(column: Column[Any]) -> type:
    return next(kind for kind in _CHECKS if isinstance(column.type, kind))


def _doubles(_: Column[Any], values: pd.Series[Any]) -> NDArray[Any]:
    if values.dtype != np.float64:
        values = _numeric(values)
    is_plain = isinstance(values.dtype, np.dtype) and values.dtype != object
    result = (
        values.to_numpy(dtype=np.float64) if is_plain else values.to_numpy(dtype=np.float64, na_value=np.nan)
    )
    if np.isinf(result).any():
        raise ValueError(f"infinite in row {int(np.argmax(np.isinf(result)))}")
    return result


def _numeric(values: pd.Series[Any]) -> pd.Series[Any]:
    is_text = values.dtype == object and any(isinstance(each, (str, bool, np.bool_)) for each in values)
    is_number = values.dtype == object or pd.api.types.is_numeric_dtype(values.dtype)
    if is_text or not is_number or pd.api.types.is_bool_dtype(values.dtype):
        raise TypeError(f"expected numbers, got {values.dtype}")
    return values


def _integers(column: Column[Any], values: pd.Series[Any]) -> NDArray[Any]:
    limit = next(limit for kind, limit in _INTEGER_RANGES.items() if isinstance(column.type, kind))
    if values.dtype.kind in "iu" and isinstance(values.dtype, np.dtype):
        result = values.to_numpy(dtype=np.int64)
    else:
        cells = [None if pd.isna(each) else int(each) for each in _numeric(values)]
        if any(cell != each for cell, each in zip(cells, values, strict=True) if cell is not None):
            raise ValueError("expected integers")
        if None in cells:
            return _objects(cells)
        result = np.array(cells, dtype=np.int64)
    if len(result) and (result.min() < -limit or result.max() >= limit):
        raise ValueError(f"beyond +-{limit}")
    return result


def _flags(_: Column[Any], values: pd.Series[Any]) -> NDArray[Any]:
    if values.dtype == np.bool_:
        return values.to_numpy()
    cells = [None if pd.isna(each) else each for each in values]
    if not all(each is None or isinstance(each, (bool, np.bool_)) for each in cells):
        raise TypeError("expected bool")
    return _objects(cells) if None in cells else np.array(cells, dtype=bool)


def _texts(_: Column[Any], values: pd.Series[Any]) -> pa.Array:
    if isinstance(values.dtype, pd.StringDtype):
        given = pa.array(values.array, type=pa.large_string(), from_pandas=True)
        result = given.combine_chunks() if isinstance(given, pa.ChunkedArray) else given
    else:
        result = pa.array(_only_texts(values.to_numpy(dtype=object)), type=pa.large_string())
    _, offsets, content = result.buffers()
    ends = np.frombuffer(offsets, dtype=np.int64)[[result.offset, result.offset + len(result)]]
    if content is not None and not np.frombuffer(content, dtype=np.uint8)[ends[0] : ends[1]].all():
        raise ValueError("a string holds NUL")
    return result


def _only_texts(cells: NDArray[Any]) -> NDArray[Any]:
    others = [each for each in set(cells) if not isinstance(each, str)]
    if not all(pd.api.types.is_scalar(each) and pd.isna(each) for each in others):
        raise TypeError(f"expected strings, got {type(others[0]).__name__}")
    return _objects([each if isinstance(each, str) else None for each in cells]) if others else cells


def _dates(_: Column[Any], values: pd.Series[Any]) -> NDArray[Any]:
    cells = values.to_numpy(dtype=object)
    if set(map(type, cells)) == {date}:
        days = pa.array(cells, type=pa.date32()).to_numpy(zero_copy_only=False)
        return np.asarray(days, dtype="datetime64[D]")
    known = {each: np.datetime64(_date(each), "D").astype(np.int64) for each in set(cells)}
    days = np.fromiter(map(known.__getitem__, cells), dtype=np.int64, count=len(cells))
    return days.view("datetime64[D]")


def _date(value: object) -> date | None:
    if value is None or value is pd.NaT:
        return None
    if isinstance(value, datetime):
        if value.tzinfo is not None or value != datetime(value.year, value.month, value.day):
            raise ValueError(f"expected dates, got the time {value}")
        return date(value.year, value.month, value.day)
    if not isinstance(value, date):
        raise TypeError(f"expected dates, got {type(value).__name__}")
    return value


def _times(_: Column[Any], values: pd.Series[Any]) -> NDArray[Any]:
    if not isinstance(values.dtype, pd.DatetimeTZDtype):
        if not all(each is None or each is pd.NaT or isinstance(each, datetime) for each in values):
            raise TypeError("expected datetimes")
        if any(isinstance(each, datetime) and each == each and each.tzinfo is None for each in values):
            raise ValueError("expected datetimes with a zone")
        values = pd.Series(pd.to_datetime(values, utc=True))
    return values.to_numpy(dtype="datetime64[us]")


def _documents(_: Column[Any], values: pd.Series[Any]) -> NDArray[Any]:
    if not all(value is None or isinstance(value, Mapping) for value in values):
        raise TypeError("expected mappings")
    return _objects([None if value is None else jsonable(value) for value in values])


def _objects(values: Sequence[Any]) -> NDArray[Any]:
    result = np.empty(len(values), dtype=object)
    result[:] = values
    return result


def jsonable(value: Any) -> Any:
    """Return a value as JSON knows it: NaN is null, an infinite number its name, times ISO 8601.

    Raises
    ------
    TypeError
        If something inside has no such form.
    """
    if value is None or value is pd.NaT or value is pd.NA or isinstance(value, (str, bool)):
        return None if value is pd.NaT or value is pd.NA else value
    if isinstance(value, Mapping):
        return {str(key): jsonable(each) for key, each in value.items()}
    if isinstance(value, (list, tuple, np.ndarray)):
        return [jsonable(each) for each in value]
    if isinstance(value, np.generic):
        return jsonable(value.item())
    if isinstance(value, float):
        return None if math.isnan(value) else value if math.isfinite(value) else str(value)
    if isinstance(value, int):
        return value
    if isinstance(value, date):
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} has no form in JSON")


_Check = Callable[[Column[Any], "pd.Series[Any]"], NDArray[Any]]
_CHECKS: dict[type, _Check] = {
    Double: _doubles,
    Integer: _integers,
    Boolean: _flags,
    Text: _texts,
    Date: _dates,
    DateTime: _times,
    JSONB: _documents,
}


def _as_is(values: Any) -> Any:
    return values


def _as_integers(values: Sequence[Any]) -> Any:
    return pd.array(values, dtype="Int64") if None in values else np.array(values, dtype=np.int64)


_STR = pd.StringDtype("pyarrow", na_value=np.nan)
"""What pandas calls "str": naming it by its parts spares a look-up for each column."""


def _as_texts(values: Any) -> Any:
    texts = values if isinstance(values, pa.Array) else pa.array(values, pa.large_string())
    return pd.arrays.ArrowStringArray(texts.cast(pa.large_string()), dtype=_STR)  # type: ignore[call-arg]


def _as_dates(values: Any) -> Any:
    return np.asarray(values).astype(object)


def _as_times(values: Any) -> Any:
    if isinstance(values, np.ndarray) and values.dtype == "datetime64[us]":
        return pd.DatetimeIndex(values, tz="UTC")
    return pd.DatetimeIndex(values, dtype="datetime64[us, UTC]")


def _is_counted(values: Sequence[Any]) -> bool:
    return set(map(type, values)) <= {int, type(None)}


def _counted(values: Sequence[Any], unit: str) -> Any:
    """Return times or dates that count from 2000, null where None."""
    absent = np.array([each is None for each in values], dtype=bool)
    counts = np.array([each or 0 for each in values], dtype=np.int64)
    times = np.array("2000-01-01", dtype=f"datetime64[{unit}]") + counts.astype(f"timedelta64[{unit}]")
    times[absent] = np.datetime64("NaT")
    return times


_FRAMED: dict[type, Callable[[Any], Any]] = {
    Text: _as_texts,
    Date: _as_dates,
    DateTime: _as_times,
    Integer: _as_integers,
}
_READERS: dict[type, Callable[[Sequence[Any]], Any]] = {
    Double: lambda values: np.array(values, dtype=np.float64),
    Integer: _as_integers,
    Boolean: lambda values: _objects(values) if None in values else np.array(values, dtype=bool),
    Text: _as_texts,
    Date: lambda values: _objects(_counted(values, "D") if _is_counted(values) else values),
    DateTime: lambda values: _as_times(_counted(values, "us") if _is_counted(values) else list(values)),
    JSONB: _objects,
}
