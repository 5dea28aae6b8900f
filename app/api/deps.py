"""What routes are given: the queries, and the common parameters in checked form.

What belongs here: dependencies of FastAPI. What does not: routes, rendering.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from threading import Lock
from typing import Annotated

from fastapi import Depends, Path, Query, Request
from fastapi.dependencies.models import Dependant

from app.queries import InvalidParameterError, Queries
from app.queries.caching import CachedReader
from app.queries.times import parse_time
from periscope_analytics.conventions import SYMBOL_PATTERN
from periscope_assets.store.repository import Reader

SymbolPath = Annotated[
    str, Path(pattern=f"^{SYMBOL_PATTERN.pattern}$", description="Underlying", examples=["SPX"])
]


class StoreHandle:
    """The one store of this process, opened when first asked for and again after a failure to open.

    Parameters
    ----------
    opener : callable
        Returns a reader or raises ``StoreUnavailableError``.
    """

    def __init__(self, opener: Callable[[], Reader]) -> None:
        self._opener = opener
        self._lock = Lock()
        self._queries: Queries | None = None

    def queries(self) -> Queries:
        """Return the queries over the store.

        Raises
        ------
        StoreUnavailableError
            If it can't be opened.
        """
        with self._lock:
            if self._queries is None:
                self._queries = Queries(CachedReader(self._opener()))
            return self._queries


@dataclass(frozen=True, slots=True)
class When:
    """The times and the version that a request pins."""

    as_of: datetime | None
    known_at: datetime | None
    version: str | None


def check_parameters(request: Request) -> None:
    """Refuse a query parameter that the route does not have, or that is given twice.

    A slip such as ``know_at`` would otherwise be answered with what is known now.

    Raises
    ------
    InvalidParameterError
        Naming it.
    """
    known = _query_names(request.scope["route"].dependant)
    given = [name for name, _ in request.query_params.multi_items()]
    for name in given:
        if name not in known:
            expected = ", ".join(sorted(known)) or "none"
            raise InvalidParameterError(name[:40], f"no such parameter here; expected {expected}")
        if given.count(name) > 1:
            raise InvalidParameterError(name, "given more than once")


def _query_names(dependant: Dependant) -> set[str]:
    own = {field.alias for field in dependant.query_params}
    return own.union(*(_query_names(each) for each in dependant.dependencies))


def get_queries(request: Request) -> Queries:
    """Return the queries over this application's store."""
    handle: StoreHandle = request.app.state.store
    return handle.queries()


def get_when(
    as_of: Annotated[
        str | None,
        Query(
            description="The latest snapshot at or before this RFC 3339 time",
            examples=["2026-01-02T21:00:00Z"],
        ),
    ] = None,
    known_at: Annotated[
        str | None,
        Query(description="Answer as it was known at this RFC 3339 time", examples=["2026-01-02T21:05:00Z"]),
    ] = None,
    version: Annotated[
        str | None, Query(description="Content version, or its first 8 or more characters")
    ] = None,
) -> When:
    """Return the checked times.

    Raises
    ------
    InvalidParameterError
        Naming the parameter that is no RFC 3339 time.
    """
    return When(
        parse_time(as_of, "as_of", allow_date=False),
        parse_time(known_at, "known_at", allow_date=False),
        version,
    )


QueriesDep = Annotated[Queries, Depends(get_queries)]
WhenDep = Annotated[When, Depends(get_when)]
