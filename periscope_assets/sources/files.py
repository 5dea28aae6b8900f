"""Option chains in files: opening them safely, telling their layout by content, reading them.

What belongs here: bytes on disk and their compression. What does not: the formats themselves (``layouts``),
landing bytes in the lake.
"""

from __future__ import annotations

import errno
import os
import stat
import zlib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from periscope_assets.sources.base import Layout, ParsedChain, RawPayload, SourceError
from periscope_assets.sources.layouts import LAYOUTS
from periscope_assets.sources.layouts.yahoo_chain import YahooChain, read_meta

MAX_DECOMPRESSED = 256 * 2**20
"""Largest content that is read, in bytes after decompression."""

_HEAD, _PIECE = 64 * 1024, 4 * 1024
_GZIP_MAGIC = b"\x1f\x8b"


def read_bytes(path: Path, max_decompressed: int = MAX_DECOMPRESSED) -> bytes:
    """Return a file's bytes as they are (a .gz file stays compressed).

    Raises
    ------
    SourceError
        If it is a link, no regular file, absent, unreadable, empty or larger than `max_decompressed`.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as error:
        is_link = error.errno == errno.ELOOP or path.is_symlink()
        reason = (
            "is a link; give the file itself"
            if is_link
            else f"{(error.strerror or 'unreadable').lower()}; check the path"
        )
        raise SourceError(f"{path.name}: {reason}") from None
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise SourceError(f"{path.name}: is not a regular file; give the files inside it")
        if status.st_size > max_decompressed:
            limit = f"more than {max_decompressed:,}; split the file"
            raise SourceError(f"{path.name}: {status.st_size:,} bytes, {limit}")
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            content = file.read()
    finally:
        os.close(descriptor)
    if not content:
        raise SourceError(f"{path.name}: the file is empty; download it again")
    return content


def decompress(content: bytes, name: str = "input", max_decompressed: int = MAX_DECOMPRESSED) -> bytes:
    """Return content without gzip compression; content that is not gzip comes back as it is.

    Raises
    ------
    SourceError
        If the gzip data is truncated, damaged, followed by other bytes, or larger than `max_decompressed`.
    """
    parts: list[bytes] = []
    room, at = max_decompressed, 0
    while content.startswith(_GZIP_MAGIC, at):
        engine = zlib.decompressobj(wbits=31)
        # Piece by piece: the engine copies what follows a member, and a file may hold countless members.
        while not engine.eof:
            piece = content[at : at + _PIECE]
            if not piece:
                raise SourceError(f"{name}: truncated gzip data; download the file again")
            try:
                parts.append(engine.decompress(piece, room + 1))
            except zlib.error:
                raise SourceError(f"{name}: damaged gzip data; download the file again") from None
            room -= len(parts[-1])
            if room < 0:
                raise SourceError(
                    f"{name}: more than {max_decompressed:,} bytes when decompressed; split the file"
                )
            at += len(piece) - len(engine.unused_data)
    if at == 0:
        return content
    if at < len(content):
        stray = len(content) - at
        raise SourceError(f"{name}: {stray:,} stray bytes after the gzip data; download the file again")
    return b"".join(parts)


def detect(payload: RawPayload, layout: str | None = None) -> Layout:
    """Return the layout of a payload, told by its content, or the one named `layout`.

    Raises
    ------
    SourceError
        If the content is empty, can't be decompressed, is of no known layout, or `layout` names none.
    """
    return _detect(payload.name, _plain(payload), layout)


def parse(payload: RawPayload, layout: str | None = None) -> tuple[str, list[ParsedChain]]:
    """Return the name of a payload's layout and every chain in it.

    Raises
    ------
    SourceError
        If it can't be read: one line naming file, line, column and remedy.
    """
    plain = _plain(payload)
    found = _detect(payload.name, plain, layout)
    return found.name, found.parse(replace(payload, content=plain))


def is_companion(content: bytes) -> bool:
    """Tell whether the bytes are a file that only explains others (a collector's meta.json), not a chain."""
    return read_meta(content) is not None


def companions_for(path: Path) -> Mapping[str, bytes]:
    """Return the siblings without which the file at `path` can't be read, by name; empty if it needs none.

    Raises
    ------
    SourceError
        If the file, or a sibling that is there, can't be read.
    """
    siblings = [path.with_name(name) for name in (f"{path.name.split('_')[0]}_meta.json", "meta.json")]
    present = [sibling for sibling in siblings if sibling != path and sibling.exists()]
    if not present:
        return {}
    head = decompress(read_bytes(path), path.name)[:_HEAD]
    return (
        {file.name: read_bytes(file) for file in present} if YahooChain().recognises(head, path.name) else {}
    )


def load(path: Path) -> RawPayload:
    """Return the payload at `path` with its companions.

    Raises
    ------
    SourceError
        If the file or a companion can't be read.
    """
    return RawPayload(path.name, read_bytes(path), companions=companions_for(path))


def _plain(payload: RawPayload) -> bytes:
    plain = decompress(payload.content, payload.name)
    if not plain.strip():
        raise SourceError(f"{payload.name}: the file is empty; download it again")
    return plain


def _detect(name: str, plain: bytes, layout: str | None) -> Layout:
    names = ", ".join(known.name for known in LAYOUTS)
    if layout is not None:
        for known in LAYOUTS:
            if known.name == layout:
                return known
        raise SourceError(f"{name}: no layout is called {layout[:40]!r}; choose one of {names}")
    for known in LAYOUTS:
        if known.recognises(plain[:_HEAD], name):
            return known
    if read_meta(plain) is not None:
        raise SourceError(f"{name}: explains other files and holds no quotes; give the chain files beside it")
    raise SourceError(
        f"{name}: of no known layout ({names}); check that it is the vendor's file as downloaded"
    )
