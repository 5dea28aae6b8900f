"""The surface page.

What belongs here: layout. What does not: reading, arranging, drawing.
"""

from __future__ import annotations

import pandas as pd
import streamlit as st

from app.components import absence, chart, frame
from app.components.appearance import look
from app.components.clock import market_time
from app.components.preferences import zone
from app.components.scope import Scope
from app.queries import Answer, Queries
from app.queries.times import rfc3339
from app.views.surface import data, plot, setup
from app.views.surface.columns import FIT_COLUMNS
from app.views.surface.grids import density_curve
from app.views.surface.merit import merit

FIGURE_WIDTH = 140
TITLES = {"3d": "Surface", "heat": "Heat map", "density": "Density", "local_vol": "Local vol"}
NOTES = {
    "3d": "Fitted vols inside the quoted strikes, 1 to 99 delta; a line for each expiry.",
    "heat": "A row for each expiry, blank beyond its quoted strikes.",
    "density": "Risk-neutral density of the chosen expiry, as the served surface implies it.",
    "local_vol": "Dupire's local vol just before each expiry, blank beyond its quoted strikes. "
    "Expiries hours apart (AM and PM of one day) differ by little variance, so their rows are noisy.",
}


def render() -> None:
    """Draw the page, or say why it can't be drawn."""
    frame.show("Surface", _page, dataset="vol_surface")


def _page(queries: Queries, scope: Scope) -> None:
    choice = setup.choose()
    surface = data.read_surface(queries, scope, choice.axis)
    frame.stamp(surface, scope)
    other = _other(queries, scope, surface) if choice.colour == "difference" else None
    page = data.load(queries, surface, other, choice)
    _figures_of_merit(page)
    left, right = st.columns([11, 10], gap="medium")
    with right:
        expiry = _smile(page, choice.axis)
    with left:
        _view(page, choice, expiry)
    _tables(page)


def _other(queries: Queries, scope: Scope, surface: Answer) -> Answer | None:
    as_of = None if surface.as_of is None else rfc3339(surface.as_of)
    asked = setup.pick_other(queries, scope, as_of)
    if asked is None:
        absence.nothing("There is no earlier surface to compare with.")
        return None
    other = queries.surface(scope.symbol, as_of=asked.as_of, known_at=asked.known_at, version=asked.version)
    if other.as_of is not None:
        st.caption(
            f"Less version `{other.version[:12]}` of {market_time(other.as_of, zone())}, at equal time to "
            "expiry and equal axis value."
        )
    return other


def _view(page: data.Page, choice: setup.Choice, expiry: str | None) -> None:
    symbol = page.surface.symbol
    st.subheader(TITLES[choice.view], anchor=False)
    if page.surface.frames["surface_grid"].empty:
        absence.nothing("No expiry of this snapshot could be fitted; the table below says why.")
        return
    if choice.view == "density":
        _density(page, choice, expiry)
        return
    if choice.colour != "iv" and page.beside is None:
        absence.nothing(f"No {setup.COLOURS[choice.colour]} is published for this snapshot; see Colour by.")
        return
    st.caption(NOTES[choice.view])
    draw = plot.surface_figure if choice.view == "3d" else plot.heat_figure
    chart.draw(
        draw(page, choice, look()),
        key="surface_3d" if choice.view == "3d" else "heat",
        alt=f"{TITLES[choice.view]} of {symbol}; its numbers are in the table below.",
        name=f"{choice.view}_{symbol}",
        numbers=page.points,
    )


def _density(page: data.Page, choice: setup.Choice, expiry: str | None) -> None:
    st.caption(NOTES["density"])
    curve = None if expiry is None else density_curve(page.surface, expiry)
    if expiry is None or curve is None or curve.empty:
        absence.nothing("This expiry has no fit of its own, so no density.")
        return
    chart.draw(
        plot.density_figure(page, expiry, choice.axis, look()),
        key="density",
        alt=f"Risk-neutral density of {page.surface.symbol}, {page.labels[expiry]}.",
        name=f"density_{page.surface.symbol}",
        numbers=curve,
    )


def _smile(page: data.Page, axis: str) -> str | None:
    st.subheader("Smile", anchor=False)
    if not page.labels:
        absence.nothing("This snapshot has no expiry.")
        return None
    expiry = setup.pick_expiry(page.labels, page.default_expiry())
    chart.draw(
        plot.smile_figure(page, expiry, axis, look()),
        key="smile",
        alt=f"Smile of {page.labels[expiry]}; its quotes are in the table below.",
        name=f"smile_{page.surface.symbol}",
        numbers=None if page.chain is None else data.at_expiry(page.chain.frames["chain"], expiry),
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
