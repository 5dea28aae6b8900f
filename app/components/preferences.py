"""How a reader wants things shown: appearance and time zone.

What belongs here: the choices in force in this session. What does not: the page that changes them.
"""

from __future__ import annotations

from zoneinfo import ZoneInfo

import streamlit as st

from app import state

TIME_ZONE = "tz"
"""Key of the session and query parameter that hold the time zone."""

NEW_YORK = "America/New_York"
TIME_ZONES = (NEW_YORK, "UTC", "America/Chicago", "Europe/London", "Europe/Berlin", "Asia/Tokyo")


def begin() -> None:
    """Take the time zone from the URL or the session."""
    state.seed(TIME_ZONE, NEW_YORK, allowed=TIME_ZONES, quiet=True)


def zone() -> ZoneInfo:
    """Return the time zone in which market times are shown beside UTC."""
    return ZoneInfo(st.session_state.get(TIME_ZONE, NEW_YORK))


def look() -> str:
    """Return the appearance of figures, ``light`` or ``dark``: that of the page around them."""
    return "dark" if st.context.theme.type == "dark" else "light"
