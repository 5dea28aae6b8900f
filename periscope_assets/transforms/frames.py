"""Small things that every stage does to a frame: time to settlement, counts, a version from content.

What belongs here: helpers without an opinion about options. What does not: rules, formulas of a stage,
anything that reads or writes.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import date, datetime
from typing import cast

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from periscope_analytics.daycount import year_fraction

MAD_TO_SIGMA = 1.4826
"""Standard deviation over median absolute deviation of a normal law."""

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

_ABSENT = "\x00"
_SEPARATOR = "\x1f"


def years_to(expiry_at: pd.Series[pd.Timestamp], as_of: datetime) -> Floats:
    """Return the time to settlement in years, ACT/365F to the minute; negative once it has passed.

    Parameters
    ----------
    expiry_at : Series of datetime, UTC, length n
    as_of : datetime
        Time-zone aware.
    """
    return year_fraction(as_of, expiry_at.to_numpy(dtype="datetime64[us]"))


def numbers(frame: pd.DataFrame, column: str) -> Floats:
    """Return a column as float64 with NaN where it is absent."""
    return frame[column].to_numpy(dtype=np.float64, na_value=np.nan)


def flags(frame: pd.DataFrame, column: str) -> Bools:
    """Return a column as booleans.

    Raises
    ------
    ValueError
        If a value is absent.
    """
    return frame[column].to_numpy(dtype=np.bool_)


def counts(labels: pd.Series, prefix: str) -> dict[str, int]:
    """Return how often each label occurs, keyed ``<prefix>_<label>``, in alphabetical order."""
    code, texts = pd.factorize(labels, sort=True)
    found = np.bincount(code[code >= 0], minlength=len(texts)).tolist()
    return {f"{prefix}_{label}": n for label, n in zip(texts, found, strict=True)}


def finite(value: float) -> float | None:
    """Return `value`, or None where it is NaN or infinite: quality figures are JSON."""
    return float(value) if np.isfinite(value) else None


def digest(value: object) -> str:
    """Return the SHA-256 of a JSON-serialisable value in canonical form."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), default=str, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def content_version(frames: Mapping[str, pd.DataFrame]) -> str:
    """Return the SHA-256 of rows, whatever the order of tables and columns; the order of rows counts.

    Negative zero and the payload of NaN do not count; a time is its instant in microseconds.
    """
    whole = hashlib.sha256()
    for table in sorted(frames):
        frame = frames[table]
        for column in sorted(frame.columns):
            whole.update(f"{table}.{column}:{len(frame)}:".encode())
            whole.update(_column_bytes(frame[column]))
    return whole.hexdigest()


def _column_bytes(column: pd.Series) -> bytes:
    if isinstance(column.dtype, pd.DatetimeTZDtype):
        return column.astype("datetime64[us, UTC]").astype("int64").to_numpy().astype("<i8").tobytes()
    if pd.api.types.is_numeric_dtype(column.dtype):
        values = column.to_numpy(dtype="<f8", na_value=np.nan) + 0.0
        values[np.isnan(values)] = np.nan
        return values.tobytes()
    if isinstance(column.dtype, pd.StringDtype):
        return _joined_texts(column)
    return _joined(column.tolist()).encode()


def _joined_texts(column: pd.Series) -> bytes:
    """Return what :func:`_joined` does, without a Python object for each text."""
    given = pa.array(column.array, type=pa.large_string(), from_pandas=True)
    cells = given.combine_chunks() if isinstance(given, pa.ChunkedArray) else given
    filled = pc.fill_null(cells, _ABSENT) if cells.null_count else cells
    whole = pa.ListArray.from_arrays([0, len(filled)], filled)
    return bytes(pc.binary_join(whole, pa.scalar(_SEPARATOR, pa.large_string()))[0].as_buffer())


def _joined(values: list[object]) -> str:
    kinds = set(map(type, values))
    if kinds == {str}:
        return _SEPARATOR.join(cast("list[str]", values))
    if kinds <= {str, date, float, type(None)}:
        # Few distinct values: each is written once. Numbers among text are only its NaN.
        known = {value: _text(value) for value in set(values)}
        return _SEPARATOR.join([known[value] for value in values])
    return _SEPARATOR.join(map(_text, values))


def _text(value: object) -> str:
    if isinstance(value, dict):
        return json.dumps(value, sort_keys=True, default=str)
    if isinstance(value, date):
        return value.isoformat()
    return _ABSENT if value is None or value is pd.NA or value != value else str(value)
