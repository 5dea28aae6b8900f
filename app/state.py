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
_SEEDED, _WRITTEN = "_url_names", "_url_written"


def begin() -> None:
    """Forget which pickers the last run had."""
    st.session_state[_SEEDED] = {}


def seed(name: str, default: str, allowed: Sequence[str] | None = None, *, quiet: bool = False) -> None:
    """Give a picker its value: from the URL where that is new, else what it had, else the default.

    :func:`sync` writes what the picker holds into the URL.

    Parameters
    ----------
    name : str
        Query parameter and key of the picker.
    default : str
    allowed : sequence of str, optional
        Values that the picker can have; anything else becomes the default.
    quiet : bool
        Leave the default out of the URL.
    """
    linked = st.query_params.get(name)
    followed = linked is not None and linked != st.session_state.get(_WRITTEN, {}).get(name)
    value = linked if followed else st.session_state.get(name) or linked or default
    st.session_state[name] = value if allowed is None or value in allowed else default
    st.session_state.setdefault(_SEEDED, {})[name] = default if quiet else None


def sync(version: str | None = None) -> None:
    """Make the URL show what the pickers of this page hold, and the version that is pinned."""
    chosen = {name: st.session_state.get(name) for name in st.session_state.get(_SEEDED, {})}
    silent = st.session_state.get(_SEEDED, {})
    write(
        **{name: None if value == silent[name] else value for name, value in chosen.items()},
        **{VERSION: version},
    )


def pinned_version(symbol: str, as_of: str | None, known_at: str | None) -> str | None:
    """Return the version that the URL pins, as long as the pickers still show what it pins."""
    url = st.query_params
    same = (url.get(SYMBOL), url.get(AS_OF), url.get(KNOWN_AT)) == (symbol, as_of, known_at)
    return url.get(VERSION) if same else None


def write(**chosen: str | None) -> None:
    """Make the URL show what is chosen; None leaves a parameter out."""
    wanted = {name: str(value) for name, value in chosen.items() if value is not None}
    if st.query_params.to_dict() != wanted:
        st.query_params.from_dict(wanted)
    st.session_state[_WRITTEN] = wanted


def permalink(answer: Answer, **others: str | None) -> dict[str, str]:
    """Return the query parameters that show this very answer for ever.

    Parameters
    ----------
    answer : Answer
    **others : str or None
        Further choices of the page; None leaves one out.
    """
    pinned = {} if answer.symbol is None else {SYMBOL: answer.symbol}
    if answer.as_of is not None and answer.symbol is not None:
        pinned[AS_OF] = rfc3339(answer.as_of)
    pinned[KNOWN_AT] = rfc3339(answer.known_at)
    if answer.symbol is not None:
        pinned[VERSION] = answer.version
    return pinned | {name: value for name, value in others.items() if value is not None}


def chosen() -> dict[str, str]:
    """Return what the pickers of this page hold beside symbol and times, as the URL would show it."""
    seeded = st.session_state.get(_SEEDED, {})
    values = {name: st.session_state.get(name) for name in seeded if name not in (SYMBOL, AS_OF, KNOWN_AT)}
    return {name: str(value) for name, value in values.items() if value not in (None, seeded[name])}
