"""How a reader wants things shown: appearance, time zone, universe, alerts.

What belongs here: the choices in force in this session, and where they are kept. What does not: the page that
changes them (``app.views.settings``).

They are kept as events of ``preferences``. Where these can't be read or written, they hold for the session.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from zoneinfo import ZoneInfo

import streamlit as st

from app import cache, state
from app.commands import LOCAL
from app.commands import preferences as commands
from app.components import appearance
from app.queries import StoreUnavailableError

TIME_ZONE = "tz"
"""Key of the session and query parameter that hold the time zone."""

THEME, UNIVERSE, TIER, BANNER = "theme", "universe", "alert_tier", "alert_banner"
NEW_YORK, EVERY, SYSTEM = "America/New_York", "all", "system"
TIME_ZONES = (NEW_YORK, "UTC", "America/Chicago", "Europe/London", "Europe/Berlin", "Asia/Tokyo")
THEMES = (SYSTEM, "light", "dark")
DEFAULTS: Mapping[str, str] = MappingProxyType(
    {TIME_ZONE: NEW_YORK, THEME: SYSTEM, UNIVERSE: EVERY, TIER: "notify", BANNER: "on"}
)
_KEPT, _UNREAD, _CHANGED = "_preferences", "_preferences_unread", "_theme_changed"
_log = logging.getLogger("periscope.app")


def begin() -> None:
    """Take the time zone from the URL or what is kept, and ask the browser for the appearance."""
    if st.session_state.pop(_UNREAD, False):
        st.session_state.pop(_KEPT, None)
    state.seed(TIME_ZONE, kept(TIME_ZONE), allowed=TIME_ZONES, quiet=True)
    if kept(THEME) != DEFAULTS[THEME] or st.session_state.get(_CHANGED):
        appearance.choose(kept(THEME))


def kept(name: str) -> str:
    """Return the value in force of a preference."""
    if _KEPT not in st.session_state:
        st.session_state[_KEPT] = _read()
    value = st.session_state[_KEPT].get(name)
    return value if isinstance(value, str) else DEFAULTS[name]


def keep(name: str, value: str) -> str | None:
    """Keep a preference; return why it will not outlast the session, None if it will."""
    kept(name)
    st.session_state[_KEPT] = {**st.session_state[_KEPT], name: value}
    if name == THEME:
        st.session_state[_CHANGED] = True
    try:
        commands.set(cache.people(), LOCAL, name, value)
    except StoreUnavailableError as error:
        _log.warning("preference %s not kept: %s", name, error)
        return str(error)
    return None


def _read() -> dict[str, object]:
    try:
        return dict(commands.read(cache.people(), LOCAL))
    except StoreUnavailableError as error:
        _log.warning("preferences not read: %s", error)
        st.session_state[_UNREAD] = True
        return {}


def zone() -> ZoneInfo:
    """Return the time zone in which market times are shown beside UTC."""
    return ZoneInfo(st.session_state.get(TIME_ZONE, NEW_YORK))


def ordered(symbols: Sequence[str]) -> list[str]:
    """Return symbols with those of the preferred universe first: pages begin with the first."""
    members = cache.settings().universes.get(kept(UNIVERSE), [])
    return sorted(symbols, key=lambda symbol: members.index(symbol) if symbol in members else len(members))
