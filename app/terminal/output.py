"""What a person at a terminal reads: plain lines, aligned columns, times with their zone.

What belongs here: printing and formats shared by every command. What does not: what is printed.
"""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    pass

ABSENT = "-"
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)


class UserError(Exception):
    """Something the person at the terminal can put right; the message is one line: what, where, remedy."""


def say(text: str = "") -> None:
    """Print one line."""
    typer.echo(text)


def complain(text: str) -> None:
    """Print one line on stderr, whatever line breaks the text brings along."""
    typer.echo(f"periscope: {' '.join(text.split())}", err=True)


def columns(heads: Sequence[str], rows: Sequence[Sequence[str]], left: Sequence[str] = ()) -> Iterator[str]:
    """Yield lines of an aligned table; columns named in `left` are flush left, the others flush right."""
    widths = [max(len(head), *(len(row[i]) for row in rows), 0) for i, head in enumerate(heads)]
    for line in (heads, *rows):
        cells = [
            cell.ljust(width) if head in left else cell.rjust(width)
            for head, cell, width in zip(heads, line, widths, strict=True)
        ]
        yield "  ".join(cells).rstrip()


def number(value: object, digits: int = 2, scale: float = 1.0) -> str:
    """Return a number with fixed digits; a dash when it is absent."""
    if not isinstance(value, int | float) or not math.isfinite(value):
        return ABSENT
    return f"{value * scale:,.{digits}f}"


def when(value: datetime | None) -> str:
    """Return an instant to the minute in UTC, zone named; a dash when it is absent."""
    return ABSENT if value is None else value.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")


def exactly(value: datetime | None) -> str:
    """Return an instant to the microsecond in UTC, so that it can be asked for again."""
    return ABSENT if value is None else value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def age(span: timedelta) -> str:
    """Return a length of time in its largest sensible unit."""
    minutes = span.total_seconds() / 60.0
    for limit, size, unit in ((90, 1, "min"), (48 * 60, 60, "h"), (math.inf, 1440, "days")):
        if minutes < limit:
            return f"{minutes / size:.0f} {unit}"
    return ABSENT


def day(text: str, option: str) -> date:
    """Return the date that a person typed.

    Raises
    ------
    UserError
        If it is not YYYY-MM-DD.
    """
    if _DATE.fullmatch(text):
        with suppress(ValueError):
            return date.fromisoformat(text)
    raise UserError(f"{option} {text[:40]!r}: expected a date such as 2026-01-15")


@contextmanager
def working(text: str) -> Iterator[None]:
    """Show that something is under way: a spinner on a terminal, a line elsewhere."""
    if not sys.stdout.isatty():
        say(text)
        yield
        return
    from rich.console import Console

    with Console().status(text):
        yield
