"""From checked columns to parsed chains.

What belongs here: the common frame of all layouts and its grouping into one chain per symbol and snapshot.
What does not: reading cells.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from periscope_analytics.conventions import listing
from periscope_assets.sources.base import QUOTE_COLUMNS, ParsedChain
from periscope_assets.sources.layouts.contracts import Contract, Contracts


def quote_frame(contracts: Sequence[Contract], **columns: ArrayLike) -> pd.DataFrame:
    """Return rows with the columns and types of ``QUOTE_COLUMNS``; numbers the layout lacks are NaN.

    Parameters
    ----------
    contracts : sequence of Contract, length n
    **columns : array_like, shape (n,)
        Any of the other columns by name; `strike` and `raw_line` are required.
    """
    return coded_frame(contracts, np.arange(len(contracts)), **columns)


def coded_frame(
    contracts: Sequence[Contract], codes: NDArray[np.int64], **columns: ArrayLike
) -> pd.DataFrame:
    """Return rows as :func:`quote_frame` does, from distinct contracts.

    Parameters
    ----------
    contracts : sequence of Contract
    codes : ndarray of int, shape (n,)
        Position of each row's contract.
    **columns : array_like, shape (n,)
    """
    settlements = {root: listing(root).settlement for root in {contract.root for contract in contracts}}
    expiries = np.empty(len(contracts), dtype=object)
    expiries[:] = [contract.expiry for contract in contracts]
    known = {
        "contract": _texts([contract.name for contract in contracts], codes),
        "root": _texts([contract.root for contract in contracts], codes),
        "expiry": expiries[codes],
        "settlement": _texts([settlements[contract.root] for contract in contracts], codes),
        "is_call": np.array([contract.is_call for contract in contracts], dtype=bool)[codes],
    } | dict(columns)
    return _framed(known, len(codes))


def column_frame(contracts: Contracts, **columns: ArrayLike) -> pd.DataFrame:
    """Return rows as :func:`quote_frame` does, from contracts that were read by column.

    Parameters
    ----------
    contracts : Contracts of n rows
    **columns : array_like, shape (n,)
    """
    expiries = np.empty(len(contracts.expiries), dtype=object)
    expiries[:] = contracts.expiries
    settlements = [listing(root).settlement for root in contracts.roots]
    return _framed(
        {
            "contract": pd.array(contracts.names, dtype="str"),
            "root": _texts(contracts.roots, contracts.root_codes),
            "expiry": expiries[contracts.expiry_codes],
            "settlement": _texts(settlements, contracts.root_codes),
            "is_call": contracts.is_call,
            "strike": contracts.strike,
            **columns,
        },
        len(contracts.names),
    )


def _framed(known: Mapping[str, object], n_rows: int) -> pd.DataFrame:
    blank = np.full(n_rows, np.nan)
    return pd.DataFrame({key: _typed(known.get(key, blank), kind) for key, kind in QUOTE_COLUMNS.items()})


def _typed(values: Any, kind: str) -> Any:
    """Return values as they are if they are of a type already: a series costs more than its array."""
    return values if getattr(values, "dtype", None) == kind else pd.Series(values, dtype=kind).array


def _texts(values: list[str], codes: NDArray[np.int64]) -> object:
    return pd.array(values, dtype="str").take(codes)


def group_chains(
    rows: pd.DataFrame,
    symbols: Sequence[str] | NDArray[np.object_],
    times: Sequence[datetime] | NDArray[np.object_],
    spot_of: Callable[[str, pd.DataFrame], float],
) -> list[ParsedChain]:
    """Return one chain per symbol and time, in order of first appearance.

    Parameters
    ----------
    rows : DataFrame, n rows
    symbols, times : sequences of length n
        Underlying and snapshot of each row.
    spot_of : callable
        Underlying price of a symbol from its rows of one snapshot.
    """
    symbol_codes, symbol_names = pd.factorize(np.array(symbols, dtype=object))
    time_codes, instants = pd.factorize(np.array(times, dtype=object))
    keys, groups = pd.factorize(symbol_codes * max(len(instants), 1) + time_codes)
    chains = []
    for number, key in enumerate(groups.tolist()):
        part = rows if len(groups) == 1 else rows.iloc[np.flatnonzero(keys == number)].reset_index(drop=True)
        symbol, as_of = symbol_names[key // len(instants)], instants[key % len(instants)]
        chains.append(ParsedChain(symbol, as_of, spot_of(symbol, part), part, len(part)))
    return chains
