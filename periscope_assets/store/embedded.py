"""The PostgreSQL server of one home: made on first use, found again afterwards, stopped when asked.

What belongs here: the life of the server process and its folder. What does not: schema and queries
(``postgres``), where the binaries come from (``binaries``).

Every process of the server inherits a lock on the file ``alive``. Whoever can take that lock knows that no
process of the server is left, whatever ``postmaster.pid`` says after a kill.
"""

from __future__ import annotations

import fcntl
import os
import re
import secrets
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

import psycopg
from psycopg import sql

from periscope_assets.store.binaries import (
    Account,
    Binaries,
    EmbeddedServerError,
    choose_account,
    find_binaries,
    private_folder,
    private_name,
    remove_private_folders,
)

ROLE = "periscope"
SOCKET = ".s.PGSQL.5432"
LONGEST_SOCKET_FOLDER = 107 - len(f"/{SOCKET}.lock") - 1
DATABASE_PATTERN = re.compile(r"[a-z][a-z0-9_]{0,62}")
SETTINGS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "max_connections": "100",
    "shared_buffers": "128MB",
    "max_wal_size": "2GB",
    "random_page_cost": "1.1",
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_checkpoints": "off",
    "log_line_prefix": "%m [%p] ",
}
START_SECONDS, STOP_SECONDS, PAUSE_SECONDS = 60.0, 30.0, 0.005
_IN_PASSING = re.compile(r"the database system is (starting up|shutting down|in recovery|not yet accepting)")
_STILL_THERE = re.compile(r"lock file .* already exists|shared memory block .* still in use")


class EmbeddedServer:
    """The server of one home.

    Parameters
    ----------
    home : Path
        Everything lies in its folder ``postgres``; where that path is too long, sockets go to a private
        temporary folder.
    """

    def __init__(self, home: Path) -> None:
        self._home = home.expanduser().absolute()
        self._folder = self._home / "postgres"
        self._data = self._folder / "data"

    def start(self) -> None:
        """Start the server unless it runs, making its data folder if there is none; return when it answers.

        Raises
        ------
        EmbeddedServerError
            If it can't; the message says why and what to do.
        """
        if self.is_running():
            return
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with _flock(self._folder / "lock"):
            if self.is_running():
                return
            account = choose_account(self._data)
            binaries = find_binaries()
            self._check_version(binaries)
            binaries = binaries.within_reach(account, self._home)
            if not self._data.exists():
                self._initialise(binaries, account)
            self._launch(binaries, account)

    def stop(self) -> None:
        """Stop the server and wait until none of its processes is left; nothing happens if none runs.

        Raises
        ------
        EmbeddedServerError
            If it does not end.
        """
        if not self._folder.exists():
            return
        with _flock(self._folder / "lock"):
            for asked in (signal.SIGINT, signal.SIGQUIT):
                if not _is_free(self._folder / "alive"):
                    self._signal(asked)
                if _wait(lambda: _is_free(self._folder / "alive"), STOP_SECONDS):
                    remove_private_folders(self._home)
                    return
            raise EmbeddedServerError(f"the server in {self._folder} does not stop: see {self._log}")

    def is_running(self) -> bool:
        """Tell whether the server answers: one that is full does, one that is starting or ending does not."""
        folder = self._socket_folder()
        if folder is None or not (folder / SOCKET).exists():
            return False
        try:
            psycopg.connect(self.url("postgres"), connect_timeout=5).close()
        except psycopg.OperationalError as error:
            return "FATAL" in str(error) and not _IN_PASSING.search(str(error))
        return True

    def url(self, database: str = ROLE) -> str:
        """Return the URL of a database, with the password: ``postgresql://...?host=<socket folder>``.

        Raises
        ------
        ValueError
            If the name is not of lower-case letters, digits and underscores.
        EmbeddedServerError
            If the server was never started.
        """
        folder = self._socket_folder()
        if folder is None or not self._password.exists():
            raise EmbeddedServerError(
                f"no server was started in {self._folder} yet: `periscope up` starts it"
            )
        password = quote(self._password.read_text().strip(), safe="")
        return (
            f"postgresql://{ROLE}:{password}@/{check_database(database)}?host={quote(str(folder), safe='/')}"
        )

    def ensure_database(self, name: str) -> None:
        """Create a database unless it exists."""
        ensure_database(self.url("postgres"), name)

    @property
    def _password(self) -> Path:
        return self._folder / "password"

    @property
    def _log(self) -> Path:
        return self._folder / "server.log"

    def _socket_folder(self) -> Path | None:
        """Return the folder of the socket, None if the server was never started."""
        near = self._folder / "run"
        if len(os.fsencode(near)) <= LONGEST_SOCKET_FOLDER:
            return near if near.exists() else None
        try:
            far = Path((self._folder / "socket_folder").read_text())
        except FileNotFoundError:
            return None
        # A copied home still names the socket of the one it was copied from.
        return far if far.parent.name == private_name(self._home) else None

    def _make_socket_folder(self, account: Account) -> Path:
        folder = self._folder / "run"
        if len(os.fsencode(folder)) > LONGEST_SOCKET_FOLDER:
            folder = private_folder(self._home) / "run"
            (self._folder / "socket_folder").write_text(str(folder))
        folder.mkdir(mode=0o700, exist_ok=True)
        os.chown(folder, account.uid, account.gid)
        return folder

    def _check_version(self, binaries: Binaries) -> None:
        if not self._data.exists():
            return
        made_by = (self._data / "PG_VERSION").read_text().strip()
        installed = binaries.version()
        if installed.split(".")[0] != made_by:
            raise EmbeddedServerError(
                f"{self._data} was made by PostgreSQL {made_by}, installed is {installed}: go back to "
                f"{binaries.package.replace('_', '-')}=={made_by}.* and move the data with `periscope "
                "backup` and `periscope restore`, or delete the folder and rebuild it from the lake"
            )

    def _initialise(self, binaries: Binaries, account: Account) -> None:
        """Make the data folder aside and rename it, so that a kill leaves either all of it or none."""
        staging = self._folder / "staging"
        shutil.rmtree(staging, ignore_errors=True)
        (staging / "data").mkdir(parents=True, mode=0o700)
        password = secrets.token_urlsafe(24)
        for path in (self._password, staging / "password"):
            path.touch(mode=0o600)
            path.write_text(password)
        for path in (staging, staging / "data", staging / "password"):
            os.chown(path, account.uid, account.gid)
        with _as_seen_by(account, staging) as (seen, fds):
            command = [str(binaries.initdb), "-D", f"{seen}/data", "-U", ROLE, f"--pwfile={seen}/password"]
            command += ["--auth=scram-sha-256", "--encoding=UTF8", "--locale=C"]
            made = subprocess.run(  # noqa: S603
                command, capture_output=True, text=True, check=False, pass_fds=fds, **account.spawn_options()
            )
        if made.returncode != 0:
            raise EmbeddedServerError(f"initdb failed in {self._folder}: {made.stderr.strip()[-600:]}")
        (staging / "data").rename(self._data)
        shutil.rmtree(staging)

    def _launch(self, binaries: Binaries, account: Account) -> None:
        sockets = self._make_socket_folder(account)
        deadline = time.monotonic() + START_SECONDS
        while True:
            with self._claim(sockets) as alive:
                self._discard_stale_files(sockets)
                self._spawn(binaries, account, sockets, alive)
            if self._wait_until_it_answers():
                return
            ending = self._log.read_text(errors="replace").strip()[-600:]
            # Another process may have started a server on this folder by hand, or just be ending one.
            if not _STILL_THERE.search(ending) or time.monotonic() > deadline:
                raise EmbeddedServerError(f"PostgreSQL ended while starting in {self._folder}: {ending}")

    @contextmanager
    def _claim(self, sockets: Path) -> Iterator[int]:
        """Hold the lock that the server's processes inherit, once nothing is left of a killed server."""
        fd = os.open(self._folder / "alive", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            if not (sockets / SOCKET).exists() and not _try_lock(fd):
                # It lives but its socket was removed: nobody can use it any more.
                self._signal(signal.SIGINT)
            if not _wait(lambda: _try_lock(fd), STOP_SECONDS):
                raise EmbeddedServerError(
                    f"processes of a server in {self._folder} are left: end them, see {self._log}"
                )
            yield fd
        finally:
            os.close(fd)

    def _discard_stale_files(self, sockets: Path) -> None:
        """Remove lock files whose process id meanwhile belongs to something else, or to a zombie."""
        pid = self._postmaster()
        if pid is not None and not _works_in(pid, self._data):
            for path in (self._data / "postmaster.pid", sockets / SOCKET, sockets / f"{SOCKET}.lock"):
                path.unlink(missing_ok=True)

    def _spawn(self, binaries: Binaries, account: Account, sockets: Path, alive: int) -> None:
        """Start the server in a session of its own, as nobody's child: it outlives us and our terminal."""
        if self._log.exists():
            self._log.replace(self._log.with_suffix(".log.1"))
        with (
            self._log.open("wb") as log,
            _as_seen_by(account, self._data) as (data, data_fds),
            _as_seen_by(account, sockets) as (run, run_fds),
            _kept_from_cleaners(binaries, sockets) as kept,
        ):
            command = [str(binaries.postgres), "-D", data, "-c", f"unix_socket_directories={run}"]
            command += [part for name, value in SETTINGS.items() for part in ("-c", f"{name}={value}")]
            subprocess.run(  # noqa: S603
                ["/bin/sh", "-c", '"$@" &', "sh", *command],
                check=True,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=[alive, *data_fds, *run_fds, *kept],
                start_new_session=True,
                **account.spawn_options(),
            )

    def _wait_until_it_answers(self) -> bool:
        """Return True when a session can be opened, False when the server has ended."""
        url, deadline = self.url("postgres"), time.monotonic() + START_SECONDS
        while True:
            ended = _is_free(self._folder / "alive")
            try:
                psycopg.connect(url).close()
            except psycopg.OperationalError as error:
                if ended:
                    return False
                if time.monotonic() > deadline:
                    raise EmbeddedServerError(
                        f"no answer from {self._folder} in {START_SECONDS:.0f} s: {error}"
                    ) from None
                time.sleep(PAUSE_SECONDS)
            else:
                return True

    def _postmaster(self) -> int | None:
        try:
            return int((self._data / "postmaster.pid").read_text().split("\n")[0])
        except (FileNotFoundError, ValueError):
            return None

    def _signal(self, number: signal.Signals) -> None:
        pid = self._postmaster()
        if pid is not None and _works_in(pid, self._data):
            os.kill(pid, number)


def check_database(name: str) -> str:
    """Return `name` unchanged if it may name a database.

    Raises
    ------
    ValueError
        If it is not made of lower-case letters, digits and underscores, starting with a letter.
    """
    if not DATABASE_PATTERN.fullmatch(name):
        raise ValueError(
            f"database {name[:40]!r}: expected a-z, 0-9 and _, starting with a letter, 1-63 characters"
        )
    return name


def ensure_database(url: str, name: str) -> None:
    """Create a database on the server of a URL unless it exists; several processes may ask at once."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("SELECT pg_advisory_lock(hashtext('periscope create database'))")
        if connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone() is None:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(check_database(name))))


@contextmanager
def _as_seen_by(account: Account, folder: Path) -> Iterator[tuple[str, Sequence[int]]]:
    """Yield a path to a folder that a child of another account can use, and the descriptors it must inherit.

    The account owns the folder but may not be able to pass through its parents (a home below a root user's
    closed folder); an inherited descriptor needs no parents.
    """
    if not account.is_other or not Path("/proc/self/fd").is_dir():
        yield str(folder), ()
        return
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{fd}", (fd,)
    finally:
        os.close(fd)


@contextmanager
def _kept_from_cleaners(binaries: Binaries, sockets: Path) -> Iterator[Sequence[int]]:
    """Lock private temporary folders while the server lives: systemd-tmpfiles spares what is locked."""
    parents = {
        path for path in (binaries.root.parents[2], sockets.parent) if path.name.startswith("periscope-")
    }
    fds = [os.open(path, os.O_RDONLY | os.O_DIRECTORY) for path in parents]
    try:
        for fd in fds:
            fcntl.flock(fd, fcntl.LOCK_SH)
        yield fds
    finally:
        for fd in fds:
            os.close(fd)


@contextmanager
def _flock(path: Path) -> Iterator[None]:
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)


def _try_lock(fd: int) -> bool:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _is_free(path: Path) -> bool:
    if not path.exists():
        return True
    fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    try:
        return _try_lock(fd)
    finally:
        os.close(fd)


def _wait(condition: Callable[[], bool], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(PAUSE_SECONDS)
    return True


def _works_in(pid: int, folder: Path) -> bool:
    """Tell whether a living process works in the folder, as PostgreSQL does in its data folder."""
    if not Path("/proc/self").exists():
        listed = subprocess.run(  # noqa: S603
            ["/bin/ps", "-o", "stat=,comm=", "-p", str(pid)], capture_output=True, text=True, check=False
        ).stdout.split()
        return len(listed) > 1 and not listed[0].startswith("Z") and listed[-1].endswith("postgres")
    try:
        return Path(f"/proc/{pid}/cwd").samefile(folder)
    except OSError:
        return False
