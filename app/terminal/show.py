"""``periscope show``: published content as a table, or as the JSON that the API sends.

What belongs here: which question is asked, in which form it is printed. What does not: tables (``tables``).
"""

from __future__ import annotations

import json
from datetime import date

from app.queries import Answer, Queries, to_jsonable
from app.terminal import tables
from app.terminal.choices import View
from app.terminal.output import exactly, say
from app.terminal.reading import load_settings, queries

_LINES = {
    View.CHAIN: tables.chain,
    View.SURFACE: tables.surface,
    View.SKEW: tables.skew,
    View.HESTON: tables.heston,
    View.SIGNALS: tables.signals,
}


def show(
    view: View, symbol: str, as_of: str | None, known_at: str | None, expiry: date | None, as_json: bool
) -> None:
    """Print one view of a symbol."""
    with queries(load_settings()) as ask:
        answer = _ask(ask, view, symbol, as_of, known_at, expiry)
    if as_json:
        print_json(answer)
        return
    say(f"{symbol}  {view.value}")
    for line in _LINES[view](answer):
        say(line)
    for line in stamp(answer):
        say(line)


def _ask(
    ask: Queries, view: View, symbol: str, as_of: str | None, known_at: str | None, expiry: date | None
) -> Answer:
    if view is View.CHAIN:
        return ask.chain(symbol, as_of=as_of, known_at=known_at, expiry=expiry)
    reader = {
        View.SURFACE: ask.surface,
        View.SKEW: ask.skew,
        View.HESTON: ask.heston,
        View.SIGNALS: ask.signals,
    }[view]
    answer: Answer = reader(symbol, as_of=as_of, known_at=known_at)
    return answer


def print_json(answer: Answer) -> None:
    """Print the body that the API would send."""
    say(json.dumps(to_jsonable(answer), indent=2, allow_nan=False))


def stamp(answer: Answer) -> list[str]:
    """Return what a reader needs to ask for the same numbers again, and any warnings."""
    return [
        "",
        f"as_of {exactly(answer.as_of)}  known_at {exactly(answer.known_at)}",
        f"version {answer.version}  status {answer.status}  source {answer.source}",
        *(f"warning: {warning}" for warning in answer.warnings),
    ]
