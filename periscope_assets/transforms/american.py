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

NEAR_YEARS = 15.0 / 365.0
"""Settlement within which a forward tells the spot."""


@dataclass(frozen=True, slots=True)
class Dividends:
    """Cash dividends ahead: amounts in USD, and the years until the last exercise that collects each."""

    amounts: Floats
    times: Floats

    @property
    def are_known(self) -> bool:
        """Whether there is a schedule; an empty one is taken as unknown."""
        return len(self.amounts) > 0

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
    """Return the spot that near forwards tell, the median of F D + PV(dividends); NaN without a forward.

    Weights are one over the error squared. The recorded spot takes no part, it may be of another time.
    """
    known = forwards[(forwards["status"] == "ok") & (forwards["tau_years"] > 0)]
    if known.empty:
        return float("nan")
    rows = known[known["tau_years"] <= max(NEAR_YEARS, known["tau_years"].min())]
    forward, discount, tau, error = (
        numbers(rows, name) for name in ("forward", "discount", "tau_years", "forward_stderr")
    )
    paid = american.escrowed(tau, -np.log(discount) / tau, dividends.pair)
    return weighted_median(forward * discount + paid, np.maximum(error, 1e-9 * forward) ** -2.0)


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

    With a schedule of dividends each forward tells its own spot, F D + PV(dividends), and nothing else is
    paid out. Without one all expiries share `spot`, and a continuous yield r - ln(F / S) / tau stands for
    what is paid.

    Parameters
    ----------
    price, forward, strike, tau, discount : ndarray, shape (n,)
        USD and years; `tau` positive.
    is_call : ndarray of bool, shape (n,)
    spot : float
    dividends : Dividends
    """
    rate = -np.log(discount) / tau
    if dividends.are_known:
        own = forward * discount + american.escrowed(tau, rate, dividends.pair)
        return american.implied_vol(price, own, strike, tau, rate, 0.0, is_call, dividends.pair)
    carried = rate - np.log(forward / spot) / tau
    return american.implied_vol(price, spot, strike, tau, rate, carried, is_call)
