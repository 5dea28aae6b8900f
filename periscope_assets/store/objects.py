"""Named bytes in a folder or bucket: created whole or not at all, never changed by two writers.

What belongs here: conditional creation, reading and listing on any fsspec file system, and what a folder or
bucket that can't be used is called. What does not: what the bytes mean (``lake``).
"""

from __future__ import annotations

import errno
import os
import secrets
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar

from botocore.exceptions import BotoCoreError, NoCredentialsError
from fsspec.core import url_to_fs

from periscope_assets.store.repository import StoreUnavailableError

PART_BYTES = 16 << 20
"""Objects of twice this size and more go to a bucket in parts."""
_P = ParamSpec("_P")
_R = TypeVar("_R")


class LakeUnavailableError(StoreUnavailableError):
    """The lake's folder or bucket can't be used; the message is one line and names the remedy."""


def _explained(
    method: Callable[Concatenate[Objects, _P], _R],
) -> Callable[Concatenate[Objects, _P], _R]:
    """Turn a file system's own errors into :class:`LakeUnavailableError`; an absent object stays absent."""

    @wraps(method)
    def call(self: Objects, /, *args: _P.args, **kwargs: _P.kwargs) -> _R:
        try:
            return method(self, *args, **kwargs)
        except (OSError, BotoCoreError) as error:
            if isinstance(error, FileNotFoundError) and self._is_there():
                raise
            raise LakeUnavailableError(f"the lake {self.url}: {_remedy(error)}") from error

    return call


def _remedy(error: Exception) -> str:
    said = " ".join(str(error).split()) or type(error).__name__
    if isinstance(error, NoCredentialsError):
        return "no credentials; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, AWS_PROFILE or a role"
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"{said}; free some space there, or move the lake (PERISCOPE_LAKE__URL)"
    if isinstance(error, PermissionError):
        return f"{said}; grant this user or its AWS credentials reading and writing there"
    if isinstance(error, FileNotFoundError):
        return f"{said}; make that bucket or folder, or check PERISCOPE_LAKE__URL"
    if isinstance(error, FileExistsError | NotADirectoryError):
        return f"{said}; it must be a folder (PERISCOPE_LAKE__URL)"
    return f"{said}; check PERISCOPE_LAKE__URL, and for a bucket AWS_ENDPOINT_URL and the network"


class Objects:
    """Objects below a URL.

    Parameters
    ----------
    url : str
        ``file:///folder``, a folder, ``s3://bucket/prefix`` or any other URL that fsspec knows.
    options
        Passed to fsspec's file system (endpoint, credentials).
    """

    def __init__(self, url: str, **options: Any) -> None:
        self.url = url
        remote = {"use_listings_cache": False} if url.startswith("s3://") else {}
        self._fs, root = url_to_fs(url, **{**remote, **options})
        self._root = root.rstrip("/")
        self._is_local = "file" in self._fs.protocol

    @_explained
    def create(self, key: str, content: bytes) -> bool:
        """Create an object unless there is one of that key; return whether it was created."""
        if self._is_local:
            return _create_file(Path(self._path(key)), content, replace=False)
        try:
            self._fs.pipe_file(self._path(key), content, mode="create", chunksize=PART_BYTES)
        except FileExistsError:
            return False
        except OSError:
            # A bucket answers "conflict" to all but one of those who create an object at the same time.
            if not self.exists(key):
                raise
            return False
        return True

    @_explained
    def replace(self, key: str, content: bytes) -> None:
        """Write an object whether or not there is one."""
        if self._is_local:
            _create_file(Path(self._path(key)), content, replace=True)
        else:
            self._fs.pipe_file(self._path(key), content, chunksize=PART_BYTES)

    @_explained
    def read(self, key: str) -> bytes:
        """Return the content of an object.

        Raises
        ------
        FileNotFoundError
            If there is none.
        """
        return bytes(self._fs.cat_file(self._path(key)))

    @_explained
    def exists(self, key: str) -> bool:
        """Tell whether there is an object of that key."""
        return bool(self._fs.exists(self._path(key)))

    @_explained
    def keys(self, prefix: str) -> list[str]:
        """Return the keys below a folder, at any depth, sorted."""
        self._fs.invalidate_cache()
        start = len(self._root) + 1
        found = [str(path)[start:] for path in self._fs.find(self._path(prefix))]
        if not found:
            self._refuse_missing_bucket()
        return sorted(key for key in found if not key.endswith(_PARTIAL))

    @_explained
    def folders(self, prefix: str) -> list[str]:
        """Return the names of the folders directly below a folder, sorted."""
        self._fs.invalidate_cache()
        try:
            found = self._fs.ls(self._path(prefix), detail=True)
        except FileNotFoundError:
            self._refuse_missing_bucket()
            return []
        return sorted(
            each["name"].rstrip("/").rsplit("/", 1)[-1] for each in found if each["type"] == "directory"
        )

    def _refuse_missing_bucket(self) -> None:
        """Tell a lake in which nothing is found from one that is not there; a folder is made when written."""
        if not self._is_local and not self._is_there():
            raise FileNotFoundError("there is no such bucket")

    def _is_there(self) -> bool:
        root = self._root if self._is_local else self._root.split("/", 1)[0]
        try:
            return bool(self._fs.exists(root))
        except (OSError, BotoCoreError):
            return False

    def _path(self, key: str) -> str:
        return f"{self._root}/{key}"


_PARTIAL = ".partial"


def _create_file(path: Path, content: bytes, *, replace: bool) -> bool:
    """Write aside and make visible in one step, durably."""
    if not replace and path.exists():
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}.{secrets.token_hex(6)}{_PARTIAL}")
    try:
        with aside.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        created = _show(aside, path, replace=replace)
    finally:
        aside.unlink(missing_ok=True)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
    return created


def _show(aside: Path, path: Path, *, replace: bool) -> bool:
    if replace:
        aside.replace(path)
        return True
    try:
        # A link fails where a rename would silently replace what another writer has just created.
        path.hardlink_to(aside)
    except FileExistsError:
        return False
    except OSError:
        if path.exists():
            return False
        aside.rename(path)
    return True
