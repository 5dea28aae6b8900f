"""What the app keeps between reruns.

What belongs here: the one handle on the store, and what was made of published content, by version. What does
not: anything that could go stale; rows are kept by publication in ``app.queries.caching``.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from threading import Lock
from typing import Any, TypeVar

import streamlit as st

from app.queries import Queries
from app.queries.caching import CachedReader
from app.queries.events import EventBook, open_book
from periscope_assets.settings import Settings
from periscope_assets.store.connect import open_lake, open_people
from periscope_assets.store.connect import open_reader as open_store
from periscope_assets.store.lake import Lake
from periscope_assets.store.people import People

MOST_FIGURES = 256
"""Figures and computed frames kept, for all sessions."""

T = TypeVar("T")


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
    reader = CachedReader(open_store(settings()))
    return Queries(reader, remember=reader.remember)


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


class Kept:
    """The values made last, by key.

    Parameters
    ----------
    most : int
        How many; the one used longest ago goes first.
    """

    def __init__(self, most: int = MOST_FIGURES) -> None:
        self._most = most
        self._values: OrderedDict[Hashable, Any] = OrderedDict()
        self._lock = Lock()

    def get(self, key: Hashable, make: Callable[[], T]) -> T:
        """Return the value of a key, made now if it is not kept."""
        with self._lock:
            if key in self._values:
                self._values.move_to_end(key)
                found: T = self._values[key]
                return found
        value = make()
        with self._lock:
            value = self._values.setdefault(key, value)
            while len(self._values) > self._most:
                self._values.popitem(last=False)
        return value


@st.cache_resource(show_spinner=False)
def _kept() -> Kept:
    return Kept()


def kept(key: Hashable, make: Callable[[], T]) -> T:
    """Return what was made of published content before, or make it now.

    Parameters
    ----------
    key : hashable
        Names the kind of value, the versions it was made of, and every choice that it depends on.
    make : callable
        What it returns belongs to all sessions: nobody may change it.
    """
    return _kept().get(key, make)
