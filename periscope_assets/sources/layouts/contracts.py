"""Contract symbols: OCC (US listings) and Deribit.

What belongs here: taking a contract symbol apart and checking it against the columns beside it. What does
not: facts about roots (``periscope_analytics.conventions``).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from operator import attrgetter
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from periscope_analytics.conventions import check_symbol, listing
from periscope_assets.sources.base import SourceError
from periscope_assets.sources.layouts.cells import Table, cut
from periscope_assets.sources.layouts.times import plausible_date, short_month

_OCC = re.compile(r"([A-Z][A-Z0-9.]{0,5}) *([0-9]{6})([CP])([0-9]{8})")
_DERIBIT = re.compile(
    r"([A-Z][A-Z0-9_]{1,14})-([0-9]{1,2})([A-Z]{3})([0-9]{2})-([0-9]{1,9}(?:d[0-9]{1,6})?)-([CP])"
)


_TAIL = 15
_DIGITS = [*range(6), *range(7, 15)]
_POWERS = 10 ** np.arange(7, -1, -1)


class Contract(NamedTuple):
    """What one contract symbol says."""

    name: str
    root: str
    expiry: date
    is_call: bool
    strike: float


def occ(text: str) -> Contract:
    """Read an OCC symbol, padded to 21 characters or not.

    Raises
    ------
    ValueError
        If it is no OCC symbol.
    """
    match = _OCC.fullmatch(text)
    if not match or (" " in text and len(text) != 21):
        raise ValueError(text)
    root, day, side, strike = match.groups()
    return Contract(text.replace(" ", ""), root, _occ_day(day), side == "C", int(strike) / 1000)


@lru_cache(maxsize=4096)
def _occ_day(text: str) -> date:
    return plausible_date(2000 + int(text[:2]), int(text[2:4]), int(text[4:]))


@dataclass(frozen=True, slots=True)
class Contracts:
    """Contracts of n rows by column; of roots and expiries the distinct ones, and each row's position.

    Attributes
    ----------
    names : pyarrow array of string
    roots, expiries : list
    root_codes, expiry_codes : ndarray of int, shape (n,)
    is_call : ndarray of bool, shape (n,)
    strike : ndarray of float, shape (n,), USD
    """

    names: Any
    roots: list[str]
    root_codes: NDArray[np.int64]
    expiries: list[date]
    expiry_codes: NDArray[np.int64]
    is_call: NDArray[np.bool_]
    strike: NDArray[np.float64]

    @classmethod
    def of(cls, contracts: Sequence[Contract]) -> Contracts:
        """Return contracts by column."""
        root_codes, roots = pd.factorize(_objects([each.root for each in contracts]))
        expiry_codes, expiries = pd.factorize(_objects([each.expiry for each in contracts]))
        return cls(
            pa.array([each.name for each in contracts], pa.large_string()),
            list(roots),
            np.asarray(root_codes, dtype=np.int64),
            list(expiries),
            np.asarray(expiry_codes, dtype=np.int64),
            np.array([each.is_call for each in contracts], dtype=bool),
            np.array([each.strike for each in contracts], dtype=np.float64),
        )

    def check_agrees(
        self, table: Table, column: str, stated: NDArray[Any], values: NDArray[Any] | Sequence[Any]
    ) -> None:
        """Raise SourceError at the first row where what a contract symbol has `stated` is another value."""
        differs = np.asarray(stated != np.asarray(values))
        if differs.any():
            row = int(np.argmax(differs))
            raise _contradiction(table, row, column, values[row], self.names[row].as_py())


def _objects(values: Sequence[object]) -> NDArray[np.object_]:
    result = np.empty(len(values), dtype=object)
    result[:] = values
    return result


def occ_contracts(table: Table, column: str) -> Contracts:
    """Read a column of OCC symbols as :func:`occ` reads each of them.

    Raises
    ------
    SourceError
        At the first cell that is no OCC symbol.
    """
    read = _occ_columns(table.columns[column])
    return read or Contracts.of(table.convert(column, occ, "an OCC contract symbol"))


def _occ_columns(texts: Any) -> Contracts | None:
    """Read symbols by slicing all of them at once; None where one is not as it should be."""
    if not pa.types.is_string(texts.type) or texts.null_count or not len(texts):
        return None
    tail = _tails(texts)
    if tail is None:
        return None
    digits = tail[:, _DIGITS] - ord("0")
    side = tail[:, 6]
    is_call = side == ord("C")
    if (digits > 9).any() or not (is_call | (side == ord("P"))).all():
        return None
    days, expiry_codes = np.unique(digits[:, :6] @ _POWERS[2:], return_inverse=True)
    prefixes = pc.dictionary_encode(pc.utf8_slice_codeunits(texts, 0, stop=-_TAIL))
    given = prefixes.dictionary.to_pylist()
    try:
        roots = [occ(f"{prefix}{'240101C00001000'}").root for prefix in given]
        expiries = [_occ_day(f"{day:06d}") for day in days.tolist()]
    except ValueError:
        return None
    names = pc.replace_substring(texts, " ", "") if any(" " in prefix for prefix in given) else texts
    return Contracts(
        names.cast(pa.large_string()),
        roots,
        np.asarray(prefixes.indices, dtype=np.int64),
        expiries,
        expiry_codes,
        is_call,
        (digits[:, 6:] @ _POWERS) / 1000,
    )


def _tails(texts: Any) -> NDArray[np.uint8] | None:
    """Return what follows the root, day to strike, one row of bytes each; None if a text is too short."""
    _, ends, content = texts.buffers()
    offsets = np.frombuffer(ends, dtype=np.int32)[texts.offset : texts.offset + len(texts) + 1]
    if np.diff(offsets).min() <= _TAIL:
        return None
    given = np.lib.stride_tricks.sliding_window_view(np.frombuffer(content, dtype=np.uint8), _TAIL)
    return np.asarray(given[offsets[1:] - _TAIL])


def deribit(text: str) -> Contract:
    """Read a Deribit instrument like ``BTC-27MAR26-95000-C``; a strike of 1d325 is 1.325.

    Raises
    ------
    ValueError
        If it is no Deribit option.
    """
    match = _DERIBIT.fullmatch(text)
    if not match:
        raise ValueError(text)
    root, day, month, year, strike, side = match.groups()
    expiry = plausible_date(2000 + int(year), short_month(month), int(day))
    return Contract(text, root, expiry, side == "C", float(strike.replace("d", ".")))


def root_of(name: str) -> str:
    """Return the root with which a contract symbol of OCC or Deribit begins; the whole name if it is neither.

    Its other parts need not be right: whether they agree with the columns beside it is for the rules to
    judge.
    """
    match = re.match(r"([A-Z][A-Z0-9.]{0,5}?)[0-9]{6}[CP][0-9]{8}$|([A-Z][A-Z0-9_]{0,14})-", name)
    return (match[1] or match[2]) if match else name


def symbol_of(root: str) -> str:
    """Return the underlying of a root; an adjusted root (AAPL1) belongs to the chain of its company (AAPL).

    Raises
    ------
    ValueError
        If the underlying is not a valid symbol.
    """
    symbol = listing(root).symbol
    return check_symbol(listing(root.rstrip("0123456789")).symbol if symbol == root else symbol)


def check_agrees(
    table: Table, column: str, contracts: Sequence[Contract], values: Sequence[object], part: str
) -> None:
    """Raise SourceError at the first row whose cell contradicts the contract symbol's `part`."""
    stated = list(map(attrgetter(part), contracts))
    if len(stated) == len(values) and stated == list(values):
        return
    for row, (contract, value) in enumerate(zip(contracts, values, strict=True)):
        if getattr(contract, part) != value:
            raise _contradiction(table, row, column, value, contract.name)


def _contradiction(table: Table, row: int, column: str, value: object, name: str) -> SourceError:
    problem = f"{cut(str(value))} contradicts the contract {cut(name)}; correct one of them"
    return table.error(row, column, problem)


def strikes(table: Table, column: str, contracts: Sequence[Contract]) -> NDArray[np.float64]:
    """Return the strike column, checked against the contract symbols."""
    values = table.numbers(column, blank=False)
    check_agrees(table, column, contracts, values.tolist(), "strike")
    return values


def call_or_put(text: str) -> bool:
    """Return True for ``call`` or ``C``, False for ``put`` or ``P``.

    Raises
    ------
    ValueError
        For anything else.
    """
    if text not in {"call", "C", "put", "P"}:
        raise ValueError(text)
    return text in {"call", "C"}


def check_symbols(table: Table, column: str, contracts: Sequence[Contract]) -> list[str]:
    """Return the column of underlyings, checked against the pattern of symbols and the contracts' roots."""
    symbols = table.convert(column, check_symbol, "a symbol (1-15 of A-Z 0-9 . -, first a letter)")
    owner = {root: symbol_of(root) for root in {contract.root for contract in contracts}}
    for row, (contract, symbol) in enumerate(zip(contracts, symbols, strict=True)):
        if owner[contract.root].replace(".", "") != symbol.replace(".", ""):
            raise table.error(
                row,
                column,
                f"{cut(symbol)} contradicts the contract {cut(contract.name)}; correct one of them",
            )
    return symbols


def one_underlying(table: Table, column: str, contracts: Sequence[Contract], asked: str | None) -> str:
    """Return the one underlying of all contracts: the symbol `asked` for, or that of the first contract.

    Raises
    ------
    SourceError
        At the first contract on another underlying.
    """
    owner = {root: symbol_of(root) for root in {contract.root for contract in contracts}}
    symbol = asked or owner[contracts[0].root]
    try:
        check_symbol(symbol)
    except ValueError as error:
        raise table.error(0, column, str(error)) from None
    for row, contract in enumerate(contracts):
        if owner[contract.root].replace(".", "") != symbol.replace(".", ""):
            problem = f"{cut(contract.name)} is not on {symbol}; supply one underlying at a time"
            raise table.error(row, column, problem)
    return symbol
