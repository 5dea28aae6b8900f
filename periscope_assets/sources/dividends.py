"""Cash dividends of underlyings, from a file.

What belongs here: the file's format and the schedule by symbol. What does not: what dividends do to prices
(``transforms.american``). The file is a CSV of ``symbol, ex_date, pay_date, amount, currency``, a line for
each dividend; `pay_date` may be blank, `currency` is USD.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from periscope_analytics.conventions import check_symbol
from periscope_assets.sources import files
from periscope_assets.sources.layouts import cells, times

COLUMNS = ("symbol", "ex_date", "pay_date", "amount", "currency")
_CURRENCY = "USD"


@dataclass(frozen=True, slots=True, order=True)
class Dividend:
    """A cash dividend per share.

    Attributes
    ----------
    ex_date : date
        First date on which the share trades without it.
    amount : float
        USD.
    pay_date : date or None
    """

    ex_date: date
    amount: float
    pay_date: date | None = None


Schedules = Mapping[str, tuple[Dividend, ...]]


def parse_dividends(content: bytes, name: str) -> Schedules:
    """Return the dividends of each symbol by ex-date.

    Raises
    ------
    SourceError
        If a line can't be read, an amount is not positive, a currency is not USD, or a dividend comes twice.
    """
    table = cells.read_csv(name, files.decompress(content, name), COLUMNS)
    symbols = table.convert("symbol", check_symbol, "a symbol (1-15 of A-Z 0-9 . -, first a letter)")
    ex_dates = table.convert("ex_date", times.iso_date, "a date like 2026-02-06")
    pay_dates = table.convert("pay_date", _optional_date, "a date like 2026-02-12, or blank")
    table.convert("currency", _usd, "USD, the only currency known")
    amounts = table.numbers("amount", blank=False)
    found: dict[str, dict[date, Dividend]] = {}
    for row, (symbol, day, paid) in enumerate(zip(symbols, ex_dates, pay_dates, strict=True)):
        if not amounts[row] > 0:
            raise table.error(row, "amount", f"{amounts[row]} is not positive; correct it")
        known = found.setdefault(symbol, {})
        if day in known:
            raise table.error(
                row, "ex_date", f"{symbol} has a dividend of {day} above; add them up in one line"
            )
        known[day] = Dividend(day, float(amounts[row]), paid)
    return {
        symbol: tuple(sorted(known.values(), key=lambda each: each.ex_date))
        for symbol, known in found.items()
    }


def load_dividends(path: Path) -> Schedules:
    """Return the dividends in a file.

    Raises
    ------
    SourceError
        If it can't be read.
    """
    return parse_dividends(files.read_bytes(path), path.name)


def _optional_date(text: str) -> date | None:
    return times.iso_date(text) if text else None


def _usd(text: str) -> str:
    if text != _CURRENCY:
        raise ValueError(text)
    return text
