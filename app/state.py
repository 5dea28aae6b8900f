"""The page state that lives in the URL, so that a pasted link shows the same numbers.

What belongs here: names of query parameters, building links. What does not: widgets.
"""

from __future__ import annotations

from app.queries import Answer
from app.queries.times import rfc3339

SYMBOL, AS_OF, KNOWN_AT, VERSION = "symbol", "as_of", "known_at", "version"
EXPIRY, AXIS = "expiry", "axis"


def permalink(answer: Answer, expiry: str | None, axis: str) -> dict[str, str]:
    """Return the query parameters that show this very answer for ever."""
    pinned = {SYMBOL: answer.symbol or "", VERSION: answer.version, AXIS: axis}
    if answer.as_of is not None:
        pinned[AS_OF] = rfc3339(answer.as_of)
    pinned[KNOWN_AT] = rfc3339(answer.known_at)
    return pinned if expiry is None else {**pinned, EXPIRY: expiry}
