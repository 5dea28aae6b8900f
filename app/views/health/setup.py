"""What the reader of data health chooses.

What belongs here: the pickers. What does not: reading rows.
"""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from app import state

EVERY = "all"
PARTS = {
    "freshness": "Freshness",
    "quarantine": "Completeness and quarantine",
    "lineage": "Lineage",
    "vendor": "Vendor vols",
    "alerts": "Alerts",
}
PROBLEMS = {"problems": "only what needs a look", EVERY: "everything"}
LINE = "line"


def part() -> str:
    """Draw the picker of the part of the page."""
    return _segments("part", "Part of the page", PARTS, "freshness")


def extent() -> str:
    """Draw the picker of which assets to list."""
    return _segments("extent", "List", PROBLEMS, EVERY)


def reason(reasons: Sequence[str]) -> str:
    """Draw the picker of a reason of refusal."""
    options = [EVERY, *reasons]
    state.seed("reason", EVERY, allowed=options, quiet=True)
    chosen = st.selectbox(
        "Reason", options, key="reason", persist_state="session", help="Rule that refused the row."
    )
    return str(chosen)


def line(names: dict[str, str]) -> str:
    """Draw the picker of a refused row; the table above sets it too."""
    state.seed(LINE, next(iter(names)), allowed=list(names))
    chosen = st.selectbox(
        "Refused row", list(names), key=LINE, persist_state="session", format_func=lambda name: names[name],
        help="Or click a row of the table.",
    )  # fmt: skip
    return str(chosen)


def dataset(names: Sequence[str]) -> str:
    """Draw the picker of the dataset whose lineage is shown."""
    state.seed("dataset", "trade_signals", allowed=list(names))
    chosen = st.selectbox("Dataset", list(names), key="dataset", persist_state="session")
    return str(chosen)


def _segments(key: str, label: str, options: dict[str, str], default: str) -> str:
    state.seed(key, default, allowed=list(options), quiet=True)
    chosen = st.segmented_control(
        label, list(options), key=key, persist_state="session", required=True,
        format_func=lambda name: options[name], label_visibility="collapsed",
    )  # fmt: skip
    return str(chosen)
