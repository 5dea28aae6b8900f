"""The stamp that says which data a page shows: market time, known time, version, age.

What belongs here: the stamp, the banners of stale data, the refresh when something new is published. What
does not: deciding what is stale.
"""

from __future__ import annotations

from datetime import datetime
from typing import Literal
from urllib.parse import urlencode

import streamlit as st

from app import cache, state
from app.components import clock, preferences
from app.queries import Answer, StoreUnavailableError
from app.queries.sessions import Behind, behind

Colour = Literal["green", "orange", "gray", "red"]

_DRAWN = "_page_was_drawn"
_COLOURS: dict[str, Colour] = {
    "published": "green",
    "stale": "orange",
    "superseded": "gray",
    "rejected": "red",
}
_HELP = {
    "published": "The version served for this snapshot.",
    "stale": "The ledger holds newer inputs than this was computed from.",
    "superseded": "A later version of this snapshot is served; this one is pinned.",
    "rejected": "Failed its publication criteria; shown because its version is pinned.",
}


def stamp(answer: Answer, *, live: bool, watermark: datetime) -> None:
    """Draw the stamp and the banners; a live page draws itself anew when something was published.

    Parameters
    ----------
    answer : Answer
        The page's main answer.
    live : bool
        Whether the page shows whatever is latest, rather than a chosen time or version.
    watermark : datetime
        Until when the page knows everything.
    """
    st.session_state[_DRAWN] = True
    if live:
        every = cache.settings().screen.refresh_seconds
        st.fragment(_live, run_every=every)(answer, watermark)
    else:
        _stamp(answer, live=False)
        _banners(answer)


def _live(answer: Answer, watermark: datetime) -> None:
    if not st.session_state.pop(_DRAWN, False) and _has_news(watermark):
        st.rerun()
    _stamp(answer, live=True)
    _banners(answer)
    _calendar_banner(answer)


def _has_news(watermark: datetime) -> bool:
    try:
        return cache.queries().watermark() > watermark
    except StoreUnavailableError:
        st.error(
            "The store can't be reached; what you see is what was read last.", icon=":material/cloud_off:"
        )
        return False


def _stamp(answer: Answer, *, live: bool) -> None:
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.badge(answer.status, color=_COLOURS.get(answer.status, "gray"), help=_HELP.get(answer.status))
        if not live:
            st.badge("pinned in time", color="gray", icon=":material/history:", help="Not the latest data.")
        st.caption(_sentence(answer), width="content")


def _sentence(answer: Answer) -> str:
    parts = [f"known at {clock.stamp(answer.known_at)}"]
    if answer.symbol is not None:
        parts += [f"version `{answer.version[:12]}`", f"source {answer.source}"]
    if answer.as_of is not None:
        parts.insert(0, f"market time **{clock.market_time(answer.as_of, preferences.zone())}**")
        parts.insert(1, f"age {clock.age(answer.as_of, clock.now())}")
    return " · ".join(parts)


def link(answer: Answer) -> None:
    """Draw the link that shows this answer for ever, with what the page's pickers hold."""
    with st.popover("Link", icon=":material/link:", key="link", help="A link to these very numbers."):
        st.caption("Shows these very numbers, whatever is published later:")
        path = st.context.url or ""
        query = urlencode(state.permalink(answer, **state.chosen()), safe=":")
        st.code(f"{path.partition('?')[0]}?{query}", language=None, wrap_lines=True)


def _banners(answer: Answer) -> None:
    for warning in answer.warnings:
        st.warning(warning, icon=":material/schedule:")


def _calendar_banner(answer: Answer) -> None:
    if answer.symbol is None or answer.as_of is None:
        return
    calendar = cache.settings().calendar_of(answer.symbol)
    missed = behind(calendar, answer.as_of, clock.now())
    if missed is not None and missed.last_close is not None:
        st.warning(_missed(missed, missed.last_close, calendar), icon=":material/schedule:")


def _missed(missed: Behind, last_close: datetime, calendar: str) -> str:
    count = f"{'More than ' if missed.is_more else ''}{missed.count:,}"
    sessions = f"session{'s' if missed.count > 1 else ''} of {calendar}"
    last = clock.market_time(last_close, preferences.zone())
    return f"**Stale.** {count} {sessions} closed since this snapshot, the last at {last}."
