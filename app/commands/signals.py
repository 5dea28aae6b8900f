"""Acknowledging trade signals, and taking that back.

What belongs here: these two commands, and the state that their events give. What does not: signals
themselves (``app.queries``).
"""

from __future__ import annotations

from collections.abc import Iterable

from app.commands.actors import Actor, Role, require
from periscope_analytics.conventions import check_symbol
from periscope_assets.store.audit import Act
from periscope_assets.store.people import People, SignalEvent

LONGEST_NOTE, LONGEST_ID = 500, 100
ACKNOWLEDGED, REOPENED = "acknowledged", "reopened"


def acknowledge(
    people: People, actor: Actor, *, symbol: str, signal_id: str, note: str | None = None
) -> SignalEvent:
    """Say that somebody has seen a signal and takes care of it.

    Raises
    ------
    ValueError
        If symbol, id or note can't be one.
    DeniedError
        If the actor's role is below analyst.
    """
    return _add(people, actor, symbol, signal_id, ACKNOWLEDGED, note)


def reopen(
    people: People, actor: Actor, *, symbol: str, signal_id: str, note: str | None = None
) -> SignalEvent:
    """Take an acknowledgement back; arguments and errors as of :func:`acknowledge`."""
    return _add(people, actor, symbol, signal_id, REOPENED, note)


def acknowledged(events: Iterable[SignalEvent]) -> dict[str, SignalEvent]:
    """Return the acknowledgement in force of each signal that has one, by signal; events oldest first."""
    latest = {event.signal_id: event for event in events}
    return {name: event for name, event in latest.items() if event.kind == ACKNOWLEDGED}


def _add(
    people: People, actor: Actor, symbol: str, signal_id: str, kind: str, note: str | None
) -> SignalEvent:
    check_symbol(symbol)
    if not (0 < len(signal_id) <= LONGEST_ID and signal_id.isprintable()):
        raise ValueError(f"signal_id: expected 1 to {LONGEST_ID} printable characters")
    if note is not None and (len(note) > LONGEST_NOTE or "\0" in note):
        raise ValueError(f"note: expected at most {LONGEST_NOTE} characters")
    action = {ACKNOWLEDGED: "signals.acknowledge", REOPENED: "signals.reopen"}[kind]
    target = f"{symbol}/{signal_id}"
    require(people, actor, Role.ANALYST, action, target)
    act = Act(actor.name, action, target)
    return people.add_signal_event(act, symbol=symbol, signal_id=signal_id, kind=kind, note=note)
