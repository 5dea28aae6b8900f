"""What the app keeps between reruns.

What belongs here: the one handle on the store, and figures by content version. What does not: anything that
could go stale; rows are kept by publication in ``app.queries.caching``.
"""

from __future__ import annotations

import streamlit as st

from app.queries import Queries
from app.queries.caching import CachedReader
from app.queries.events import EventBook, open_book
from periscope_assets.settings import Settings
from periscope_assets.store.connect import open_lake, open_people, open_store
from periscope_assets.store.lake import Lake
from periscope_assets.store.people import People

MOST_FIGURES = 128


@st.cache_resource(show_spinner=False)
def settings() -> Settings:
    """Return the settings of the environment."""
    return Settings()


@st.cache_resource(show_spinner="Opening the store")
def queries() -> Queries:
    """Return the queries over the store, one for all sessions.

    Raises
    ------
    StoreUnavailableError
        If it can't be opened; the next call tries again.
    """
    return Queries(CachedReader(open_store(settings())))


@st.cache_resource(show_spinner=False)
def people() -> People:
    """Return the events that people cause, one for all sessions.

    Raises
    ------
    StoreUnavailableError
        If the store can't be opened; the next call tries again.
    """
    return open_people(settings())


@st.cache_resource(show_spinner=False)
def lake() -> Lake:
    """Return the lake with the raw bytes."""
    return open_lake(settings())


def dagster_url() -> str:
    """Return the address of Dagster beside this app."""
    return f"http://127.0.0.1:{settings().ports.dagster}"


@st.cache_resource(show_spinner=False)
def event_book() -> EventBook:
    """Return what lies ahead, from the files of the settings."""
    return open_book(settings())
