"""``periscope status``: what is published, how fresh it is, and which services run.

What belongs here: the overview of one home. What does not: any dataset's rows.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime

from app.queries import Answer, to_jsonable
from app.services import state
from app.services.state import HomeState
from app.terminal.output import age, columns, number, say, when
from app.terminal.reading import load_settings, queries
from app.terminal.tables import rows_of
from periscope_assets.settings import Settings


def status(as_json: bool) -> None:
    """Print services and a line for each symbol."""
    settings = load_settings()
    running = state.read_state(settings.home)
    with queries(settings) as ask:
        answer = ask.underlyings()
    if as_json:
        say(json.dumps({**to_jsonable(answer), "services": _services(running)}, indent=2, allow_nan=False))
        return
    say(f"home      {settings.home}")
    say(f"database  {_database(settings)}")
    for line in service_lines(running):
        say(line)
    say()
    for line in _symbols(answer, datetime.now(UTC)):
        say(line)


def _database(settings: Settings) -> str:
    return "embedded" if settings.database.url is None else "set by PERISCOPE_DATABASE__URL"


def _services(running: HomeState | None) -> list[dict[str, object]]:
    entries = () if running is None else running.services
    return [
        {
            "name": one.name,
            "address": one.address,
            "pid": None if one.process is None else one.process.pid,
            "running": one.process is not None and one.process.alive,
        }
        for one in entries
    ]


def service_lines(running: HomeState | None) -> list[str]:
    """Return a line for each service of a home, running or not."""
    if running is None or (not any(one["running"] for one in _services(running)) and not running.live):
        return ["services  none running (periscope up)"]
    lines = [
        f"services  {running.phase}"
        if running.live
        else "services  left over by a killed supervisor (periscope stop)"
    ]
    for one in running.services:
        alive = one.process is not None and one.process.alive
        lines.append(f"  {one.name:<18} {one.address or '':<24} {'running' if alive else 'not running'}")
    return lines


def _symbols(answer: Answer, now: datetime) -> list[str]:
    rows = rows_of(answer.frames["underlyings"])
    if not rows:
        return ["nothing is published here yet: periscope demo, or periscope ingest FILE"]
    lines = [
        (
            row["symbol"],
            when(row["as_of"]),
            age(now - row["as_of"]),
            row["status"],
            str(row["n_snapshots"]),
            number(row["n_accepted"], 0),
            number(row["n_quarantined"], 0),
            f"{number(row['n_fitted'], 0)}/{number(row['n_expiries'], 0)}",
            number(row["rmse_bps"], 1),
            row["source"],
        )
        for row in rows
    ]
    heads = (
        *("symbol", "latest surface", "age", "status", "snapshots"),
        *("accepted", "quarantined", "fitted", "rmse bps", "source"),
    )
    return list(columns(heads, lines, left=("symbol", "latest surface", "status", "source")))
