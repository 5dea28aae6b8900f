"""American chains: what early exercise needs beyond forward and discount: spot, yield and cash dividends.

What belongs here: reading them from forwards, curve and settings. What does not: pricing
(``periscope_analytics.american``).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta

import numpy as np
import pandas as pd

from periscope_analytics import american
from periscope_analytics.conventions import PM, settlement_time
from periscope_analytics.daycount import year_fraction
from periscope_analytics.forward import weighted_median
from periscope_analytics.implied_vol import ImpliedVol
from periscope_assets.transforms.frames import Bools, Floats, numbers

_NEAR_YEARS = 15.0 / 365.0
_LEAST_STRIKES, _MOST_STRIKES = 4, 16


@dataclass(frozen=True, slots=True)
class Dividends:
    """Cash dividends ahead: amounts in USD, and the years until the last exercise that collects each."""

    amounts: Floats
    times: Floats

    @property
    def pair(self) -> tuple[Floats, Floats]:
        """Amounts and times, as the pricing functions take them."""
        return self.amounts, self.times


def read_dividends(settings: Mapping[str, object], as_of: datetime) -> Dividends:
    """Return the setting `dividends`, pairs of ex-date and amount, as seen from `as_of`.

    Exercise collects a dividend until the close before the ex-date.
    """
    schedule = settings.get("dividends")
    pairs = [(str(day), float(amount)) for day, amount in schedule] if isinstance(schedule, Iterable) else []
    deadlines = [settlement_time(date.fromisoformat(day) - timedelta(days=1), PM) for day, _ in pairs]
    ahead = [(amount, at) for (_, amount), at in zip(pairs, deadlines, strict=True) if at > as_of]
    amounts = np.array([amount for amount, _ in ahead], dtype=np.float64)
    times = [float(year_fraction(as_of, at)) for _, at in ahead]
    return Dividends(amounts, np.array(times, dtype=np.float64))


def implied_spot(forwards: pd.DataFrame, dividends: Dividends) -> float:
    """Return the spot that near forwards tell, the median of F D + PV(dividends).

    Weights are one over the error squared. Expiries of at most 15 days take part, or the nearest one; the
    recorded spot does not, it may be of another time. NaN where there is no forward.
    """
    known = forwards[(forwards["status"] == "ok") & (forwards["tau_years"] > 0)].sort_values("tau_years")
    if known.empty:
        return float("nan")
    near = known[known["tau_years"] <= max(_NEAR_YEARS, known["tau_years"].iloc[0])]
    forward, discount, tau, error = (
        numbers(near, name) for name in ("forward", "discount", "tau_years", "forward_stderr")
    )
    paid = american.escrowed(tau, -np.log(discount) / tau, dividends.pair)
    return weighted_median(forward * discount + paid, np.maximum(error, 1e-9 * forward) ** -2.0)


def implied_yield(
    spot: float, forward: Floats, discount: Floats, tau: Floats, dividends: Dividends
) -> Floats:
    """Return the yield at which spot less dividends grows to the forward: q = r - ln(F / (S - PV)) / tau."""
    rate = -np.log(discount) / tau
    paid = american.escrowed(tau, rate, dividends.pair)
    return np.asarray(rate - np.log(forward / (spot - paid)) / tau, dtype=np.float64)


def american_vols(
    price: Floats,
    forward: Floats,
    strike: Floats,
    tau: Floats,
    discount: Floats,
    is_call: Bools,
    spot: float,
    dividends: Dividends,
) -> ImpliedVol:
    """Return American implied vols whose European counterpart has the given forward and discount.

    Parameters
    ----------
    price, forward, strike, tau, discount : ndarray, shape (n,)
        USD and years; `tau` positive.
    is_call : ndarray of bool, shape (n,)
    spot : float
    dividends : Dividends
    """
    rate = -np.log(discount) / tau
    carried = implied_yield(spot, forward, discount, tau, dividends)
    return american.implied_vol(price, spot, strike, tau, rate, carried, is_call, dividends.pair)


def without_premium(
    pairs: pd.DataFrame, forward: float, discount: float, tau: float, spot: float, dividends: Dividends
) -> pd.DataFrame:
    """Return two-sided strikes near the money with the early-exercise premium taken off each quote.

    The premium of both legs of a strike is that at the American vol of its out-of-the-money side, for the
    forward given. At most 16 strikes within one standard deviation take part, as the premium of others is
    less sure than their parity.

    Parameters
    ----------
    pairs : DataFrame
        Columns strike, call_bid, call_ask, put_bid, put_ask.
    forward, discount, tau, spot : float
    dividends : Dividends
    """
    closest = np.argsort(np.abs(numbers(pairs, "strike") - forward), kind="stable")[: 2 * _MOST_STRIKES]
    pairs = pairs.iloc[np.sort(closest)].reset_index(drop=True)
    strike = numbers(pairs, "strike")
    call, put = (
        (numbers(pairs, f"{side}_bid") + numbers(pairs, f"{side}_ask")) / 2 for side in ("call", "put")
    )
    is_call = strike >= forward
    f, d, t = (np.full(len(pairs), value) for value in (forward, discount, tau))
    found = american_vols(np.where(is_call, call, put), f, strike, t, d, is_call, spot, dividends)
    deviations = np.abs(np.log(strike / forward)) / (found.sigma * np.sqrt(tau))
    nearest = np.argsort(np.where(np.isfinite(deviations), deviations, np.inf), kind="stable")[:_MOST_STRIKES]
    within = np.arange(len(nearest)) < _LEAST_STRIKES
    rows = np.sort(nearest[np.isfinite(deviations[nearest]) & (within | (deviations[nearest] <= 1.0))])
    kept = pairs.iloc[rows].reset_index(drop=True)
    carried = implied_yield(spot, f[:1], d[:1], t[:1], dividends)[0]
    rate = -np.log(discount) / tau
    for side, call_side in (("call", True), ("put", False)):
        premium = american.early_exercise_premium(
            spot,
            strike[rows],
            tau,
            rate,
            carried,
            found.sigma[rows],
            np.full(len(rows), call_side),
            dividends.pair,
        )
        for quote in ("bid", "ask"):
            kept[f"{side}_{quote}"] = numbers(kept, f"{side}_{quote}") - premium
    return kept
