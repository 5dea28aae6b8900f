"""A full disk, a limit on file sizes, a server that dies: a clear error, and nothing half-visible."""

from __future__ import annotations

import multiprocessing
import os
import resource
import signal
import subprocess
from pathlib import Path

import pytest

from periscope_assets.store import publishing
from periscope_assets.store.embedded import EmbeddedServer
from periscope_assets.store.lake import Lake
from periscope_assets.store.objects import LakeUnavailableError
from periscope_assets.store.postgres import PostgresStore
from periscope_assets.store.repository import StoreUnavailableError
from tests.conftest import required
from tests.store.store_samples import chain_draft, draft, forwards


@pytest.fixture
def small_disk(tmp_path):
    """Mount a disk of so many MB."""
    mounted = []

    def mount(megabytes: int) -> Path:
        folder = tmp_path / f"disk{len(mounted)}"
        folder.mkdir()
        command = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m,mode=0755", "tmpfs", str(folder)]
        if os.geteuid() != 0 or subprocess.run(command, capture_output=True).returncode != 0:
            required("root", "a disk that is full needs the right to mount one")
        mounted.append(folder)
        return folder

    yield mount
    for folder in mounted:
        subprocess.run(["umount", str(folder)], check=True)


def fill(folder: Path) -> Path:
    """Leave no byte of a disk free."""
    ballast = folder / "ballast"
    with ballast.open("wb", buffering=0) as file:
        try:
            while file.write(bytes(1 << 16)):
                pass
        except OSError:
            pass
    return ballast


def test_a_full_lake_publishes_nothing_and_recovers(store_url, small_disk):
    disk = small_disk(1)
    store = PostgresStore(store_url, lake=Lake(str(disk / "lake")))
    store.publish([draft("a", forward=1.0)], store.fence())
    ballast = fill(disk)
    with pytest.raises(LakeUnavailableError, match=r"No space left on device.*free some space"):
        store.publish([draft("b", forward=2.0)], store.fence())
    with pytest.raises(LakeUnavailableError, match="No space left on device"):
        store.lake.land(b"x" * 100_000)
    assert [entry.version for entry in store.heads(statuses=None)] == ["a"]
    ballast.unlink()
    assert store.lake._objects.keys("raw") == []
    store.publish([draft("b", forward=2.0)], store.fence())
    assert store.head("forward_curve", "SPX").version == "b"
    assert [entry.version for entry in store.lake.ledger()] == ["a", "b"]
    assert not list(disk.rglob("*.partial"))
    store.close()


def test_a_full_disk_of_the_database_publishes_nothing_and_recovers(small_disk, tmp_path):
    disk = small_disk(160)
    server = EmbeddedServer(disk / "home")
    server.start()
    server.ensure_database("periscope")
    store = PostgresStore(server.url(), lake=Lake(str(tmp_path / "lake")))
    store.migrate()
    store.publish([chain_draft("old", n=40)], store.fence())
    ballast = fill(disk)
    with pytest.raises(StoreUnavailableError, match=r"No space left on device|server closed|terminat"):
        store.publish([chain_draft("new", n=200_000)], store.fence())
    ballast.unlink()
    server.start()
    assert [entry.version for entry in store.heads("option_quotes")] == ["old"]
    store.publish([chain_draft("new", n=50)], store.fence())
    entry = store.head("option_quotes", "SPX")
    assert (entry.version, len(store.rows(entry, "options_snapshots"))) == ("new", 50)
    store.close()
    server.stop()


def test_a_limit_on_file_sizes_leaves_no_partial_object(tmp_path):
    answers = multiprocessing.get_context("fork").Queue()

    def land():
        resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))
        lake = Lake(str(tmp_path / "lake"))
        try:
            lake.land(os.urandom(200_000))
        except LakeUnavailableError as error:
            answers.put(str(error))

    worker = multiprocessing.get_context("fork").Process(target=land)
    worker.start()
    assert "File too large" in answers.get(timeout=60)
    worker.join(30)
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def publish_until_it_fails(store):
    for number in range(50):
        store.publish([chain_draft("new" if number % 2 == 0 else "old", n=5_000)], store.fence())


@pytest.mark.parametrize("number", [signal.SIGQUIT, signal.SIGKILL])
def test_a_server_that_dies_in_the_middle_of_a_write_comes_back_with_what_was_published(
    tmp_path, monkeypatch, number
):
    server = EmbeddedServer(tmp_path / "home")
    server.start()
    server.ensure_database("periscope")
    store = PostgresStore(server.url(), lake=Lake(str(tmp_path / "lake")))
    store.migrate()
    store.publish([chain_draft("old", n=40)], store.fence())
    original = publishing._enter

    def die(*arguments, **named):
        server._signal(number)
        return original(*arguments, **named)

    with monkeypatch.context() as patched:
        patched.setattr(publishing, "_enter", die)
        with pytest.raises(StoreUnavailableError, match="PostgreSQL at periscope@"):
            publish_until_it_fails(store)
    server.start()
    entry = store.head("option_quotes", "SPX")
    assert len(store.rows(entry, "options_snapshots")) in (40, 5_000)
    store.publish([draft("f", frames={"forwards": forwards()})], store.fence())
    assert store.head("forward_curve", "SPX").version == "f"
    store.close()
    server.stop()
