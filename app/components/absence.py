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


def show(error: Exception) -> None:
    """Explain an expected failure of a query; :data:`EXPECTED` lists them."""
    if isinstance(error, StoreUnavailableError):
        _store(error)
    elif isinstance(error, UnknownSymbolError):
        st.info(f"**Unknown symbol.** {error}", icon=":material/search_off:")
    elif isinstance(error, NotPublishedError):
        sentence = f"**Not published.** {error.dataset} of {error.symbol}: {error.reason}."
        st.info(sentence, icon=":material/inbox:")
        _remedy(error.remedy)
    else:
        st.warning(str(error), icon=":material/report:")


def no_data() -> None:
    """Explain an empty store."""
    st.info(
        "**Nothing is published yet.** Materialise the simulated market, or ingest recorded chains:",
        icon=":material/inbox:",
    )
    st.code("periscope demo\nperiscope ingest PATH...", language="bash")


def _store(error: StoreUnavailableError) -> None:
    st.error(f"**The store can't be reached.** {error}", icon=":material/cloud_off:")
    st.code("periscope up    # or check PERISCOPE_DATABASE__URL", language="bash")
    st.button("Retry", icon=":material/refresh:", key="retry")


def _remedy(text: str) -> None:
    command = text.removeprefix("Run: ")
    if command != text:
        st.caption("Run")
        st.code(command, language="bash")
    else:
        st.caption(text)
