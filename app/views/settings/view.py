"""The page of settings.

What belongs here: the pickers of what a reader prefers. What does not: keeping it
(``app.components.preferences``), what an operator sets (the environment).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import streamlit as st

from app import cache
from app.components import frame, preferences
from app.components.preferences import BANNER, DEFAULTS, EVERY, THEME, TIER, TIME_ZONE, UNIVERSE
from app.components.scope import Scope
from app.queries import Queries
from periscope_assets.operations_settings import TIERS

_FAILED = "_preference_failed"


def render() -> None:
    """Draw the page, or say why it can't be drawn."""
    frame.show("Settings", _page, dataset=None, needs_data=False)


def _page(queries: Queries, scope: Scope) -> None:
    del queries, scope
    left, right = st.columns(2, gap="large")
    with left:
        st.subheader("Appearance", anchor=False)
        _pick(
            THEME, "Theme", preferences.THEMES, "Of pages and figures; system follows the computer.",
            {"system": "as the system", "light": "light", "dark": "dark"},
        )  # fmt: skip
        _pick(
            TIME_ZONE, "Time zone", preferences.TIME_ZONES, "Market times are shown in it, beside UTC.",
            {zone: zone.replace("_", " ") for zone in preferences.TIME_ZONES},
        )  # fmt: skip
        st.subheader("Start", anchor=False)
        universes = cache.settings().universes
        _pick(
            UNIVERSE, "Default universe", [EVERY, *universes], "Pages begin with its first underlying.",
            {EVERY: "all underlyings"}
            | {name: f"{name}: {', '.join(members)}" for name, members in universes.items()},
        )  # fmt: skip
    with right:
        st.subheader("Alerts", anchor=False)
        _pick(
            TIER, "Show incidents down to", TIERS, "Less urgent ones stay in the record and out of sight.",
            {"page": "page: what can't wait", "notify": "notify: what should be seen today",
             "digest": "digest: everything"},
        )  # fmt: skip
        _pick(
            BANNER, "Banner on every page", ("on", "off"), "While something that can't wait is open.",
            {"on": "on", "off": "off"},
        )  # fmt: skip
        st.caption("To whom alerts are sent, and over which channels, is the operator's to set.")
        _installation()
    failure = st.session_state.pop(_FAILED, None)
    if failure:
        st.warning(f"This holds for this session only: {failure}", icon=":material/cloud_off:")


def _pick(name: str, label: str, options: Sequence[str], note: str, names: Mapping[str, str]) -> None:
    key = f"prefer_{name}"
    value = preferences.kept(name)
    st.session_state[key] = value if value in options else DEFAULTS[name]
    st.selectbox(
        label, options, key=key, help=note, format_func=lambda each: names[each],
        on_change=_keep, args=(name, key),
    )  # fmt: skip


def _keep(name: str, key: str) -> None:
    value = str(st.session_state[key])
    st.session_state[_FAILED] = preferences.keep(name, value)
    if name == TIME_ZONE:
        st.session_state[TIME_ZONE] = value


def _installation() -> None:
    settings = cache.settings()
    st.subheader("This installation", anchor=False)
    told = {
        "Source of chains": settings.source.kind,
        "Rates": settings.rates.kind,
        "Database": "embedded" if settings.database.url is None else "set by PERISCOPE_DATABASE__URL",
        "Dagster": cache.dagster_url(),
        "API": f"http://127.0.0.1:{settings.ports.api}",
    }
    st.caption("Set by the operator, in the environment:")
    st.table(told)
