"""The page of strategies.

What belongs here: layout. What does not: valuing, arranging, drawing.
"""

from __future__ import annotations

import streamlit as st

from app.components import absence, chart, export, frame
from app.components.appearance import look
from app.components.scope import Scope
from app.queries import Answer, Queries
from app.queries.presets import listings
from app.queries.strategy import build_strategy
from app.views.strategy import columns, data, legs, plot, setup


def render() -> None:
    """Draw the page, or say why it can't be drawn."""
    frame.show("Strategy", _page, dataset="vol_surface")


def _page(queries: Queries, scope: Scope) -> None:
    when = {"as_of": scope.as_of, "known_at": scope.known_at, "version": scope.version}
    found = queries.locate("vol_surface", scope.symbol, **when)
    listed = listings(queries, found)
    if not listed:
        absence.nothing("No expiry of this snapshot has both quotes and a fitted smile to build legs from.")
        return
    with st.container(border=True):
        asked, replaced = setup.choose(listed)
    answer = build_strategy(queries, scope.symbol, asked, **when)
    if replaced:
        absence.nothing("The legs chosen before are not listed in this snapshot; here is a straddle instead.")
    frame.stamp(answer, scope)
    _figures(answer)
    line = legs.write(asked)
    left, right = st.columns([11, 10], gap="medium")
    with left:
        _payoff(answer, line)
    with right:
        _scenarios(answer, line)
    _legs(answer)


def _figures(answer: Answer) -> None:
    for figures, width in ((data.outcome(answer), 165), (data.greeks(answer), 140)):
        with st.container(horizontal=True):
            for label, value, note in figures:
                st.metric(label, value, help=note, width=width)


def _payoff(answer: Answer, line: str) -> None:
    st.subheader("Profit by spot", anchor=False)
    days = float(answer.frames["totals"]["horizon_days"].iloc[0])
    st.caption(
        f"Now, and {days:,.1f} days ahead at the horizon; grey is the market's density of the spot then."
    )
    chart.draw(
        plot.payoff_figure(answer, line, look()),
        key="payoff",
        alt=f"Profit of the strategy on {answer.symbol} by spot; its numbers are in the table below it.",
        name=f"{answer.symbol}_payoff",
        numbers=answer.frames["profile"],
        columns=columns.PROFILE,
    )


def _scenarios(answer: Answer, line: str) -> None:
    st.subheader("Scenarios", anchor=False)
    st.caption(
        "Profit in USD after a move of the spot and a shift of all vols; each strike keeps its vol otherwise."
    )
    day = setup.day(data.days(answer))
    chart.draw(
        plot.scenario_figure(answer, data.on_day(answer, day), line, day, look()),
        key="scenarios",
        alt=f"Profit of the strategy by spot and vol after {day:.1f} days; all scenarios are in the table.",
        name=f"{answer.symbol}_scenarios",
        numbers=answer.frames["scenarios"],
        columns=columns.SCENARIOS,
    )


def _legs(answer: Answer) -> None:
    st.subheader("Legs", anchor=False)
    st.dataframe(
        data.legs(answer),
        column_config=columns.LEGS,
        column_order=list(columns.LEGS),
        hide_index=True,
        placeholder="–",
        key="legs_table",
    )
    export.buttons(answer.frames["legs"], f"{answer.symbol}_legs")
