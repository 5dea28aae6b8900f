"""Strict reading of JSON records: every field is what it promises, or the error says where it is not.

What belongs here: JSON text -> records -> columns of a ``cells.Table``. What does not: the fields of any
particular vendor.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NoReturn

import pyarrow as pa

from periscope_assets.sources.base import SourceError
from periscope_assets.sources.layouts import cells, times

Record = Mapping[str, Any]

CLOCK_SKEW = timedelta(seconds=60)
"""By how much a vendor's clock may be ahead of ours."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def read_json(content: bytes, name: str) -> Any:
    """Return what JSON text says.

    Raises
    ------
    SourceError
        If it is no JSON, or holds a number that JSON has not.
    """
    text = cells.decode(content, name)
    try:
        return json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        at = f"line {error.lineno} column {error.colno}" if isinstance(error, json.JSONDecodeError) else "it"
        kind = "a web page" if text.lstrip()[:1] == "<" else "cut off or damaged"
        raise SourceError(f"{name}: {at}: no JSON, {kind}; fetch it again") from None


def _refuse(constant: str) -> NoReturn:
    raise ValueError(constant)


def read_object(content: bytes, name: str) -> Record:
    """Return a JSON object.

    Raises
    ------
    SourceError
        If it is something else.
    """
    found = read_json(content, name)
    if not isinstance(found, dict):
        raise SourceError(f"{name}: holds a JSON {type(found).__name__}, expected an object; fetch it again")
    return found


def list_of_records(found: Record, field: str, name: str) -> list[Record]:
    """Return the list of objects under a field, whose name may be dotted.

    Raises
    ------
    SourceError
        If it is absent, no list, or holds something that is no object.
    """
    listed = value(found, field)
    if not isinstance(listed, list):
        raise SourceError(f"{name}: no list {field!r}; fetch it again")
    for number, record in enumerate(listed, start=1):
        if not isinstance(record, dict):
            raise SourceError(f"{name}: record {number} of {field}: expected an object; fetch it again")
    return listed


def value(record: Record, field: str) -> Any:
    """Return a field by its dotted name, None where it or an object on the way is absent."""
    found: Any = record
    for part in field.split("."):
        found = found.get(part) if isinstance(found, dict) else None
    return found


def table(
    name: str, records: Sequence[Record], texts: Mapping[str, str], numbers: Mapping[str, str]
) -> cells.Table:
    """Return fields of records as columns, numbered from 1.

    Parameters
    ----------
    name : str
        For messages.
    records : sequence of mapping
        At least one.
    texts, numbers : mapping of str to str
        Dotted field by column; absent and null become empty text and null.

    Raises
    ------
    SourceError
        At the first field of another type.
    """
    columns = {column: pa.array(_texts(name, records, field), pa.string()) for column, field in texts.items()}
    columns |= {
        column: pa.array(_numbers(name, records, field), pa.float64()) for column, field in numbers.items()
    }
    return cells.Table(name, columns, first=1, unit="record")


def _texts(name: str, records: Sequence[Record], field: str) -> list[str]:
    found = _column(records, field)
    for row, each in enumerate(found):
        if not isinstance(each, str | None):
            raise _error(name, row, field, each, "text")
    return [each or "" for each in found]


def _numbers(name: str, records: Sequence[Record], field: str) -> list[float | None]:
    found = _column(records, field)
    for row, each in enumerate(found):
        if each is None:
            continue
        if type(each) is float and math.isfinite(each):
            continue
        if isinstance(each, bool) or not isinstance(each, int | float) or not _is_finite(each):
            raise _error(name, row, field, each, "a finite number")
    return [None if each is None else float(each) for each in found]


def _column(records: Sequence[Record], field: str) -> list[Any]:
    found: list[Any] = list(records)
    for part in field.split("."):
        found = [each.get(part) if isinstance(each, dict) else None for each in found]
    return found


def _is_finite(number: float) -> bool:
    try:
        return math.isfinite(number)
    except OverflowError:
        return False


def _error(name: str, row: int, field: str, found: object, wanted: str) -> SourceError:
    problem = f"{cells.cut(repr(found)[:80])} is not {wanted}; report it to the vendor"
    return SourceError(f"{name}: record {row + 1}, field {field}: {problem}")


def instants(table: cells.Table, column: str, per_second: float) -> list[datetime | None]:
    """Return a column of Unix times as UTC to the microsecond; 0 and null are none.

    Parameters
    ----------
    per_second : float
        1e3 for milliseconds, 1e9 for nanoseconds.

    Raises
    ------
    SourceError
        If a time lies outside 1980-2199.
    """
    found: list[datetime | None] = []
    for row, stamp in enumerate(table.columns[column].to_pylist()):
        if not stamp:
            found.append(None)
            continue
        try:
            moment = _EPOCH + timedelta(microseconds=round(stamp * 1e6 / per_second))
            times.plausible_date(moment.year, moment.month, moment.day)
        except (ValueError, OverflowError):
            raise table.error(row, column, f"{stamp:.0f} is no time; report it to the vendor") from None
        found.append(moment)
    return found


def snapshot_time(name: str, stamps: Sequence[datetime | None], received_at: datetime | None) -> datetime:
    """Return the time of the latest quote, leaving out what is stamped later than it was received.

    Raises
    ------
    SourceError
        If there is none.
    """
    latest = None if received_at is None else received_at + CLOCK_SKEW
    known = [stamp for stamp in stamps if stamp is not None and (latest is None or stamp <= latest)]
    if not known:
        raise SourceError(f"{name}: no quote has a time up to its receipt; report it to the vendor")
    return max(known)
