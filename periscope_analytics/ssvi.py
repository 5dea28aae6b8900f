"""SSVI: smiles of one family whose conditions against arbitrage are inequalities of their parameters.

What belongs here: a slice of the extended surface (eSSVI: each expiry has its own correlation), the power law
that ties slices together (SSVI), and the conditions. What does not: the fit (``calibration.essvi``), raw SVI
(``svi``), interpolation in time (``surface``).

``w(k) = (theta + rho psi k + sqrt(psi^2 k^2 + 2 rho psi theta k + theta^2)) / 2`` with ``psi = theta phi``.

References
----------
J. Gatheral, A. Jacquier (2014), "Arbitrage-free SVI volatility surfaces", Quantitative Finance 14(1):
theorems 4.1, 4.2, eq. 4.5; S. Hendriks, C. Martini (2019), "The extended SSVI volatility surface", J.
Computational Finance 22(5): proposition 3.5; A. Mingone (2022), "No arbitrage global parametrization for the
eSSVI volatility surface", Quantitative Finance 22(12).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from periscope_analytics.arguments import floats, together
from periscope_analytics.surface import Smile, VolSurface, density_factor
from periscope_analytics.svi import SVIParams

Floats = NDArray[np.float64]

_ROUNDING = 1e-12


@dataclass(frozen=True, slots=True)
class SSVIParams:
    """One expiry of an eSSVI surface.

    Attributes
    ----------
    theta : float
        Total variance at the money, positive.
    rho : float
        Correlation, inside (-1, 1).
    psi : float
        ``theta phi``, not negative: the sum of the two wing slopes. Total vol's slope at the money is
        ``rho psi / (2 sqrt(theta))``.

    Raises
    ------
    ValueError
        If a parameter is outside its range or not finite, naming it.
    """

    theta: float
    rho: float
    psi: float

    def __post_init__(self) -> None:
        if not 0.0 < self.theta < np.inf:
            raise ValueError(f"theta: must be finite and positive, got {self.theta}")
        if not -1.0 < self.rho < 1.0:
            raise ValueError(f"rho: must lie inside (-1, 1), got {self.rho}")
        if not 0.0 <= self.psi < np.inf:
            raise ValueError(f"psi: must be finite and not negative, got {self.psi}")

    @property
    def phi(self) -> float:
        """Curvature parameter of Gatheral and Jacquier, ``psi / theta``."""
        return self.psi / self.theta

    @np.errstate(all="ignore")
    def total_variance(self, k: ArrayLike) -> Floats:
        """Return total variance at log-moneyness `k`."""
        lean = self.psi * floats("k", k)
        return np.asarray(0.5 * (self.theta + self.rho * lean + self._root(lean)))

    @np.errstate(all="ignore")
    def derivatives(self, k: ArrayLike) -> tuple[Floats, Floats]:
        """Return the first and second derivative of total variance in `k`."""
        lean = self.psi * floats("k", k)
        root = self._root(lean)
        bend = np.sqrt((1.0 - self.rho) * (1.0 + self.rho)) * self.theta / root
        return (
            np.asarray(0.5 * self.psi * (self.rho + (lean + self.rho * self.theta) / root)),
            np.asarray(0.5 * (self.psi * bend) * (self.psi * bend / root)),
        )

    def _root(self, lean: Floats) -> Floats:
        across = np.sqrt((1.0 - self.rho) * (1.0 + self.rho)) * self.theta
        return np.asarray(np.hypot(lean + self.rho * self.theta, across))

    @np.errstate(all="ignore")
    def by_parameters(self, k: ArrayLike) -> Floats:
        """Return the derivatives of total variance by theta, rho and psi, shape (..., 3)."""
        at = floats("k", k)
        lean = self.psi * at
        root = self._root(lean)
        columns = (
            0.5 * (1.0 + (self.rho * lean + self.theta) / root),
            0.5 * lean * (1.0 + self.theta / root),
            0.5 * at * (self.rho + (lean + self.rho * self.theta) / root),
        )
        return np.stack(columns, axis=-1)

    @np.errstate(all="ignore")
    def iv(self, k: ArrayLike, tau: ArrayLike) -> Floats:
        """Return implied vols, decimals, at log-moneyness `k` for `tau` years.

        Raises
        ------
        ValueError
            If `tau` is not positive or shapes do not broadcast.
        """
        at, years = together(k=k, tau=tau)
        if np.any(years <= 0.0):
            raise ValueError("tau: must be positive")
        return np.asarray(np.sqrt(self.total_variance(at) / years))

    @np.errstate(all="ignore")
    def g(self, k: ArrayLike) -> Floats:
        """Return Gatheral and Jacquier's g (eq. 2.1), of the density's sign."""
        return density_factor(k, self.total_variance(k), *self.derivatives(k))

    @property
    def left_slope(self) -> float:
        """Slope of total variance as k goes to minus infinity, by magnitude."""
        return 0.5 * self.psi * (1.0 - self.rho)

    @property
    def right_slope(self) -> float:
        """Slope of total variance as k goes to infinity."""
        return 0.5 * self.psi * (1.0 + self.rho)

    @property
    def is_butterfly_free(self) -> bool:
        """Whether psi is at most :func:`greatest_psi`, which excludes butterfly arbitrage (theorem 4.2)."""
        return self.psi <= greatest_psi(self.theta, self.rho) * (1.0 + _ROUNDING)

    def lies_above(self, earlier: SSVIParams) -> bool:
        """Return whether the slice exceeds an earlier one at every strike, by a sufficient condition.

        Both wings as steep, variance at the money as great, and phi not greater than the earlier slice's.

        References
        ----------
        S. Hendriks, C. Martini (2019), proposition 3.5.
        """
        steeper = wing_ratio(earlier.rho, self.rho) * earlier.psi
        return (
            self.theta >= earlier.theta * (1.0 - _ROUNDING)
            and self.psi >= steeper * (1.0 - _ROUNDING)
            and self.psi * earlier.theta <= earlier.psi * self.theta * (1.0 + _ROUNDING)
        )

    def to_raw(self) -> SVIParams:
        """Return the same smile in raw SVI parameters.

        Raises
        ------
        ValueError
            If psi is zero, or so far from theta that the vertex is beyond doubles: a flat smile has none.
        """
        across = float(np.sqrt((1.0 - self.rho) * (1.0 + self.rho)))
        if not (0.0 < self.phi < np.inf and 0.0 < across / self.phi < np.inf and 1.0 / self.phi < np.inf):
            raise ValueError(f"psi: with {self.psi}, a flat smile, raw parameters are not determined")
        a = 0.5 * self.theta * across * across
        return SVIParams(a, 0.5 * self.psi, self.rho, -self.rho / self.phi, across / self.phi)


@np.errstate(all="ignore")
def greatest_psi(theta: float, rho: float) -> float:
    """Return the greatest psi that is free of butterfly arbitrage for certain (theorem 4.2)."""
    room = 4.0 / (1.0 + abs(rho))
    return min(room, float(np.sqrt(room * theta)))


def wing_ratio(earlier_rho: float, rho: float) -> float:
    """Return by how much psi must rise at least for neither wing to flatten; at least 1."""
    if not (-1.0 < rho < 1.0 and -1.0 < earlier_rho < 1.0):
        raise ValueError(f"earlier_rho, rho: must lie inside (-1, 1), got {earlier_rho}, {rho}")
    return max((1.0 + earlier_rho) / (1.0 + rho), (1.0 - earlier_rho) / (1.0 - rho))


@dataclass(frozen=True, slots=True)
class PowerLaw:
    """SSVI: one correlation, and ``phi(theta) = eta / (theta^gamma (1 + theta)^(1 - gamma))`` (eq. 4.5).

    Attributes
    ----------
    rho : float
        Correlation of all slices, inside (-1, 1).
    eta : float
        Positive, with ``eta (1 + abs(rho)) <= 2``: free of arbitrage for every increasing theta.
    gamma : float
        In (0, 1/2].

    Raises
    ------
    ValueError
        If a parameter is outside its range, naming it.
    """

    rho: float
    eta: float
    gamma: float

    def __post_init__(self) -> None:
        if not -1.0 < self.rho < 1.0:
            raise ValueError(f"rho: must lie inside (-1, 1), got {self.rho}")
        if not 0.0 < self.eta * (1.0 + abs(self.rho)) <= 2.0:
            raise ValueError(f"eta: must be positive and eta (1 + abs(rho)) at most 2, got {self.eta}")
        if not 0.0 < self.gamma <= 0.5:
            raise ValueError(f"gamma: must lie in (0, 1/2], got {self.gamma}")

    def slice(self, theta: float) -> SSVIParams:
        """Return the slice with total variance `theta` at the money; ValueError unless that is positive."""
        if not 0.0 < theta < np.inf:
            raise ValueError(f"theta: must be finite and positive, got {theta}")
        phi = self.eta / (theta**self.gamma * (1.0 + theta) ** (1.0 - self.gamma))
        return SSVIParams(theta, self.rho, theta * phi)


@dataclass(frozen=True, slots=True)
class ESSVI:
    """Slices of one underlying by expiry.

    Attributes
    ----------
    slices : tuple of Smile
        By increasing tau, each with :class:`SSVIParams`.
    """

    slices: tuple[Smile, ...]

    def surface(self, forwards: ArrayLike = 1.0) -> VolSurface:
        """Return the surface between and around the slices, `forwards` one for each or one for all."""
        given = floats("forwards", forwards)
        if given.shape not in ((), (1,), (len(self.slices),)):
            raise ValueError(f"forwards: expected one or {len(self.slices)}, got shape {given.shape}")
        each = np.broadcast_to(given, (len(self.slices),))
        return VolSurface(self.slices, each.tolist())
