"""What tests of the app share: no page of a test reaches the home of whoever runs it."""

from __future__ import annotations

import pytest
import streamlit as st

from app import cache
from app.queries import StoreUnavailableError


def _refuse(_: object) -> object:
    raise StoreUnavailableError("the test gave no store of people")


@pytest.fixture(autouse=True)
def _no_home(monkeypatch: pytest.MonkeyPatch):
    """Preferences and acknowledgements are kept only where a test opens a store for them."""
    st.cache_resource.clear()
    st.cache_data.clear()
    monkeypatch.setattr(cache, "open_people", _refuse)
    yield
    st.cache_resource.clear()
    st.cache_data.clear()
