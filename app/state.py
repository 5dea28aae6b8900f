"""The page state that lives in the URL, so that a pasted link shows the same numbers.

What belongs here: names of query parameters, from the URL to the pickers and back. What does not: widgets.
"""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from app.queries import Answer
from app.queries.times import rfc3339

SYMBOL, AS_OF, KNOWN_AT, VERSION = "symbol", "as_of", "known_at", "version"
EXPIRY, AXIS = "expiry", "axis"


def seed(name: str, default: str, allowed: Sequence[str] | None = None) -> None:
    """Give a picker its first value: from the URL, else the default.

    Parameters
    ----------
    name : str
        Query parameter and key of the picker.
    default : str
    allowed : sequence of str, optional
        Values that the picker can have; anything else becomes the default.
    """
    value = st.session_state.get(name) or st.query_params.get(name, default)
    st.session_state[name] = value if allowed is None or value in allowed else default


def pinned_version(symbol: str, as_of: str | None, known_at: str | None) -> str | None:
    """Return the version that the URL pins, as long as the pickers still show what it pins."""
    url = st.query_params
    same = (url.get(SYMBOL), url.get(AS_OF), url.get(KNOWN_AT)) == (symbol, as_of, known_at)
    return url.get(VERSION) if same else None


def write(**chosen: str | None) -> None:
    """Make the URL show what is chosen; None leaves a parameter out."""
    wanted = {name: value for name, value in chosen.items() if value is not None}
    if st.query_params.to_dict() != wanted:
        st.query_params.from_dict(wanted)


def permalink(answer: Answer, expiry: str | None, axis: str) -> dict[str, str]:
    """Return the query parameters that show this very answer for ever."""
    pinned = {SYMBOL: answer.symbol or ""}
    if answer.as_of is not None:
        pinned[AS_OF] = rfc3339(answer.as_of)
    pinned |= {KNOWN_AT: rfc3339(answer.known_at), VERSION: answer.version, AXIS: axis}
    return pinned if expiry is None else {**pinned, EXPIRY: expiry}
