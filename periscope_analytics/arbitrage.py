"""No-arbitrage certificates of surfaces.

What belongs here: conditions that anybody can check again from published parameters. What does not: repairs
and constrained fits (``calibration``).

Conditions (Gatheral, Jacquier 2014, section 2; Lee 2004): no butterfly arbitrage where g(k) >= 0 and total
variance is positive; no calendar arbitrage where total variance does not fall from one expiry to the next at
equal log-moneyness; wing slopes of at most 2.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from periscope_analytics.surface import Slice, density_factor, derivatives, wing_slopes

Floats = NDArray[np.float64]

GRID_POINTS = 1001
LEAST_REACH = 3.0
DEVIATIONS = 10.0
FINENESS = 0.5
LARGEST_SLOPE = 2.0
ROUNDING = 1e-12


class Surface(Protocol):
    """Anything made of slices by increasing tau."""

    @property
    def slices(self) -> Sequence[Slice]:
        """Slices by increasing tau."""


@dataclass(frozen=True, slots=True, eq=False)
class Certificate:
    """Whether a surface is free of arbitrage, and by how much.

    Attributes
    ----------
    is_free : bool
        All conditions hold, within 1e-12 for rounding.
    min_g : float
        Least g over slices and grid, where total variance is positive.
    min_calendar : float
        Least difference of total variance between neighbouring expiries; NaN for a single slice.
    left_wing, right_wing : float
        Greatest slopes of total variance far out, by magnitude.
    grid : ndarray
        Log-moneyness at which slices were examined: see :func:`certificate_grid`.
    n_slices, n_butterfly, n_calendar : int
        Slices; points with g < 0 or without positive variance; points where total variance falls.
    """

    is_free: bool
    min_g: float
    min_calendar: float
    left_wing: float
    right_wing: float
    grid: Floats
    n_slices: int
    n_butterfly: int
    n_calendar: int


@np.errstate(all="ignore")
def certificate_grid(slices: Sequence[Slice], n: int = GRID_POINTS) -> Floats:
    """Return the log-moneyness grid on which slices are examined.

    ``k = c sinh(u)`` for `n` evenly spaced u, from -K to K, with c half the least and K ten times the
    greatest total vol at the money of the slices, but K at least 3: dense where the shortest smile bends,
    and far into the longest's wings. A slice whose variance at the money is not positive does not count.
    """
    atm = np.array([_at_forward(each) for each in slices])
    deviation = np.sqrt(atm[np.isfinite(atm) & (atm > 0.0)])
    width = FINENESS * float(deviation.min()) if deviation.size else FINENESS
    reach = max(LEAST_REACH, DEVIATIONS * float(deviation.max())) if deviation.size else LEAST_REACH
    most = float(np.arcsinh(reach / width))
    return np.asarray(width * np.sinh(np.linspace(-most, most, n)))


def _at_forward(smile: Slice) -> float:
    """Return total variance at the forward, as the slice knows it or from its smile."""
    known = getattr(smile, "atm_total_variance", None)
    return float(smile.total_variance(0.0)) if known is None else float(known)


@np.errstate(all="ignore")
def certify(surface: Surface) -> Certificate:
    """Examine a surface for static arbitrage.

    Parameters
    ----------
    surface : Surface
        A :class:`~periscope_analytics.surface.VolSurface`, or anything else that has `slices`. Only they are
        examined: interpolation linear in total variance adds no arbitrage to slices that have none.

    Returns
    -------
    Certificate

    Raises
    ------
    ValueError
        If the surface has no slice.
    """
    slices = tuple(surface.slices)
    if not slices:
        raise ValueError("surface: it has no slice")
    grid = certificate_grid(slices)
    variance = np.stack([each.total_variance(grid) for each in slices])
    g = np.stack(
        [density_factor(grid, w, *derivatives(each, grid)) for each, w in zip(slices, variance, strict=True)]
    )
    steps = np.diff(variance, axis=0)
    wings = np.array([wing_slopes(each) for each in slices])
    butterfly, calendar = ~(g >= -ROUNDING), ~(steps >= -ROUNDING)
    left, right = (float(side) for side in wings.max(axis=0))
    gentle = bool(wings.max() <= LARGEST_SLOPE + ROUNDING)
    return Certificate(
        is_free=gentle and not (butterfly.any() or calendar.any()),
        min_g=float(np.nanmin(g)) if np.isfinite(g).any() else np.nan,
        min_calendar=float(np.nanmin(steps)) if steps.size else np.nan,
        left_wing=left,
        right_wing=right,
        grid=grid,
        n_slices=len(slices),
        n_butterfly=int(butterfly.sum()),
        n_calendar=int(calendar.sum()),
    )
