"""Alerts: open incidents and those before, and who takes care of them.

What belongs here: routes. What does not: what an incident is (``periscope_assets.alerts``), how it is read.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from fastapi import APIRouter, Depends, Request, Response

from app.api.deps import KnownDep, PeopleDep, check_parameters
from app.api.errors import UnknownIncidentError, refused
from app.api.openapi import reading
from app.api.schemas import AlertAcknowledged, AlertEventReply, AlertReopened, RowsReply
from app.commands import Actor, alerts
from app.queries.alerts import alerts as read_alerts
from app.queries.times import parse_time
from periscope_assets.store.people import AlertEvent

router = APIRouter(prefix="/v1/alerts", tags=["alerts"], dependencies=[Depends(check_parameters)])
_ROW = {"incident": "run_failed:build", "tier": "page", "state": "open", "what": "A run failed."}


@router.get("", response_model=RowsReply, name="alerts", **reading("alerts", "open", _ROW))
def list_alerts(ask: KnownDep, people: PeopleDep) -> Response:
    """Return open incidents, most urgent first, and those that are resolved, latest first."""
    now = parse_time(ask.known_at, "known_at") or datetime.now(UTC)
    return ask.respond(read_alerts(people, now), is_kept=False)


@router.post("/acknowledge", status_code=201, name="acknowledge_alert")
def acknowledge(request: Request, people: PeopleDep, said: AlertAcknowledged) -> AlertEventReply:
    """Take care of an incident for some hours; if it is open then, it is told again."""
    now, actor = datetime.now(UTC), _actor(request)
    until = now + timedelta(hours=said.hours)
    try:
        event = alerts.acknowledge(
            people, actor, incident=said.incident, until=until, now=now, note=said.note
        )
    except (ValueError, LookupError) as error:
        raise _told(error) from None
    return _reply(event)


@router.post("/reopen", status_code=201, name="reopen_alert")
def reopen(request: Request, people: PeopleDep, said: AlertReopened) -> AlertEventReply:
    """Take an acknowledgement of an incident back."""
    try:
        event = alerts.reopen(people, _actor(request), incident=said.incident)
    except (ValueError, LookupError) as error:
        raise _told(error) from None
    return _reply(event)


def _actor(request: Request) -> Actor:
    actor: Actor = request.scope["state"]["actor"]
    return actor


def _told(error: ValueError | LookupError) -> Exception:
    """Return a command's refusal as the API tells it."""
    if isinstance(error, LookupError):
        return UnknownIncidentError("no such incident is open; GET /v1/alerts lists them")
    return refused(error)


def _reply(event: AlertEvent) -> AlertEventReply:
    return AlertEventReply(
        incident=event.incident,
        kind=event.kind,
        at=event.at,
        actor=event.actor,
        until=event.details.get("until"),
        note=event.details.get("note"),
    )
