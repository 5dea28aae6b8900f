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
from sqlalchemy import BigInteger, Boolean, Column, Date, DateTime, Double, Integer, SmallInteger, Table, Text
from sqlalchemy.dialects.postgresql import JSONB

from periscope_assets.store.tables import content_columns, natural_key

_INTEGER_RANGES = {SmallInteger: 2**15, BigInteger: 2**63, Integer: 2**31}


def conform(table: Table, frame: pd.DataFrame) -> pd.DataFrame:
    """Return the frame with the table's content columns, in order, each of its type.

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
    missing = [column.name for column in columns if column.name not in frame.columns]
    unknown = [str(name) for name in frame.columns if name not in {column.name for column in columns}]
    if missing or unknown or len(frame.columns) != len(columns):
        raise ValueError(f"{table.name}: missing columns {missing}, unknown columns {unknown}")
    checked = {column.name: _conform_column(table, column, frame[column.name]) for column in columns}
    result = pd.DataFrame(checked, index=pd.RangeIndex(len(frame)), copy=False)
    key = natural_key(table)
    if len(result) > 1 and result.duplicated(key or None).any():
        row = result[result.duplicated(key)].iloc[0][key].to_dict() if key else {}
        raise ValueError(f"{table.name}: several rows with the key {row or '()'}")
    if not key and len(result) > 1:
        raise ValueError(f"{table.name}: expected at most one row, got {len(result)}")
    return result


def typed(table: Table, names: Sequence[str], rows: Sequence[Sequence[Any]]) -> pd.DataFrame:
    """Return rows that were read from a table as a frame of the types above.

    Parameters
    ----------
    table : Table
    names : sequence of str
        Columns in the order of the rows.
    rows : sequence of tuples
        Values as the database driver gives them; times with a zone.
    """
    cells = list(zip(*rows, strict=True)) if rows else [() for _ in names]
    columns = {
        name: _READERS[_kind(table.c[name])](values) for name, values in zip(names, cells, strict=True)
    }
    return pd.DataFrame(columns, copy=False)


def _conform_column(table: Table, column: Column[Any], values: pd.Series[Any]) -> Any:
    kind = _kind(column)
    try:
        result = _CHECKS[kind](column, values)
    except (TypeError, ValueError, OverflowError) as error:
        raise ValueError(f"{table.name}.{column.name}: {error}") from error
    nulls = pd.isna(result)
    if not column.nullable and nulls.any():
        raise ValueError(
            f"{table.name}.{column.name}: null in row {int(np.argmax(nulls))}, but it must be filled in"
        )
    return result


def _kind(column: Column[Any]) -> type:
    return next(kind for kind in _CHECKS if isinstance(column.type, kind))


def _doubles(_: Column[Any], values: pd.Series[Any]) -> Any:
    if values.dtype == bool:
        raise TypeError("expected numbers, got bool")
    if values.dtype == object and any(isinstance(each, (str, bool)) for each in values):
        raise TypeError("expected numbers")
    if not (values.dtype == object or pd.api.types.is_numeric_dtype(values.dtype)):
        raise TypeError(f"expected numbers, got {values.dtype}")
    result = values.to_numpy(dtype=np.float64, na_value=np.nan)
    if np.isinf(result).any():
        raise ValueError(f"infinite in row {int(np.argmax(np.isinf(result)))}")
    return result


def _integers(column: Column[Any], values: pd.Series[Any]) -> Any:
    limit = next(limit for kind, limit in _INTEGER_RANGES.items() if isinstance(column.type, kind))
    if pd.api.types.is_integer_dtype(values.dtype) and not values.hasnans:
        result = values.to_numpy(dtype=np.int64)
    else:
        numbers = _doubles(column, values)
        if column.nullable and np.isnan(numbers).any():
            return pd.array(numbers, dtype="Int64")
        if np.isnan(numbers).any():
            raise ValueError(f"null in row {int(np.argmax(np.isnan(numbers)))}, but it must be filled in")
        result = numbers.astype(np.int64)
        if (result != numbers).any():
            raise ValueError("expected integers")
    if len(result) and (result.min() < -limit or result.max() >= limit):
        raise ValueError(f"beyond +-{limit}")
    return pd.array(result, dtype="Int64") if column.nullable else result


def _flags(_: Column[Any], values: pd.Series[Any]) -> Any:
    if values.dtype == bool:
        return values.to_numpy()
    cells = [None if pd.isna(each) else each for each in values]
    if not all(each is None or isinstance(each, (bool, np.bool_)) for each in cells):
        raise TypeError("expected bool")
    result = np.array([None if each is None else bool(each) for each in cells], dtype=object)
    return result if any(each is None for each in cells) else result.astype(bool)


def _texts(_: Column[Any], values: pd.Series[Any]) -> Any:
    cells = [None if each is None or each is pd.NA or each != each else each for each in values]
    if not all(each is None or isinstance(each, str) for each in cells):
        raise TypeError("expected strings")
    if any(each is not None and "\0" in each for each in cells):
        raise ValueError("a string holds NUL")
    return pd.array(cells, dtype="str")


def _dates(_: Column[Any], values: pd.Series[Any]) -> Any:
    return _objects([_date(each) for each in values])


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


def _times(_: Column[Any], values: pd.Series[Any]) -> Any:
    if not isinstance(values.dtype, pd.DatetimeTZDtype):
        if not all(each is None or each is pd.NaT or isinstance(each, datetime) for each in values):
            raise TypeError("expected datetimes")
        if any(isinstance(each, datetime) and each == each and each.tzinfo is None for each in values):
            raise ValueError("expected datetimes with a zone")
    return pd.to_datetime(values, utc=True).astype("datetime64[us, UTC]").array


def _documents(_: Column[Any], values: pd.Series[Any]) -> Any:
    if not all(value is None or isinstance(value, Mapping) for value in values):
        raise TypeError("expected mappings")
    return _objects([None if value is None else jsonable(value) for value in values])


def _objects(values: Sequence[Any]) -> Any:
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


_Check = Callable[[Column[Any], "pd.Series[Any]"], Any]
_CHECKS: dict[type, _Check] = {
    Double: _doubles,
    Integer: _integers,
    Boolean: _flags,
    Text: _texts,
    Date: _dates,
    DateTime: _times,
    JSONB: _documents,
}


def _read_integers(values: Sequence[Any]) -> Any:
    return pd.array(values, dtype="Int64") if None in values else np.array(values, dtype=np.int64)


def _read_flags(values: Sequence[Any]) -> Any:
    return _objects(values) if None in values else np.array(values, dtype=bool)


def _read_times(values: Sequence[Any]) -> Any:
    return pd.array(pd.to_datetime(list(values), utc=True), dtype="datetime64[us, UTC]")


_READERS: dict[type, Callable[[Sequence[Any]], Any]] = {
    Double: lambda values: np.array(values, dtype=np.float64),
    Integer: _read_integers,
    Boolean: _read_flags,
    Text: lambda values: pd.array(values, dtype="str"),
    Date: _objects,
    DateTime: _read_times,
    JSONB: _objects,
}
