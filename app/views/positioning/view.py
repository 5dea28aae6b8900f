"""The page of positioning.

What belongs here: layout and the assumptions in words. What does not: reading, arranging, drawing.
"""

from __future__ import annotations

import streamlit as st

from app.components import absence, chart, export, frame
from app.components.appearance import look
from app.components.scope import Scope
from app.queries import Answer, Queries
from app.queries.positioning import positioning
from app.queries.times import parse_time
from app.views.positioning import columns, data, plot, setup

ASSUMPTIONS = """
- **Open interest** is of the prior session, as exchanges publish it: what was opened or closed today is
  not in it.
- **Gamma exposure** takes dealers to be long every call and short every put. Nobody publishes who holds what;
  with dealers the other way round its sign turns. Gamma is Black's at the served surface's vol, times open
  interest, multiplier and forward², for a move of 1 %.
- **Max pain** takes every open contract as held to settlement. It is a fact about positions, not a forecast.
- **Unusual** is a contract that traded more than twice its open interest, and at least 100 times: new
  interest, which way round is not known.
- **Busy** is an expiry whose volume stands out from its own sessions of the five weeks before, or, where it
  has too few, from those of expiries of like maturity: the z-scores below. Five sessions are the least.
"""


def render() -> None:
    """Draw the page, or say why it can't be drawn."""
    frame.show("Positioning", _page, dataset="skew_metrics")


def _page(queries: Queries, scope: Scope) -> None:
    row = st.columns([3, 3, 4])
    published = queries.read(
        "skew_metrics", scope.symbol, as_of=scope.as_of, known_at=scope.known_at, version=scope.version
    )
    with row[0]:
        expiry = setup.expiry(data.labels(published))
    with row[1]:
        count = setup.count()
    at = None if expiry == setup.EVERY else parse_time(expiry, "expiry")
    answer = positioning(
        queries, scope.symbol, as_of=scope.as_of, known_at=scope.known_at, version=scope.version, expiry_at=at
    )
    frame.stamp(answer, scope)
    rows = data.of_expiry(answer, expiry)
    with st.container(horizontal=True):
        for label, value, note in data.figures(rows):
            st.metric(label, value, help=note, width=126)
    _strikes(queries, answer, expiry, count)
    _unusual(answer, expiry)
    _expiries(answer)
    with st.expander("What these figures assume", icon=":material/rule:", expanded=True):
        st.markdown(ASSUMPTIONS)


def _strikes(queries: Queries, answer: Answer, expiry: str, count: str) -> None:
    strikes = answer.frames["strikes"]
    known = strikes[["call_open_interest", "put_open_interest", "call_volume", "put_volume"]].notna()
    if strikes.empty or not known.to_numpy().any():
        absence.nothing(
            "The vendor of this chain gives neither open interest nor volume, so there is nothing to count."
        )
        return
    spot = _spot(queries, answer)
    pain, _ = data.max_pain(data.of_expiry(answer, expiry)) if expiry != setup.EVERY else (None, "")
    left, right = st.columns(2, gap="medium")
    with left:
        st.subheader(f"{setup.COUNTS[count].capitalize()} by strike", anchor=False)
        chart.draw(
            plot.strikes_figure(answer, expiry, count, (spot, pain), look()),
            key="by_strike",
            alt=f"{setup.COUNTS[count]} of {answer.symbol} by strike; its numbers are in the table below it.",
            name=f"{answer.symbol}_{count}",
        )
    with right:
        st.subheader("Gamma exposure by strike", anchor=False)
        if strikes["gex_usd"].notna().any():
            chart.draw(
                plot.gamma_figure(answer, expiry, spot, look()),
                key="gamma",
                alt=f"Gamma exposure of {answer.symbol} by strike; its numbers are in the table below it.",
                name=f"{answer.symbol}_gamma",
            )
        else:
            absence.nothing("Gamma needs open interest and a fitted surface; one of them is missing here.")
    chart.table(strikes, name=f"{answer.symbol}_strikes", columns=columns.STRIKES, label="Numbers by strike")


def _spot(queries: Queries, answer: Answer) -> float | None:
    quotes = queries.head(
        "option_quotes", str(answer.symbol), as_of=answer.as_of, exact=True, known_at=answer.known_at
    )
    spot = None if quotes is None else quotes.quality.get("spot")
    return spot if isinstance(spot, float) else None


def _unusual(answer: Answer, expiry: str) -> None:
    rows = data.unusual(answer, expiry)
    st.subheader("Unusual activity", anchor=False)
    if rows.empty:
        absence.nothing("No contract traded more than twice its open interest (and at least 100 times).")
        return
    st.dataframe(rows, column_config=columns.UNUSUAL, hide_index=True, placeholder="–", key="unusual")
    export.buttons(rows, f"{answer.symbol}_unusual")


def _expiries(answer: Answer) -> None:
    st.subheader("By expiry", anchor=False)
    rows = answer.frames["positioning"]
    st.dataframe(
        rows,
        column_config=columns.EXPIRIES,
        column_order=list(columns.EXPIRIES),
        hide_index=True,
        placeholder="–",
        key="expiries",
    )
    export.buttons(rows, f"{answer.symbol}_positioning")
