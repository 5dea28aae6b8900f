"""A reader whose reads of rows are measured.

What belongs here: :class:`MeasuredReader`. What does not: remembering rows (``app.queries.caching``).
"""

from __future__ import annotations

from typing import Any

import pandas as pd

from app.api.observed import Metrics
from periscope_assets.store.repository import LedgerEntry, Reader


class MeasuredReader:
    """A reader that times how long rows take; everything else is the reader's own.

    Parameters
    ----------
    reader : Reader
    metrics : Metrics
    """

    def __init__(self, reader: Reader, metrics: Metrics) -> None:
        self._reader = reader
        self._metrics = metrics

    def __getattr__(self, name: str) -> Any:
        return getattr(self._reader, name)

    def rows(self, entry: LedgerEntry, table: str) -> pd.DataFrame:
        """See :class:`Reader`."""
        with self._metrics.fetching(entry.dataset):
            return self._reader.rows(entry, table)
