"""The overview's table.

What belongs here: from the underlyings query to columns that people read. What does not: widgets.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

import pandas as pd

from app.components.clock import age
from app.queries import Answer


def table(answer: Answer, now: datetime) -> pd.DataFrame:
    """Return one row for each underlying, ready to be shown."""
    frame = answer.frames["underlyings"]
    rows = [_row(record, now) for record in frame.to_dict("records")]
    return pd.DataFrame(rows)


def _row(record: Mapping[object, object], now: datetime) -> dict[str, object]:
    quotes, surface = _mapping(record["quotes"]), _mapping(record["surface"])
    moment = record["as_of"]
    return {
        "symbol": record["symbol"],
        "open": f"/surface?symbol={record['symbol']}",
        "status": record["status"],
        "as_of": moment,
        "age": age(moment, now) if isinstance(moment, datetime) else None,
        "n_snapshots": record["n_snapshots"],
        **{f"quotes_{name}": value for name, value in quotes.items()},
        **{f"surface_{name}": value for name, value in surface.items()},
        "source": record["source"],
        "version": str(record["version"])[:12],
    }


def _mapping(value: object) -> Mapping[str, object]:
    return value if isinstance(value, Mapping) else {}
