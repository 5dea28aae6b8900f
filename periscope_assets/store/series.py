"""Rows of one dataset over time: of each span the last snapshot that was served.

What belongs here: the query, with TimescaleDB's ``time_bucket`` or PostgreSQL's ``date_bin``. What does not:
reads of one snapshot (``postgres``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import pandas as pd
from psycopg import sql

from periscope_assets.store import tables
from periscope_assets.store.frames import typed

BUCKET = "bucket"
_BUCKETS = {
    True: "time_bucket(%(every)s::interval, as_of)",
    False: "date_bin(%(every)s::interval, as_of, '2000-01-03T00:00:00Z')",
}
"""By whether there is TimescaleDB; both count from Monday, 2000-01-03, midnight UTC."""
_HISTORY = """
WITH heads AS (
    SELECT DISTINCT ON (as_of) publication_id, as_of, status, purged_at FROM periscope.publications
    WHERE dataset = %(dataset)s AND symbol = %(symbol)s AND as_of >= %(start)s AND as_of < %(end)s
        AND known_at <= least(%(known_at)s::timestamptz, (SELECT known_at FROM periscope.publish_clock))
        AND status = ANY(%(deciding)s)
    ORDER BY as_of, known_at DESC
), kept AS (
    SELECT DISTINCT ON (bucket) {bucket} AS bucket, publication_id, as_of, purged_at FROM heads
    WHERE status = ANY(%(statuses)s)
    ORDER BY bucket, as_of DESC
)
SELECT kept.bucket, kept.as_of, kept.purged_at, {columns}
FROM kept LEFT JOIN {table} AS rows
    ON rows.publication_id = kept.publication_id AND rows.as_of = kept.as_of
    AND rows.as_of >= %(start)s AND rows.as_of < %(end)s {only}
ORDER BY kept.as_of, {key}
"""


@lru_cache(maxsize=64)
def query(
    table: str, columns: tuple[str, ...] = (), only: tuple[str, ...] = (), *, has_timescale: bool
) -> sql.Composed:
    """Return the query of a table's history; its rows begin with bucket, `as_of` and `purged_at`.

    Parameters
    ----------
    table : str
    columns : tuple of str
        Of the rows, beside `publication_id` and `as_of`; all if empty.
    only : tuple of str
        Columns that must equal one of :func:`parameters`.
    has_timescale : bool
    """
    found = tables.table(table)
    conditions = [
        sql.SQL("AND {} = {}").format(
            sql.Identifier("rows", found.columns[name].name), sql.Placeholder(f"only_{name}")
        )
        for name in only
    ]
    return sql.SQL(_HISTORY).format(
        bucket=sql.SQL(_BUCKETS[has_timescale]),
        table=sql.Identifier(tables.SCHEMA, table),
        columns=sql.SQL(", ").join(sql.Identifier("rows", name) for name in _names(table, columns)),
        key=sql.SQL(", ").join(
            sql.Identifier("rows", name) for name in ["publication_id", *tables.natural_key(found)]
        ),
        only=sql.SQL(" ").join(conditions),
    )


def parameters(only: Mapping[str, object]) -> dict[str, object]:
    """Return values that columns must equal, as parameters of the query."""
    return {f"only_{name}": value for name, value in only.items()}


def frame(table: str, rows: Sequence[Sequence[Any]], columns: Sequence[str] = ()) -> pd.DataFrame:
    """Return the rows of a history as a frame: the bucket, then the table's columns, or those asked for."""
    present = [row for row in rows if row[3] is not None]
    content = typed(tables.table(table), _names(table, columns), [row[3:] for row in present])
    buckets = pd.DatetimeIndex([row[0] for row in present], dtype="datetime64[us, UTC]")
    content.insert(0, BUCKET, buckets)
    return content


def _names(table: str, columns: Sequence[str]) -> list[str]:
    found = tables.table(table).columns
    return ["publication_id", "as_of", *(found[name].name for name in columns or found.keys()[2:])]


def dataset_of(table: str, datasets: Mapping[str, Sequence[str]] = tables.DATASETS) -> str:
    """Return the dataset that a table belongs to.

    Raises
    ------
    KeyError
        If it belongs to none.
    """
    for dataset, names in datasets.items():
        if table in names:
            return dataset
    raise KeyError(table)
