"""``periscope materialize`` and what ``demo`` builds: Dagster runs in this process, reported line by line.

What belongs here: which partitions a command builds, and its report. What does not: the assets themselves
(``periscope_assets``).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

from app.terminal.output import UserError, columns, complain, day, say, when, working
from app.terminal.reading import load_settings
from app.terminal.serving import serve
from periscope_analytics.conventions import NEW_YORK
from periscope_assets.settings import Settings

if TYPE_CHECKING:
    from dagster import DagsterInstance

    from periscope_assets.definitions import Summary
    from periscope_assets.defs.metadata import Line

DEMO_SESSIONS = 5
_REASON_TAG, _INTERRUPTED = "dagster/failure_reason", "UNEXPECTED_TERMINATION"


@contextmanager
def dagster_instance(settings: Settings) -> Iterator[DagsterInstance]:
    """Give Dagster's instance of this home, with the database up meanwhile."""
    from app.services.dagster_home import open_instance
    from app.services.database import database
    from periscope_assets.store.connect import open_lake

    open_lake(settings).check()
    with database(settings), open_instance(settings) as instance:
        yield instance


def build(
    settings: Settings,
    instance: DagsterInstance,
    universe: str,
    start: date,
    end: date,
    *,
    symbols: Sequence[str] | None = None,
    selection: Sequence[str] | None = None,
) -> tuple[Line, ...]:
    """Materialise a date range of one universe in one run and return what came of each dataset and symbol.

    Raises
    ------
    RuntimeError
        If the run failed as a whole; Dagster keeps its log.
    KeyboardInterrupt
        If the run was interrupted, which Dagster turns into a failure of the run.
    """
    from periscope_assets.definitions import materialize as materialize_range

    span = f"{start}" if start == end else f"{start} to {end}"
    with working(f"Building {universe} {span} ..."), _compilation_told():
        summary = materialize_range(
            settings, instance, universe, start, end, selection=selection, symbols=symbols
        )
    if not summary.success:
        _raise_unless_reported(instance, summary, f"{universe} {span}")
    return summary.lines


@contextmanager
def _compilation_told() -> Iterator[None]:
    """Say that kernels are being compiled, should they be: nothing else takes so long."""
    from numba.core.event import Event, Listener, install_listener

    class Telling(Listener):  # type: ignore[misc]
        told = False

        def on_start(self, event: Event) -> None:  # noqa: ARG002
            if not self.told:
                say("Compiling the numerical kernels, once for this installation: two to three minutes ...")
            self.told = True

        def on_end(self, event: Event) -> None:
            pass

    with install_listener("numba:compile", Telling()):
        yield


def _raise_unless_reported(instance: DagsterInstance, summary: Summary, what: str) -> None:
    run = instance.get_run_by_id(summary.run_id)
    if run is not None and run.tags.get(_REASON_TAG) == _INTERRUPTED:
        raise KeyboardInterrupt
    if not summary.failures:
        raise RuntimeError(f"run {summary.run_id} of {what} failed as a whole")


def moment(line: Line) -> datetime | None:
    """Return the snapshot that a line is about; None when it failed before one was known."""
    return None if line.as_of is None else datetime.fromisoformat(line.as_of)


def materialize(session: str, universe: str, selection: str | None) -> bool:
    """Build one partition; return whether every symbol could be built."""
    settings = load_settings()
    when_built = day(session, "--date")
    check_universe(settings, universe)
    check_dates(settings, "--date", when_built, when_built)
    names = None if selection is None else _check_selection(selection)
    with dagster_instance(settings) as instance:
        lines = build(settings, instance, universe, when_built, when_built, selection=names)
    report(lines)
    return not any(line.error for line in lines)


def check_universe(settings: Settings, universe: str) -> None:
    """Refuse what is neither a configured universe nor a symbol.

    Raises
    ------
    UserError
    """
    try:
        settings.members(universe)
    except ValueError:
        known = ", ".join(settings.universes)
        text = f"neither a universe ({known}; set PERISCOPE_UNIVERSES) nor a symbol"
        raise UserError(f"--universe {universe[:40]!r}: {text}") from None


def check_dates(settings: Settings, option: str, start: date, end: date) -> None:
    """Refuse dates that are no partitions by now.

    Raises
    ------
    UserError
    """
    today = datetime.now(NEW_YORK).date()
    if not settings.first_date <= start <= end <= today:
        raise UserError(
            f"{option} {end}: expected sessions from {settings.first_date} (PERISCOPE_FIRST_DATE) to {today}"
        )


def _check_selection(selection: str) -> list[str]:
    from periscope_assets.store.tables import DATASETS

    names = [name.strip() for name in selection.split(",")]
    for name in names:
        if name not in DATASETS:
            raise UserError(f"--select {name[:40]!r}: expected assets among {', '.join(DATASETS)}")
    return names


def report(lines: Sequence[Line]) -> None:
    """Print a line for each symbol: what was published, what was as before, what failed and why."""
    kinds = ("published", "unchanged", "no_session", "rejected", "stale", "failed")
    rows = []
    for symbol in sorted({line.symbol for line in lines}):
        mine = [line for line in lines if line.symbol == symbol]
        counts = Counter(line.outcome for line in mine)
        latest = max((as_of for as_of in map(moment, mine) if as_of is not None), default=None)
        rows.append((symbol, when(latest), *(str(counts[kind]) for kind in kinds)))
    for text in columns(("symbol", "latest snapshot", *kinds), rows, left=("symbol", "latest snapshot")):
        say(text)
    for line in lines:
        if line.error:
            complain(f"{line.symbol} {line.session} {line.dataset}: {line.error}")


def demo(exit_after: bool, through: str | None) -> None:
    """Build the simulated market of the last five sessions, then run the services, or exit."""
    settings = load_settings()
    until = datetime.now(UTC) if through is None else day(through, "--through")
    if not isinstance(until, datetime):
        check_dates(settings, "--through", until, until)
    start, end = last_sessions(until)
    check_dates(settings, "--through", start, end)
    if exit_after:
        fill(settings, start, end)
        return
    serve(settings, lambda chosen: fill(chosen, start, end))


def fill(settings: Settings, start: date, end: date) -> None:
    """Materialise every configured universe over the sessions of the demo and print a summary.

    Raises
    ------
    UserError
        If a symbol could not be built.
    """
    lines: list[Line] = []
    say(f"Periscope demo: {', '.join(settings.universes)}, sessions {start} to {end}, in {settings.home}")
    with dagster_instance(settings) as instance:
        for universe in settings.universes:
            lines += build(settings, instance, universe, start, end)
    report(lines)
    if all(line.outcome == "unchanged" for line in lines):
        say("unchanged: everything was there already")
    if any(line.error for line in lines):
        raise UserError(f"some symbols could not be built: see above and {settings.home / 'logs'}")


def last_sessions(until: datetime | date) -> tuple[date, date]:
    """Return the first and last of the five latest sessions of New York.

    Parameters
    ----------
    until : datetime or date
        Sessions that are over by this instant, or those up to this date.
    """
    from periscope_assets.sources.calendars import XNYS, close_time, sessions

    limit = until.date() if isinstance(until, datetime) else until
    days = sessions(XNYS, limit - timedelta(days=3 * DEMO_SESSIONS), limit)
    over = [one for one in days if not isinstance(until, datetime) or close_time(XNYS, one) <= until]
    return over[-DEMO_SESSIONS], over[-1]
