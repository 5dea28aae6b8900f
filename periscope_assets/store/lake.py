"""The lake: raw bytes, what was read from them, published rows as Parquet, and a second copy of the ledger.

What belongs here: which object lies under which key and how it is written and checked. What does not:
vendor formats, SQL, how objects come to rest (``objects``). Keys are built only from checked symbols,
dates, names and hashes.
"""

from __future__ import annotations

import gzip
import json
import logging
import re
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from datetime import UTC, date, datetime
from hashlib import sha256
from typing import Any

import pandas as pd

from periscope_analytics.conventions import NEW_YORK, check_symbol
from periscope_assets.store import tables
from periscope_assets.store.frames import Columns
from periscope_assets.store.objects import LakeUnavailableError, Objects
from periscope_assets.store.parquet import from_parquet, to_parquet
from periscope_assets.store.repository import PUBLISHED, REJECTED, LedgerEntry

logger = logging.getLogger(__name__)

_SHA256 = re.compile(r"[0-9a-f]{64}")
_VERSION = re.compile(r"[0-9A-Za-z][0-9A-Za-z_\-]{0,127}")
FORMAT = 1
"""Of keys and objects; a lake says which one it has."""
_MANIFESTS, _LEDGER, _PURGES, _DATASETS = "raw/manifests", "ledger", "purges", "datasets"


_GZIP_MAGIC = b"\x1f\x8b"


class LakeCorruptError(RuntimeError):
    """An object of the lake is not what its name says; the message names it."""


@dataclass(frozen=True, slots=True)
class RawManifest:
    """What a landed payload holds of one symbol and session.

    Attributes
    ----------
    sha256 : str
        Of the bytes as received; the key of the raw object.
    name : str
        File name or request, for messages.
    layout : str
        Vendor format that recognised it.
    symbol : str
    session : date
        Session (New York) that the snapshots belong to.
    as_of : tuple of datetime
        Snapshots of the symbol in the payload, UTC, ascending.
    n_raw : int
        Option records of the symbol in all snapshots.
    size : int
        Bytes as received.
    received_at : datetime or None
    companions : mapping of str to str
        sha256 of landed files that the layout can't be read without, by name.
    origin : str or None
        Vendor that was asked for it; None for what a person or a simulated market supplied.
    completeness : float or None
        Share of the contracts on the vendor's own list that came, None where there is no list.
    """

    sha256: str
    name: str
    layout: str
    symbol: str
    session: date
    as_of: tuple[datetime, ...]
    n_raw: int
    size: int
    received_at: datetime | None = None
    companions: Mapping[str, str] = field(default_factory=dict)
    origin: str | None = None
    completeness: float | None = None


@dataclass(frozen=True, slots=True)
class KeptPublication:
    """A ledger entry as the lake has it, and the sha256 of its rows by table."""

    entry: LedgerEntry
    objects: Mapping[str, str]


class Lake:
    """Everything below one URL.

    Parameters
    ----------
    url : str
        A folder, ``file://`` or ``s3://bucket/prefix``.
    options
        Passed to the file system (endpoint, credentials).
    """

    def __init__(self, url: str, **options: Any) -> None:
        self._objects = Objects(url, **options)

    @property
    def url(self) -> str:
        """Where it is."""
        return self._objects.url

    def check(self) -> None:
        """See that the lake can be read and written, and that its keys are those of this code.

        Raises
        ------
        LakeUnavailableError
            If not; the message names the remedy.
        """
        if self._objects.create("lake.json", _to_json({"format": FORMAT})):
            return
        found = self._read_json("lake.json").get("format")
        if found != FORMAT:
            problem = f"has format {found!r}, this periscope reads {FORMAT}"
            raise LakeUnavailableError(f"the lake {self.url}: {problem}; use the version that wrote it")

    def land(self, content: bytes) -> str:
        """Keep bytes for ever and return their sha256; what is there is checked, not written again."""
        digest = sha256(content).hexdigest()
        key = _raw_key(digest)
        if self._objects.exists(key):
            try:
                self.read_raw(digest)
            except LakeCorruptError as error:
                logger.warning("replaced by the bytes landed now: %s", error)
                self._objects.replace(key, _compressed(content))
            return digest
        self._objects.create(key, _compressed(content))
        return digest

    def read_raw(self, digest: str) -> bytes:
        """Return landed bytes.

        Raises
        ------
        FileNotFoundError
            If none of that sha256 have landed.
        LakeCorruptError
            If the object does not hold these bytes.
        """
        key = _raw_key(digest)
        try:
            content = gzip.decompress(self._objects.read(key))
        except (gzip.BadGzipFile, EOFError, zlib.error) as error:
            raise LakeCorruptError(f"{self.url}/{key}: {error}") from error
        if sha256(content).hexdigest() != digest:
            raise LakeCorruptError(f"{self.url}/{key}: the bytes have another sha256 than the name")
        return content

    def register(self, manifest: RawManifest) -> bool:
        """Keep what a payload holds of one symbol and session; return False if that was known."""
        beside = _to_json(dict(manifest.companions))
        suffix = f"-{sha256(beside).hexdigest()[:12]}" if manifest.companions else ""
        folder = _session_key(manifest.symbol, manifest.session)
        key = f"{folder}/{_check_sha256(manifest.sha256)}{suffix}.json"
        return self._objects.create(key, _to_json(asdict(manifest)))

    def manifests(self, symbol: str, session: date) -> list[RawManifest]:
        """Return what has landed of a symbol and session, in order of receipt; of unknown receipt first."""
        found = [self._manifest(key) for key in self._objects.keys(_session_key(symbol, session))]
        oldest = datetime.min.replace(tzinfo=UTC)
        return sorted(found, key=lambda each: (each.received_at or oldest, each.as_of, each.sha256))

    def verify_raw(self, digest: str, symbol: str, as_of: datetime) -> list[str]:
        """Read a landed payload of a snapshot and what it can't be read without; return their sha256.

        Raises
        ------
        FileNotFoundError
            If one of them is missing.
        LakeCorruptError
            If one does not hold the bytes that it is named for.
        """
        landed = self.manifests(symbol, as_of.astimezone(NEW_YORK).date())
        beside = {sha for each in landed if each.sha256 == digest for sha in each.companions.values()}
        wanted = [digest, *sorted(beside)]
        for each in wanted:
            self.read_raw(each)
        return wanted

    def manifests_between(self, symbol: str, start: date, end: date) -> list[RawManifest]:
        """Return what has landed of a symbol in the sessions ``start <= session < end``."""
        days = [day for day in self.sessions(symbol) if start <= day < end]
        return [manifest for day in days for manifest in self.manifests(symbol, day)]

    def manifests_of(self, digest: str) -> list[RawManifest]:
        """Return what was registered of one payload, by its sha256; looks through all manifests."""
        name = _check_sha256(digest)
        return [self._manifest(key) for key in self._objects.keys(_MANIFESTS) if f"/{name}" in key]

    def sessions(self, symbol: str) -> list[date]:
        """Return the sessions of which something of a symbol has landed, ascending."""
        days = [date.fromisoformat(name.removeprefix("date=")) for name in self._objects.folders(_MANIFESTS)]
        folder = f"symbol={check_symbol(symbol)}"
        return [
            day for day in days if folder in self._objects.folders(f"{_MANIFESTS}/date={day.isoformat()}")
        ]

    def write_dataset(self, table: str, symbol: str, as_of: datetime, version: str, columns: Columns) -> str:
        """Keep checked rows of one table and version as Parquet; return the sha256 of what rests there.

        What is there already is of the same version: it stays.
        """
        key = _dataset_key(table, symbol, as_of, version)
        if self._objects.exists(key):
            return sha256(self._objects.read(key)).hexdigest()
        content = to_parquet(table, columns)
        if not self._objects.create(key, content):
            content = self._objects.read(key)
        return sha256(content).hexdigest()

    def read_dataset(
        self, table: str, symbol: str, as_of: datetime, version: str, digest: str | None = None
    ) -> pd.DataFrame:
        """Return the rows of one table and content version, as published.

        Parameters
        ----------
        table, symbol : str
        as_of : datetime
        version : str
        digest : str, optional
            sha256 that the object must have.

        Raises
        ------
        FileNotFoundError
            If there are none.
        LakeCorruptError
            If the object can't be read, or has another sha256.
        """
        key = _dataset_key(table, symbol, as_of, version)
        content = self._objects.read(key)
        if digest is not None and sha256(content).hexdigest() != digest:
            raise LakeCorruptError(f"{self.url}/{key}: the bytes have another sha256 than the ledger says")
        try:
            return from_parquet(table, content)
        except (ValueError, OSError) as error:
            raise LakeCorruptError(f"{self.url}/{key}: {error}") from error

    def append_ledger(self, entry: LedgerEntry, objects: Mapping[str, str]) -> bool:
        """Keep a copy of a ledger entry with the sha256 of its rows by table; return False if it is there."""
        key = f"{_LEDGER}/date={entry.known_at.astimezone(UTC):%Y-%m-%d}/{_stamp(entry.known_at)}"
        return self._objects.create(
            f"{key}-{entry.publication_id:012d}.json", _to_json(asdict(entry) | {"objects": dict(objects)})
        )

    def append_purge(self, purged_at: datetime, publication_ids: Sequence[int]) -> bool:
        """Keep what retention dropped from the database, and when; return False if it is there."""
        content = _to_json({"purged_at": purged_at, "publication_ids": sorted(publication_ids)})
        name = f"{_stamp(purged_at)}-{sha256(content).hexdigest()[:12]}"
        return self._objects.create(f"{_PURGES}/{name}.json", content)

    def ledger(self) -> Iterator[LedgerEntry]:
        """Yield the kept ledger entries in the order in which they became known."""
        for kept in self.publications():
            yield kept.entry

    def publications(self) -> Iterator[KeptPublication]:
        """Yield the kept publications in the order in which they became known, later purges included."""
        purges = self.purges()
        for key in self._objects.keys(_LEDGER):
            values = self._read_json(key)
            objects = values.pop("objects", {})
            for name in ("as_of", "known_at", "purged_at"):
                values[name] = _instant(values[name])
            entry = LedgerEntry(**values)
            if entry.publication_id in purges:
                entry = replace(entry, purged_at=purges[entry.publication_id])
            yield KeptPublication(entry, objects)

    def purges(self) -> dict[int, datetime]:
        """Return when retention dropped rows from the database, by publication."""
        kept = map(self._read_json, self._objects.keys(_PURGES))
        return {
            number: datetime.fromisoformat(each["purged_at"])
            for each in kept
            for number in each["publication_ids"]
        }

    def described(self, entry: LedgerEntry) -> KeptPublication:
        """Return an entry with the sha256 of its rows as they rest here; none where it has no rows."""
        if entry.status not in (PUBLISHED, REJECTED):
            return KeptPublication(entry, {})
        keys = {
            table: _dataset_key(table, entry.symbol, entry.as_of, entry.version)
            for table in tables.DATASETS[entry.dataset]
        }
        return KeptPublication(
            entry, {table: sha256(self._objects.read(key)).hexdigest() for table, key in keys.items()}
        )

    def _manifest(self, key: str) -> RawManifest:
        values = self._read_json(key)
        values["session"] = date.fromisoformat(values["session"])
        values["as_of"] = tuple(datetime.fromisoformat(each) for each in values["as_of"])
        values["received_at"] = _instant(values["received_at"])
        known = {each.name for each in fields(RawManifest)}
        return RawManifest(**{name: value for name, value in values.items() if name in known})

    def _read_json(self, key: str) -> dict[str, Any]:
        try:
            values = json.loads(self._objects.read(key))
        except ValueError as error:
            raise LakeCorruptError(f"{self.url}/{key}: {error}") from error
        if not isinstance(values, dict):
            raise LakeCorruptError(f"{self.url}/{key}: expected a JSON object")
        return values


def check_version(version: str) -> str:
    """Return `version` unchanged if it may name an object.

    Raises
    ------
    ValueError
        If it is not made of 1-128 letters, digits, ``_`` and ``-``.
    """
    if not _VERSION.fullmatch(version):
        raise ValueError(f"version {version[:80]!r}: expected 1-128 characters 0-9 A-Z a-z _ -")
    return version


def _check_sha256(digest: str) -> str:
    if not _SHA256.fullmatch(digest):
        raise ValueError(f"sha256 {digest[:80]!r}: expected 64 lower-case hexadecimal digits")
    return digest


def _raw_key(digest: str) -> str:
    return f"raw/{_check_sha256(digest)[:2]}/{digest}.gz"


def _compressed(content: bytes) -> bytes:
    """Return bytes as gzip; what is compressed already is only wrapped."""
    return gzip.compress(content, compresslevel=0 if content.startswith(_GZIP_MAGIC) else 6, mtime=0)


def _session_key(symbol: str, session: date) -> str:
    return f"{_MANIFESTS}/date={session:%Y-%m-%d}/symbol={check_symbol(symbol)}"


def _dataset_key(table: str, symbol: str, as_of: datetime, version: str) -> str:
    day = as_of.astimezone(NEW_YORK).date()
    name = tables.table(table).name
    folder = f"{_DATASETS}/{name}/date={day:%Y-%m-%d}/symbol={check_symbol(symbol)}"
    # Snapshots of a day may share a version: equal quotes, and what was computed from them at another time.
    return f"{folder}/{_stamp(as_of)}-{check_version(version)}.parquet"


def _stamp(instant: datetime) -> str:
    """Return an instant so that names sort by it."""
    moment = instant.astimezone(UTC)
    return f"{moment:%Y%m%dT%H%M%S}{moment.microsecond:06d}Z"


def _instant(value: str | None) -> datetime | None:
    return None if value is None else datetime.fromisoformat(value)


def _plain(value: object) -> object:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    if isinstance(value, date):
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} in the lake's JSON")


def _to_json(values: Mapping[str, Any]) -> bytes:
    return json.dumps(values, default=_plain, allow_nan=False, sort_keys=True).encode()
