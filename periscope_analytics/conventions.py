"""Listing conventions of the underlyings we know: exercise style, settlement clock, calendar, quote unit.

What belongs here: facts about option roots and symbols that are published by the exchanges. What does not:
prices, sessions of a given date (the sources' calendars know those), or anything read from a file.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from zoneinfo import ZoneInfo

NEW_YORK = ZoneInfo("America/New_York")
SYMBOL_PATTERN = re.compile(r"[A-Z][A-Z0-9.\-]{0,14}")

AM, PM, UTC08 = "am", "pm", "utc08"
"""Settlement clocks: 09:30 New York, 16:00 New York (13:00 on half days), 08:00 UTC."""

_HALF_DAY = time(13, 0)
_THURSDAY, _FRIDAY = 3, 4
_CLOCKS = {AM: (time(9, 30), NEW_YORK), PM: (time(16, 0), NEW_YORK), UTC08: (time(8, 0), UTC)}


@dataclass(frozen=True, slots=True)
class Listing:
    """How the options of one root are exercised, settled and quoted.

    Attributes
    ----------
    symbol : str
        Underlying that the root belongs to (``SPX`` for the roots ``SPX`` and ``SPXW``).
    style : {'european', 'american'}
    settlement : {'am', 'pm', 'utc08'}
    calendar : {'XNYS', '24/7'}
        Name of the exchange calendar whose sessions the underlying trades.
    quote_unit : {'usd', 'coin'}
        ``coin`` for inverse options: premium in the underlying, USD price = premium x forward.
    """

    symbol: str
    style: str
    settlement: str
    calendar: str = "XNYS"
    quote_unit: str = "usd"


_INDEX_ROOTS = {
    "SPX": ("SPX", AM), "SPXW": ("SPX", PM), "XSP": ("XSP", PM), "NDX": ("NDX", AM), "NDXP": ("NDX", PM),
    "XND": ("XND", PM), "RUT": ("RUT", AM), "RUTW": ("RUT", PM), "MRUT": ("MRUT", PM), "VIX": ("VIX", AM),
    "VIXW": ("VIX", AM), "DJX": ("DJX", AM), "OEX": ("OEX", PM), "XEO": ("XEO", PM),
    "SIMX": ("SIMX", AM), "SIMXW": ("SIMX", PM), "SIMN": ("SIMN", AM), "SIMNW": ("SIMN", PM),
}  # fmt: skip
_COINS = frozenset({"BTC", "ETH", "SIMBTC", "SIMETH"})


def listing(root: str) -> Listing:
    """Return the listing convention of an option root.

    Parameters
    ----------
    root : str
        OCC root, or the currency of a Deribit instrument. An unknown root is an American option on a US
        equity or ETF.
    """
    if root in _COINS:
        return Listing(root, "european", UTC08, calendar="24/7", quote_unit="coin")
    if root in _INDEX_ROOTS:
        symbol, settlement = _INDEX_ROOTS[root]
        return Listing(symbol, "american" if root == "OEX" else "european", settlement)
    return Listing(root, "american", PM)


_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")


def contract_name(root: str, expiry: date, is_call: bool, strike: float) -> str:
    """Return what OCC (without padding), or Deribit for inverse options, calls a contract.

    A strike that these names can't express gives a name that no contract has.
    """
    side = "C" if is_call else "P"
    if listing(root).quote_unit == "coin":
        return f"{root}-{named_expiry(root, expiry)}-{named_strike(root, strike)}-{side}"
    return f"{root}{named_expiry(root, expiry)}{side}{named_strike(root, strike)}"


def named_expiry(root: str, expiry: date) -> str:
    """Return an expiry as it stands in the names of a root's contracts: 231020, or 20OCT23 for coins."""
    if listing(root).quote_unit == "coin":
        return f"{expiry.day}{_MONTHS[expiry.month - 1]}{expiry:%y}"
    return f"{expiry:%y%m%d}"


def named_strike(root: str, strike: float) -> str:
    """Return a strike as it stands in the names of a root's contracts: 04500000, or 1d325 for coins."""
    if not math.isfinite(strike):
        return "?"
    if listing(root).quote_unit == "coin":
        return f"{strike:.6f}".rstrip("0").rstrip(".").replace(".", "d")
    return f"{round(strike * 1000):08d}"


def settlement_time(expiry: date, settlement: str) -> datetime:
    """Return the UTC instant at which options of an expiry date settle.

    Raises
    ------
    ValueError
        If `settlement` is not one of 'am', 'pm', 'utc08'.
    """
    if settlement not in _CLOCKS:
        raise ValueError(f"settlement: expected one of {sorted(_CLOCKS)}, got {settlement!r}")
    clock, zone = _CLOCKS[settlement]
    if settlement == PM and closes_early(expiry):
        clock = _HALF_DAY
    return datetime.combine(expiry, clock, tzinfo=zone).astimezone(UTC)


def closes_early(day: date) -> bool:
    """Tell whether US exchanges close at 13:00 New York by rule.

    These are the day after Thanksgiving, and 3 July and 24 December from Monday to Thursday.
    """
    if (day.month, day.day) in {(7, 3), (12, 24)}:
        return day.weekday() <= _THURSDAY
    return day.month == 11 and day.weekday() == _FRIDAY and 23 <= day.day <= 29


def check_symbol(symbol: str) -> str:
    """Return `symbol` unchanged if it may become a key, a path or a parameter.

    Raises
    ------
    ValueError
        If it does not match ``[A-Z][A-Z0-9.-]{0,14}`` in full.
    """
    if not SYMBOL_PATTERN.fullmatch(symbol) or not symbol.isascii():
        raise ValueError(
            f"symbol {symbol[:40]!r}: expected 1-15 characters A-Z 0-9 . - starting with a letter"
        )
    return symbol
