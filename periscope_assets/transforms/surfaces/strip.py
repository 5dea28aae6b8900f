"""Strip: the model-free variance of each expiry from its quotes.

What belongs here: quotes of an expiry by strike and side. What does not: the sum over the strip
(``periscope_analytics.variance``).
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pandas as pd

from periscope_analytics import variance
from periscope_assets.transforms.expiries import instants, is_labelled
from periscope_assets.transforms.frames import Floats, flags, numbers


def strip_variances(fitted: pd.DataFrame, quotes: pd.DataFrame) -> Floats:
    """Return the total model-free variance of each expiry, NaN where its strip is too thin.

    Parameters
    ----------
    fitted : DataFrame
        Rows with expiry_at, forward, tau_years and discount, in order of time.
    quotes : DataFrame
        Rows of ``options_snapshots``.
    """
    strike, call = numbers(quotes, "strike"), flags(quotes, "is_call")
    own, at = instants(quotes["expiry_at"]), instants(fitted["expiry_at"])
    expiry = np.searchsorted(at, own)
    known = np.flatnonzero(np.append(at, np.datetime64("NaT"))[expiry] == own)
    forward = numbers(fitted, "forward")
    coin = is_labelled(quotes["quote_unit"], "coin")
    order = known[np.lexsort((strike[known], expiry[known]))]
    unit = np.where(coin[order], forward[expiry[order]], 1.0)
    sides = np.stack([numbers(quotes, "bid")[order] * unit, numbers(quotes, "ask")[order] * unit])
    ends = np.searchsorted(expiry[order], np.arange(len(fitted) + 1))
    out = np.full(len(fitted), np.nan)
    taus, discounts = numbers(fitted, "tau_years"), numbers(fitted, "discount")
    # The rows of one expiry and strike become one column of the table.
    differs = (np.diff(expiry[order]) != 0) | (np.diff(strike[order]) != 0.0)
    column = np.cumsum(np.append(0, differs))[: order.size]
    first = np.flatnonzero(np.append(True, differs)[: order.size])
    table, put = np.full((4, first.size), np.nan), ~call[order]
    table[2 * put, column], table[2 * put + 1, column] = sides
    for i, (begin, end) in enumerate(pairwise(np.searchsorted(first, ends).tolist())):
        call_bid, call_ask, put_bid, put_ask = table[:, begin:end]
        found = variance.model_free(
            strike[order[first[begin:end]]], call_bid, call_ask, put_bid, put_ask,
            float(forward[i]), float(taus[i]), float(discounts[i]),
        )  # fmt: skip
        out[i] = found.variance * taus[i]
    return out
