"""The overview page.

What belongs here: layout. What does not: reading, arranging.
"""

from __future__ import annotations

import streamlit as st

from app.components import frame
from app.components.clock import now
from app.components.scope import Scope
from app.queries import Queries
from app.views.overview import data

_column = st.column_config

COLUMNS = {
    "symbol": _column.TextColumn("Symbol", pinned=True),
    "open": _column.LinkColumn("Surface", display_text="open"),
    "status": _column.TextColumn("Status", help="stale: newer quotes are published than the surface is of."),
    "as_of": _column.DatetimeColumn("Market time (UTC)", format="YYYY-MM-DD HH:mm", timezone="UTC"),
    "age": _column.TextColumn("Age"),
    "spot": _column.NumberColumn("Underlying", format="%,.2f", help="As the source gave it, USD."),
    "atm_iv_30d": _column.NumberColumn("ATM 30 d %", format="%.2f", help="At-the-money-forward vol."),
    "rr_25_30d": _column.NumberColumn("25Δ RR 30 d", format="%.2f", help="Call vol - put vol, vol points."),
    "n_expiries": _column.NumberColumn("Expiries"),
    "rmse_bps": _column.NumberColumn("RMSE bps", format="%.1f", help="Median over expiries, vol bps."),
    "inside_share": _column.NumberColumn(
        "Inside %", format="%.1f", help="Share of quotes around the fit, weighted by vega."
    ),
    "certificate": _column.TextColumn("Static arbitrage", help="What the surface's certificate found."),
    "n_accepted": _column.NumberColumn("Quotes", format="%,d", help="Accepted quotes."),
    "n_quarantined": _column.NumberColumn("Refused", format="%,d", help="In quarantine, each with a reason."),
    "n_snapshots": _column.NumberColumn("Snapshots", format="%,d"),
    "source": _column.TextColumn("Source"),
}


def render() -> None:
    """Draw the page, or say why it can't be drawn."""
    frame.show("Underlyings", _page, dataset=None)


def _page(queries: Queries, scope: Scope) -> None:
    answer = queries.underlyings(known_at=scope.known_at)
    frame.stamp(answer, scope)
    figures = data.totals(answer)
    with st.container(horizontal=True, gap="medium"):
        for label, value in figures:
            st.metric(label, value, width=160)
    st.dataframe(
        data.table(answer, now()),
        column_config=COLUMNS,
        column_order=list(COLUMNS),
        hide_index=True,
        placeholder="–",
        key="underlyings",
    )
