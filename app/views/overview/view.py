"""The overview page.

What belongs here: layout. What does not: reading, arranging.
"""

from __future__ import annotations

import pandas as pd
import streamlit as st

from app import cache, state
from app.components import absence, clock, export, frame
from app.components.scope import Scope
from app.queries import Queries
from app.views.overview import data
from app.views.overview.columns import COLUMNS

FILTER, STATUS, TOTALS = "find", "status", "totals"
ALL = "all"


def render() -> None:
    """Draw the page, or say why it can't be drawn."""
    frame.show("Overview", _page, dataset=None)


def _page(queries: Queries, scope: Scope) -> None:
    answer = queries.board(known_at=scope.known_at)
    frame.stamp(answer, scope)
    rows = data.board(answer)
    if rows.empty:
        absence.nothing("Nothing was known then. Choose a later time, or now.")
        return
    # Not as metrics: the browser has text at once, and loads everything else first.
    with st.container(horizontal=True, key=TOTALS):
        for label, value, note in data.totals(rows):
            st.markdown(f":gray[:small[{label}]]  \n**{value}**", help=note, width=158)
    shown = _filtered(rows)
    if shown.empty:
        absence.nothing("No underlying fits the filter.")
        return
    book = cache.event_book()
    for problem in book.problems:
        st.warning(problem, icon=":material/report:")
    st.dataframe(
        data.table(shown, clock.now(), book, cache.settings(), scope.known_at),
        column_config=COLUMNS,
        column_order=list(COLUMNS),
        hide_index=True,
        placeholder="–",
        key="underlyings",
        alt="Figures of each underlying; the same numbers are in the files below.",
    )
    st.caption("Click a column's head to sort. Vols in percent a year, changes and spreads in vol points.")
    export.buttons(shown, "overview")


def _filtered(rows: pd.DataFrame) -> pd.DataFrame:
    state.seed(FILTER, "", quiet=True)
    statuses = [ALL, *sorted(rows["status"].unique())]
    state.seed(STATUS, ALL, allowed=statuses, quiet=True)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        text = st.text_input("Find a symbol", key=FILTER, persist_state="session", width=220)
        if len(statuses) > 2:
            status = st.segmented_control(
                "Status", statuses, key=STATUS, persist_state="session", required=True
            )
        else:
            status = ALL
    return data.chosen(rows, text, [] if status == ALL else [str(status)])
