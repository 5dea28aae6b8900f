"""From checked columns to parsed chains.

What belongs here: the common frame of all layouts and its grouping into one chain per symbol and snapshot.
What does not: reading cells.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from periscope_analytics.conventions import listing
from periscope_assets.sources.base import QUOTE_COLUMNS, ParsedChain
from periscope_assets.sources.layouts.contracts import Contract


def quote_frame(contracts: Sequence[Contract], **columns: ArrayLike) -> pd.DataFrame:
    """Return rows with the columns and types of ``QUOTE_COLUMNS``; numbers the layout lacks are NaN.

    Parameters
    ----------
    contracts : sequence of Contract, length n
    **columns : array_like, shape (n,)
        Any of the other columns by name; `strike` and `raw_line` are required.
    """
    settlements = {root: listing(root).settlement for root in {contract.root for contract in contracts}}
    known: dict[str, object] = {
        "contract": [contract.name for contract in contracts],
        "root": [contract.root for contract in contracts],
        "expiry": np.array([contract.expiry for contract in contracts], dtype=object),
        "settlement": [settlements[contract.root] for contract in contracts],
        "is_call": np.array([contract.is_call for contract in contracts], dtype=bool),
    } | dict(columns)
    blank = np.full(len(contracts), np.nan)
    return pd.DataFrame(
        {key: pd.Series(known.get(key, blank), dtype=kind) for key, kind in QUOTE_COLUMNS.items()}
    )


def group_chains(
    rows: pd.DataFrame,
    symbols: Sequence[str],
    times: Sequence[datetime],
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
    members: dict[tuple[str, datetime], list[int]] = {}
    for row, key in enumerate(zip(symbols, times, strict=True)):
        members.setdefault(key, []).append(row)
    chains = []
    for (symbol, as_of), index in members.items():
        part = rows if len(members) == 1 else rows.iloc[index].reset_index(drop=True)
        chains.append(ParsedChain(symbol, as_of, spot_of(symbol, part), part, len(part)))
    return chains
