"""``periscope replay``, ``backup`` and ``restore``: a database rebuilt from the lake, kept aside, put back.

What belongs here: which databases a home has, and what the person is told. What does not: how they are read
and written (``periscope_assets.store``).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from app.services.state import AlreadyRunningError, run_folder, supervisor_lock
from app.terminal.output import UserError, exactly, say, working
from app.terminal.reading import load_settings
from periscope_assets.settings import Settings

if TYPE_CHECKING:
    from periscope_assets.store.dump import Database

_STORE, _DAGSTER = "periscope", "dagster"
_SEEDED_BY_DAGSTER = frozenset(
    {"alembic_version", "daemon_heartbeats", "instance_info", "kvs", "secondary_indexes"}
)


def replay() -> None:
    """Rebuild an empty database from the lake of this home."""
    from app.services.database import database
    from periscope_assets.store.connect import open_lake, open_store

    settings = load_settings()
    with _alone(settings), database(settings):
        open_lake(settings).check()
        with closing(open_store(settings)) as store, working(f"Reading the lake {settings.lake_url} ..."):
            made = store.replay()
    if not made.n_publications:
        say(f"Nothing to replay: the ledger of {settings.lake_url} is empty.")
        return
    if made.is_renumbered:
        say("The lake holds what several databases published: their publications were numbered anew.")
    counts = (
        f"{made.n_publications:,} publications, {made.n_rows:,} rows, {made.n_raw:,} raw objects verified"
    )
    say(f"Replayed {counts}; known at {exactly(made.known_at)}.")


def backup(folder: Path) -> None:
    """Write the databases of this home into a new folder."""
    from app.services.database import database
    from periscope_assets.store import dump

    settings = load_settings()
    with database(settings), working(f"Writing {folder} ..."):
        dumps = dump.backup(_databases(settings), folder.expanduser().absolute(), now=datetime.now(UTC))
    for name, rows in dump.summary(dumps).items():
        say(f"{name:<10} {rows:>12,} rows")
    say(f"The lake is not in it: {settings.lake_url} is a copy of its own; keep it as you keep this backup.")


def restore(folder: Path) -> None:
    """Write a backup into the empty databases of this home."""
    from app.services.dagster_home import open_instance
    from app.services.database import database
    from periscope_assets.store import dump

    settings = load_settings()
    folder = folder.expanduser().absolute()
    dumps = dump.read(folder)
    with _alone(settings), database(settings), working(f"Reading {folder} ..."):
        databases = {each.name: each for each in _databases(settings)}
        if unknown := sorted(set(dumps) - set(databases)):
            raise UserError(
                f"{folder} holds databases that this periscope does not know: {', '.join(unknown)}"
            )
        if dumps[_DAGSTER].tables:
            open_instance(settings).dispose()
        begun = run_folder(settings.home) / "restoring"
        again = begun.exists()
        for name, each in dumps.items():
            dump.restore(databases[name], each, folder, again=again)
            # Two databases can't be written in one step: until both are, the command may be given again.
            begun.touch()
        begun.unlink()
    for name, rows in dump.summary(dumps).items():
        say(f"{name:<10} {rows:>12,} rows restored")


def _databases(settings: Settings) -> list[Database]:
    from periscope_assets.store import connect
    from periscope_assets.store.dump import Database

    connect.open_store(settings).close()
    kept = connect.database_url(settings, _STORE)
    runs = connect.database_url(settings, _DAGSTER)
    return [
        Database(_DAGSTER, runs, "public", _SEEDED_BY_DAGSTER, "alembic_version"),
        Database(_STORE, kept, "periscope", frozenset({"schema_version", "publish_clock"}), "schema_version"),
    ]


@contextmanager
def _alone(settings: Settings) -> Iterator[None]:
    """Keep the services of this home from starting meanwhile.

    Raises
    ------
    UserError
        If they run.
    """
    try:
        with supervisor_lock(settings.home):
            yield
    except AlreadyRunningError:
        raise UserError(f"services are running in {settings.home}: `periscope stop` first") from None
