"""The migrated schema is the one that the tables describe."""

from __future__ import annotations

import multiprocessing

import psycopg
import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import create_engine, text
from sqlalchemy.exc import DBAPIError

from periscope_assets.store import migrate, tables
from periscope_assets.store.postgres import PostgresStore
from periscope_assets.store.repository import StoreUnavailableError
from tests.store.store_samples import AS_OF, chain_draft


@pytest.fixture
def empty_url(pg_server):
    with psycopg.connect(pg_server.url("postgres"), autocommit=True) as connection:
        connection.execute("DROP DATABASE IF EXISTS empty WITH (FORCE)")
    pg_server.ensure_database("empty")
    return pg_server.url("empty")


def engine_of(url):
    options = {"options": "-c search_path=public"}
    return create_engine(url.replace("postgresql:", "postgresql+psycopg:"), connect_args=options)


def test_autogenerate_finds_nothing_to_add(any_url):
    with engine_of(any_url).connect() as connection:
        context = MigrationContext.configure(connection, opts=migrate.CONTEXT_OPTIONS)
        assert compare_metadata(context, tables.metadata) == []


def test_every_table_and_column_is_described(any_url):
    query = """
        SELECT c.relname, a.attname FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
        WHERE c.relnamespace = 'periscope'::regnamespace AND c.relkind = 'r' AND a.attnum > 0
            AND c.relname <> 'schema_version' AND col_description(c.oid, a.attnum) IS NULL
    """
    with psycopg.connect(any_url) as connection:
        assert connection.execute(query).fetchall() in ([], [("publications", "publication_id")])


def test_migrating_down_and_up_again(empty_url):
    store = PostgresStore(empty_url)
    store.migrate()
    with engine_of(empty_url).begin() as connection:
        command.downgrade(migrate.config(connection), "base")
        left = text("SELECT tablename FROM pg_tables WHERE schemaname = 'periscope'")
        assert connection.execute(left).scalars().all() == ["schema_version"]
    store.migrate()
    assert store.heads() == []
    store.close()


def test_eight_migrations_at_once(empty_url):
    def run(barrier):
        store = PostgresStore(empty_url)
        barrier.wait()
        store.migrate()

    fork = multiprocessing.get_context("fork")
    barrier = fork.Barrier(8)
    runs = [fork.Process(target=run, args=(barrier,)) for _ in range(8)]
    for each in runs:
        each.start()
    for each in runs:
        each.join(60)
    assert [each.exitcode for each in runs] == [0] * 8


def test_a_schema_of_the_future_is_left_alone(empty_url):
    store = PostgresStore(empty_url)
    store.migrate()
    with psycopg.connect(empty_url) as connection:
        connection.execute("UPDATE periscope.schema_version SET version_num = '9999'")
    with pytest.raises(RuntimeError, match="schema 9999, newer than this code"):
        store.migrate()
    store.close()


def test_a_database_without_schema_says_so(empty_url):
    store = PostgresStore(empty_url)
    with pytest.raises(StoreUnavailableError, match="no schema of ours yet"):
        store.watermark()
    store.close()


@pytest.mark.timescale
@pytest.mark.timeout(900)
@pytest.mark.parametrize("any_url", ["timescale"], indirect=True)
def test_data_tables_are_hypertables_with_their_chunks(any_url, any_store):
    any_store.publish([chain_draft()], any_store.fence())
    query = """
        SELECT hypertable_name, extract(day FROM time_interval)::int FROM timescaledb_information.dimensions
        WHERE hypertable_schema = 'periscope' AND column_name = 'as_of'
    """
    with psycopg.connect(any_url) as connection:
        days = dict(connection.execute(query).fetchall())
        (chunk,) = connection.execute(
            "SELECT range_start, range_end FROM timescaledb_information.chunks "
            "WHERE hypertable_name = 'options_snapshots'"
        ).fetchall()
    assert set(days) == {each.name for each in tables.data_tables()}
    assert (days["options_snapshots"], days["implied_vols"], days["forwards"]) == (30, 30, 365)
    assert chunk[0] <= AS_OF < chunk[1]


@pytest.mark.timescale
@pytest.mark.timeout(900)
@pytest.mark.parametrize("any_url", ["timescale"], indirect=True)
def test_what_only_the_community_licence_may_is_left_alone_under_the_other(any_url):
    """This server has the Apache edition: nothing of the statement but the licence is refused."""
    with engine_of(any_url).connect() as connection:
        assert connection.execute(text("SHOW timescaledb.license")).scalar_one() == "apache"
        with pytest.raises(DBAPIError, match="license") as caught:
            migrate.compress(connection)
    assert caught.value.orig.sqlstate == "0A000"


@pytest.mark.timescale
@pytest.mark.timeout(900)
@pytest.mark.parametrize("any_url", ["timescale"], indirect=True)
def test_what_is_set_up_for_compression_is_left_alone(any_url, monkeypatch):
    """Every process that opens the store asks: altering tables each time would wait for all their users."""
    with engine_of(any_url).connect() as connection:
        assert migrate._compressed(connection) == set()
        monkeypatch.setattr(migrate, "_compressed", lambda _: set(tables.PER_CONTRACT_TABLES))
        migrate.compress(connection)
