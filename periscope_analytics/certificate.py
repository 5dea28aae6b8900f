"""Certificate of a served surface: at its expiries, between them, before the first and beyond the last.

What belongs here: conditions on laws and prices that anybody can check again from published parameters. What
does not: certificates of smiles without a law (``arbitrage``).

Where the density is not negative there is no butterfly arbitrage (Breeden, Litzenberger 1978), and where
out-of-the-money prices in units of the forward do not fall from one maturity to the next at equal
log-moneyness there is no calendar arbitrage (Gatheral, Jacquier 2014, section 2).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import erfinv

from periscope_analytics.arbitrage import LARGEST_SLOPE, ROUNDING, Certificate, certificate_grid
from periscope_analytics.implied_vol import implied_vol
from periscope_analytics.kernels import slice as kernel
from periscope_analytics.kernels.slice_law import bspline, examine
from periscope_analytics.served import ServedSurface, onward, taus_of
from periscope_analytics.slice import CHORD, WING, SliceParams, gaussian_inverse, geometry

Floats = NDArray[np.float64]

STRIKES, TENORS = 2000, 200
UNIT_TOLERANCE = 1e-6

_EVERY = 5
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


class _Laws(NamedTuple):
    """Laws of shares of one step, a row for each."""

    tenors: Floats
    mass: Floats
    put: Floats
    call: Floats


class _Found(NamedTuple):
    """Tenors examined, points counted, and what the expiries' laws are on the grid."""

    tenors: Floats
    butterfly: int
    calendar: int
    mass_error: float
    mean_error: float
    variance: Floats
    g: Floats


def certify_served(surface: ServedSurface) -> ServedCertificate:
    """Examine a served surface for static arbitrage on 2,000 log-moneynesses x 200 maturities.

    The maturities reach from a share of the first expiry to beyond the last; strikes where the law's grid
    ends to be trusted are left out, total variance being linear beyond. `n_calendar` counts prices that fall
    from a maturity to the next, `n_butterfly` negative probabilities: between a law's points the density is
    linear, so there are no others. `min_g`, `min_calendar` and the wings are those of the expiries, the
    former two on every fifth of the strikes.

    Parameters
    ----------
    surface : ServedSurface

    Returns
    -------
    ServedCertificate
        Free where nothing was counted, masses and means are one within 1e-6 and wings have slopes of at most
        2.
    """
    slices, grid = surface.slices, _strikes(surface.slices)
    found = _examined(surface, grid)
    steps = np.diff(found.variance, axis=0)
    left, right = (float(found.variance[:, i].max() / abs(grid[i])) for i in (0, -1))
    is_free = not (found.butterfly or found.calendar) and bool(np.all(found.g >= -ROUNDING))
    is_one = max(found.mass_error, found.mean_error) <= UNIT_TOLERANCE
    return ServedCertificate(
        is_free=is_free and is_one and max(left, right) <= LARGEST_SLOPE + ROUNDING,
        min_g=float(found.g.min()),
        min_calendar=float(steps.min()) if steps.size else np.nan,
        left_wing=left,
        right_wing=right,
        grid=grid,
        n_slices=len(slices),
        n_butterfly=found.butterfly,
        n_calendar=found.calendar,
        tenors=found.tenors,
        mass_error=found.mass_error,
        mean_error=found.mean_error,
        second_mode=max(map(second_mode, slices)),
        g_by_slice=found.g.min(axis=1),
    )


def _strikes(slices: Sequence[SliceParams]) -> Floats:
    """Return at least as many log-moneynesses as `STRIKES`, between those where the law's grid is trusted."""
    low, high = WING * slices[0].grid.k_min, WING * slices[0].grid.k_max
    number = STRIKES
    while True:
        grid = certificate_grid(slices, number)
        inside = grid[(grid > low) & (grid < high)]
        if inside.size >= STRIKES - 2:
            return np.concatenate([[low], inside, [high]])
        number = -(-number * STRIKES // inside.size)


def second_mode(params: SliceParams) -> float:
    """Return the greatest rise of a slice's density of k away from its peak, as a share of the peak."""
    return float(kernel.second_mode(geometry(params.grid).x, params.law.mass))


def _laws(surface: ServedSurface) -> Iterator[_Laws]:
    """Yield the laws of 200 maturities in order, or two for each expiry; a step's last is its expiry's."""
    steps = [*surface.slices, onward(surface.slices[-1])]
    spare = max(TENORS - len(surface.slices), len(steps))
    for i, step in enumerate(steps):
        number = spare * (i + 1) // len(steps) - spare * i // len(steps)
        least = _FIRST_SHARE if i == 0 else 0.0
        shares = least + (1.0 - least) * np.arange(1, number + 2) / (number + 1)
        laws = _shared(step, shares)
        yield laws if i < len(surface.slices) else _Laws(*(each[:-1] for each in laws))


def _shared(step: SliceParams, shares: Floats) -> _Laws:
    """Return the laws of those shares of a step."""
    shape = geometry(step.grid)
    mass, put, call = (np.empty((shares.size, shape.x.size)) for _ in range(3))
    groups = [slice(i, i + 1) for i in range(shares.size)] if step.previous is None else [slice(None)]
    for rows in groups:
        from_law = step.at(float(shares[rows][0]), step.tau) if step.previous is None else step
        before, put_before, call_before = from_law.base()
        gain = np.empty(mass[rows].shape)
        kernel.take_shares(shape.grid[1], step.law.inverse, shares[rows], before, gain, mass[rows])
        np.add(put_before, gain, out=put[rows])
        np.add(call_before, gain, out=call[rows])
    first, weight = np.empty(1, np.int64), np.empty((1, 4))
    bspline(shape.knots, np.ones(1), first, weight)
    near = slice(first[0], first[0] + 4)
    if step.previous is not None:
        _chorded(step.base(), mass, put, call, near, weight[0])
    at_forward = call[:, near] @ weight[0]
    return _Laws(taus_of(shares, 8.0 * erfinv(at_forward) ** 2, step), mass, put, call)


def _chorded(
    base: tuple[Floats, Floats, Floats], mass: Floats, put: Floats, call: Floats, near: slice, weight: Floats
) -> None:
    """Give each law of a share of a step its part on the chord; the last row is of the whole step."""
    gain = call[:, near] @ weight - base[2][near] @ weight
    share = (gain / gain[-1])[:-1, None]
    for before, rows in zip(base, (mass, put, call), strict=True):
        chord = before + share * (rows[-1] - before)
        rows[:-1] = (1.0 - CHORD) * rows[:-1] + CHORD * chord


def _examined(surface: ServedSurface, grid: Floats) -> _Found:
    shape, n_puts = geometry(surface.slices[0].grid), int(np.searchsorted(grid, 0.0))
    strike = np.exp(grid)
    first, weight = np.empty(grid.size, np.int64), np.empty((grid.size, 4))
    bspline(shape.knots, strike, first, weight)
    steps, mass_at = list(_laws(surface)), []
    butterfly, mass_error, mean_error = 0, 0.0, 0.0
    for laws in steps:
        inner = laws.mass[:, 1:-1]
        butterfly += int(np.count_nonzero(inner < 0.0))
        mass_error = max(mass_error, float(np.abs(inner.sum(axis=1) - 1.0).max()))
        mean_error = max(mean_error, float(np.abs(laws.mass @ shape.grid[0] - 1.0).max()))
        mass_at.append(laws.mass[-1])
    expiries = np.cumsum([each.tenors.size for each in steps])[: len(surface.slices)] - 1
    sides = [each.put for each in steps], [each.call for each in steps]
    puts, calls = (np.concatenate(side).T.copy() for side in sides)
    price = np.empty((expiries.size, grid.size))
    calendar = examine(first, weight, n_puts, puts, calls, ROUNDING, expiries, price)
    few = np.append(np.arange(0, grid.size - 1, _EVERY), grid.size - 1)
    k, at, prices, masses = grid[few], first[few], price[:, few], np.array(mass_at[: expiries.size])
    variance = np.asarray(implied_vol(prices, 1.0, strike[few], 1.0, k >= 0.0).sigma) ** 2
    lower, upper = _density_weights(shape.knots, strike[few], at)
    density = strike[few] * (lower * masses[:, at + 1] + upper * masses[:, at + 2])
    g = density * gaussian_inverse(k, variance)
    tenors = np.concatenate([each.tenors for each in steps])
    return _Found(tenors, butterfly, calendar, mass_error, mean_error, variance, g)


def _density_weights(knots: Floats, strike: Floats, first: NDArray[np.int64]) -> tuple[Floats, Floats]:
    """Return what the two masses beside each strike count for its density in K."""
    left, right = knots[first + 3], knots[first + 4]
    share = (strike - left) / (right - left)
    lower = 2.0 * (1.0 - share) / (knots[first + 4] - knots[first + 2])
    return lower, 2.0 * share / (knots[first + 5] - knots[first + 3])
