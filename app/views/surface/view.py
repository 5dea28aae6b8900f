"""The surface page.

What belongs here: layout. What does not: reading, arranging, drawing.
"""

from __future__ import annotations

import pandas as pd
import streamlit as st

from app.components import chart, frame
from app.components.preferences import look
from app.components.scope import Scope
from app.queries import Answer, Queries
from app.views.surface import data, plot, setup
from app.views.surface.columns import FIT_COLUMNS
from app.views.surface.merit import merit

FIGURE_WIDTH = 140


def render() -> None:
    """Draw the page, or say why it can't be drawn."""
    frame.show("Surface", _page, dataset="vol_surface")


def _page(queries: Queries, scope: Scope) -> None:
    axis = setup.axis()
    page = data.load(queries, scope, axis)
    frame.stamp(page.surface, scope)
    _figures_of_merit(page)
    left, right = st.columns([11, 10], gap="medium")
    with left:
        _surface(page, axis, look())
    with right:
        _smile(page, axis, look())
    _tables(page)


def _surface(page: data.Page, axis: str, look: str) -> None:
    st.subheader("Surface", anchor=False)
    if page.surface.frames["surface_grid"].empty:
        st.info(
            "No expiry of this snapshot could be fitted; the table below says why.", icon=":material/inbox:"
        )
        return
    st.caption("Fitted vols inside the quoted strikes, 1 to 99 delta; a line for each expiry.")
    chart.draw(
        plot.surface_figure(page, axis, look),
        key="surface_3d",
        alt=f"Implied vol surface of {page.surface.symbol}; its numbers are in the table below.",
        name=f"surface_{page.surface.symbol}",
        numbers=page.surface.frames["surface_grid"],
    )


def _smile(page: data.Page, axis: str, look: str) -> None:
    st.subheader("Smile", anchor=False)
    if not page.labels:
        st.info("This snapshot has no expiry.", icon=":material/inbox:")
        return
    expiry = setup.pick_expiry(page.labels, page.default_expiry())
    chart.draw(
        plot.smile_figure(page, expiry, axis, look),
        key="smile",
        alt=f"Smile of {page.labels[expiry]}; its quotes are in the table below.",
        name=f"smile_{page.surface.symbol}",
        numbers=None if page.chain is None else data.at_expiry(page.chain.frames["chain"], expiry),
    )
    if page.chain is None:
        st.caption("Quotes of this snapshot are not published, so only the fit is shown.")


def _figures_of_merit(page: data.Page) -> None:
    figures = merit(page)
    with st.container(horizontal=True):
        for label, value, note in figures:
            st.metric(label, value, help=note, width=FIGURE_WIDTH)


def _tables(page: data.Page) -> None:
    st.subheader("Fit by expiry", anchor=False)
    _certificate(page.surface)
    st.dataframe(
        data.fit_table(page), column_config=FIT_COLUMNS, hide_index=True, placeholder="–", key="fits"
    )


def _certificate(surface: Answer) -> None:
    rows = surface.frames["surface_certificates"]
    if rows.empty:
        st.caption("No certificate was published with this surface.")
        return
    row = rows.iloc[0]
    free = bool(row["is_free"])
    with st.container(horizontal=True, vertical_alignment="center"):
        st.badge(
            "free of static arbitrage" if free else "static arbitrage found",
            color="green" if free else "orange",
            icon=":material/verified:" if free else ":material/warning:",
            help="Butterfly: Gatheral-Jacquier g >= 0. Calendar: total variance does not fall with expiry. "
            "Wings: slope of total variance at most 2. Recomputable from the published parameters.",
        )
        st.caption(_certificate_sentence(row), width="content")


def _certificate_sentence(row: pd.Series) -> str:
    return (
        f"{row['n_slices']} slices · "
        f"butterfly violations {row['n_butterfly']:,} (least g {row['min_g']:.3f}) · "
        f"calendar violations {row['n_calendar']:,} (least Δw {row['min_calendar']:.2e}) · "
        f"wing slopes {row['left_wing']:.2f} / {row['right_wing']:.2f} · "
        f"grid k {row['grid_k_min']:+.2f} to {row['grid_k_max']:+.2f}, {row['grid_n_k']:,} points"
    )
