"""The stamp that says which data a page shows: market time, known time, version, age.

What belongs here: the stamp and the banner of stale data. What does not: deciding what is stale.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Literal

import streamlit as st

from app.components.clock import age, market_time, stamp
from app.queries import Answer

Colour = Literal["green", "orange", "gray", "red"]

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


def freshness(answer: Answer) -> None:
    """Draw the stamp, and a banner for each warning."""
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.badge(answer.status, color=_COLOURS.get(answer.status, "gray"), help=_HELP.get(answer.status))
        st.caption(_sentence(answer), width="content")
    for warning in answer.warnings:
        st.warning(warning, icon=":material/schedule:")


def _sentence(answer: Answer) -> str:
    parts = [
        f"known at {stamp(answer.known_at)}",
        f"version `{answer.version[:12]}`",
        f"source {answer.source}",
    ]
    if answer.as_of is not None:
        parts.insert(0, f"market time **{market_time(answer.as_of)}**")
        parts.insert(1, f"age {age(answer.as_of, datetime.now(UTC))}")
    return " · ".join(parts)
