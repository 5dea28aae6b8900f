"""The frames of a strategy: what the analytics say of legs, as rows.

What belongs here: which points are evaluated, and the columns of each frame. What does not: legs and chains
(``strategy``), formulas (``periscope_analytics.strategy``).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from periscope_analytics.errors import Status
from periscope_analytics.served import ServedSurface
from periscope_analytics.strategy import Market, Outcome, Strategy

if TYPE_CHECKING:
    from app.queries.strategy import Priced

GREEKS = ("delta", "gamma", "vega", "theta", "rho", "vanna", "volga")
POINTS, REACH = 161, 4.0
"""Points of the profile, and how many deviations of the horizon it reaches to either side."""
MOVES = np.arange(-4, 5)
SHIFTS = np.arange(-2, 3)
PASSED = np.array([0.0, 0.25, 0.5, 0.75, 1.0])
WIDEST = 0.2
"""Greatest step of the spot in scenarios: four of them leave a positive spot."""
DAYS_PER_YEAR = 365.0
UNBOUNDED = "unbounded"

Floats = NDArray[np.float64]


def frames_of(priced: Sequence[Priced], market: Market, surface: ServedSurface) -> dict[str, pd.DataFrame]:
    """Return ``legs``, ``totals``, ``break_evens``, ``profile`` and ``scenarios`` of priced legs."""
    held = Strategy(tuple(each.leg for each in priced))
    outcome = held.outcome(market)
    deviation = _deviation(held, market)
    return {
        "legs": _legs(priced, market),
        "totals": _totals(held, market, outcome),
        "break_evens": pd.DataFrame({"spot": outcome.break_evens}),
        "profile": _profile(held, market, surface, outcome),
        "scenarios": _scenarios(held, market, deviation),
    }


def _deviation(held: Strategy, market: Market) -> float:
    """Return the standard deviation of the logarithm of spot at the horizon, at the money."""
    return float(market.vol(0.0, held.horizon)) * math.sqrt(held.horizon)


def _legs(priced: Sequence[Priced], market: Market) -> pd.DataFrame:
    rows: list[dict[str, object]] = []
    for leg, row in priced:
        alone = Strategy((leg,))
        greeks = alone.greeks(market)
        vol = float("nan")
        if leg.is_call is not None:
            vol = float(market.vol(np.log(leg.strike / market.forward(leg.tau)), leg.tau))
        value = float(greeks.price)
        rows.append(
            {
                **row,
                "iv": vol,
                "cost_usd": leg.quantity * leg.entry,
                "value_usd": value,
                "profit_usd": value - leg.quantity * leg.entry,
                **{name: float(getattr(greeks, name)) for name in GREEKS},
            }
        )
    return pd.DataFrame(rows)


def _totals(held: Strategy, market: Market, outcome: Outcome) -> pd.DataFrame:
    greeks = held.greeks(market)
    value = float(greeks.price)
    most, least = outcome.max_profit, outcome.max_loss
    row = {
        "spot": market.spot,
        "horizon_years": outcome.horizon,
        "horizon_days": outcome.horizon * DAYS_PER_YEAR,
        "cost_usd": held.entry,
        "value_usd": value,
        "profit_usd": value - held.entry,
        **{name: float(getattr(greeks, name)) for name in GREEKS},
        "max_profit_usd": most if math.isfinite(most) else float("nan"),
        "max_profit_status": Status.OK.label if math.isfinite(most) else UNBOUNDED,
        "max_loss_usd": least if math.isfinite(least) else float("nan"),
        "max_loss_status": Status.OK.label if math.isfinite(least) else UNBOUNDED,
        "probability_of_profit": outcome.probability_of_profit,
        "n_break_evens": len(outcome.break_evens),
    }
    return pd.DataFrame([row])


def _profile(held: Strategy, market: Market, surface: ServedSurface, outcome: Outcome) -> pd.DataFrame:
    """Return profit by spot, now and at the horizon, and the density of the spot at the horizon."""
    around = market.spot
    strikes = [leg.strike for leg in held.legs if leg.is_call is not None]
    grid = around * np.exp(np.linspace(-REACH, REACH, POINTS) * _deviation(held, market))
    low, high = float(grid[0]), float(grid[-1])
    corners = [x for x in (*strikes, *outcome.break_evens.tolist(), around) if low <= x <= high]
    spot = np.unique(np.concatenate([grid, corners]))
    k = np.log(spot / float(market.forward(outcome.horizon)))
    later = held.scenarios(market, spot, 0.0, held.horizon)
    return pd.DataFrame(
        {
            "spot": spot,
            "profit_now_usd": held.scenarios(market, spot) - held.entry,
            "profit_at_horizon_usd": later - held.entry,
            "density": surface.density(k, outcome.horizon) / spot,
        }
    )


def _scenarios(held: Strategy, market: Market, deviation: float) -> pd.DataFrame:
    """Return value and profit by spot, vol shift and days passed, vols sticky by strike.

    The axes are round numbers: of spot near half a deviation of the horizon, of vol near an eighth of the vol
    at the money.
    """
    level = deviation / math.sqrt(held.horizon)
    moves = MOVES * min(_round(0.5 * deviation), WIDEST)
    shifts = SHIFTS * _round(0.125 * level)
    passed = PASSED * held.horizon
    spot = market.spot * (1.0 + moves)
    value = held.scenarios(market, spot[:, None, None], shifts[:, None], passed)
    grid = np.meshgrid(moves, shifts, passed, indexing="ij")
    worth = value.ravel()
    return pd.DataFrame(
        {
            "spot_move": grid[0].ravel(),
            "spot": market.spot * (1.0 + grid[0].ravel()),
            "vol_shift": grid[1].ravel(),
            "elapsed_days": grid[2].ravel() * DAYS_PER_YEAR,
            "value_usd": worth,
            "profit_usd": worth - held.entry,
            "status": np.where(np.isfinite(worth), Status.OK.label, Status.OUT_OF_RANGE.label),
        }
    )


def _round(step: float) -> float:
    """Return the number of the form 1, 2 or 5 times a power of ten that is nearest by ratio."""
    power = 10.0 ** math.floor(math.log10(step))
    return min((m * power for m in (1.0, 2.0, 5.0, 10.0)), key=lambda each: abs(math.log(each / step)))
