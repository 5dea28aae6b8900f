"""``periscope purge``: old quotes out of the database, once their raw bytes are verified in the lake.

What belongs here: how far back, and what the person is told. What does not: what may go
(``periscope_assets.store.retention``).
"""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, datetime, timedelta

from app.terminal.output import UserError, say, working
from app.terminal.reading import load_settings


def purge(days: int | None, dry_run: bool) -> None:
    """Drop quotes older than a number of days, by whole periods.

    Raises
    ------
    UserError
        If neither an option nor a setting says how many days are kept.
    """
    from app.services.database import database
    from periscope_assets.store.connect import open_store

    settings = load_settings()
    kept_days = settings.retention.quotes_days if days is None else days
    if kept_days is None:
        raise UserError("retention is off: give --older-than DAYS, or set PERISCOPE_RETENTION__QUOTES_DAYS")
    now = datetime.now(UTC)
    with database(settings), closing(open_store(settings)) as store, working("Verifying raw bytes ..."):
        periods = store.purge(now - timedelta(days=kept_days), now=now, dry_run=dry_run)
    for each in periods:
        gone = "could go" if dry_run else "gone from the database"
        said = (
            f"kept: {each.kept}" if each.kept else f"{gone}; raw bytes, Parquet and ledger stay in the lake"
        )
        say(f"{each.start:%Y-%m-%d} to {each.end:%Y-%m-%d}  {each.n_publications:,} snapshots  {said}")
    if not periods:
        say(f"No whole period of quotes is older than {kept_days} days.")
