"""Pandera schemas of frames, derived from THE schema: types, nulls, bounds and the natural key of each table.

What belongs here: the derivation. What does not: any column (``tables``), rules about market data. Pandera is
imported when a schema is first asked for: it takes most of a second.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import TYPE_CHECKING, Any

import pandas as pd
from sqlalchemy import Boolean, Column, Date, DateTime, Double, Integer, Table, Text
from sqlalchemy.dialects.postgresql import JSONB

from periscope_assets.store.columns import ABOVE, AMONG, LEAST
from periscope_assets.store.tables import content_columns, natural_key, table

if TYPE_CHECKING:
    from pandera.pandas import Check, DataFrameSchema

_TYPES: dict[type, Any] = {
    Double: "float64",
    Integer: "int64",
    Boolean: "bool",
    Text: "str",
    Date: object,
    DateTime: pd.DatetimeTZDtype("us", "UTC"),
    JSONB: object,
}


class BoundaryError(ValueError):
    """Rows are not what the schema promises; the message names table, column and the first row."""


def check_published(name: str, frame: pd.DataFrame) -> None:
    """Check rows that are about to be published against types, nulls, bounds and the key of their table.

    Raises
    ------
    BoundaryError
        At the first column that does not hold what the schema promises.
    """
    schema = _published(name)
    if _is_of_types(schema, frame) and _is_filled_in(schema, frame):
        key = natural_key(table(name))
        schema = _values(name, is_keyed=bool(key) and frame[key[0]].is_unique)
    _check(name, schema, frame)


def check_parsed(name: str, frame: pd.DataFrame, others: tuple[str, ...]) -> None:
    """Check parsed rows against the types alone of the columns that they share with a table.

    Parameters
    ----------
    name : str
        Table.
    frame : DataFrame
        Rows whose values nobody has judged yet.
    others : tuple of str
        Columns that the table does not have.

    Raises
    ------
    BoundaryError
        If a column is of another type, missing or unknown.
    """
    schema = _parsed(name, frozenset(frame.columns), others)
    if not _is_of_types(schema, frame):
        _check(name, schema, frame)


@cache
def _published(name: str) -> DataFrameSchema:
    of = table(name)
    return _schema(of, content_columns(of), natural_key(of), values=True)


@cache
def _values(name: str, *, is_keyed: bool) -> DataFrameSchema:
    """Return what is left of a schema once types and nulls are known to be right, and perhaps the key."""
    whole = _published(name)
    bounded = {key: column for key, column in whole.columns.items() if column.checks}
    return type(whole)(bounded, name=whole.name, unique=None if is_keyed else whole.unique)


def _is_of_types(schema: DataFrameSchema, frame: pd.DataFrame) -> bool:
    """Tell what takes pandera far longer, column by column, and that the columns are the schema's."""
    wanted = {name: column.dtype for name, column in schema.columns.items()}
    return (
        len(wanted) == len(frame.columns)
        and wanted.keys() == set(frame.columns)
        and all(
            wanted[name] is None or _pandas_type(wanted[name]) == found
            for name, found in frame.dtypes.items()
        )
    )


def _pandas_type(kind: Any) -> Any:
    return getattr(kind, "type", None)


def _is_filled_in(schema: DataFrameSchema, frame: pd.DataFrame) -> bool:
    return not any(frame[name].hasnans for name, column in schema.columns.items() if not column.nullable)


@cache
def _parsed(name: str, found: frozenset[str], others: tuple[str, ...]) -> DataFrameSchema:
    of = table(name)
    shared = [column for column in content_columns(of) if column.name in found]
    return _schema(of, shared, [], values=False, others=others)


def _schema(
    of: Table, columns: Iterable[Column[Any]], key: list[str], *, values: bool, others: Iterable[str] = ()
) -> DataFrameSchema:
    import pandera.pandas as pandera

    known = {
        column.name: pandera.Column(
            _type(column), checks=_checks(column) if values else [], nullable=column.nullable or not values
        )
        for column in columns
    }
    return pandera.DataFrameSchema(
        {**known, **{name: pandera.Column(nullable=True) for name in others}},
        name=of.name,
        unique=key or None,
        strict=True,
    )


def _type(column: Column[Any]) -> Any:
    return next(kind for of, kind in _TYPES.items() if isinstance(column.type, of))


def _checks(column: Column[Any]) -> list[Check]:
    import pandera.pandas as pandera

    info, checks = column.info, []
    if AMONG in info:
        checks.append(pandera.Check.isin(list(info[AMONG])))
    if ABOVE in info:
        checks.append(pandera.Check.gt(info[ABOVE]))
    if LEAST in info:
        checks.append(pandera.Check.ge(info[LEAST]))
    return checks


def _check(name: str, schema: DataFrameSchema, frame: pd.DataFrame) -> None:
    from pandera.errors import SchemaError

    try:
        schema.validate(frame)
    except SchemaError as error:
        column = getattr(error.schema, "name", None)
        where = name if column in (None, name) else f"{name}.{column}"
        problem = " ".join(str(error).split())[:200]
        raise BoundaryError(f"{where}: {problem}") from error
