"""What the analytics call a contract, a chain and a forward curve.

What belongs here: frozen value types of the domain, and the OCC symbol. What does not: vendors' formats,
prices, fits.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date, datetime

import numpy as np
from numpy.typing import ArrayLike, NDArray

from periscope_analytics.arguments import Flags, Floats, flags, floats, not_negative
from periscope_analytics.conventions import Listing, listing, settlement_time

_OCC = re.compile(r"(?P<root>[A-Z]{1,6})(?P<adjusted>\d?) *(?P<expiry>\d{6})(?P<side>[CP])(?P<strike>\d{8})")
_ROOT_WIDTH = 6


@dataclass(frozen=True, slots=True)
class OptionContract:
    """One listed option.

    Attributes
    ----------
    symbol : str
        OCC symbol without padding.
    root : str
        Option root as listed, with its digit if adjusted (``AAPL1``).
    expiry : date
    is_call : bool
    strike : float
        Parsed from the symbol, never computed.
    listing : Listing
        Exercise style and settlement of the root.
    is_adjusted : bool
        A corporate action changed the deliverable: it is not 100 shares of the underlying, so strike and
        spot are not comparable.
    """

    symbol: str
    root: str
    expiry: date
    is_call: bool
    strike: float
    listing: Listing
    is_adjusted: bool = False

    @property
    def expiry_at(self) -> datetime:
        """Settlement instant, UTC."""
        return settlement_time(self.expiry, self.listing.settlement)


def parse_occ(symbol: str) -> OptionContract:
    """Read an OCC option symbol, padded to 21 characters or not.

    Parameters
    ----------
    symbol : str
        Root, yymmdd, C or P, strike in thousandths: ``SPXW230914C01200000``.

    Raises
    ------
    ValueError
        If it is no OCC symbol, its date does not exist or its strike is zero; the message names the symbol.
    """
    match = _OCC.fullmatch(symbol) if symbol.isascii() else None
    if match is None or len(match["root"] + match["adjusted"]) > _ROOT_WIDTH:
        expected = "root, yymmdd, C or P, strike in thousandths (8 digits)"
        raise ValueError(f"symbol {symbol[:40]!r}: expected {expected}")
    digits = match["strike"]
    if digits == "00000000":
        raise ValueError(f"symbol {symbol!r}: strike is zero")
    root = match["root"] + match["adjusted"]
    return OptionContract(
        symbol=symbol.replace(" ", ""),
        root=root,
        expiry=_expiry(symbol, match["expiry"]),
        is_call=match["side"] == "C",
        strike=float(f"{digits[:5]}.{digits[5:]}"),
        listing=listing(match["root"]),
        is_adjusted=bool(match["adjusted"]),
    )


def _expiry(symbol: str, digits: str) -> date:
    try:
        return date(2000 + int(digits[:2]), int(digits[2:4]), int(digits[4:]))
    except ValueError as error:
        raise ValueError(f"symbol {symbol!r}: {digits} is no date yymmdd") from error


@dataclass(frozen=True, slots=True, eq=False)
class OptionChain:
    """Quotes of one underlying at one time, as read-only columns of one length.

    Attributes
    ----------
    symbol : str
    as_of : datetime64
        UTC.
    expiry_at : ndarray of datetime64, shape (n,)
        Settlement instants, UTC; AM and PM options of one date differ here.
    tau : ndarray, shape (n,)
        Years to settlement.
    strike, bid, ask : ndarray, shape (n,)
        An absent side is NaN.
    is_call : ndarray of bool, shape (n,)

    Raises
    ------
    ValueError
        If the columns differ in length or tau is negative.
    """

    symbol: str
    as_of: np.datetime64
    expiry_at: NDArray[np.datetime64]
    tau: Floats
    strike: Floats
    is_call: Flags
    bid: Floats
    ask: Floats

    def __post_init__(self) -> None:
        _freeze(self, "expiry_at", np.array(self.expiry_at, dtype="datetime64[m]"))
        _freeze(self, "is_call", flags("is_call", self.is_call).copy())
        for name in ("tau", "strike", "bid", "ask"):
            _freeze(self, name, floats(name, getattr(self, name)).copy())
        _same_length(self, ("expiry_at", "tau", "strike", "is_call", "bid", "ask"))
        not_negative("tau", self.tau)

    def __len__(self) -> int:
        return len(self.strike)

    def by_expiry(self) -> Iterator[OptionChain]:
        """Yield the chain of each settlement instant, in order of time, strikes ascending."""
        for expiry_at in np.unique(self.expiry_at):
            rows = np.flatnonzero(self.expiry_at == expiry_at)
            yield self.take(rows[np.lexsort((self.is_call[rows], self.strike[rows]))])

    def take(self, rows: NDArray[np.intp]) -> OptionChain:
        """Return the chain of the given row numbers."""
        columns = ("expiry_at", "tau", "strike", "is_call", "bid", "ask")
        return replace(self, **{name: getattr(self, name)[rows] for name in columns})

    def pairs(self) -> tuple[Floats, Floats, Floats, Floats, Floats]:
        """Return strike, call bid, call ask, put bid, put ask of one expiry; NaN for a side not listed.

        Raises
        ------
        ValueError
            If the chain holds several expiries, or a strike twice on one side.
        """
        if len(np.unique(self.expiry_at)) > 1:
            raise ValueError(f"expiry_at: {self.symbol} has several expiries, pair each one of by_expiry()")
        strikes, row = np.unique(self.strike, return_inverse=True)
        if len(np.unique(np.stack((row, self.is_call)), axis=1).T) != len(self):
            raise ValueError(f"strike: {self.symbol} lists a strike twice on one side")
        sides = np.full((4, len(strikes)), np.nan)
        for i, (quote, side) in enumerate(
            ((self.bid, True), (self.ask, True), (self.bid, False), (self.ask, False))
        ):
            chosen = self.is_call == side
            sides[i, row[chosen]] = quote[chosen]
        return strikes, sides[0], sides[1], sides[2], sides[3]


@dataclass(frozen=True, slots=True, eq=False)
class ForwardCurve:
    """Forward and discount by time to expiry.

    Between nodes ln F and ln D are linear in tau. Beyond the first and the last node ln F keeps the slope
    of the nearest segment (a single node is held flat); ln D starts at zero for tau = 0 and keeps the last
    zero rate.

    Attributes
    ----------
    tau : ndarray, shape (n,)
        Years, positive, strictly increasing.
    forward, discount : ndarray, shape (n,)
        Positive.

    Raises
    ------
    ValueError
        If there is no node, the columns differ in length, or a value is out of range; the message names it.
    """

    tau: Floats
    forward: Floats
    discount: Floats

    def __post_init__(self) -> None:
        for name in ("tau", "forward", "discount"):
            column = floats(name, getattr(self, name)).copy()
            if column.ndim != 1 or not len(column) or not np.all((column > 0.0) & (column < np.inf)):
                raise ValueError(f"{name}: expected one or more positive finite numbers")
            _freeze(self, name, column)
        _same_length(self, ("tau", "forward", "discount"))
        if np.any(np.diff(self.tau) <= 0.0):
            raise ValueError("tau: must increase strictly")

    @np.errstate(all="ignore")
    def forward_at(self, tau: ArrayLike) -> NDArray[np.float64]:
        """Return the forward at each time; raises ``ValueError`` for a negative tau."""
        time = _times(tau)
        node = np.log(self.forward)
        if len(node) == 1:
            return np.asarray(np.where(np.isnan(time), np.nan, self.forward[0]))
        segment = np.clip(np.searchsorted(self.tau, time) - 1, 0, len(node) - 2)
        slope = (np.diff(node) / np.diff(self.tau))[segment]
        return np.asarray(np.exp(node[segment] + slope * (time - self.tau[segment])))

    @np.errstate(all="ignore")
    def discount_at(self, tau: ArrayLike) -> NDArray[np.float64]:
        """Return the discount factor at each time; raises ``ValueError`` for a negative tau."""
        time = _times(tau)
        nodes, logs = np.append(0.0, self.tau), np.append(0.0, np.log(self.discount))
        inside = np.interp(time, nodes, logs)
        return np.asarray(np.exp(np.where(time > nodes[-1], logs[-1] * (time / nodes[-1]), inside)))


def _times(tau: ArrayLike) -> Floats:
    time = floats("tau", tau)
    not_negative("tau", time)
    return time


def _freeze(owner: object, name: str, column: NDArray[np.generic]) -> None:
    column.flags.writeable = False
    object.__setattr__(owner, name, column)


def _same_length(owner: object, names: tuple[str, ...]) -> None:
    shapes = {name: getattr(owner, name).shape for name in names}
    if len(set(shapes.values())) != 1 or len(shapes[names[0]]) != 1:
        raise ValueError(f"columns of one length expected, got {shapes}")
