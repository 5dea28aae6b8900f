"""Deribit order books: coin-quoted inverse options, many snapshots and currencies in one CSV or Parquet file.

What belongs here: this one layout. What does not: cell conversion (``cells``), turning coin prices into
dollars.
"""

from __future__ import annotations

import io
from datetime import UTC, date

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from periscope_analytics.conventions import listing
from periscope_assets.sources.base import ParsedChain, RawPayload, SourceError
from periscope_assets.sources.layouts import cells, times
from periscope_assets.sources.layouts.contracts import call_or_put, check_agrees, deribit, strikes
from periscope_assets.sources.layouts.rows import group_chains, quote_frame

_NUMBERS = {
    "bid": "bid_price", "ask": "ask_price", "volume": "volume", "open_interest": "open_interest",
    "vendor_iv": "implied_volatility", "vendor_delta": "delta", "vendor_mark": "mark_price",
    "underlying_price": "underlying",
}  # fmt: skip
_WANTED = (
    "timestamp", "instrument_name", "option_type", "strike", "expiry_datetime", "currency", "index_price",
    *_NUMBERS.values(),
)  # fmt: skip
_SIGNATURE = {
    "instrument_name",
    "underlying_name",
    "mark_price",
    "index_price",
    "expiry_datetime",
    "bid_ask_spread",
}
_MAX_RECORDS = 5_000_000
PARQUET_MAGIC = b"PAR1"


class DeribitBooks:
    """Snapshots of Deribit's option books; prices in coin, `underlying_price` the forward of each expiry."""

    name = "deribit_books"

    def recognises(self, head: bytes, name: str) -> bool:  # noqa: ARG002
        """Tell whether the header has Deribit's column names, or the file is Parquet (schema at its end)."""
        return head.startswith(PARQUET_MAGIC) or cells.has_columns(head, _SIGNATURE)

    def parse(self, payload: RawPayload) -> list[ParsedChain]:
        """Read one chain per currency and snapshot (:meth:`periscope_assets.sources.base.Layout.parse`)."""
        is_parquet = payload.content.startswith(PARQUET_MAGIC)
        table = (
            _read_parquet(payload) if is_parquet else cells.read_csv(payload.name, payload.content, _WANTED)
        )
        contracts = table.convert("instrument_name", deribit, "a Deribit option like BTC-27MAR26-95000-C")
        check_agrees(
            table,
            "option_type",
            contracts,
            table.convert("option_type", call_or_put, "call or put"),
            "is_call",
        )
        check_agrees(
            table, "expiry_datetime", contracts, table.convert("expiry_datetime", _expiry, _EXPIRY), "expiry"
        )
        symbols = table.convert("currency", _coin, "a coin with inverse options (BTC, ETH)")
        check_agrees(table, "currency", contracts, symbols, "root")
        stamps = table.convert("timestamp", times.iso_utc, "a time like 2026-01-15T21:21:56+00:00")
        numbers = {column: table.numbers(name) for column, name in _NUMBERS.items()}
        index_price = pd.Series(table.numbers("index_price"), index=table.raw_line)
        rows = quote_frame(
            contracts, strike=strikes(table, "strike", contracts), raw_line=table.raw_line, **numbers
        )
        # Each row was fetched at its own moment, so the index differs between rows of one snapshot by some
        # basis points.
        return group_chains(
            rows, symbols, stamps, lambda _, part: float(index_price[part["raw_line"]].median())
        )


_EXPIRY = "08:00 UTC of a date"


def _expiry(text: str) -> date:
    moment = times.iso_utc(text)
    if (moment.hour, moment.minute, moment.second, moment.microsecond) != (8, 0, 0, 0):
        raise ValueError(text)
    return moment.astimezone(UTC).date()


def _coin(text: str) -> str:
    if listing(text).quote_unit != "coin":
        raise ValueError(text)
    return text


def _read_parquet(payload: RawPayload) -> cells.Table:
    try:
        file = pq.ParquetFile(io.BytesIO(payload.content))
        cells.check_columns(payload.name, 1, file.schema_arrow.names, _WANTED)
        if file.metadata.num_rows == 0:
            raise SourceError(f"{payload.name}: a Parquet schema but no records; download the file again")
        if file.metadata.num_rows > _MAX_RECORDS:
            limit = f"more than {_MAX_RECORDS:,} records; split the file"
            raise SourceError(f"{payload.name}: {file.metadata.num_rows:,} records, {limit}")
        table = file.read(columns=list(_WANTED), use_threads=False)
        table.validate(full=True)
    except (pa.ArrowException, OSError, ValueError) as error:
        if isinstance(error, SourceError):
            raise
        reason = cells.cut(str(error))
        raise SourceError(
            f"{payload.name}: damaged Parquet file ({reason}); download the file again"
        ) from None
    columns = {name: table.column(name).combine_chunks() for name in _WANTED}
    return cells.Table(payload.name, columns, first=1, unit="record")
