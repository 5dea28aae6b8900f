"""Reads of published data: the one dialect that views, API, command line and agents share.

In a notebook: ``from app.queries import read; read("vol_surface", "SPX").frames["surface_slices"]``.
"""

from app.queries.answer import UNITS, Answer, to_jsonable
from app.queries.core import Queries
from app.queries.errors import InvalidParameterError, NotPublishedError, UnknownSymbolError
from app.queries.notebook import read
from periscope_assets.store.repository import PurgedError, StoreUnavailableError

__all__ = [
    "UNITS",
    "Answer",
    "InvalidParameterError",
    "NotPublishedError",
    "PurgedError",
    "Queries",
    "StoreUnavailableError",
    "UnknownSymbolError",
    "read",
    "to_jsonable",
]
