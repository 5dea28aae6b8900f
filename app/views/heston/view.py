"""The page of the Heston fit.

What belongs here: layout. What does not: reading, arranging, drawing.
"""

from __future__ import annotations

import streamlit as st

from app.components import absence, chart, frame
from app.components.appearance import look
from app.components.scope import Scope
from app.queries import Queries
from app.views.heston import data, plot, setup

FIGURE_WIDTH = 115
BAND_DAYS = 30.0
ABREAST = 3
"""Figures of parameters beside each other; where the page is narrow they stand below each other."""


def render() -> None:
    """Draw the page, or say why it can't be drawn."""
    frame.show("Heston", _page, dataset="heston_fit")


def _page(queries: Queries, scope: Scope) -> None:
    fit = queries.read(
        "heston_fit", scope.symbol, as_of=scope.as_of, known_at=scope.known_at, version=scope.version
    )
    frame.stamp(fit, scope)
    page = data.load(queries, fit)
    if page.row["status"] != "ok":
        absence.nothing(
            f"There is no good fit of this snapshot: {page.row['status']}. Earlier fits are below."
        )
    else:
        with st.container(horizontal=True):
            for each in data.figures(page):
                st.metric(
                    each.label,
                    each.value,
                    each.error,
                    help=each.note,
                    width=FIGURE_WIDTH,
                    delta_color="off",
                    delta_arrow="off",
                )
    _history(page)
    left, right = st.columns(2, gap="medium")
    with left:
        _errors(page)
    with right:
        _models(page)


def _history(page: data.Page) -> None:
    st.subheader("Parameters over time", anchor=False)
    if page.history.empty:
        absence.nothing("No snapshot of the last year has a good fit.")
        return
    symbol = page.fit.symbol
    st.caption(f"{len(page.history):,} sessions of the last year; bars of two errors.")
    for start in range(0, len(data.PARAMETERS), ABREAST):
        names = list(data.PARAMETERS)[start : start + ABREAST]
        for place, column in zip(st.columns(ABREAST), names, strict=True):
            with place:
                chart.draw(
                    plot.path_figure(page, column, look()),
                    key=f"path_{column}",
                    alt=f"{data.PARAMETERS[column]} of {symbol} over time; numbers in the table below.",
                    name=f"heston_{column}_{symbol}",
                )
    chart.table(page.history, name=f"heston_{symbol}")


def _errors(page: data.Page) -> None:
    st.subheader("Error by strike and expiry", anchor=False)
    if page.errors.empty:
        absence.nothing("No mispricing is published for this snapshot.")
        return
    axis = setup.pick_axis()
    st.caption("Market less Heston vol of each contract: blue where the market is below the model.")
    chart.draw(
        plot.error_figure(page, axis, look()),
        key="errors",
        alt="Market minus Heston vol by contract; the numbers are in the table below.",
        name=f"heston_errors_{page.fit.symbol}",
        numbers=page.errors,
    )


def _models(page: data.Page) -> None:
    st.subheader("Where models disagree", anchor=False)
    if page.nodes.empty:
        absence.nothing("No comparison of models is published for this snapshot.")
        return
    tenor = setup.pick_tenor(sorted(page.nodes["tenor_days"].unique().tolist()), BAND_DAYS)
    st.caption("The width of the band is model risk: what a number owes to the choice of a model.")
    chart.draw(
        plot.band_figure(page, tenor, look()),
        key="models",
        alt=f"Vols of four models at {tenor:g} days by delta; the numbers are in the table below.",
        name=f"models_{page.fit.symbol}",
    )
    chart.draw(
        plot.width_figure(page, look()),
        key="width",
        alt="How far models lie apart by maturity and delta; the numbers are in the table below.",
        name=f"model_width_{page.fit.symbol}",
        numbers=page.nodes,
    )
