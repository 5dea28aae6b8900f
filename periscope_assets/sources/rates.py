"""Par yields of US Treasuries: where they come from, and their table.

What belongs here: asking for them or reading a file, and the CSV that the Treasury publishes. What does not:
making zero rates of them (``transforms.rates``).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Protocol

from periscope_assets.sources import files
from periscope_assets.sources.base import RawPayload, SourceError
from periscope_assets.sources.layouts import cells, times
from periscope_assets.sources.live import checked
from periscope_assets.sources.transport import Transport

ORIGIN = "https://home.treasury.gov"
LAYOUT = "treasury_par_yields"

_PATH = "/resource-center/data-chart-center/interest-rates/daily-treasury-rates.csv/{year}/all"
_TENOR = re.compile(r"(?P<months>[0-9]+(\.[0-9])?) Mo(nth)?|(?P<years>[0-9]+) Yr")
_US_DATE = re.compile(r"([0-9]{2})/([0-9]{2})/([0-9]{4})")
_PERCENT = 100.0
_STALE_DAYS = 7


@dataclass(frozen=True, slots=True)
class ParCurve:
    """Par yields of one day.

    Attributes
    ----------
    day : date
    yields : mapping of float to float
        Bond-equivalent decimals by tenor in years, ascending.
    """

    day: date
    yields: Mapping[float, float]


class RateSource(Protocol):
    """Where par yields come from."""

    name: str

    def fetch(self, session: date) -> RawPayload:
        """Return the bytes in which to look for the curve of a session.

        Raises
        ------
        SourceError
            If they could not be read.
        """


class Treasury:
    """The US Treasury's daily par yield curve rates, a CSV for each year.

    Parameters
    ----------
    transport : Transport
    """

    name = "treasury"

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def fetch(self, session: date) -> RawPayload:
        """Return the table of the session's year; of the year before on the first days of January.

        Raises
        ------
        SourceError
            If it could not be read.
        """
        found = self._table(session.year)
        first = min(curve.day for curve in parse_par_yields(found))
        return found if first <= session else self._table(session.year - 1)

    def close(self) -> None:
        """Close the pooled connections."""
        self._transport.close()

    def _table(self, year: int) -> RawPayload:
        params = {
            "type": "daily_treasury_yield_curve",
            "field_tdr_date_value": str(year),
            "page": "",
            "_format": "csv",
        }
        name = f"par_yields_{year}.csv"
        return self._transport.get(_PATH.format(year=year), params, name, checked(parse_par_yields), [])


class RateFile:
    """The Treasury's CSV as somebody downloaded it.

    Parameters
    ----------
    path : Path
    """

    name = "file"

    def __init__(self, path: Path) -> None:
        self._path = path

    def fetch(self, session: date) -> RawPayload:  # noqa: ARG002
        """Return the file.

        Raises
        ------
        SourceError
            If it could not be read.
        """
        return files.load(self._path)


def parse_par_yields(payload: RawPayload) -> list[ParCurve]:
    """Return the curves of a table, by day.

    Raises
    ------
    SourceError
        If a cell can't be read, a day comes twice or has no yield at all.
    """
    name = payload.name
    table = cells.read_csv(name, files.decompress(payload.content, name), ("Date",))
    tenors = {column: years for column in table.columns if (years := _years(column)) is not None}
    if not tenors:
        raise SourceError(f"{name}: line 1: no tenor like '1 Mo' or '10 Yr'; supply the Treasury's own table")
    days = table.convert("Date", _us_date, "a date like 01/02/2026")
    if len(set(days)) < len(days):
        raise SourceError(f"{name}: a date is there twice; download it again")
    columns = {
        years: table.numbers(column) / _PERCENT
        for column, years in sorted(tenors.items(), key=lambda t: t[1])
    }
    curves = []
    for row, day in enumerate(days):
        known = {years: float(values[row]) for years, values in columns.items() if values[row] == values[row]}
        if not known:
            raise table.error(row, "Date", f"{day} has no yield at all; download it again")
        curves.append(ParCurve(day, known))
    return sorted(curves, key=lambda curve: curve.day)


def curve_for(session: date, curves: list[ParCurve], name: str) -> ParCurve:
    """Return the latest curve of a day up to a session.

    Raises
    ------
    SourceError
        If there is none of the week before.
    """
    ahead = [curve for curve in curves if curve.day <= session]
    if not ahead or (session - ahead[-1].day).days > _STALE_DAYS:
        last = f"the latest is of {ahead[-1].day}" if ahead else f"the first is of {curves[0].day}"
        raise SourceError(
            f"{name}: no par yields of {session} or the week before, {last}; supply a newer table"
        )
    return ahead[-1]


def _years(column: str) -> float | None:
    match = _TENOR.fullmatch(column.strip())
    if not match:
        return None
    return float(match["months"]) / 12 if match["months"] else float(match["years"])


def _us_date(text: str) -> date:
    match = _US_DATE.fullmatch(text)
    if not match:
        raise ValueError(text)
    return times.plausible_date(int(match[3]), int(match[1]), int(match[2]))
