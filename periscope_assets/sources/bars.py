"""Daily bars of underlyings: from CSV files, or of the simulated markets.

What belongs here: reading and making them. What does not: storing them. A file holds one underlying and is
called ``<symbol>.csv``; its columns are ``date, open, high, low, close, volume``.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import date, timedelta

import numpy as np
import pandas as pd

from periscope_analytics.conventions import check_symbol
from periscope_assets.settings import SourceSettings
from periscope_assets.sources import calendars, files
from periscope_assets.sources.base import SourceError
from periscope_assets.sources.layouts import cells, times
from periscope_assets.sources.simulated import MARKETS, SimulatedSource, state
from periscope_assets.sources.simulated.draws import uniform

PRICES = ("open", "high", "low", "close")
COLUMNS = ("session", *PRICES, "volume")
"""Columns of bars: `session` holds ``datetime.date``, the others are float64; `volume` may be NaN."""

_LONGEST_GAP = timedelta(days=7)
_DAYS = 252
_RANGE = 0.6
_SHARES = 2e7


def load_bars(
    settings: SourceSettings,
    symbol: str,
    start: date,
    end: date,
    keep: Callable[[bytes], object] | None = None,
) -> pd.DataFrame:
    """Return the daily bars of a symbol from `start` to `end`, both included, ascending.

    A simulated symbol of the simulated source has simulated bars; any other comes from the folder of files.

    Parameters
    ----------
    settings : SourceSettings
    symbol : str
    start, end : date
    keep : callable, optional
        Takes the bytes of a file before they are parsed.

    Returns
    -------
    DataFrame
        Columns of :data:`COLUMNS`; empty where no bars of the symbol are known.

    Raises
    ------
    SourceError
        If the symbol is not valid or a file can't be read.
    """
    try:
        check_symbol(symbol)
    except ValueError as error:
        raise SourceError(f"bars: {error}") from None
    path = None if settings.bars is None else settings.bars / f"{symbol}.csv"
    if path is not None and path.exists():
        content = files.read_bytes(path)
        if keep is not None:
            keep(content)
        bars = parse_bars(content, path.name)
        within = [start <= day <= end for day in bars["session"]]
        return bars[within].reset_index(drop=True)
    if settings.kind == SimulatedSource.name and symbol in MARKETS:
        return _simulated(settings.seed, symbol, start, end)
    return _frame([])


def parse_bars(content: bytes, name: str) -> pd.DataFrame:
    """Return the bars in a file, ascending.

    Raises
    ------
    SourceError
        If a line can't be read, a date comes twice, a price is not positive, or the high or low of a day does
        not hold its other prices.
    """
    table = cells.read_csv(name, files.decompress(content, name), ("date", *PRICES, "volume"))
    days = table.convert("date", times.iso_date, "a date like 2026-01-02")
    prices = {column: table.numbers(column, blank=False) for column in PRICES}
    volume = table.numbers("volume")
    seen: set[date] = set()
    for row, day in enumerate(days):
        first, high, low, last = (float(prices[column][row]) for column in PRICES)
        if not (0 < low <= min(first, last) and max(first, last) <= high):
            raise table.error(
                row, "high", f"low {low}, high {high} do not hold {first} and {last}; correct the line"
            )
        if volume[row] < 0:
            raise table.error(row, "volume", f"{volume[row]} is negative; correct it")
        if day in seen:
            raise table.error(row, "date", f"{day} is there twice; keep one of them")
        seen.add(day)
    columns = [prices[column].tolist() for column in PRICES]
    return _frame(sorted(zip(days, *columns, volume.tolist(), strict=True)))


def _simulated(seed: int, symbol: str, start: date, end: date) -> pd.DataFrame:
    """Return bars around the path of the simulated spot: each closes at it, and opens at the close before."""
    market = MARKETS[symbol]
    early = max(start - _LONGEST_GAP, state.FIRST_SESSION)
    days = calendars.sessions(
        calendars.ALWAYS if market.crypto else calendars.XNYS, early, min(end, state.LAST_SESSION)
    )
    rows: list[tuple[date, float, float, float, float, float]] = []
    for day in days:
        truth = state.market_at(market, seed, day)
        if truth is None:
            continue
        first = rows[-1][4] if rows else truth.spot
        deviation = math.sqrt(truth.params.v0 / _DAYS)
        up, down = (uniform(seed, symbol, day, side) * _RANGE * deviation for side in ("high", "low"))
        high = round(max(first, truth.spot) * (1 + up), 2)
        low = round(min(first, truth.spot) * (1 - down), 2)
        volume = round(_SHARES * (0.5 + uniform(seed, symbol, day, "shares")))
        rows.append((day, first, high, low, truth.spot, float(volume)))
    return _frame([row for row in rows if row[0] >= start])


def _frame(rows: list[tuple[date, float, float, float, float, float]]) -> pd.DataFrame:
    frame = pd.DataFrame(rows, columns=list(COLUMNS))
    numbers = dict.fromkeys(COLUMNS[1:], np.float64)
    return frame.astype({"session": object, **numbers})
