"""The Ornstein-Uhlenbeck process: ``dX = kappa (theta - X) dt + sigma dW``.

What belongs here: parameters and what follows from them. What does not: the fit (``calibration.ou``).

References
----------
G. Uhlenbeck, L. Ornstein (1930), "On the theory of the Brownian motion", Physical Review 36.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from periscope_analytics.arguments import floats, not_negative, together

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class OUParams:
    """Parameters of the process.

    Attributes
    ----------
    kappa : float
        Speed of mean reversion, per unit of time; positive.
    theta : float
        Long-run mean.
    sigma : float
        Diffusion, per root unit of time; not negative.

    Raises
    ------
    ValueError
        If a parameter is outside its range or not finite, naming it.
    """

    kappa: float
    theta: float
    sigma: float

    def __post_init__(self) -> None:
        if not 0.0 < self.kappa < np.inf:
            raise ValueError(f"kappa: must be finite and positive, got {self.kappa}")
        if not np.isfinite(self.theta):
            raise ValueError(f"theta: must be finite, got {self.theta}")
        if not 0.0 <= self.sigma < np.inf:
            raise ValueError(f"sigma: must be finite and not negative, got {self.sigma}")

    @property
    def half_life(self) -> float:
        """Time in which the expected distance from the mean halves."""
        return float(np.log(2.0)) / self.kappa

    @property
    def stationary_deviation(self) -> float:
        """Standard deviation in the long run."""
        return self.sigma / float(np.sqrt(2.0 * self.kappa))

    @np.errstate(all="ignore")
    def mean(self, x: ArrayLike, dt: ArrayLike) -> Floats:
        """Return the expected value `dt` after the value `x`."""
        step, now = together(dt=dt, x=x)
        not_negative("dt", step)
        return np.asarray(self.theta + (now - self.theta) * np.exp(-self.kappa * step))

    @np.errstate(all="ignore")
    def deviation(self, dt: ArrayLike) -> Floats:
        """Return the standard deviation of the value `dt` from now."""
        step = floats("dt", dt)
        not_negative("dt", step)
        return np.asarray(self.stationary_deviation * np.sqrt(-np.expm1(-2.0 * self.kappa * step)))
