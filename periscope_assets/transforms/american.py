"""American chains: what early exercise needs beyond forward and discount: spot, yield and cash dividends.

What belongs here: reading them from forwards and settings. What does not: pricing
(``periscope_analytics.american``), the fit of forwards (``periscope_analytics.american_forward``).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from periscope_analytics import american
from periscope_analytics.american_quotes import Options, quote_vols
from periscope_analytics.conventions import NEW_YORK, PM, settlement_time
from periscope_analytics.daycount import MINUTES_PER_YEAR, year_fraction
from periscope_analytics.forward import weighted_median
from periscope_analytics.implied_vol import ImpliedVol
from periscope_assets.transforms.frames import Bools, Floats

NEAR_YEARS = 15.0 / 365.0
"""Settlement within which a forward tells the spot."""

SCHEDULE, EXTENDED, IMPLIED_YIELD, NOT_NEEDED = "schedule", "extended", "implied_yield", "not_needed"
"""How a forward's dividends are known: by a schedule that reaches beyond its expiry; by one that ends before,
with an implied yield for the rest; by an implied yield alone; not at all, where exercise is European."""

_QUARTER = 0.25
_LEAST_TIME = 1.0 / MINUTES_PER_YEAR
_LEAST_ERROR = 1e-9


@dataclass(frozen=True, slots=True)
class Dividends:
    """Cash dividends ahead.

    Attributes
    ----------
    amounts : ndarray
        USD.
    times : ndarray
        Years until the last exercise that collects each.
    reach : float
        Years until which the schedule is complete: its last dividend and the typical distance of two. Zero
        where there is no schedule; one without entries is taken as unknown.
    """

    amounts: Floats
    times: Floats
    reach: float

    @property
    def pair(self) -> tuple[Floats, Floats]:
        """Amounts and times, as the pricing functions take them."""
        return self.amounts, self.times

    def before(self, tau: float) -> tuple[Floats, Floats]:
        """Return amounts and times of those that matter up to an expiry: a longer schedule takes longer."""
        due = self.times < tau
        return self.amounts[due], self.times[due]

    def covers(self, tau: Floats) -> Bools:
        """Return whether the schedule reaches beyond each expiry."""
        return np.asarray(tau < self.reach)

    def known_by(self, tau: Floats) -> list[str]:
        """Return how the dividends up to each expiry are known."""
        beyond = EXTENDED if self.reach > 0 else IMPLIED_YIELD
        return [SCHEDULE if covered else beyond for covered in self.covers(tau).tolist()]


def read_dividends(settings: Mapping[str, object], as_of: datetime) -> Dividends:
    """Return the setting `dividends`, pairs of ex-date and amount, as seen from `as_of`.

    Exercise collects a dividend until the close of the weekday before the ex-date. Quotes that are stamped
    after that close, but before the ex-date, are still those of the session: they are priced with a minute to
    decide.
    """
    schedule = settings.get("dividends")
    pairs = [(str(day), float(amount)) for day, amount in schedule] if isinstance(schedule, Iterable) else []
    dated = sorted((date.fromisoformat(day), amount) for day, amount in pairs)
    ahead = [(day, amount) for day, amount in dated if as_of < datetime.combine(day, time(), tzinfo=NEW_YORK)]
    times = [float(year_fraction(as_of, settlement_time(_weekday_before(day), PM))) for day, _ in ahead]
    distances = [(after - before).days / 365.0 for (before, _), (after, _) in pairwise(dated)]
    distance = float(np.median(distances)) if distances else _QUARTER
    return Dividends(
        np.array([amount for _, amount in ahead], dtype=np.float64),
        np.maximum(np.array(times, dtype=np.float64), _LEAST_TIME),
        times[-1] + distance if times else 0.0,
    )


def _weekday_before(day: date) -> date:
    return day - timedelta(days={0: 3, 6: 2}.get(day.weekday(), 1))


class Forwards(NamedTuple):
    """Forwards of American expiries with their discounts, errors and times: columns of one length."""

    forward: Floats
    stderr: Floats
    discount: Floats
    tau: Floats


def implied_spot(known: Forwards, dividends: Dividends) -> float:
    """Return the spot that near forwards tell, the median of F D + PV(dividends); NaN without a forward.

    Weights are one over the error squared. The recorded spot takes no part, it may be of another time.
    """
    live = np.isfinite(known.forward) & (known.tau > 0)
    if not np.any(live):
        return float("nan")
    near = live & (known.tau <= max(NEAR_YEARS, float(np.min(known.tau[live]))))
    forward, stderr, discount, tau = (column[near] for column in known)
    paid = american.escrowed(tau, -np.log(discount) / tau, dividends.pair)
    return weighted_median(forward * discount + paid, np.maximum(stderr, _LEAST_ERROR * forward) ** -2.0)


def american_vols(
    prices: Sequence[Floats],
    known: Forwards,
    strike: Floats,
    is_call: Bools,
    spot: float,
    dividends: Dividends,
) -> list[ImpliedVol]:
    """Return American implied vols whose European counterpart has the given forward and discount.

    As far as the schedule of dividends reaches, each forward tells its own spot, F D + PV(dividends), and
    nothing else is paid out. Beyond, all expiries share `spot`, and what the schedule leaves open of the
    forward is paid as a continuous yield, r - ln(F / (S - PV)) / tau.

    Parameters
    ----------
    prices : sequence of ndarray, shape (n,)
        The mids first, then other prices of the same options; NaN where there is none.
    strike, is_call : ndarray, shape (n,)
    known : Forwards
        Of shape (n,), `tau` positive.
    spot : float
        NaN to take each forward's own throughout.
    dividends : Dividends
    """
    forward, _, discount, tau = known
    rate = -np.log(discount) / tau
    paid = american.escrowed(tau, rate, dividends.pair)
    own = np.isnan(spot) | dividends.covers(tau)
    base = np.where(own, forward * discount, spot - paid)
    carried = np.where(own, 0.0, rate - np.log(forward / base) / tau)
    options = Options(base + paid, strike, tau, rate, carried, is_call)
    return quote_vols(prices[0], tuple(prices[1:]), options, dividends.before(float(np.max(tau))))
