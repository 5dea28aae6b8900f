"""What every source of option chains offers: request -> raw bytes -> pure parse.

What belongs here: the Protocols and value types that all sources share. What does not: any vendor's format.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Protocol

import pandas as pd

QUOTE_COLUMNS: Mapping[str, str] = {
    "contract": "str",
    "root": "str",
    "expiry": "object",
    "settlement": "str",
    "is_call": "bool",
    "strike": "float64",
    "bid": "float64",
    "ask": "float64",
    "bid_size": "float64",
    "ask_size": "float64",
    "last": "float64",
    "volume": "float64",
    "open_interest": "float64",
    "vendor_iv": "float64",
    "vendor_delta": "float64",
    "vendor_mark": "float64",
    "underlying_price": "float64",
    "multiplier": "float64",
    "quoted_at": "datetime64[us, UTC]",
    "open_interest_on": "datetime64[s]",
    "raw_line": "int64",
}
"""Columns of parsed rows and their pandas types.

Absent numbers are NaN, as the vendor left them; sentinels are kept for the rules to judge. `expiry` holds
``datetime.date``; `underlying_price` is the vendor's spot, or its forward by expiry for coin-quoted chains;
`multiplier` is what the vendor says that a contract delivers, `quoted_at` the market time of the row,
`open_interest_on` midnight of the session that the open interest belongs to, all absent where the vendor does
not say; `raw_line` counts lines of the raw file from 1 (for Parquet and JSON records from 1, over all pages);
`vendor_iv` is a decimal.
"""


@dataclass(frozen=True, slots=True)
class RawPayload:
    """Bytes exactly as a vendor sent them.

    Attributes
    ----------
    name : str
        File name or request, for messages; never a path outside the lake.
    content : bytes
        Byte for byte as received (a .gz file stays compressed).
    received_at : datetime or None
        When it was received, UTC, if known.
    companions : mapping of str to bytes
        What the layout can't be read without, by name: Yahoo's meta.json, the pages of a vendor's answer.
    sent_at : datetime or None
        When it was asked for, UTC, if it was.
    url : str or None
        Where it came from, without any key.
    request_id : str or None
        The vendor's name for the request.
    """

    name: str
    content: bytes
    received_at: datetime | None = None
    companions: Mapping[str, bytes] = field(default_factory=dict)
    sent_at: datetime | None = None
    url: str | None = None
    request_id: str | None = None


class SourceError(ValueError):
    """Input that can't be read, and that asking again will not mend. One line: what, where, remedy.

    Attributes
    ----------
    received : sequence of RawPayload
        What a vendor had sent by then; kept in the lake, never published.
    """

    received: Sequence[RawPayload] = ()


class TransientSourceError(SourceError):
    """A vendor that can't be reached just now, or answers with an error of its own: ask again later."""


@dataclass(frozen=True, slots=True)
class ParsedChain:
    """All rows of one symbol and snapshot, unjudged.

    Attributes
    ----------
    symbol : str
    as_of : datetime
        Time at which the quotes stood, UTC.
    spot : float
        Underlying price as the vendor gave it, NaN if it gave none.
    rows : DataFrame
        Columns and types of :data:`QUOTE_COLUMNS`, in file order.
    n_raw : int
        Option records in the raw payload for this symbol and snapshot; equals ``len(rows)``.
    completeness : float or None
        Share of the contracts on the vendor's own list that came, None where there is no list.
    """

    symbol: str
    as_of: datetime
    spot: float
    rows: pd.DataFrame
    n_raw: int
    completeness: float | None = None


class Layout(Protocol):
    """One vendor format: recognises it by content, reads it without side effects."""

    name: str

    def recognises(self, head: bytes, name: str) -> bool:
        """Tell whether the first (decompressed) 64 KiB look like this layout."""

    def parse(self, payload: RawPayload) -> list[ParsedChain]:
        """Read every chain in the payload, whose content is already decompressed.

        Raises
        ------
        SourceError
            If anything in it can't be read: one line naming what, where (file, line, column) and the remedy.
        """


class Source(Protocol):
    """Where chains come from when nothing has landed for a partition yet."""

    name: str

    def fetch(self, symbol: str, session: date) -> Sequence[RawPayload]:
        """Return the raw payloads of a symbol for a New York session date, empty if there is none for it.

        Raises
        ------
        SourceError
            If the source could not be read; "could not read" is not "empty". A
            :class:`TransientSourceError` where it may be read later.
        """
