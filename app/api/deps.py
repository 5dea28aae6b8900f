"""What routes are given: the queries, and the common parameters in checked form.

What belongs here: dependencies of FastAPI. What does not: routes, rendering.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from threading import Lock
from typing import Annotated, Any, Generic, TypeVar

from fastapi import Depends, Path, Query, Request, Response
from fastapi.dependencies.models import Dependant

from app.api.render import respond
from app.api.shape import Shape, ShapeDep
from app.queries import Answer, InvalidParameterError, Queries
from app.queries.caching import CachedReader
from app.queries.times import TimeLike, parse_time
from periscope_analytics.conventions import SYMBOL_PATTERN
from periscope_assets.store.people import People
from periscope_assets.store.repository import Reader

SymbolPath = Annotated[
    str, Path(pattern=f"^{SYMBOL_PATTERN.pattern}$", description="Underlying", examples=["SPX"])
]


Opened = TypeVar("Opened")


class Handle(Generic[Opened]):
    """Something of this process that is opened when first asked for, and again after a failure to open.

    Parameters
    ----------
    opener : callable
        Opens it, or raises ``StoreUnavailableError``.
    """

    def __init__(self, opener: Callable[[], Opened]) -> None:
        self._opener = opener
        self._lock = Lock()
        self._opened: Opened | None = None

    def __call__(self) -> Opened:
        """Return it.

        Raises
        ------
        StoreUnavailableError
            If it can't be opened.
        """
        with self._lock:
            if self._opened is None:
                self._opened = self._opener()
            return self._opened


class StoreHandle(Handle[Queries]):
    """The one store of this process.

    Parameters
    ----------
    opener : callable
        Returns a reader or raises ``StoreUnavailableError``.
    """

    def __init__(self, opener: Callable[[], Reader]) -> None:
        super().__init__(lambda: Queries(CachedReader(opener()), lazy=True))

    def queries(self) -> Queries:
        """Return the queries over the store; see :meth:`Handle.__call__`."""
        return self()


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


@dataclass(frozen=True, slots=True)
class Ask:
    """A reading request: its times, its shape, and the queries that answer it.

    Attributes
    ----------
    request : Request
    queries : Queries
    when : When
    shape : Shape
    """

    request: Request
    queries: Queries
    when: When
    shape: Shape

    @property
    def times(self) -> dict[str, Any]:
        """Keyword arguments of a query: as_of, known_at and version."""
        return {"as_of": self.when.as_of, "known_at": self.known_at, "version": self.when.version}

    @property
    def known_at(self) -> TimeLike:
        """Time as known that is asked for: the cursor's if there is one, which is no later than any other."""
        return self.shape.known_at or self.when.known_at

    def respond(self, answer: Answer, *, is_kept: bool = True) -> Response:
        """Return the answer in the shape that is wanted."""
        return respond(self.request, answer, self.shape, is_kept=is_kept)

    def read(self, dataset: str, symbol: str) -> Response:
        """Return the rows of a dataset."""
        return self.respond(self.queries.read(dataset, symbol, **self.times))


def get_ask(request: Request, queries: QueriesDep, when: WhenDep, shape: ShapeDep) -> Ask:
    """Return the question of a reading request."""
    return Ask(request, queries, when, shape)


def get_known(
    request: Request,
    queries: QueriesDep,
    shape: ShapeDep,
    known_at: Annotated[str | None, Query(description="Answer as it was known at this RFC 3339 time")] = None,
) -> Ask:
    """Return the question of a request for which only what was known counts."""
    return Ask(request, queries, When(None, parse_time(known_at, "known_at", allow_date=False), None), shape)


def get_people(request: Request) -> People:
    """Return the store of events of this application."""
    handle: Handle[People] = request.app.state.people
    return handle()


AskDep = Annotated[Ask, Depends(get_ask)]
PeopleDep = Annotated[People, Depends(get_people)]
KnownDep = Annotated[Ask, Depends(get_known)]
