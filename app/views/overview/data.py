"""The overview's table.

What belongs here: from the board to columns that people read. What does not: widgets.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from urllib.parse import urlencode

import pandas as pd

from app import state
from app.components.clock import age
from app.queries import Answer
from app.queries.events import EventBook
from periscope_assets.settings import Settings
from periscope_assets.sources.calendars import session_date

AHEAD = timedelta(days=120)
_PERCENT = (
    *("atm_iv", "atm_iv_stderr", "atm_iv_change", "rr_25", "term_slope", "iv_rank", "iv_percentile"),
    *("realized_vol", "inside_share"),
)


def board(answer: Answer) -> pd.DataFrame:
    """Return the board's rows."""
    return answer.frames["board"]


def chosen(frame: pd.DataFrame, text: str, statuses: Sequence[str]) -> pd.DataFrame:
    """Return the rows whose symbol holds a text and whose status is one of some; all for none."""
    fits = frame["symbol"].str.contains(text.strip().upper(), regex=False)
    return frame[fits & (frame["status"].isin(statuses) if statuses else True)]


def table(
    frame: pd.DataFrame, now: datetime, book: EventBook, settings: Settings, known_at: str | None
) -> pd.DataFrame:
    """Return one row for each underlying, ready to be shown; vols and shares in percent."""
    percent = {name: 100.0 * frame[name].astype("float64") for name in _PERCENT}
    premium = 100.0 * (frame["variance_iv"].astype("float64") - frame["realized_vol"].astype("float64"))
    events = [
        next_event(symbol, as_of, book, settings) if as_of == as_of else ""
        for symbol, as_of in zip(frame["symbol"], frame["as_of"], strict=True)
    ]
    return frame.assign(
        symbol=[_link(symbol, known_at) for symbol in frame["symbol"]],
        age=[age(moment, now) if moment == moment else "" for moment in frame["as_of"]],
        certificate=frame["is_free"].map({True: "free", False: "arbitrage"}),
        premium=premium,
        event=events,
        **percent,
    )


def next_event(symbol: str, as_of: datetime, book: EventBook, settings: Settings) -> str:
    """Return the first event after a snapshot and its distance in days; empty if none is known."""
    day = session_date(as_of)
    found = book.between(symbol, settings.calendar_of(symbol), day, day + AHEAD)
    return f"{found[0].name} in {(found[0].day - day).days} d" if found else ""


def _link(symbol: str, known_at: str | None) -> str:
    query = {state.SYMBOL: symbol} | ({} if known_at is None else {state.KNOWN_AT: known_at})
    return f"/surface?{urlencode(query)}"


def totals(frame: pd.DataFrame) -> list[tuple[str, str, str]]:
    """Return name, value and explanation of the figures over all underlyings."""
    accepted, refused = (int(frame[name].sum()) for name in ("n_accepted", "n_quarantined"))
    states = frame["status"].value_counts()
    current = states.get("published", 0)
    signals = int(frame["n_signals"].sum())
    share = f"{100 * accepted / (accepted + refused):.1f} %" if accepted + refused else "–"
    return [
        ("Of the latest quotes", f"{current:,} of {len(frame):,}", "Built from the latest quotes published."),
        ("Stale", f"{states.get('stale', 0):,}", "Newer quotes are published than the surface is of."),
        ("Without a surface", f"{len(frame) - current - states.get('stale', 0):,}", "Quotes but no surface."),
        ("Signals pending", f"{signals:,}", "Of the latest snapshots, after filters."),
        ("Quotes accepted", f"{accepted:,}", "Of the latest snapshot of each underlying."),
        ("Share accepted", share, "The rest is in quarantine, each row with a reason."),
    ]
