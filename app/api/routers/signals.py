"""Trade signals, and what people do about them.

What belongs here: routes. What does not: how signals are read, what an acknowledgement means
(``app.commands.signals``).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Annotated

import pandas as pd
from fastapi import APIRouter, Depends, Path, Request, Response

from app.api.deps import Ask, AskDep, PeopleDep, SymbolPath, check_parameters
from app.api.errors import UnknownSignalError, refused
from app.api.openapi import reading
from app.api.schemas import Note, RowsReply, SignalEventReply
from app.commands import Actor, signals
from periscope_assets.store.people import People, SignalEvent

router = APIRouter(prefix="/v1/signals", tags=["signals"], dependencies=[Depends(check_parameters)])
SignalPath = Annotated[
    str, Path(pattern=r"^[A-Za-z0-9_.:\-]{1,100}$", description="signal_id of GET /v1/signals/{symbol}")
]
_ROW = {"signal_id": "5f0e9a", "direction": "buy", "edge_iv": 0.006, "edge_stderr": 0.002, "rank": 1}


@router.get(
    "/{symbol}", response_model=RowsReply, name="signals", **reading("trade_signals", "trade_signals", _ROW)
)
def list_signals(symbol: SymbolPath, ask: AskDep, people: PeopleDep) -> Response:
    """Return trade signals, best first, each with its error and reason, and who has acknowledged it."""
    answer = ask.queries.read("trade_signals", symbol, **ask.times)
    rows = answer.frames["trade_signals"].sort_values("rank", kind="stable", ignore_index=True)
    events = people.signal_events(symbol, until=ask.when.known_at)
    frames = {"trade_signals": _with_events(rows, signals.acknowledged(events))}
    return ask.respond(replace(answer, frames=frames, key=""), is_kept=False)


@router.post("/{symbol}/{signal_id}/acknowledge", status_code=201)
def acknowledge(
    request: Request, symbol: SymbolPath, signal_id: SignalPath, ask: AskDep, people: PeopleDep, said: Note
) -> SignalEventReply:
    """Say that somebody has seen a signal and takes care of it."""
    return _added(signals.acknowledge, request, symbol, signal_id, ask, people, said)


@router.post("/{symbol}/{signal_id}/reopen", status_code=201)
def reopen(
    request: Request, symbol: SymbolPath, signal_id: SignalPath, ask: AskDep, people: PeopleDep, said: Note
) -> SignalEventReply:
    """Take an acknowledgement back."""
    return _added(signals.reopen, request, symbol, signal_id, ask, people, said)


def _added(
    command: Callable[..., SignalEvent],
    request: Request,
    symbol: str,
    signal_id: str,
    ask: Ask,
    people: People,
    said: Note,
) -> SignalEventReply:
    """Run a command about a signal that there is."""
    _find(ask, symbol, signal_id)
    actor: Actor = request.scope["state"]["actor"]
    try:
        return _reply(command(people, actor, symbol=symbol, signal_id=signal_id, note=said.note))
    except ValueError as error:
        raise refused(error) from None


def _find(ask: Ask, symbol: str, signal_id: str) -> None:
    """Refuse a signal that the snapshot asked for does not have."""
    answer = ask.queries.read("trade_signals", symbol, **ask.times)
    if signal_id not in set(answer.frames["trade_signals"]["signal_id"]):
        raise UnknownSignalError(f"{symbol} has no signal {signal_id} in this snapshot; name its as_of")


def _with_events(rows: pd.DataFrame, events: dict[str, SignalEvent]) -> pd.DataFrame:
    found = [events.get(signal_id) for signal_id in rows["signal_id"]]
    names = [None if event is None else event.actor for event in found]
    moments = [None if event is None else event.at for event in found]
    return rows.assign(
        acknowledged_at=pd.Series(moments, index=rows.index, dtype=pd.DatetimeTZDtype("us", "UTC")),
        acknowledged_by=pd.Series(names, index=rows.index, dtype=object),
    )


def _reply(event: SignalEvent) -> SignalEventReply:
    return SignalEventReply(
        symbol=event.symbol,
        signal_id=event.signal_id,
        kind=event.kind,
        at=event.at,
        actor=event.actor,
        note=event.note,
    )
