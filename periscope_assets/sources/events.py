"""Dates that move vols, from a file: central bank meetings, earnings, index changes.

What belongs here: the file's format. What does not: expirations and dividends, which are known otherwise. The
file is a CSV of ``date, symbol, name``, a line for each event; a blank symbol, or *, stands for every one.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from pathlib import Path

from periscope_analytics.conventions import check_symbol
from periscope_assets.sources import files
from periscope_assets.sources.layouts import cells, times

COLUMNS = ("date", "symbol", "name")
LONGEST_NAME = 60


@dataclass(frozen=True, slots=True, order=True)
class Event:
    """Something that happens on a day.

    Attributes
    ----------
    day : date
    name : str
    symbol : str or None
        None for every one.
    """

    day: date
    name: str
    symbol: str | None = None


def parse_events(content: bytes, name: str) -> tuple[Event, ...]:
    """Return the events of a file by date.

    Raises
    ------
    SourceError
        If a line can't be read.
    """
    table = cells.read_csv(name, files.decompress(content, name), COLUMNS)
    days = table.convert("date", times.iso_date, "a date like 2026-03-18")
    symbols = table.convert("symbol", _optional_symbol, "a symbol (1-15 of A-Z 0-9 . -), * or blank")
    names = table.convert("name", _name, f"1-{LONGEST_NAME} characters")
    events = (Event(*each) for each in zip(days, names, symbols, strict=True))
    return tuple(sorted(events, key=lambda each: (each.day, each.name)))


def load_events(path: Path) -> tuple[Event, ...]:
    """Return the events in a file.

    Raises
    ------
    SourceError
        If it can't be read.
    """
    return parse_events(files.read_bytes(path), path.name)


def _optional_symbol(text: str) -> str | None:
    return check_symbol(text.strip()) if text.strip() not in ("", "*") else None


def _name(text: str) -> str:
    if not 1 <= len(text.strip()) <= LONGEST_NAME:
        raise ValueError("length")
    return text.strip()
