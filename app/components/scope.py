"""What every page lets its reader choose: symbol, market time, known time.

What belongs here: these pickers and the choice they make. What does not: choices of one page, reading rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from app import state
from app.components.clock import local_time, stamp
from app.components.preferences import zone
from app.queries import Queries
from app.queries.times import parse_time, rfc3339

LATEST_SNAPSHOT, LATEST_KNOWN = "latest", "now"
MOST_SNAPSHOTS = 250
"""Snapshots on offer; any other time can be typed."""

SEARCH_KEY = "/"
_TIMES = "Or type a date, or a time such as 2026-01-02T21:00:00Z"


@dataclass(frozen=True, slots=True)
class Scope:
    """Which data a page is about.

    Attributes
    ----------
    symbol : str
        Empty on pages that span symbols.
    as_of, known_at : str or None
        RFC 3339 times as they stand in the URL; None means the latest.
    version : str or None
        Content version that a permalink pins, of the page's dataset.
    watermark : datetime
        Until when everything known is final, as the page was drawn.
    """

    symbol: str
    as_of: str | None
    known_at: str | None
    version: str | None
    watermark: datetime

    @property
    def is_live(self) -> bool:
        """Whether the page shows whatever is latest."""
        return (self.as_of, self.known_at, self.version) == (None, None, None)


def choose(
    queries: Queries, title: str, dataset: str | None, symbols: Sequence[str]
) -> tuple[Scope, DeltaGenerator]:
    """Draw the title and the pickers; return what is chosen, and a place beside them for a button.

    The URL seeds the pickers.

    Parameters
    ----------
    queries : Queries
    title : str
    dataset : str or None
        Whose snapshots and revisions are on offer; None for a page that spans symbols.
    symbols : sequence of str
        At least one.

    Raises
    ------
    InvalidParameterError
        If a typed symbol or time is malformed.
    StoreUnavailableError
        If the store can't be reached.
    """
    watermark = queries.watermark()
    if dataset is None:
        row = st.columns([16, 8, 3], vertical_alignment="bottom")
        row[0].header(title, anchor=False)
        with row[1]:
            known_at = _known_at({})
        return Scope("", None, known_at, None, watermark), row[2]
    row = st.columns([10, 8, 15, 15, 6], vertical_alignment="bottom")
    row[0].header(title, anchor=False)
    with row[1]:
        symbol = _symbol(symbols)
    with row[2]:
        as_of = _as_of(queries, symbol, dataset)
    with row[3]:
        revisions = queries.revisions(symbol, dataset, as_of=as_of)
        known_at = _known_at(
            {rfc3339(entry.known_at): f"{stamp(entry.known_at)} · {entry.version[:8]}" for entry in revisions}
        )
    version = state.pinned_version(symbol, as_of, known_at)
    return Scope(symbol, as_of, known_at, version, watermark), row[4]


def _symbol(symbols: Sequence[str]) -> str:
    state.seed(state.SYMBOL, symbols[0])
    chosen = st.selectbox(
        "Symbol",
        symbols,
        key=state.SYMBOL,
        persist_state="session",
        accept_new_options=True,
        help=f"Press {SEARCH_KEY} and type to search, Enter to choose.",
    )
    return str(chosen or symbols[0]).strip().upper()


def _as_of(queries: Queries, symbol: str, dataset: str) -> str | None:
    entries = queries.recent_snapshots(symbol, dataset, limit=MOST_SNAPSHOTS)
    times = [rfc3339(entry.as_of) for entry in entries]
    state.seed(state.AS_OF, LATEST_SNAPSHOT, quiet=True)
    chosen = st.selectbox(
        "As of (market time)",
        [LATEST_SNAPSHOT, *times],
        key=state.AS_OF,
        persist_state="session",
        accept_new_options=True,
        format_func=lambda text: _named(text, times),
        help=f"Snapshots of this symbol, latest first. {_TIMES}: the latest snapshot at or before it.",
    )
    return None if chosen in (None, LATEST_SNAPSHOT) else str(chosen)


def _named(text: str, times: Sequence[str]) -> str:
    if text == LATEST_SNAPSHOT:
        return f"latest · {local_time(_instant(times[0]), zone())}" if times else "latest"
    return local_time(_instant(text), zone()) if text in times else text


def _known_at(names: dict[str, str]) -> str | None:
    state.seed(state.KNOWN_AT, LATEST_KNOWN, quiet=True)
    chosen = st.selectbox(
        "Known at",
        [LATEST_KNOWN, *names],
        key=state.KNOWN_AT,
        persist_state="session",
        accept_new_options=True,
        format_func=lambda text: "now (everything known)" if text == LATEST_KNOWN else names.get(text, text),
        help=f"Show what was known then: the publications of this snapshot. {_TIMES}.",
    )
    return None if chosen in (None, LATEST_KNOWN) else str(chosen)


def _instant(text: str) -> datetime:
    moment = parse_time(text, "as_of")
    if moment is None:
        raise ValueError("text: no time")
    return moment
