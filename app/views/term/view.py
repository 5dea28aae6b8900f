"""The page of term structure and skew.

What belongs here: layout. What does not: reading, arranging, drawing.
"""

from __future__ import annotations

import streamlit as st

from app.components import absence, chart, frame
from app.components.appearance import look
from app.components.scope import Scope
from app.queries import Queries
from app.views.term import data, plot, setup
from app.views.term.columns import COLUMNS, table

FIGURE_WIDTH = 150


def render() -> None:
    """Draw the page, or say why it can't be drawn."""
    frame.show("Term structure", _page, dataset="skew_metrics")


def _page(queries: Queries, scope: Scope) -> None:
    skew = queries.read(
        "skew_metrics", scope.symbol, as_of=scope.as_of, known_at=scope.known_at, version=scope.version
    )
    frame.stamp(skew, scope)
    choice = setup.choose()
    page = data.load(queries, skew, choice)
    for problem in page.problems:
        st.warning(problem, icon=":material/report:")
    if page.expiries.empty:
        absence.nothing("No expiry of this snapshot has a vol at the money; the table says why.")
        chart.table(skew.frames["skew_metrics"], name=f"skew_{scope.symbol}", label="By expiry")
        return
    with st.container(horizontal=True):
        for label, value, note in data.figures(page, choice):
            st.metric(label, value, help=note, width=FIGURE_WIDTH)
    _structure(page)
    _skew(page, choice)
    st.subheader("By expiry", anchor=False)
    shown = table(page.expiries)
    st.dataframe(shown, column_config=COLUMNS, hide_index=True, placeholder="–", key="expiries")


def _structure(page: data.Page) -> None:
    symbol = page.skew.symbol
    left, right = st.columns(2, gap="medium")
    with left:
        st.subheader("Spot and forward vol", anchor=False)
        chart.draw(
            plot.term_figure(page, look()),
            key="term",
            alt=f"Vols of {symbol} by time to expiry, spot and forward; the numbers are in the table below.",
            name=f"term_{symbol}",
            numbers=page.tenors,
        )
    with right:
        st.subheader("Cone of realised vol", anchor=False)
        if page.spread.empty:
            absence.nothing("Too few daily bars of the underlying are published for a cone.")
            return
        chart.draw(
            plot.cone_figure(page, look()),
            key="cone",
            alt=f"Quantiles of realised vol of {symbol} by window, with implied vol in them.",
            name=f"cone_{symbol}",
            numbers=page.spread,
        )


def _skew(page: data.Page, choice: setup.Choice) -> None:
    symbol, delta, days = page.skew.symbol, choice.delta, choice.tenor_days
    left, right = st.columns(2, gap="medium")
    with left:
        st.subheader("Skew by expiry", anchor=False)
        chart.draw(
            plot.skew_figure(page, choice, look()),
            key="skew",
            alt=f"Risk reversal and butterfly of {symbol} by expiry; the numbers are in the table below.",
            name=f"skew_{symbol}",
            numbers=page.expiries,
        )
    with right:
        st.subheader(f"Skew at {days:.0f} days over time", anchor=False)
        if page.history.empty:
            absence.nothing(f"No snapshot of the last year has skew at {days:.0f} days.")
            return
        for column, title in (
            (f"rr_{delta}", f"{delta}Δ risk reversal (vol pts)"),
            (f"bf_{delta}", f"{delta}Δ butterfly (vol pts)"),
        ):
            chart.draw(
                plot.path_figure(page, column, title, look()),
                key=f"path_{column[:2]}",
                alt=f"{title} of {symbol} at {days:.0f} days over time.",
                name=f"{column}_{symbol}",
            )
        st.caption(
            f"{len(page.history):,} sessions of the last year, bars of two errors. Bands: 5 to 95 % and 25 "
            "to 75 % of these sessions, dotted their median."
        )
        chart.table(page.history, name=f"history_{symbol}")
