"""A log of incidents on an empty database, and a webhook."""

from __future__ import annotations

import pytest

from periscope_assets.store.alerts import AlertLog
from tests.alerts.webhook import Webhook


@pytest.fixture
def log(store_url):
    made = AlertLog(store_url)
    yield made
    made.close()


@pytest.fixture
def webhook():
    made = Webhook()
    yield made
    made.close()
