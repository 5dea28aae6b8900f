"""Files dropped into the landing folder or bucket: which are whole, which are new, what is in them.

What belongs here: looking, reading, landing, a bound on work, what is remembered between looks. What does
not: asking for runs (``defs.sensors``), formats (``sources``). Files are never moved or removed: they are
told apart by name, size and time, and their content by its sha256, so that a renamed one is not taken twice.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

from fsspec.core import url_to_fs

from periscope_assets.pipeline.landing import land
from periscope_assets.sources import files
from periscope_assets.sources.base import RawPayload, SourceError
from periscope_assets.store.lake import Lake, RawManifest
from periscope_assets.store.repository import StoreUnavailableError

_log = logging.getLogger(__name__)

SUFFIXES = (".csv", ".csv.gz", ".parquet", ".json", ".json.gz", ".txt.gz")
"""Names that a folder is searched for; a file named on the command line may be called anything."""
MOST_REMEMBERED = 5000
TAKEN = "taken"
"""What is remembered of a file that was read; of another, why it was refused."""


@dataclass(frozen=True, slots=True)
class Found:
    """A file and what tells whether it has changed."""

    key: str
    signature: str
    is_settled: bool


@dataclass(frozen=True, slots=True)
class Look:
    """What one look into the folder found.

    Attributes
    ----------
    landed : tuple of RawManifest
        What the new files hold.
    refused : mapping
        Why a file could not be taken in, by name.
    waiting : int
        Files that may still grow or that the bound left for the next look.
    memory : str
        To hand to the next look.
    """

    landed: tuple[RawManifest, ...]
    refused: Mapping[str, str]
    waiting: int
    memory: str


class Folder:
    """The landing folder or bucket.

    Parameters
    ----------
    url : str
        Folder, ``file:///folder`` or ``s3://bucket/prefix``.
    settle_seconds : float
        A local file is whole once it has not been written to for so long; an object always is.
    """

    def __init__(self, url: str, settle_seconds: float) -> None:
        self._fs, root = url_to_fs(url, **({"use_listings_cache": False} if url.startswith("s3://") else {}))
        self._root, self._settle = root.rstrip("/"), settle_seconds
        self._is_local = "file" in self._fs.protocol
        if self._is_local:
            Path(self._root).mkdir(parents=True, exist_ok=True)

    def look(self, lake: Lake, memory: str | None, now: datetime, most: int) -> Look:
        """Land at most `most` files that are new or have changed.

        Parameters
        ----------
        lake : Lake
        memory : str or None
            Of the look before.
        now : datetime
        most : int
        """
        known: dict[str, list[str]] = json.loads(memory) if memory else {}
        there = self._list(now)
        fresh = [one for one in there if known.get(one.key, [""])[0] != one.signature]
        ready = [one for one in fresh if one.is_settled]
        landed: list[RawManifest] = []
        refused: dict[str, str] = {}
        contents = {value[2] for value in known.values() if len(value) > 2}
        for one in ready[:most]:
            try:
                payload = self._payload(one.key)
                content = sha256(payload.content).hexdigest()
                if content not in contents:
                    landed += _take(lake, payload, now)
                contents.add(content)
                known[one.key] = [one.signature, TAKEN, content]
            except StoreUnavailableError:
                raise
            except Exception as error:
                # A file that trips a reader must not hold up its neighbours at every look.
                _log.warning("%s was refused", one.key, exc_info=not isinstance(error, SourceError))
                reason = " ".join(str(error).split()) or type(error).__name__
                refused[one.key] = reason
                known[one.key] = [one.signature, reason[:200]]
        names = {one.key for one in there}
        kept = [(key, value) for key, value in known.items() if key in names][-MOST_REMEMBERED:]
        waiting = len(fresh) - len(ready[:most])
        return Look(tuple(landed), refused, waiting, json.dumps(dict(kept)))

    def _list(self, now: datetime) -> list[Found]:
        self._fs.invalidate_cache()
        if not self._fs.exists(self._root):
            return []
        entries: dict[str, Mapping[str, Any]] = self._fs.find(self._root, detail=True)
        start = len(self._root) + 1
        found = []
        for path, info in sorted(entries.items()):
            key = path[start:]
            if key.lower().endswith(SUFFIXES) and not any(part.startswith(".") for part in key.split("/")):
                found.append(self._found(key, info, now))
        return found

    def _found(self, key: str, info: Mapping[str, Any], now: datetime) -> Found:
        if not self._is_local:
            return Found(key, f"{info.get('ETag', '')} {info['size']}", is_settled=True)
        written = float(info["mtime"])
        settled = now.timestamp() - written >= self._settle and info["size"] > 0
        return Found(key, f"{written} {info['size']}", settled)

    def _payload(self, key: str) -> RawPayload:
        if self._is_local:
            return files.load(Path(self._root) / key)
        path = f"{self._root}/{key}"
        if self._fs.size(path) > files.MAX_DECOMPRESSED:
            raise SourceError(f"{key}: more than {files.MAX_DECOMPRESSED:,} bytes; split the file")
        return RawPayload(key.rsplit("/", 1)[-1], bytes(self._fs.cat_file(path)))


def _take(lake: Lake, payload: RawPayload, now: datetime) -> list[RawManifest]:
    if files.is_companion(payload.content):
        return []
    return land(lake, replace(payload, received_at=payload.received_at or now.astimezone(UTC)))
