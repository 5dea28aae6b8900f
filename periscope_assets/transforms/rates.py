"""Rates: the zero curve that discounts everything else.

What belongs here: making the ``rates`` table, from par yields too, and reading a discount from it. What does
not: downloading a curve (``sources``).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy.optimize import brentq

from periscope_assets.transforms.frames import Floats, numbers
from periscope_assets.transforms.stage import Input, Snapshot, Stage, StageResult

CURRENCY = "USD"
RATES = Input("rate_curve", symbol=CURRENCY, latest=True)
"""How other stages ask for the curve: the latest one at or before their snapshot."""

_COUPON_YEARS = 0.5
_RATE_BOUNDS = (-0.2, 1.0)


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


def zero_curve(par_yields: Mapping[float, float]) -> list[tuple[float, float]]:
    """Return zero rates at the tenors of par yields, so that the curve between them reprices each.

    Up to half a year a yield is simple interest on a bill, ``D = 1 / (1 + y tau)``; beyond, the coupon of a
    bond at par that pays every half year back from its maturity. Nodes are found one after another, discounts
    between them follow :func:`zero_rate`.

    Parameters
    ----------
    par_yields : mapping of float to float
        Bond-equivalent decimals above -0.1 by tenor in years.

    Returns
    -------
    list of (float, float)
        Tenor in years and continuously compounded rate, ascending.

    Raises
    ------
    ValueError
        If there is no tenor, one is not positive, a yield lies outside -0.1 to 1, or no rate reprices a bond.

    Notes
    -----
    Bootstrapping as in Hull (2018), Options, Futures, and Other Derivatives, section 4.7, with linear rates.
    """
    if not par_yields or min(par_yields) <= 0 or not all(-0.1 < y < 1.0 for y in par_yields.values()):
        raise ValueError("par_yields: expected tenors > 0 and yields between -0.1 and 1, as decimals")
    nodes: list[tuple[float, float]] = []
    for tenor, par in sorted(par_yields.items()):
        if tenor <= _COUPON_YEARS:
            nodes.append((tenor, math.log1p(par * tenor) / tenor))
            continue
        try:
            rate = brentq(_excess, *_RATE_BOUNDS, args=(nodes, tenor, par), xtol=1e-15, rtol=1e-15)
        except ValueError:
            raise ValueError(f"par_yields: no zero rate reprices {par} at {tenor} years") from None
        nodes.append((tenor, float(rate)))
    return nodes


def _excess(rate: float, nodes: Sequence[tuple[float, float]], tenor: float, par: float) -> float:
    """Return the price over par of a bond that pays `par` a year, with `rate` as the zero rate at `tenor`."""
    times = tenor - _COUPON_YEARS * np.arange(math.ceil(tenor / _COUPON_YEARS - 1e-9))
    known = np.array([*nodes, (tenor, rate)])
    discounts = np.exp(-np.interp(times, known[:, 0], known[:, 1]) * times)
    stub = 1.0 - min(float(times[-1]) / _COUPON_YEARS, 1.0)
    accrued = par * _COUPON_YEARS * stub
    return float(par * _COUPON_YEARS * discounts.sum() + discounts[0] - 1.0 - accrued)


def compute(snapshot: Snapshot) -> StageResult:
    """Make the curve of a date.

    Setting `par_yields` maps tenors in years to bond-equivalent yields; where there are none, `zero_rates`
    maps tenors to continuously compounded rates.

    Raises
    ------
    TypeError
        If a setting is no mapping.
    """
    par_yields = snapshot.settings.get("par_yields")
    tenors = zero_curve(_read(par_yields, "par_yields")) if par_yields else []
    tenors = tenors or sorted(_read(snapshot.settings["zero_rates"], "zero_rates").items())
    frame = pd.DataFrame(tenors, columns=["tenor_years", "zero_rate"])
    quality = {"n_tenors": len(frame), "shortest_rate": tenors[0][1], "longest_rate": tenors[-1][1]}
    return StageResult({"rates": frame}, quality)


def _read(setting: object, name: str) -> dict[float, float]:
    if not isinstance(setting, Mapping):
        raise TypeError(f"{name}: expected a mapping of tenors to rates, got {type(setting).__name__}")
    return {float(tenor): float(rate) for tenor, rate in setting.items()}


STAGE = Stage("rate_curve", (), "1", compute, settings=("zero_rates",))
