"""The frame around every page: title, pickers, what went wrong, state in the URL.

What belongs here: what all pages have in common. What does not: what any page shows. A page is::

    def render() -> None:
        frame.show("Surface", _page, dataset="vol_surface")

    def _page(queries: Queries, scope: Scope) -> None:
        answer = queries.surface(
            scope.symbol, as_of=scope.as_of, known_at=scope.known_at, version=scope.version
        )
        frame.stamp(answer, scope)
        ...

Its own pickers get their value by ``state.seed(name, default, allowed)`` and have ``key=name`` and
``persist_state="session"``; the frame writes them into the URL when the page is drawn.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable

import streamlit as st

from app import cache, state
from app.components import absence, appearance, freshness, incidents, keyboard, preferences
from app.components.scope import Scope, choose
from app.queries import Answer, Queries

Body = Callable[[Queries, Scope], None]

_MAIN_ANSWER = "_main_answer"

_log = logging.getLogger("periscope.app")


def show(title: str, body: Body, *, dataset: str | None, needs_data: bool = True) -> None:
    """Draw a page, or say why it can't be drawn.

    Parameters
    ----------
    title : str
    body : callable
        Draws the page of a scope; what it raises is explained to the reader.
    dataset : str or None
        Whose snapshots the pickers offer, and whose version a link pins; None for a page that spans symbols.
    needs_data : bool
        Whether the page shows published data, and nothing without; other pages have no pickers.
    """
    state.begin()
    preferences.begin()
    try:
        _page(title, body, dataset, needs_data=needs_data)
    except absence.EXPECTED as error:
        request = _log_failure(title, error)
        absence.show(error, request)
    except Exception as error:
        request = _log_failure(title, error, exc_info=True)
        absence.unexpected(request)
    # Last, for each takes a line of the page.
    keyboard.search()
    appearance.follow()


def stamp(answer: Answer, scope: Scope) -> None:
    """Draw which data the page shows, its banners and its link; once a page, with its main answer."""
    st.session_state[_MAIN_ANSWER] = answer
    freshness.stamp(answer, live=scope.is_live, watermark=scope.watermark)


def _page(title: str, body: Body, dataset: str | None, *, needs_data: bool) -> None:
    queries = cache.queries().of_one_moment()
    symbols = preferences.ordered(queries.symbols())
    if not symbols and needs_data:
        st.header(title, anchor=False)
        absence.no_data()
        return
    if not needs_data:
        st.header(title, anchor=False)
        incidents.banner()
        body(queries, Scope("", None, None, None, queries.watermark()))
        state.sync()
        return
    scope, corner = choose(queries, title, dataset, symbols)
    incidents.banner()
    with st.spinner("Reading and computing", show_time=True):
        body(queries, scope)
    state.sync(scope.version)
    if (answer := st.session_state.pop(_MAIN_ANSWER, None)) is not None:
        with corner:
            freshness.link(answer)


def _log_failure(title: str, error: Exception, *, exc_info: bool = False) -> str:
    request = secrets.token_hex(6)
    _log.warning("request %s: page %s: %s", request, title, error, exc_info=exc_info)
    return request
