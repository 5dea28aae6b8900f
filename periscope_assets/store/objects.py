"""Named bytes in a folder or bucket: created whole or not at all, never changed by two writers.

What belongs here: conditional creation, reading and listing on any fsspec file system. What does not: what
the bytes mean (``lake``).
"""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from typing import Any

from fsspec.core import url_to_fs


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
        self._fs, root = url_to_fs(url, **options)
        self._root = root.rstrip("/")
        self._is_local = "file" in self._fs.protocol

    def create(self, key: str, content: bytes) -> bool:
        """Create an object unless there is one of that key; return whether it was created."""
        if self._is_local:
            return _create_file(Path(self._path(key)), content, replace=False)
        if self.exists(key):
            return False
        try:
            self._fs.pipe_file(self._path(key), content, mode="create")
        except FileExistsError:
            return False
        return True

    def replace(self, key: str, content: bytes) -> None:
        """Write an object whether or not there is one."""
        if self._is_local:
            _create_file(Path(self._path(key)), content, replace=True)
        else:
            self._fs.pipe_file(self._path(key), content)

    def read(self, key: str) -> bytes:
        """Return the content of an object.

        Raises
        ------
        FileNotFoundError
            If there is none.
        """
        return bytes(self._fs.cat_file(self._path(key)))

    def exists(self, key: str) -> bool:
        """Tell whether there is an object of that key."""
        return bool(self._fs.exists(self._path(key)))

    def keys(self, prefix: str) -> list[str]:
        """Return the keys below a folder, at any depth, sorted."""
        self._fs.invalidate_cache()
        start = len(self._root) + 1
        found = (str(path)[start:] for path in self._fs.find(self._path(prefix)))
        return sorted(key for key in found if not key.endswith(_PARTIAL))

    def folders(self, prefix: str) -> list[str]:
        """Return the names of the folders directly below a folder, sorted."""
        self._fs.invalidate_cache()
        try:
            found = self._fs.ls(self._path(prefix), detail=True)
        except FileNotFoundError:
            return []
        return sorted(
            each["name"].rstrip("/").rsplit("/", 1)[-1] for each in found if each["type"] == "directory"
        )

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
