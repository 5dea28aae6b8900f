"""What a page shows when there is nothing to show: why, and what to run.

What belongs here: one panel for each kind of absence. What does not: finding out why.
"""

from __future__ import annotations

import streamlit as st

from app.queries import (
    InvalidParameterError,
    NotPublishedError,
    PurgedError,
    StoreUnavailableError,
    UnknownSymbolError,
)

EXPECTED = (
    InvalidParameterError,
    NotPublishedError,
    PurgedError,
    StoreUnavailableError,
    UnknownSymbolError,
)


def show(error: Exception, request: str) -> None:
    """Explain an expected failure of a query; :data:`EXPECTED` lists them.

    Parameters
    ----------
    error : Exception
    request : str
        By which the app's log tells more.
    """
    if isinstance(error, StoreUnavailableError):
        st.error(f"**The store can't be reached.** {error}", icon=":material/cloud_off:")
        st.code("periscope up    # or check PERISCOPE_DATABASE__URL", language="bash")
        _retry(request)
    elif isinstance(error, UnknownSymbolError):
        st.info(f"**Unknown symbol.** {error}", icon=":material/search_off:")
    elif isinstance(error, NotPublishedError):
        sentence = f"**Not published.** {error.dataset} of {error.symbol}: {error.reason}."
        st.info(sentence, icon=":material/inbox:")
        _remedy(error.remedy)
        _retry(request)
    else:
        st.warning(str(error), icon=":material/report:")


def unexpected(request: str) -> None:
    """Own up to a failure that no page foresaw; its details are in the app's log only."""
    st.error(
        "**This page failed.** It is a fault of the app, not of the data; the app's log has the details "
        f"under request {request}.",
        icon=":material/bug_report:",
    )
    _retry(request)


def no_data() -> None:
    """Explain an empty store."""
    st.info(
        "**Nothing is published yet.** Materialise the simulated market, or ingest recorded chains:",
        icon=":material/inbox:",
    )
    st.code("periscope demo\nperiscope ingest PATH...", language="bash")


def nothing(what: str) -> None:
    """Say in a sentence why a part of a page has nothing to show."""
    st.info(what, icon=":material/inbox:")


def _retry(request: str) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        st.button("Retry", icon=":material/refresh:", key="retry")
        st.caption(f"request {request}", width="content")


def _remedy(text: str) -> None:
    command = text.removeprefix("Run: ")
    if command != text:
        st.caption("Run")
        st.code(command, language="bash")
    else:
        st.caption(text)
