"""Incidents: those that are open, and what was raised before.

What belongs here: rows for readers. What does not: what an incident is (``periscope_assets.alerts``),
acknowledging (``app.commands``).
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime

import pandas as pd

from app.queries.answer import Answer
from app.queries.times import rfc3339
from periscope_assets.alerts.incidents import KINDS, Episode, episodes
from periscope_assets.operations_settings import TIERS
from periscope_assets.store.people import People

HISTORY = 200
COLUMNS = (
    *("incident", "kind", "title", "tier", "state", "what", "since", "raised_at", "resolved_at"),
    *("impact", "last_good", "run_id", "parent", "runbook"),
    *("acknowledged_by", "acknowledged_until", "note"),
)


def alerts(
    people: People, now: datetime, *, limit: int = HISTORY, runbook: str = "docs/operations.md"
) -> Answer:
    """Return incidents as they were at a time: all that were open, and the last that are resolved.

    Parameters
    ----------
    people : People
    now : datetime
        Time of the answer, which decides what had happened and which acknowledgement is in force.
    limit : int
        Most rows of ``history``.
    runbook : str
        Where the page lies to whose sections the column `runbook` leads.

    Returns
    -------
    Answer
        Frames ``open``, most urgent first, then oldest first; and ``history``, latest first.

    Raises
    ------
    StoreUnavailableError
        If the store can't be reached.
    """
    standing = episodes(people.open_alerts(until=now))
    standing.sort(key=lambda one: (TIERS.index(one.incident.urgency), one.incident.since))
    raised = episodes(people.recent_alerts(limit=limit, until=now))
    past = [one for one in reversed(raised) if not one.is_open][:limit]
    version = hashlib.sha256("\n".join(_told(one, now) for one in [*standing, *past]).encode()).hexdigest()[
        :32
    ]
    return Answer(
        dataset="alerts",
        symbol=None,
        as_of=now,
        known_at=now,
        published_at=max((one.resolved_at or one.raised_at for one in [*standing, *past]), default=None),
        version=version,
        status="published",
        source="alert_events",
        run_id="",
        quality={"n_open": len(standing), "n_rows": len(standing) + len(past)},
        frames={"open": _frame(standing, now, runbook), "history": _frame(past, now, runbook)},
    )


def _told(one: Episode, now: datetime) -> str:
    until = None if one.acknowledged_until is None else rfc3339(one.acknowledged_until)
    return f"{one.alert_id} {one.state(now)} {one.resolved_at} {one.acknowledged_id} {until} {one.incident}"


def _frame(found: Sequence[Episode], now: datetime, runbook: str) -> pd.DataFrame:
    return pd.DataFrame([_row(one, now, runbook) for one in found], columns=list(COLUMNS))


def _row(one: Episode, now: datetime, runbook: str) -> dict[str, object]:
    incident = one.incident
    kind = KINDS[incident.kind]
    return {
        "incident": incident.key,
        "kind": incident.kind,
        "title": kind.title,
        "tier": incident.urgency,
        "state": one.state(now),
        "what": incident.what,
        "since": incident.since,
        "raised_at": one.raised_at,
        "resolved_at": one.resolved_at,
        "impact": incident.impact or kind.impact,
        "last_good": incident.last_good or None,
        "run_id": incident.run_id or None,
        "parent": incident.parent or None,
        "runbook": f"{runbook}#{incident.kind}",
        "acknowledged_by": one.acknowledged_by,
        "acknowledged_until": one.acknowledged_until,
        "note": one.note,
    }
