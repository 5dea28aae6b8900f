"""Rates: the zero curve that discounts everything else.

What belongs here: making the ``rates`` table and reading a discount from it. What does not: downloading a
curve (``sources``).
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from periscope_assets.transforms.frames import Floats, numbers
from periscope_assets.transforms.stage import Input, Snapshot, Stage, StageResult

CURRENCY = "USD"
RATES = Input("rate_curve", symbol=CURRENCY, latest=True)
"""How other stages ask for the curve: the latest one at or before their snapshot."""


def zero_rate(curve: pd.DataFrame, tau: ArrayLike) -> Floats:
    """Return zero rates at `tau`, linear between tenors and flat outside them.

    Parameters
    ----------
    curve : DataFrame
        Rows of the table ``rates``, at least one.
    tau : array_like
        Years, ACT/365F.

    Returns
    -------
    ndarray
        Continuously compounded, decimal; the shape of `tau`.
    """
    ordered = curve.sort_values("tenor_years")
    rates = np.interp(
        np.asarray(tau, dtype=np.float64), numbers(ordered, "tenor_years"), numbers(ordered, "zero_rate")
    )
    return np.asarray(rates, dtype=np.float64)


def discount(curve: pd.DataFrame, tau: ArrayLike) -> Floats:
    """Return discount factors ``exp(-rate tau)``; 1 for what has settled already."""
    years = np.maximum(np.asarray(tau, dtype=np.float64), 0.0)
    return np.asarray(np.exp(-zero_rate(curve, years) * years), dtype=np.float64)


def compute(snapshot: Snapshot) -> StageResult:
    """Make the configured curve of a date: setting `zero_rates` maps tenors in years to decimals.

    Raises
    ------
    TypeError
        If the setting is no mapping.
    """
    configured = snapshot.settings["zero_rates"]
    if not isinstance(configured, Mapping):
        raise TypeError(f"zero_rates: expected a mapping of tenors to rates, got {type(configured).__name__}")
    tenors = sorted((float(tenor), float(rate)) for tenor, rate in configured.items())
    frame = pd.DataFrame(tenors, columns=["tenor_years", "zero_rate"])
    quality = {"n_tenors": len(frame), "shortest_rate": tenors[0][1], "longest_rate": tenors[-1][1]}
    return StageResult({"rates": frame}, quality)


STAGE = Stage("rate_curve", (), "1", compute, settings=("zero_rates",))
