"""Lines of the raw bytes that a chain was read from.

What belongs here: finding a line in the lake. What does not: what its cells mean (``sources``).
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

from app.queries.core import Queries
from app.queries.locate import Located
from app.queries.strategy import beside
from periscope_assets.sources.base import SourceError
from periscope_assets.sources.files import decompress
from periscope_assets.store.lake import LakeCorruptError
from periscope_assets.store.repository import StoreUnavailableError

RAW = "raw_chain"
LONGEST = 4000
"""Characters of a line that are shown; vendors' JSON may be one line."""


class RawBytes(Protocol):
    """What is asked of the lake."""

    def read_raw(self, digest: str) -> bytes:
        """Return landed bytes by their sha256."""


class RawLine(NamedTuple):
    """One line of a raw file, or why it can't be shown.

    Attributes
    ----------
    text : str or None
    reason : str
        Empty where there is a line.
    sha256, name : str
        Of the file.
    """

    text: str | None
    reason: str
    sha256: str
    name: str


def raw_line(queries: Queries, lake: RawBytes, quotes: Located, line: int) -> RawLine:
    """Return a line, counted from 1, of the bytes behind a publication of ``option_quotes``."""
    raw = beside(queries, quotes, RAW)
    if raw is None or "sha256" not in raw.inputs:
        return RawLine(None, "the snapshot's raw_chain is not published", "", "")
    digest, name = raw.inputs["sha256"], str(raw.quality.get("name") or "")
    try:
        content = decompress(lake.read_raw(digest), name or "raw bytes")
    except FileNotFoundError:
        return RawLine(None, "the lake does not hold these bytes", digest, name)
    except (LakeCorruptError, SourceError, StoreUnavailableError, OSError) as error:
        return RawLine(None, f"the lake's object can't be read: {error}", digest, name)
    if b"\0" in content[:1024]:
        return RawLine(None, "the file is binary: its rows have no lines", digest, name)
    lines = content.splitlines()
    if not 1 <= line <= len(lines):
        return RawLine(None, f"the file has {len(lines):,} lines: its rows are records of JSON", digest, name)
    return RawLine(lines[line - 1].decode("utf-8", errors="replace")[:LONGEST], "", digest, name)
