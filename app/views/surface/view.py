"""The surface page.

What belongs here: layout. What does not: reading, arranging, drawing.
"""

from __future__ import annotations

import pandas as pd
import streamlit as st

from app import cache, state
from app.components import absence
from app.components.freshness import freshness
from app.queries import Answer, Queries
from app.views.surface import data, plot, setup
from app.views.surface.columns import FIT_COLUMNS
from app.views.surface.merit import merit

FIGURE_WIDTH = 140
CHART = {"displaylogo": False, "toImageButtonOptions": {"format": "png", "scale": 2}}


def render() -> None:
    """Draw the page, or say why it can't be drawn."""
    try:
        _page(cache.queries())
    except absence.EXPECTED as error:
        absence.show(error)


def _page(queries: Queries) -> None:
    symbols = queries.underlyings().frames["underlyings"]["symbol"].tolist()
    if not symbols:
        absence.no_data()
        return
    choice = setup.choose(queries, symbols)
    page = data.load(queries, choice)
    look = "dark" if st.context.theme.type == "dark" else "light"
    freshness(page.surface)
    _figures_of_merit(page)
    left, right = st.columns([11, 10], gap="medium")
    with left:
        _surface(page, choice.axis, look)
    with right:
        expiry = _smile(page, choice.axis, look)
    state.write(
        symbol=choice.symbol,
        as_of=choice.as_of,
        known_at=choice.known_at,
        version=choice.version,
        axis=choice.axis,
        expiry=expiry,
    )
    _tables(page)
    _permalink(page.surface, expiry, choice.axis)


def _surface(page: data.Page, axis: str, look: str) -> None:
    st.subheader("Surface", anchor=False)
    if page.surface.frames["surface_grid"].empty:
        st.info(
            "No expiry of this snapshot could be fitted; the table below says why.", icon=":material/inbox:"
        )
        return
    st.caption("Fitted vols inside the quoted strikes, 1 to 99 delta; a line for each expiry.")
    st.plotly_chart(
        plot.surface_figure(page, axis, look),
        theme=None,
        key="surface_3d",
        config=CHART,
        alt=f"Implied vol surface of {page.surface.symbol}; its numbers are in the table of points below.",
    )


def _smile(page: data.Page, axis: str, look: str) -> str | None:
    st.subheader("Smile", anchor=False)
    if not page.labels:
        st.info("This snapshot has no expiry.", icon=":material/inbox:")
        return None
    expiry = setup.pick_expiry(page.labels, page.default_expiry())
    st.plotly_chart(
        plot.smile_figure(page, expiry, axis, look),
        theme=None,
        key="smile",
        config=CHART,
        alt=f"Smile of {page.labels[expiry]}; its quotes are in the table of quotes below.",
    )
    if page.chain is None:
        st.caption("Quotes of this snapshot are not published, so only the fit is shown.")
    return expiry


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


def _permalink(surface: Answer, expiry: str | None, axis: str) -> None:
    with st.expander("Numbers and link", icon=":material/link:"):
        st.caption("This link shows these very numbers, whatever is published later:")
        query = "&".join(f"{name}={value}" for name, value in state.permalink(surface, expiry, axis).items())
        st.code(f"/surface?{query}", language=None)
        st.caption("Points of the surface")
        st.dataframe(surface.frames["surface_grid"], hide_index=True, key="points")
