"""Events of people: only ever added, in a role of their own, each with its entry in the audit chain."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from app.commands import LOCAL, Actor, DeniedError, Role, keys, preferences, signals
from periscope_assets.store import tables
from periscope_assets.store.audit import Act
from periscope_assets.store.people import People
from periscope_assets.store.postgres import PostgresStore
from periscope_assets.store.roles import COMMANDS, READER
from tests.store.store_samples import chain_draft

VIEWER = Actor("key:1", Role.VIEWER)
ANALYST = Actor("key:2", Role.ANALYST)
NOW = datetime(2026, 1, 5, 15, 0, tzinfo=UTC)


@pytest.fixture
def people(store_url):
    made = People(store_url)
    yield made
    made.close()


def test_acknowledging_and_taking_it_back(people):
    event = signals.acknowledge(people, ANALYST, symbol="SPX", signal_id="s1", note="mine")
    signals.acknowledge(people, ANALYST, symbol="SPX", signal_id="s2")
    signals.reopen(people, LOCAL, symbol="SPX", signal_id="s2")
    events = people.signal_events("SPX")
    assert [each.signal_id for each in events] == ["s1", "s2", "s2"]
    assert signals.acknowledged(events) == {"s1": event}
    assert people.signal_events("SPX", until=event.at) == [event]
    assert people.signal_events("NDX") == []


def test_a_denied_command_changes_nothing_but_the_audit_log(people):
    with pytest.raises(DeniedError, match="analyst"):
        signals.acknowledge(people, VIEWER, symbol="SPX", signal_id="s1")
    with pytest.raises(DeniedError, match="admin"):
        keys.create(people, ANALYST, name="mine", role=Role.ADMIN)
    assert people.signal_events("SPX") == []
    assert people.api_keys() == []
    log = people.audit_log()
    assert [(each.actor, each.action, each.outcome) for each in log] == [
        ("key:1", "signals.acknowledge", "denied"),
        ("key:2", "keys.create", "denied"),
    ]


def test_preferences_are_the_latest(people):
    preferences.set(people, VIEWER, "theme", "dark")
    preferences.set(people, VIEWER, "columns", ["strike", "iv"])
    preferences.set(people, VIEWER, "theme", "light")
    preferences.set(people, VIEWER, "columns", None)
    preferences.set(people, ANALYST, "theme", "dark")
    assert preferences.read(people, VIEWER) == {"theme": "light"}
    for name, value in (("Theme", 1), ("theme", float("nan")), ("theme", "x" * 5000), ("theme", "\0")):
        with pytest.raises(ValueError, match="preference"):
            preferences.set(people, VIEWER, name, value)


def test_the_life_of_a_key(people):
    key_id, whole = keys.create(
        people, LOCAL, name="desk", role=Role.ANALYST, scopes=["read"], expires_at=NOW + timedelta(days=1)
    )
    key, state = keys.recognise(people, whole, NOW)
    assert (key.key_id, key.role, key.scopes, state) == (key_id, Role.ANALYST, ("read",), "active")
    assert keys.recognise(people, whole, NOW + timedelta(days=2))[1] == "expired"
    wrong = whole[:-1] + ("A" if whole[-1] != "A" else "B")
    for presented in (wrong, "psk_0123456789ab_" + "x" * 43, "psk_", "", whole + " "):
        assert keys.recognise(people, presented, NOW) == (None, "unknown")
    keys.mark_used(people, key_id)
    assert keys.list(people, LOCAL)[0].last_used_at is not None
    keys.revoke(people, LOCAL, key_id)
    keys.revoke(people, LOCAL, key_id)
    assert keys.recognise(people, whole, NOW)[1] == "revoked"
    with pytest.raises(LookupError):
        keys.revoke(people, LOCAL, "nothing")
    assert [each.action for each in people.audit_log()] == ["keys.create", "keys.revoke"]


def test_a_secret_is_nowhere_in_the_database(people, store_url):
    _, whole = keys.create(people, LOCAL, name="desk", role=Role.VIEWER)
    secret = whole.rsplit("_", 1)[1] if "_" not in whole.split("_", 2)[2] else whole.split("_", 2)[2]
    with psycopg.connect(store_url) as connection:
        for name in tables.EVENT_TABLES:
            text = connection.execute(f"SELECT coalesce(string_agg(t::text, ''), '') FROM periscope.{name} t")
            assert secret not in text.fetchone()[0]


@pytest.mark.parametrize("name", sorted(tables.EVENT_TABLES))
def test_not_even_the_owner_changes_an_event(people, store_url, name):
    preferences.set(people, LOCAL, "theme", "dark")
    signals.acknowledge(people, LOCAL, symbol="SPX", signal_id="s1")
    keys.create(people, LOCAL, name="desk", role=Role.VIEWER)
    with psycopg.connect(store_url, autocommit=True) as connection:
        for statement in (f"DELETE FROM periscope.{name}", f"UPDATE periscope.{name} SET at = now()"):
            with pytest.raises(psycopg.errors.RaiseException, match="only ever added"):
                connection.execute(statement)


def attempt(store, statement):
    with store._session() as connection:
        connection.execute(statement)


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO periscope.publish_clock VALUES (2, now())",
        "UPDATE periscope.publications SET status = 'rejected'",
        "DELETE FROM periscope.options_snapshots",
        "SELECT * FROM periscope.api_keys",
        "SELECT * FROM periscope.audit_log",
        "SET default_transaction_read_only = off; INSERT INTO periscope.publish_clock VALUES (2, now())",
        "CREATE TABLE periscope.mine (i int)",
    ],
)
def test_the_reader_only_reads(store, store_url, statement):
    store.publish([chain_draft()], store.fence())
    reader = PostgresStore(store_url, role=READER)
    try:
        assert len(reader.heads()) == 1
        assert reader._fetch("SELECT current_user")[0][0] == READER
        with pytest.raises((psycopg.errors.InsufficientPrivilege, psycopg.errors.ReadOnlySqlTransaction)):
            attempt(reader, statement)
    finally:
        reader.close()


@pytest.mark.parametrize(
    "statement",
    [
        "TRUNCATE periscope.audit_log",
        "DELETE FROM periscope.audit_log",
        "UPDATE periscope.publications SET status = 'rejected'",
        "INSERT INTO periscope.publish_clock VALUES (2, now())",
        "DROP TABLE periscope.api_keys",
    ],
)
def test_commands_only_add_events(people, statement):
    assert people._fetch("SELECT current_user")[0][0] == COMMANDS
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        attempt(people, statement)


def test_the_chain_holds_under_many_writers(people):
    def write(who):
        for number in range(10):
            signals.acknowledge(people, ANALYST, symbol="SPX", signal_id=f"{who}-{number}", note="é\u2028")

    threads = [threading.Thread(target=write, args=(who,)) for who in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join(60)
    people.write_down([Act("anonymous", "GET /v1/chain", "SPX", "denied", {"count": 3, "x": 0.1})] * 3)
    found = people.check_audit_log()
    assert (found.n_entries, found.fault) == (43, None)
    assert found.digest == people.audit_log(after=42)[0].digest


@pytest.mark.parametrize(
    ("tamper", "fault"),
    [
        ("UPDATE periscope.audit_log SET actor = 'nobody' WHERE entry_id = 2", "entry 2 is not what"),
        ("UPDATE periscope.audit_log SET at = at + interval '1 us' WHERE entry_id = 1", "entry 1 is not"),
        ("UPDATE periscope.audit_log SET detail = '{}' WHERE entry_id = 3", "entry 3 is not what"),
        ("DELETE FROM periscope.audit_log WHERE entry_id = 2", "entry 2 is missing, 3 follows"),
        ("UPDATE periscope.audit_log SET digest = repeat('0', 64) WHERE entry_id = 2", "entry 2 is not"),
    ],
)
def test_tampering_is_found(people, store_url, tamper, fault):
    people.write_down([Act("local", "something", str(number), detail={"n": number}) for number in range(4)])
    with psycopg.connect(store_url, autocommit=True) as connection:
        connection.execute("SET session_replication_role = replica")
        connection.execute(tamper)
    assert people.check_audit_log().fault.startswith(fault)


def test_a_user_who_may_not_make_roles_still_gets_a_schema(pg_server):
    """Roles are then left out; whoever connects acts as that user, and a reader still only reads."""
    with psycopg.connect(pg_server.url("postgres"), autocommit=True) as connection:
        connection.execute("DROP DATABASE IF EXISTS plain WITH (FORCE)")
        connection.execute("DROP ROLE IF EXISTS plain_owner")
        connection.execute("CREATE ROLE plain_owner LOGIN PASSWORD 'plain'")
        connection.execute("CREATE DATABASE plain OWNER plain_owner")
    address = pg_server.url("plain").partition("@")[2]
    url = f"postgresql://plain_owner:plain@{address}"
    owner, reader, people = PostgresStore(url), PostgresStore(url, role=READER), People(url)
    try:
        owner.migrate()
        assert reader.heads() == []
        preferences.set(people, LOCAL, "theme", "dark")
        assert preferences.read(people, LOCAL) == {"theme": "dark"}
        with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
            attempt(reader, "INSERT INTO periscope.publish_clock VALUES (2, now())")
    finally:
        for each in (owner, reader, people):
            each.close()
        with psycopg.connect(pg_server.url("postgres"), autocommit=True) as connection:
            connection.execute("DROP DATABASE plain WITH (FORCE)")
            connection.execute("DROP ROLE plain_owner")
