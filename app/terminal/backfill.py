"""``periscope backfill``: a range of dates of a universe, what is missing or stale of it.

What belongs here: which dates, in which batches, and the report. What does not: building (``building``).
"""

from __future__ import annotations

import time

from app.terminal.building import build, check_dates, check_universe, dagster_instance, report
from app.terminal.output import complain, day, say
from app.terminal.reading import load_settings


def backfill(from_: str, to: str, universe: str, *, everything: bool, by_daemon: bool) -> bool:
    """Build what is missing or stale; return whether every symbol could be built.

    Parameters
    ----------
    from_, to, universe : str
        As given on the command line.
    everything : bool
        Go through all dates; what is unchanged is not computed again.
    by_daemon : bool
        Hand the dates to Dagster's daemon and return.
    """
    from periscope_assets.definitions import build_definitions
    from periscope_assets.defs import backfills

    settings = load_settings()
    start, end = day(from_, "--from"), day(to, "--to")
    check_universe(settings, universe)
    check_dates(settings, "--from/--to", start, end)
    definitions = build_definitions(settings)
    with dagster_instance(settings) as instance:
        asked = backfills.days_of(start, end)
        days = asked if everything else backfills.due(definitions, instance, universe, start, end)
        said = f"{universe} {start} to {end}: {len(days)} of {len(asked)} dates to build"
        if not days:
            say(f"{said}; everything is there and of the current method")
            return True
        if by_daemon:
            say(f"{said}; backfill {backfills.submit(definitions, instance, universe, days)} was handed over")
            return True
        say(said)
        done, ok, began = 0, True, time.monotonic()
        for first, last in backfills.batches(days, settings.runs.batch_days):
            try:
                lines = build(settings, instance, universe, first, last)
            except RuntimeError as error:
                complain(f"{first} to {last}: {error}")
                ok = False
                continue
            ok = ok and not any(line.error for line in lines)
            done += (last - first).days + 1
            minutes = (time.monotonic() - began) / 60.0
            say(f"{done} of {len(days)} dates, through {last}, {minutes:.1f} min")
            failed = [line for line in lines if line.error]
            if failed:
                report(failed)
    return ok
