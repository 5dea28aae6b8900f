"""One call for notebooks and scripts.

What belongs here: opening the store of the environment's settings on first use. What does not: anything a
service uses.
"""

from __future__ import annotations

from functools import cache

from app.queries.answer import Answer
from app.queries.core import Queries
from app.queries.times import TimeLike


@cache
def _queries() -> Queries:
    from periscope_assets.settings import Settings
    from periscope_assets.store.connect import open_store

    return Queries(open_store(Settings()))


def read(
    dataset: str,
    symbol: str,
    *,
    as_of: TimeLike = None,
    known_at: TimeLike = None,
    version: str | None = None,
) -> Answer:
    """Return published rows from the store that ``PERISCOPE_*`` names; see :meth:`Queries.read`."""
    return _queries().read(dataset, symbol, as_of=as_of, known_at=known_at, version=version)
