"""``periscope ingest``: files into the lake, then through the whole graph.

What belongs here: which files, symbols and dates are taken, and the line printed for each snapshot. What does
not: formats (``periscope_assets.sources``), landing and building (``periscope_assets.pipeline``).
"""

from __future__ import annotations

import os
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from app.terminal.building import build, dagster_instance, moment
from app.terminal.output import UserError, complain, day, say, when
from periscope_analytics.conventions import check_symbol, listing
from periscope_assets.pipeline.dropped import SUFFIXES
from periscope_assets.settings import Settings
from periscope_assets.sources import files
from periscope_assets.sources.base import SourceError
from periscope_assets.sources.layouts import LAYOUTS, generic
from periscope_assets.sources.layouts.column_map import read_map

if TYPE_CHECKING:
    from periscope_assets.defs.metadata import Line
    from periscope_assets.store.lake import Lake, RawManifest
    from periscope_assets.store.repository import Reader


_LARGEST_MAP, _LONGEST_NAME = 64 * 1024, 255
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a person asked to ingest, checked.

    Attributes
    ----------
    layout, universe : str or None
    symbols : tuple of str
        Empty for all.
    first, last : date
        Session dates, both included.
    column_map : bytes or None
        For the generic layout.
    """

    layout: str | None
    universe: str | None
    symbols: tuple[str, ...]
    first: date
    last: date
    column_map: bytes | None = None

    def takes(self, manifest: RawManifest) -> bool:
        """Whether a landed symbol and session is asked for."""
        chosen = not self.symbols or manifest.symbol in self.symbols
        return chosen and self.first <= manifest.session <= self.last


def wanted(
    layout: str | None,
    universe: str | None,
    symbols: str | None,
    first: str | None,
    last: str | None,
    column_map: Path | None = None,
) -> Wanted:
    """Check what a person typed.

    Raises
    ------
    UserError
        Naming the option that is wrong.
    """
    known = [one.name for one in LAYOUTS]
    if layout is not None and layout not in known:
        raise UserError(f"--layout {layout[:40]!r}: expected one of {', '.join(known)}")
    if universe is not None and not universe.strip():
        raise UserError("--universe: expected a configured universe or a symbol, got nothing")
    start = date.min if first is None else day(first, "--from")
    end = date.max if last is None else day(last, "--to")
    if start > end:
        raise UserError(f"--from {start} is after --to {end}")
    names = () if symbols is None else tuple(_symbol(part.strip()) for part in symbols.split(","))
    if column_map is None and layout == generic.Generic.name:
        raise UserError("--layout generic: needs a column map; give it with --map FILE")
    if column_map is not None and layout not in (None, generic.Generic.name):
        raise UserError(f"--map: only the generic layout reads a map, not {layout}")
    given = None if column_map is None else _map(column_map)
    return Wanted(layout if given is None else generic.Generic.name, universe, names, start, end, given)


def _map(path: Path) -> bytes:
    try:
        content = files.read_bytes(path, _LARGEST_MAP)
        read_map(content, path.name)
    except SourceError as error:
        raise UserError(f"--map: {error}") from None
    return content


def _symbol(text: str) -> str:
    try:
        return check_symbol(text)
    except ValueError as error:
        raise UserError(f"--symbols: {error}") from None


def withdraw(paths: Sequence[Path], asked: Wanted, settings: Settings, land_only: bool) -> bool:
    """Take back files, named by themselves or by their sha256; return whether all of them went out.

    What was current before them is current again, as a new publication; what they alone gave is withdrawn.

    Raises
    ------
    UserError
        If nothing of what was asked for had been taken in.
    """
    from periscope_assets.pipeline import withdrawals
    from periscope_assets.store.connect import open_lake

    lake = open_lake(settings)
    targets, complete = _taken_in(paths, lake)
    chosen = _choose(targets, asked, complete)
    for manifest in withdrawals.withdraw(lake, chosen, datetime.now(UTC)):
        say(f"{manifest.symbol}  {manifest.session}  {manifest.name}")
    return complete if land_only else _build(chosen, asked, settings) and complete


def _taken_in(paths: Sequence[Path], lake: Lake) -> tuple[list[RawManifest], bool]:
    found: list[RawManifest] = []
    complete = True
    for path in paths:
        try:
            _check_name(path)
            named = not path.exists() and _SHA256.fullmatch(path.name)
            digest = path.name if named else sha256(files.read_bytes(path)).hexdigest()
        except SourceError as error:
            complain(str(error))
            complete = False
            continue
        manifests = lake.manifests_of(digest)
        if not manifests:
            complain(f"{path.name}: was never taken in (sha256 {digest[:12]}...)")
            complete = False
        found += manifests
    return found, complete


def ingest(paths: Sequence[Path], asked: Wanted, settings: Settings, land_only: bool) -> bool:
    """Take in files; return whether all of them, and every symbol in them, went in.

    Raises
    ------
    UserError
        If nothing of what was asked for is in the files.
    """
    from periscope_assets.store.connect import open_lake

    landed, complete = _land(paths, open_lake(settings), asked)
    chosen = _choose(landed, asked, complete)
    early = sorted({one.session for one in chosen if one.session < settings.first_date})
    if early:
        span = f"{early[0]} to {early[-1]}"
        complain(
            f"{len(early)} sessions left out, {span}: before PERISCOPE_FIRST_DATE, {settings.first_date}"
        )
        chosen, complete = [one for one in chosen if one.session >= settings.first_date], False
    if land_only:
        for manifest in chosen:
            counts = f"{manifest.n_raw:,} options"
            say(f"{manifest.symbol}  {manifest.session}  landed  {counts}  ({manifest.name})")
        return complete
    return _build(chosen, asked, settings) and complete


def _land(paths: Sequence[Path], lake: Lake, asked: Wanted) -> tuple[list[RawManifest], bool]:
    from periscope_assets.pipeline import land, withdrawals

    beside = {} if asked.column_map is None else {generic.MAP: asked.column_map}

    landed: list[RawManifest] = []
    complete = True
    for path in _expand(paths):
        try:
            _check_name(path)
            payload = replace(files.load(path), received_at=datetime.now(UTC))
            if files.is_companion(payload.content):
                say(f"{path.name}  skipped: it explains the files beside it")
                continue
            payload = replace(payload, companions={**payload.companions, **beside})
            taken = land(lake, payload, asked.layout)
            withdrawals.reinstate(lake, taken, datetime.now(UTC))
            landed += taken
        except SourceError as error:
            known = path.name in str(error) or not _is_nameable(path)
            complain(str(error) if known else f"{error} [{path}]")
            complete = False
    return landed, complete


def _is_nameable(path: Path) -> bool:
    return str(path).isprintable() and all(len(os.fsencode(part)) <= _LONGEST_NAME for part in path.parts)


def _check_name(path: Path) -> None:
    if not _is_nameable(path):
        shown = ascii(str(path)[-40:])
        raise SourceError(
            f"...{shown[1:-1]}: no name for a file (control characters, or too long); rename it"
        )


def _expand(paths: Sequence[Path]) -> Iterator[Path]:
    """Yield the files meant: a folder means the chain files in it, its hidden files and links left out."""
    for path in paths:
        if not _is_nameable(path) or not path.is_dir():
            yield path
            continue
        inside = sorted(one for one in path.rglob("*") if one.is_file() and not one.is_symlink())
        shown = [
            one for one in inside if not any(part.startswith(".") for part in one.relative_to(path).parts)
        ]
        chains = [one for one in shown if one.name.endswith(SUFFIXES)]
        if not chains:
            raise UserError(f"{path}: no chain files in this folder ({', '.join(SUFFIXES)})")
        yield from chains


def _choose(landed: Sequence[RawManifest], asked: Wanted, complete: bool) -> list[RawManifest]:
    held = sorted({manifest.symbol for manifest in landed})
    unknown = sorted(set(asked.symbols) - set(held))
    if landed and unknown:
        raise UserError(f"--symbols {', '.join(unknown)}: not in these files, which hold {', '.join(held)}")
    chosen = sorted((one for one in landed if asked.takes(one)), key=lambda one: (one.symbol, one.session))
    if landed and not chosen:
        days = sorted(manifest.session for manifest in landed)
        raise UserError(f"--from/--to: no session in that range, these files hold {days[0]} to {days[-1]}")
    if not landed and complete:
        raise UserError("no chain in these files")
    return chosen


def _build(chosen: Sequence[RawManifest], asked: Wanted, settings: Settings) -> bool:
    from periscope_assets.store.connect import open_store

    groups: dict[str, list[RawManifest]] = defaultdict(list)
    for manifest in chosen:
        groups[asked.universe or manifest.symbol].append(manifest)
    _check_members(groups, settings)
    if not groups:
        return True
    fine = True
    with dagster_instance(settings) as instance, closing(open_store(settings)) as store:
        for universe, manifests in groups.items():
            symbols = sorted({manifest.symbol for manifest in manifests})
            for start, end in spans(manifests):
                lines = build(settings, instance, universe, start, end, symbols=symbols)
                fine = _report(lines, manifests, store) and fine
    return fine


def _check_members(groups: dict[str, list[RawManifest]], settings: Settings) -> None:
    for universe, manifests in groups.items():
        try:
            members = settings.members(universe)
        except ValueError:
            known = ", ".join(settings.universes)
            text = f"expected one of {known} (set PERISCOPE_UNIVERSES), or a symbol"
            raise UserError(f"--universe {universe[:40]!r}: {text}") from None
        strangers = sorted({one.symbol for one in manifests} - set(members))
        if strangers:
            raise UserError(f"--universe {universe}: holds {', '.join(members)}, not {', '.join(strangers)}")


def spans(manifests: Sequence[RawManifest]) -> list[tuple[date, date]]:
    """Return date ranges that cover the sessions landed, and no session for which nothing has."""
    from periscope_assets.sources.calendars import sessions

    days = sorted({manifest.session for manifest in manifests})
    calendars = {listing(manifest.symbol).calendar for manifest in manifests}
    found: list[tuple[date, date]] = []
    for current in days:
        if found:
            start, end = found[-1]
            gap = (end + timedelta(days=1), current - timedelta(days=1))
            if not any(sessions(calendar, *gap) for calendar in calendars):
                found[-1] = (start, current)
                continue
        found.append((current, current))
    return found


def _report(lines: Sequence[Line], manifests: Sequence[RawManifest], store: Reader) -> bool:
    """Print a line for each landed snapshot and each failure of what landed; return whether none failed."""
    landed = {(manifest.symbol, manifest.session.isoformat()) for manifest in manifests}
    mine = [line for line in lines if (line.symbol, line.session) in landed]
    names = {(manifest.symbol, as_of): manifest.name for manifest in manifests for as_of in manifest.as_of}
    for (symbol, as_of), name in sorted(names.items()):
        made = [line for line in mine if (line.symbol, moment(line)) == (symbol, as_of)]
        head = store.head("option_quotes", symbol, as_of=as_of)
        if made and head is not None:
            counts = (
                f"{head.quality['n_accepted']:,} accepted + {head.quality['n_quarantined']:,} quarantined"
            )
            say(f"{symbol}  {when(as_of)}  {_verdict(made)}  {counts}  ({name})")
        elif any(line.outcome == "withdrawn" for line in made):
            say(f"{symbol}  {when(as_of)}  withdrawn  ({name})")
    for line in mine:
        if line.error:
            complain(f"{line.symbol} {line.session} {line.dataset}: {line.error}")
    return not any(line.error for line in mine)


def _verdict(lines: Sequence[Line]) -> str:
    kinds = {line.outcome for line in lines}
    return next((kind for kind in ("rejected", "published", "stale") if kind in kinds), "unchanged")
