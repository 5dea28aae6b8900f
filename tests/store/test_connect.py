"""From settings to a store."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import psycopg2
import pytest
from pydantic import SecretStr

from periscope_assets.settings import DatabaseSettings, LakeSettings, Settings
from periscope_assets.store.connect import database_url, open_lake, open_store
from periscope_assets.store.embedded import EmbeddedServer
from periscope_assets.store.repository import StoreUnavailableError
from tests.store.store_samples import draft


def test_a_home_of_its_own_needs_no_settings(home: Path) -> None:
    settings = Settings(home=home)
    try:
        store = open_store(settings, clock=lambda: datetime(2024, 1, 2, 21, tzinfo=UTC))
        (receipt,) = store.publish([draft("a")], store.fence())
        assert receipt.known_at == datetime(2024, 1, 2, 21, tzinfo=UTC)
        assert [entry.version for entry in open_lake(settings).ledger()] == ["a"]
        assert (home / "lake" / "ledger").is_dir()
        store.close()
        url = database_url(settings, "dagster")
        assert url.startswith("postgresql+psycopg2://")
        with psycopg2.connect(url.replace("+psycopg2", "")) as connection, connection.cursor() as cursor:
            cursor.execute("SELECT current_database()")
            assert cursor.fetchone() == ("dagster",)
        connection.close()
    finally:
        EmbeddedServer(home).stop()


def test_a_configured_database_is_used_and_no_server_started(home, store_url, tmp_path):
    lake = LakeSettings(url=(tmp_path / "elsewhere").as_uri())
    settings = Settings(home=home, database=DatabaseSettings(url=SecretStr(store_url)), lake=lake)
    store = open_store(settings)
    store.publish([draft("a")], store.fence())
    store.close()
    connection = psycopg2.connect(database_url(settings).replace("+psycopg2", ""))
    with connection.cursor() as cursor:
        cursor.execute("SELECT version FROM periscope.publications")
        assert cursor.fetchall() == [("a",)]
    connection.close()
    other = database_url(settings, "dagster")
    psycopg2.connect(other.replace("+psycopg2", "")).close()
    assert not home.exists()
    assert (tmp_path / "elsewhere" / "ledger").is_dir()


def test_a_configured_database_out_of_reach_is_named_without_its_password(home, tmp_path):
    url = SecretStr(f"postgresql://me:hunter2@/db?host={tmp_path}")
    settings = Settings(home=home, database=DatabaseSettings(url=url))
    for ask in (open_store, lambda settings: database_url(settings, "dagster")):
        with pytest.raises(StoreUnavailableError, match=str(tmp_path)) as caught:
            ask(settings)
        assert "hunter2" not in str(caught.value)
