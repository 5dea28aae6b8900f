"""The page of data health: which part is shown.

What belongs here: the parts' order, and freshness. What does not: the other parts (``parts``).
"""

from __future__ import annotations

import streamlit as st

from app import cache
from app.components import absence, clock, export, frame
from app.components.scope import Scope
from app.queries import Queries
from app.queries.health import health
from app.views.health import alerts, columns, data, parts, setup

DRAWN = {
    "quarantine": parts.quarantine,
    "lineage": parts.lineage,
    "vendor": parts.vendor,
    "alerts": alerts.render,
}


def render() -> None:
    """Draw the page, or say why it can't be drawn."""
    frame.show("Data health", _page, dataset="option_quotes")


def _page(queries: Queries, scope: Scope) -> None:
    chosen = setup.part()
    if chosen == "freshness":
        _freshness(queries, scope)
    else:
        DRAWN[chosen](queries, scope)


def _freshness(queries: Queries, scope: Scope) -> None:
    answer = health(queries, known_at=scope.known_at)
    frame.stamp(answer, scope)
    counts = data.counts(answer)
    told = (
        ("Published", counts.get("published", 0), "Served, and made from the newest inputs."),
        (
            "Stale",
            counts.get("stale", 0),
            "Served, but newer inputs are there or a later snapshot failed.",
        ),
        ("Rejected", counts.get("rejected", 0), "Failed their criteria, with nothing before to serve."),
        ("Withdrawn", counts.get("withdrawn", 0), "Taken out, with nothing before to serve."),
        ("No session", counts.get("no_session", 0), "Of a day without a session, with nothing before."),
    )
    with st.container(horizontal=True):
        for label, count, note in told:
            st.metric(label, f"{count:,}", help=note, width=130)
    now = clock.now()
    st.subheader("By dataset and symbol", anchor=False)
    st.caption(
        "✓ published · ⚠ stale · ✗ rejected · ∅ withdrawn · ○ no session, each with the age of its market "
        "time; a dot where the dataset is not made."
    )
    st.dataframe(
        data.matrix(answer, now),
        column_config={"dataset": st.column_config.TextColumn("Dataset", pinned=True)},
        hide_index=True,
        placeholder="not built",
        key="matrix",
        height="content",
    )
    st.subheader("Publications", anchor=False)
    extent = setup.extent()
    rows = data.assets(answer, now, cache.dagster_url(), everything=extent == setup.EVERY)
    if rows.empty:
        absence.nothing("Nothing needs a look: every dataset is published from the newest inputs.")
        return
    st.dataframe(
        rows,
        column_config=columns.ASSETS,
        column_order=list(columns.ASSETS),
        hide_index=True,
        placeholder="–",
        key="assets",
    )
    export.buttons(answer.frames["assets"], "freshness")
