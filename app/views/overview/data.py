"""The overview's table.

What belongs here: from the underlyings query to columns that people read. What does not: widgets.
"""

from __future__ import annotations

from datetime import datetime

import pandas as pd

from app.components.clock import age
from app.queries import Answer


def table(answer: Answer, now: datetime) -> pd.DataFrame:
    """Return one row for each underlying, ready to be shown; vols and shares in percent."""
    frame = answer.frames["underlyings"]
    percent = {
        name: 100.0 * frame[name].astype("float64") for name in ("inside_share", "atm_iv_30d", "rr_25_30d")
    }
    return frame.assign(
        open=[f"/surface?symbol={symbol}" for symbol in frame["symbol"]],
        age=[age(moment, now) for moment in frame["as_of"]],
        certificate=frame["is_free"].map({True: "none", False: "found"}),
        **percent,
    )


def totals(answer: Answer) -> list[tuple[str, str]]:
    """Return name and value of the figures over all underlyings."""
    frame = answer.frames["underlyings"]
    accepted, refused = (int(frame[name].sum()) for name in ("n_accepted", "n_quarantined"))
    states = frame["status"].value_counts()
    return [
        ("Underlyings", f"{len(frame):,}"),
        ("Surfaces up to date", f"{states.get('published', 0):,}"),
        ("Stale", f"{states.get('stale', 0):,}"),
        ("Without a surface", f"{len(frame) - states.get('published', 0) - states.get('stale', 0):,}"),
        ("Quotes accepted", f"{accepted:,}"),
        ("Quotes refused", f"{refused:,}"),
    ]
