"""A row of alternatives of which one is chosen, kept in the URL.

What belongs here: the one way in which pages let readers choose among few. What does not: the alternatives.
"""

from __future__ import annotations

from collections.abc import Mapping

import streamlit as st

from app import state


def segments(label: str, name: str, names: Mapping[str, str], default: str, note: str) -> str:
    """Draw the alternatives and return the one chosen.

    Parameters
    ----------
    label : str
    name : str
        Query parameter and key.
    names : mapping of str to str
        Values as the URL has them, and as readers do.
    default : str
    note : str
        What the alternatives mean.
    """
    state.seed(name, default, allowed=list(names))
    chosen = st.segmented_control(
        label,
        list(names),
        key=name,
        persist_state="session",
        required=True,
        format_func=lambda each: names[each],
        help=note,
    )
    return str(chosen)
