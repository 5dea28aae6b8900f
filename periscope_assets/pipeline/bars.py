"""The draft of an underlying's bars.

What belongs here: which bars a partition has and as of when. What does not: publishing (``building``).
"""

from __future__ import annotations

from datetime import date, timedelta

from periscope_assets.pipeline.landing import session_bounds
from periscope_assets.pipeline.outcomes import with_rows
from periscope_assets.settings import SourceSettings
from periscope_assets.sources.bars import load_bars
from periscope_assets.store.repository import Draft
from periscope_assets.transforms import bars
from periscope_assets.transforms.frames import content_version


def bars_draft(settings: SourceSettings, symbol: str, session: date, run_id: str) -> Draft:
    """Return the bars of the sessions before one, as of its midnight in New York.

    So no snapshot of the session sees its own close, and what it sees does not hang on which other partitions
    were built before it.

    Raises
    ------
    SourceError
        If the bars can't be read.
    """
    found = load_bars(settings, symbol, session - timedelta(bars.WINDOW_DAYS), session - timedelta(1))
    result = bars.accept(found)
    return Draft(
        dataset=bars.NAME,
        symbol=symbol,
        as_of=session_bounds(session)[0],
        version=content_version(result.frames),
        method_version=bars.METHOD_VERSION,
        inputs={},
        status=result.status,
        source="simulated" if settings.kind == "simulated" else "files:bars",
        run_id=run_id,
        frames=result.frames,
        quality=with_rows(result),
    )
