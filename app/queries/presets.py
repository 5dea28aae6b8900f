"""Prefabricated strategies: the usual combinations, placed on strikes that are listed.

What belongs here: which legs each has. What does not: prices and greeks (``strategy``).

Strikes are the listed ones nearest to the forward times ``exp(z s)``, with s the standard deviation of the
spot's logarithm at expiry: z is 0 at the money, 0.67 near 25 delta and 1.28 near 10 delta.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from types import MappingProxyType

import numpy as np

from app.queries.core import Queries
from app.queries.locate import QUOTES, Located
from app.queries.strategy import CALL, PUT, AskedLeg, beside
from periscope_assets.transforms.surfaces.served import fitted_rows

NEAR, FAR = 0.6745, 1.2816
"""Deviations of the normal law's 25 and 10 percent tails."""


@dataclass(frozen=True, slots=True)
class Listing:
    """What is listed for one expiry.

    Attributes
    ----------
    expiry_at : datetime
        Settlement instant.
    expiry : date
    root : str
    tau_years : float
    strikes : tuple of float
        Increasing, at least one.
    forward : float
    deviation : float
        Of the logarithm of the spot at expiry.
    """

    expiry_at: datetime
    expiry: date
    root: str
    tau_years: float
    strikes: tuple[float, ...]
    forward: float
    deviation: float

    def strike(self, z: float) -> float:
        """Return the listed strike nearest to `z` deviations from the forward."""
        target = self.forward * np.exp(z * self.deviation)
        return min(self.strikes, key=lambda each: abs(each - target))

    def leg(self, kind: str, quantity: float, z: float) -> AskedLeg:
        """Return a leg at `z` deviations from the forward."""
        return AskedLeg(kind, quantity, self.strike(z), self.expiry_at)


def listings(queries: Queries, found: Located) -> list[Listing]:
    """Return what is listed beside a surface, by settlement; expiries without a slice or quotes are left out.

    Parameters
    ----------
    queries : Queries
    found : Located
        A publication of ``vol_surface``.
    """
    quotes = beside(queries, found, QUOTES)
    slices = fitted_rows(queries.rows(found.entry, "surface_slices"))
    if quotes is None:
        return []
    chain = queries.rows(quotes, "options_snapshots")
    strikes = {moment: np.unique(group) for moment, group in chain.groupby("expiry_at")["strike"]}
    return [
        Listing(
            row["expiry_at"].to_pydatetime(),
            row["expiry"],
            row["root"],
            row["tau_years"],
            tuple(strikes[row["expiry_at"]].tolist()),
            row["forward"],
            row["atm_iv"] * math.sqrt(row["tau_years"]),
        )
        for row in slices.to_dict("records")
        if row["expiry_at"] in strikes
    ]


def _calendar(near: Listing, far: Listing) -> list[AskedLeg]:
    strike = near.strike(0.0)
    there = min(far.strikes, key=lambda each: abs(each - strike))
    return [AskedLeg(CALL, -1, strike, near.expiry_at), AskedLeg(CALL, 1, there, far.expiry_at)]


PRESETS: Mapping[str, Callable[[Listing, Listing], Sequence[AskedLeg]]] = MappingProxyType(
    {
        "straddle": lambda at, _: [at.leg(CALL, 1, 0.0), at.leg(PUT, 1, 0.0)],
        "strangle": lambda at, _: [at.leg(PUT, 1, -NEAR), at.leg(CALL, 1, NEAR)],
        "vertical": lambda at, _: [at.leg(CALL, 1, 0.0), at.leg(CALL, -1, NEAR)],
        "risk reversal": lambda at, _: [at.leg(PUT, -1, -NEAR), at.leg(CALL, 1, NEAR)],
        "butterfly": lambda at, _: [at.leg(CALL, 1, -NEAR), at.leg(CALL, -2, 0.0), at.leg(CALL, 1, NEAR)],
        "iron condor": lambda at, _: [
            at.leg(PUT, 1, -FAR), at.leg(PUT, -1, -NEAR), at.leg(CALL, -1, NEAR), at.leg(CALL, 1, FAR)
        ],
        "calendar": _calendar,
    }
)  # fmt: skip
"""By name; each takes the listing of the chosen expiry and of the one after it."""
