"""Backups: what comes back is what was there, on either kind of server, and nothing is overwritten."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import psycopg
import pytest

from periscope_assets.store import dump
from periscope_assets.store.dump import BackupError, Database
from periscope_assets.store.postgres import PostgresStore
from periscope_assets.store.repository import StoreUnavailableError
from tests.conftest import emptied
from tests.store.store_samples import chain_draft, draft

NOW = datetime(2024, 2, 1, tzinfo=UTC)
SEEDED = frozenset({"schema_version", "publish_clock"})


def database(url):
    return Database("periscope", url, "periscope", SEEDED, "schema_version")


def fill(store):
    store.publish([chain_draft("a", n=40), draft("f", forward=1 / 3)], store.fence())
    store.publish([draft("g", forward=0.1 + 0.2)], store.fence())


def everything(url):
    """Every cell of every table and the state of every sequence."""
    with psycopg.connect(url, options="-c timezone=UTC") as connection:
        names = connection.execute(
            "SELECT tablename FROM pg_tables WHERE schemaname = 'periscope'"
        ).fetchall()
        rows = {
            name: sorted(map(str, connection.execute(f"SELECT * FROM periscope.{name}"))) for (name,) in names
        }
        return rows, sorted(connection.execute(dump._SEQUENCES, ["periscope"]).fetchall())


def test_a_backup_comes_back_whole(any_store, any_url, tmp_path):
    fill(any_store)
    before = everything(any_url)
    dumps = dump.backup([database(any_url)], tmp_path / "kept", now=NOW)
    assert dump.summary(dumps)["periscope"] == sum(map(len, before[0].values()))
    assert dump.read(tmp_path / "kept") == dumps
    emptied(any_url)
    dump.restore(database(any_url), dumps["periscope"], tmp_path / "kept")
    assert everything(any_url) == before
    assert any_store.publish([draft("g")], any_store.fence())[0].outcome == "unchanged"
    assert any_store.publish([draft("h")], any_store.fence())[0].outcome == "published"


@pytest.mark.timescale
@pytest.mark.timeout(900)
def test_a_backup_moves_between_kinds_and_versions_of_servers(store_url, timescale_url, tmp_path):
    for step, (here, there) in enumerate([(store_url, timescale_url), (timescale_url, store_url)]):
        store = PostgresStore(emptied(here))
        fill(store)
        store.close()
        dumps = dump.backup([database(here)], tmp_path / str(step), now=NOW)
        dump.restore(database(emptied(there)), dumps["periscope"], tmp_path / str(step))
        assert everything(there) == everything(here)


def test_content_is_never_overwritten(store, store_url, tmp_path):
    fill(store)
    dumps = dump.backup([database(store_url)], tmp_path / "kept", now=NOW)
    before = everything(store_url)
    with pytest.raises(BackupError, match=r"not empty \(periscope\.\w+ has rows\): .* PERISCOPE_HOME"):
        dump.restore(database(store_url), dumps["periscope"], tmp_path / "kept")
    assert everything(store_url) == before
    dump.restore(database(store_url), dumps["periscope"], tmp_path / "kept", again=True)
    assert everything(store_url) == before
    with pytest.raises(BackupError, match="kept exists: name a folder that does not"):
        dump.backup([database(store_url)], tmp_path / "kept", now=NOW)


def test_every_byte_is_checked_before_anything_is_written(store, store_url, tmp_path):
    fill(store)
    dump.backup([database(store_url)], tmp_path / "kept", now=NOW)
    path = tmp_path / "kept" / "periscope" / "forwards.copy.zst"
    whole = path.read_bytes()
    for damaged in (whole[:-1], b"x" + whole[1:]):
        path.write_bytes(damaged)
        with pytest.raises(BackupError, match=r"forwards\.copy\.zst: missing, or not the bytes"):
            dump.read(tmp_path / "kept")
    path.unlink()
    with pytest.raises(BackupError, match=r"forwards\.copy\.zst: missing"):
        dump.read(tmp_path / "kept")


def test_what_is_no_backup_is_refused(tmp_path):
    with pytest.raises(BackupError, match="is no backup"):
        dump.read(tmp_path)
    (tmp_path / "backup.json").write_text(json.dumps({"format": 99}))
    with pytest.raises(BackupError, match="has format 99"):
        dump.read(tmp_path)


def test_another_schema_is_refused(store, store_url, tmp_path):
    dumps = dump.backup([database(store_url)], tmp_path / "kept", now=NOW)
    with psycopg.connect(store_url) as connection:
        (current,) = connection.execute("SELECT version_num FROM periscope.schema_version").fetchone()
        connection.execute("UPDATE periscope.schema_version SET version_num = '9999'")
    try:
        with pytest.raises(BackupError, match="another schema"):
            dump.restore(database(store_url), dumps["periscope"], tmp_path / "kept")
    finally:
        with psycopg.connect(store_url) as connection:
            connection.execute("UPDATE periscope.schema_version SET version_num = %s", [current])


def test_no_server_leaves_no_backup(tmp_path):
    lost = database(f"postgresql://me:hunter2@/db?host={tmp_path}")
    with pytest.raises(StoreUnavailableError) as caught:
        dump.backup([lost], tmp_path / "kept", now=NOW)
    assert "hunter2" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "kept.partial").mkdir()
    with pytest.raises(BackupError, match="left of a backup that was killed"):
        dump.backup([lost], tmp_path / "kept", now=NOW)
