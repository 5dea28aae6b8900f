"""The draft of an underlying's bars.

What belongs here: which bars a partition has and as of when. What does not: publishing (``building``).
"""

from __future__ import annotations

from datetime import date, timedelta

from periscope_assets.pipeline.landing import session_bounds
from periscope_assets.pipeline.outcomes import with_rows
from periscope_assets.settings import SourceSettings
from periscope_assets.sources.bars import load_bars
from periscope_assets.store.lake import Lake
from periscope_assets.store.repository import Draft
from periscope_assets.transforms import bars
from periscope_assets.transforms.frames import content_version


def bars_draft(settings: SourceSettings, lake: Lake, symbol: str, session: date, run_id: str) -> Draft:
    """Return the bars of the sessions before one, as of its midnight in New York.

    The bytes of a file rest in the lake before they are parsed. No snapshot of the session sees its own
    close, and what it sees does not hang on which other partitions were built before it.

    Raises
    ------
    SourceError
        If the bars can't be read.
    """
    first, last = session - timedelta(bars.WINDOW_DAYS), session - timedelta(1)
    landed: list[str] = []
    found = load_bars(settings, symbol, first, last, keep=lambda content: landed.append(lake.land(content)))
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
        quality=with_rows(result) | ({"sha256": landed[0]} if landed else {}),
    )
