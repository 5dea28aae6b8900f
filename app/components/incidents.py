"""The banner of what is urgent, on every page.

What belongs here: which open incidents it tells of, and how. What does not: the page that lists them all
(``app.views.health``).
"""

from __future__ import annotations

import logging

import streamlit as st

from app import cache
from app.components import clock
from app.components.preferences import BANNER, kept
from app.queries import StoreUnavailableError
from app.queries.alerts import alerts

URGENT, OPEN = "page", "open"
SHOWN = 2
_log = logging.getLogger("periscope.app")


def banner() -> None:
    """Tell of urgent incidents that nobody has acknowledged, where the reader wants to be told."""
    if kept(BANNER) != "on":
        return
    try:
        rows = alerts(cache.people(), clock.now(), limit=1).frames["open"]
    except StoreUnavailableError as error:
        _log.warning("no banner: %s", error)
        return
    urgent = rows[(rows["tier"] == URGENT) & (rows["state"] == OPEN)]
    if urgent.empty:
        return
    told = [f"**{row['title']}.** {row['what']}" for row in urgent.head(SHOWN).to_dict("records")]
    if len(urgent) > SHOWN:
        told.append(f"And {len(urgent) - SHOWN:,} more.")
    st.error(
        "  \n".join([*told, "[What is open](/health?part=alerts)"]), icon=":material/notification_important:"
    )
