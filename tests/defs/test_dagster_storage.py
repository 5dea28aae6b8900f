"""Dagster's processes keep their connections, and share none with their children."""

from __future__ import annotations

import os

import psycopg
import pytest
from sqlalchemy import text

from app.services.dagster_home import open_instance
from app.services.dagster_storage import KEPT, PooledPostgresStorage
from periscope_assets.settings import Settings

BACKENDS = (
    "SELECT count(*) FROM pg_stat_activity WHERE datname = 'pooled_dagster' AND pid <> pg_backend_pid()"
)
PID = text("SELECT pg_backend_pid()")


@pytest.fixture(scope="module")
def url(pg_server):
    pg_server.ensure_database("pooled_dagster")
    return pg_server.url("pooled_dagster").replace("postgresql:", "postgresql+psycopg2:")


def storages(url):
    made = PooledPostgresStorage(url)
    return made.run_storage, made.event_log_storage, made.schedule_storage


def backends(pg_server) -> int:
    with psycopg.connect(pg_server.url("pooled_dagster")) as connection:
        return connection.execute(BACKENDS).fetchone()[0]


def served_by(storage) -> int:
    with storage._engine.connect() as connection:
        return connection.execute(PID).scalar_one()


def test_statements_of_all_storages_and_instances_share_few_connections(url, pg_server):
    seen = {served_by(storage) for _ in range(20) for storage in storages(url)}
    assert len(seen) == 1
    assert backends(pg_server) <= KEPT


def test_a_child_connects_anew(url):
    runs, *_ = storages(url)
    mine = served_by(runs)
    receiving, sending = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(sending, str(served_by(runs)).encode())
        os._exit(0)
    os.close(sending)
    with os.fdopen(receiving) as told:
        theirs = int(told.read())
    os.waitpid(child, 0)
    assert theirs != mine
    assert served_by(runs) == mine


def test_a_home_uses_it(tmp_path, pg_server):
    pg_server.ensure_database("pooled_home")
    settings = Settings(home=tmp_path, database={"url": pg_server.url("pooled_home")})
    with open_instance(settings) as instance:
        assert {served_by(instance.run_storage) for _ in range(5)} == {served_by(instance.event_log_storage)}
        assert instance.get_runs_count() == 0
