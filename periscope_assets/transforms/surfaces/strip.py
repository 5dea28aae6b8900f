"""Strip: the model-free variance of each expiry from its quotes.

What belongs here: quotes of an expiry by strike and side. What does not: the sum over the strip
(``periscope_analytics.variance``).
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pandas as pd

from periscope_analytics import variance
from periscope_assets.transforms.expiries import places
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
    expiry = places(quotes, fitted)
    known = quotes["expiry_at"].isin(fitted["expiry_at"]).to_numpy()
    forward = numbers(fitted, "forward")
    coin = (quotes["quote_unit"] == "coin").to_numpy()
    order = np.flatnonzero(known)[np.lexsort((strike[known], expiry[known]))]
    unit = np.where(coin[order], forward[expiry[order]], 1.0)
    sides = np.stack([numbers(quotes, "bid")[order] * unit, numbers(quotes, "ask")[order] * unit])
    ends = np.searchsorted(expiry[order], np.arange(len(fitted) + 1))
    out = np.full(len(fitted), np.nan)
    taus, discounts = numbers(fitted, "tau_years"), numbers(fitted, "discount")
    for i, (begin, end) in enumerate(pairwise(ends.tolist())):
        rows = order[begin:end]
        strikes, place = np.unique(strike[rows], return_inverse=True)
        table = np.full((4, len(strikes)), np.nan)
        table[2 * ~call[rows], place] = sides[0, begin:end]
        table[2 * ~call[rows] + 1, place] = sides[1, begin:end]
        call_bid, call_ask, put_bid, put_ask = table
        found = variance.model_free(
            strikes, call_bid, call_ask, put_bid, put_ask,
            float(forward[i]), float(taus[i]), float(discounts[i]),
        )  # fmt: skip
        out[i] = found.variance * taus[i]
    return out
