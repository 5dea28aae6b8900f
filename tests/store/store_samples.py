"""Drafts with invented numbers, for tests that publish."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import numpy as np
import pandas as pd
from sqlalchemy import Boolean, Date, DateTime, Text

from periscope_assets.store import frames, tables
from periscope_assets.store.repository import PUBLISHED, Draft
from periscope_assets.store.tables import DATASETS

AS_OF = datetime(2024, 1, 2, 20, 0, tzinfo=UTC)
LATER = datetime(2024, 1, 3, 20, 0, tzinfo=UTC)


_FILLED = {Text: "x", Boolean: False, Date: date(2024, 1, 2), DateTime: pd.Timestamp("2024-01-02T00:00Z")}


def whole(name: str, frame: pd.DataFrame) -> pd.DataFrame:
    """Return a frame with the table's other columns as well: absent where they may be, else anything."""
    table = tables.table(name)
    added = {}
    for column in tables.content_columns(table):
        if column.name not in frame:
            value = next((value for kind, value in _FILLED.items() if isinstance(column.type, kind)), 0)
            added[column.name] = pd.Series([None if column.nullable else value] * len(frame), dtype=object)
    return frames.conform(table, frame.assign(**added))


def quotes(n: int = 5, bid: float = 1.5) -> pd.DataFrame:
    """Accepted quotes; every seventh has no bid."""
    rows = np.arange(n)
    return whole(
        "options_snapshots",
        pd.DataFrame(
            {
                "contract": [f"SPXW240119C{row:08d}" for row in rows],
                "expiry_at": pd.Timestamp("2024-01-19T21:00Z"),
                "strike": 4000.0 + 5.0 * rows,
                "is_call": rows % 2 == 0,
                "expiry": date(2024, 1, 19),
                "root": "SPXW",
                "settlement": "pm",
                "style": "european",
                "quote_unit": "usd",
                "bid": np.where(rows % 7 == 3, np.nan, bid),
                "ask": bid + 0.5,
                "bid_size": np.nan,
                "ask_size": 10.0,
                "last": 1.0 / 3.0,
                "volume": 0.0,
                "open_interest": 7.0,
                "vendor_iv": 0.2,
                "vendor_delta": 0.5,
                "vendor_mark": bid + 0.25,
                "underlying_price": 4742.83,
                "multiplier": 100.0,
                "raw_line": rows + 1,
            }
        ),
    )


def refused(n: int = 2) -> pd.DataFrame:
    """Quarantined quotes."""
    return whole(
        "quarantined_quotes",
        pd.DataFrame(
            {
                "raw_line": np.arange(n) + 1000,
                "side": "call",
                "contract": [None if row else "SPXW240119C00000001" for row in range(n)],
                "reason": "crossed",
                "rule_version": 1,
                "detail": "bid 2.0 > ask 1.0",
                "record": [{"bid": 2.0, "ask": 1.0, "last": float("nan")} for _ in range(n)],
            }
        ),
    )


def forwards(forward: float = 4750.0, n: int = 3) -> pd.DataFrame:
    """Forwards of n expiries; the last has none."""
    return whole(
        "forwards",
        pd.DataFrame(
            {
                "expiry_at": pd.to_datetime([f"2024-02-{day + 1:02d}T21:00Z" for day in range(n)]),
                "expiry": [date(2024, 2, day + 1) for day in range(n)],
                "root": "SPXW",
                "tau_years": [(30 + day) / 365 for day in range(n)],
                "forward": [forward + day for day in range(n - 1)] + [np.nan],
                "forward_stderr": 0.05,
                "discount": 0.99,
                "parity_residual": 0.01,
                "n_strikes": 40,
                "n_used": 38,
                "status": ["ok"] * (n - 1) + ["too_few_strikes"],
            }
        ),
    )


def draft(version: str = "v1", **changed: Any) -> Draft:
    """A draft of forwards for SPX; `forward` sets the numbers, anything else a field."""
    forward = changed.pop("forward", 4750.0)
    fields: dict[str, Any] = {
        "dataset": "forward_curve",
        "symbol": "SPX",
        "as_of": AS_OF,
        "version": version,
        "method_version": "1",
        "inputs": {"option_quotes": "q1"},
        "status": PUBLISHED,
        "source": "simulated",
        "run_id": "run",
        "quality": {"n_rows": 3, "median_residual": 0.01},
    } | changed
    if "frames" not in fields:
        has_rows = fields["status"] in ("published", "rejected")
        fields["frames"] = {"forwards": forwards(forward)} if has_rows else {}
    return Draft(**fields)


def chain_draft(version: str = "v1", n: int = 5, **changed: Any) -> Draft:
    """A draft of accepted and refused quotes."""
    frames = dict(zip(DATASETS["option_quotes"], (quotes(n), refused()), strict=True))
    return draft(version, **{"dataset": "option_quotes", "frames": frames} | changed)
