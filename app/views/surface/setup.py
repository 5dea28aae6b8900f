"""What the reader chooses: symbol, snapshot, known time, axis, expiry.

What belongs here: the pickers. What does not: reading rows, figures.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import streamlit as st

from app import state
from app.components.clock import market_time, stamp
from app.queries import Queries
from app.queries.times import parse_time, rfc3339
from periscope_assets.charts.axes import COORDINATES

AXIS_NAMES = {"log_moneyness": "log-moneyness", "strike": "strike", "delta": "delta"}
LATEST_SNAPSHOT, LATEST_KNOWN = "latest", "now"


@dataclass(frozen=True, slots=True)
class Choice:
    """A question about one surface.

    Attributes
    ----------
    symbol : str
    as_of, known_at : str or None
        RFC 3339 times as they stand in the URL; None means the latest.
    version : str or None
        Content version that a permalink pins.
    axis : {'log_moneyness', 'strike', 'delta'}
    """

    symbol: str
    as_of: str | None
    known_at: str | None
    version: str | None
    axis: str


def choose(queries: Queries, symbols: Sequence[str]) -> Choice:
    """Draw the pickers and return what is chosen; the URL seeds them once.

    Raises
    ------
    InvalidParameterError
        If a typed symbol or time is malformed.
    StoreUnavailableError
        If the store can't be reached.
    """
    row = st.columns([2, 4, 4, 3], vertical_alignment="bottom")
    with row[0]:
        symbol = _symbol(symbols)
    with row[1]:
        as_of = _as_of(queries, symbol)
    with row[2]:
        known_at = _known_at(queries, symbol, as_of)
    with row[3]:
        axis = _axis()
    return Choice(symbol, as_of, known_at, state.pinned_version(symbol, as_of, known_at), axis)


def _symbol(symbols: Sequence[str]) -> str:
    state.seed(state.SYMBOL, symbols[0])
    chosen = st.selectbox(
        "Symbol",
        symbols,
        key=state.SYMBOL,
        persist_state="session",
        accept_new_options=True,
        help="Type to search.",
    )
    return str(chosen or symbols[0]).strip().upper()


def _as_of(queries: Queries, symbol: str) -> str | None:
    times = [rfc3339(entry.as_of) for entry in queries.snapshots(symbol)]
    state.seed(state.AS_OF, LATEST_SNAPSHOT)
    chosen = st.selectbox(
        "As of (market time)",
        [LATEST_SNAPSHOT, *times],
        key=state.AS_OF,
        persist_state="session",
        accept_new_options=True,
        format_func=lambda text: _named(text, times),
        help="Snapshots of this symbol; or type an RFC 3339 time for the latest snapshot at or before it.",
    )
    return None if chosen in (None, LATEST_SNAPSHOT) else str(chosen)


def _named(text: str, times: Sequence[str]) -> str:
    if text == LATEST_SNAPSHOT:
        return f"latest · {market_time(_instant(times[0]))}" if times else "latest"
    return market_time(_instant(text)) if text in times else text


def _known_at(queries: Queries, symbol: str, as_of: str | None) -> str | None:
    revisions = queries.revisions(symbol, as_of=as_of)
    names = {rfc3339(entry.known_at): f"{stamp(entry.known_at)} · {entry.version[:8]}" for entry in revisions}
    state.seed(state.KNOWN_AT, LATEST_KNOWN)
    chosen = st.selectbox(
        "Known at",
        [LATEST_KNOWN, *names],
        key=state.KNOWN_AT,
        persist_state="session",
        accept_new_options=True,
        format_func=lambda text: "now (everything known)" if text == LATEST_KNOWN else names.get(text, text),
        help="Show what was known then: publications of this snapshot, or type any RFC 3339 time.",
    )
    return None if chosen in (None, LATEST_KNOWN) else str(chosen)


def _axis() -> str:
    state.seed(state.AXIS, "delta", allowed=list(COORDINATES))
    chosen = st.segmented_control(
        "Axis",
        list(COORDINATES),
        key=state.AXIS,
        persist_state="session",
        required=True,
        format_func=lambda name: AXIS_NAMES[name],
        help="Log-moneyness is k = ln(strike / forward); delta is the call's, forward and undiscounted.",
    )
    return str(chosen)


def pick_expiry(labels: dict[str, str], default: str) -> str:
    """Draw the expiry picker and return the chosen settlement instant, RFC 3339.

    Parameters
    ----------
    labels : dict of str to str
        Settlement instants, and how to name them.
    default : str
        The one to begin with.
    """
    state.seed(state.EXPIRY, default, allowed=list(labels))
    chosen = st.selectbox(
        "Expiry",
        list(labels),
        key=state.EXPIRY,
        persist_state="session",
        format_func=lambda text: labels[text],
    )
    return str(chosen)


def _instant(text: str) -> datetime:
    moment = parse_time(text, "as_of")
    if moment is None:
        raise ValueError("text: no time")
    return moment
