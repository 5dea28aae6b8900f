"""Certificate of a served surface: at its expiries, between them, before the first and beyond the last.

What belongs here: conditions on laws and prices that anybody can check again from published parameters. What
does not: certificates of smiles without a law (``arbitrage``).

Where the density is not negative there is no butterfly arbitrage (Breeden, Litzenberger 1978), and where
out-of-the-money prices in units of the forward do not fall from one maturity to the next at equal
log-moneyness there is no calendar arbitrage (Gatheral, Jacquier 2014, section 2).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from periscope_analytics.arbitrage import LARGEST_SLOPE, ROUNDING, Certificate, certificate_grid
from periscope_analytics.kernels import slice as kernel
from periscope_analytics.kernels.slice_law import bspline
from periscope_analytics.served import ServedSurface, onward, tau_of
from periscope_analytics.slice import SliceParams, geometry

Floats = NDArray[np.float64]

STRIKES, TENORS = 2000, 200
UNIT_TOLERANCE = 1e-6

_FEW = 400
_FIRST_SHARE = 1.0 / 3.0


@dataclass(frozen=True, slots=True, eq=False)
class ServedCertificate(Certificate):
    """Certificate of a served surface.

    Attributes
    ----------
    tenors : ndarray
        Years at which the surface was examined; the expiries are among them.
    mass_error, mean_error : float
        Greatest distance from one of a density's integral, and of that of exp(k) against it.
    second_mode : float
        Greatest rise of a density away from its peak, as a share of the peak, over the expiries.
    g_by_slice : ndarray
        Least g of each expiry.
    """

    tenors: Floats
    mass_error: float
    mean_error: float
    second_mode: float
    g_by_slice: Floats


class _Found(NamedTuple):
    tenors: Floats
    butterfly: int
    calendar: int
    mass_error: float
    mean_error: float


def certify_served(surface: ServedSurface) -> ServedCertificate:
    """Examine a served surface for static arbitrage on 2,000 log-moneynesses x 200 maturities.

    Counts are of the whole grid, which reaches from a share of the first expiry to beyond the last; strikes
    where the law's grid ends to be trusted are left out, total variance being linear beyond. `min_g`,
    `min_calendar` and the wings are those of the expiries, the former two on 400 of the strikes.

    Parameters
    ----------
    surface : ServedSurface

    Returns
    -------
    ServedCertificate
        Free where nothing was counted, masses and means are one within 1e-6 and wings have slopes of at most
        2.
    """
    slices = surface.slices
    (left, _), (right, _) = slices[0].wings
    grid = certificate_grid(slices, STRIKES)
    grid = grid[(grid >= left) & (grid <= right)]
    few = grid[:: max(grid.size // _FEW, 1)]
    found = _examined(surface, grid)
    steps = np.diff(np.stack([each.total_variance(few) for each in slices]), axis=0)
    g = np.stack([each.g(few) for each in slices])
    wings = np.array([(each.left_slope, each.right_slope) for each in slices]).max(axis=0)
    is_free = not (found.butterfly or found.calendar) and bool(np.all(g >= -ROUNDING))
    is_one = max(found.mass_error, found.mean_error) <= UNIT_TOLERANCE
    return ServedCertificate(
        is_free=is_free and is_one and float(wings.max()) <= LARGEST_SLOPE + ROUNDING,
        min_g=float(g.min()),
        min_calendar=float(steps.min()) if steps.size else np.nan,
        left_wing=float(wings[0]),
        right_wing=float(wings[1]),
        grid=grid,
        n_slices=len(slices),
        n_butterfly=found.butterfly,
        n_calendar=found.calendar,
        tenors=found.tenors,
        mass_error=found.mass_error,
        mean_error=found.mean_error,
        second_mode=max(map(second_mode, slices)),
        g_by_slice=g.min(axis=1),
    )


def second_mode(params: SliceParams) -> float:
    """Return the greatest rise of a slice's density of k away from its peak, as a share of the peak."""
    return float(kernel.second_mode(geometry(params.grid).x, params.law.mass))


def maturities(surface: ServedSurface) -> Iterator[SliceParams]:
    """Yield 200 slices in order of tau, or two for each expiry: the expiries and shares of steps between."""
    steps = [*surface.slices, onward(surface.slices[-1])]
    spare = max(TENORS - len(surface.slices), len(steps))
    for i, step in enumerate(steps):
        number = spare * (i + 1) // len(steps) - spare * i // len(steps)
        least = _FIRST_SHARE if i == 0 else 0.0
        for j in range(1, number + 1):
            share = least + (1.0 - least) * j / (number + 1)
            part = step.at(share, step.tau)
            yield part.at(share, tau_of(part, step))
        if i < len(surface.slices):
            yield step


def _examined(surface: ServedSurface, grid: Floats) -> _Found:
    shape = geometry(surface.slices[0].grid)
    first, weight = np.empty(grid.size, np.int64), np.empty((grid.size, 4))
    bspline(shape.knots, np.exp(grid), first, weight)
    lower, upper = _density_weights(shape.knots, np.exp(grid), first)
    before, put, call = np.zeros(grid.size), np.empty(grid.size), np.empty(grid.size)
    tenors, butterfly, calendar, mass_error, mean_error = [], 0, 0, 0.0, 0.0
    for each in maturities(surface):
        mass = each.law.mass
        kernel.blend(first, weight, each.law.put, put)
        kernel.blend(first, weight, each.law.call, call)
        price = np.where(grid < 0.0, put, call)
        butterfly += int(np.count_nonzero(lower * mass[first + 1] + upper * mass[first + 2] < 0.0))
        calendar += int(np.count_nonzero(price < before * (1.0 - ROUNDING)))
        mass_error = max(mass_error, abs(float(mass[1:-1].sum()) - 1.0))
        mean_error = max(mean_error, abs(float(mass @ shape.grid[0]) - 1.0))
        tenors.append(each.tau)
        before = price
    return _Found(np.array(tenors), butterfly, calendar, mass_error, mean_error)


def _density_weights(knots: Floats, strike: Floats, first: NDArray[np.int64]) -> tuple[Floats, Floats]:
    """Return what the two masses beside each strike count for its density in K."""
    left, right = knots[first + 3], knots[first + 4]
    share = (strike - left) / (right - left)
    lower = 2.0 * (1.0 - share) / (knots[first + 4] - knots[first + 2])
    return lower, 2.0 * share / (knots[first + 5] - knots[first + 3])
