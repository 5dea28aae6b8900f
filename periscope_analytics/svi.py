"""Raw SVI, the stochastic-volatility-inspired smile of one expiry.

What belongs here: parameters, evaluation, the natural and the jump-wing chart. What does not: fits
(``calibration.svi``), several expiries (``surface``), certificates (``arbitrage``).

``w(k) = a + b (rho (k - m) + sqrt((k - m)^2 + sigma^2))`` with ``k = ln(K/F)`` and total variance ``w = iv^2
tau``.

References
----------
J. Gatheral, A. Jacquier (2014), "Arbitrage-free SVI volatility surfaces", Quantitative Finance 14(1): eqs.
2.1 (g), 3.1 (raw), 3.2 (natural), 3.5 (jump wings), lemmas 3.1, 3.2.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from periscope_analytics.arguments import floats, together

Floats = NDArray[np.float64]
_INFINITY = float("inf")


class JumpWings(NamedTuple):
    """The jump-wing chart of an SVI smile: ATM variance, ATM skew, put and call wing, least variance."""

    v: float
    psi: float
    p: float
    c: float
    v_tilde: float


class Natural(NamedTuple):
    """The natural chart: level, vertex, tilt, scale of variance and of log-moneyness (eq. 3.2).

    ``w(k) = delta + omega / 2 (1 + zeta rho (k - mu) + sqrt((zeta (k - mu) + rho)^2 + 1 - rho^2))``
    """

    delta: float
    mu: float
    rho: float
    omega: float
    zeta: float


@dataclass(frozen=True, slots=True)
class SVIParams:
    """Raw SVI parameters of one expiry.

    Attributes
    ----------
    a : float
        Level, in total variance.
    b : float
        Mean slope of the wings; not negative.
    rho : float
        Tilt, in [-1, 1].
    m : float
        Position of the vertex, log-moneyness.
    sigma : float
        Roundness of the vertex, log-moneyness; positive.

    Raises
    ------
    ValueError
        If a parameter is outside its range or not finite, naming it.
    """

    a: float
    b: float
    rho: float
    m: float
    sigma: float

    def __post_init__(self) -> None:
        if not -_INFINITY < self.a < _INFINITY:
            raise ValueError(f"a: must be finite, got {self.a}")
        if not -_INFINITY < self.m < _INFINITY:
            raise ValueError(f"m: must be finite, got {self.m}")
        if not 0.0 <= self.b < _INFINITY:
            raise ValueError(f"b: must be finite and not negative, got {self.b}")
        if not -1.0 <= self.rho <= 1.0:
            raise ValueError(f"rho: must lie in [-1, 1], got {self.rho}")
        if not 0.0 < self.sigma < _INFINITY:
            raise ValueError(f"sigma: must be finite and positive, got {self.sigma}")

    @np.errstate(all="ignore")
    def total_variance(self, k: ArrayLike) -> Floats:
        """Return total variance at log-moneyness `k`."""
        s = floats("k", k) - self.m
        return np.asarray(self.a + self.b * (self.rho * s + np.hypot(s, self.sigma)))

    @np.errstate(all="ignore")
    def derivatives(self, k: ArrayLike) -> tuple[Floats, Floats]:
        """Return the first and second derivative of total variance in `k`."""
        s = floats("k", k) - self.m
        root = np.hypot(s, self.sigma)
        return (
            np.asarray(self.b * (self.rho + s / root)),
            np.asarray(self.b * self.sigma / root * (self.sigma / root) / root),
        )

    @np.errstate(all="ignore")
    def iv(self, k: ArrayLike, tau: ArrayLike) -> Floats:
        """Return implied vols.

        Parameters
        ----------
        k : array_like
            Log-moneyness.
        tau : array_like
            Years of this smile's expiry, positive.

        Returns
        -------
        ndarray
            Decimal, of the broadcast shape; NaN where total variance is negative.

        Raises
        ------
        ValueError
            If `tau` is not positive or shapes do not broadcast.
        """
        at, years = together(k=k, tau=tau)
        if np.any(years <= 0.0):
            raise ValueError("tau: must be positive")
        w = self.total_variance(at)
        return np.asarray(np.sqrt(np.where(w >= 0.0, w, np.nan) / years))

    @np.errstate(all="ignore")
    def g(self, k: ArrayLike) -> Floats:
        """Return Gatheral and Jacquier's g (eq. 2.1), of the density's sign; NaN where w is not positive."""
        x, w = floats("k", k), self.total_variance(k)
        w = np.where(w > 0.0, w, np.nan)
        w1, w2 = self.derivatives(k)
        return np.asarray((1.0 - 0.5 * x * w1 / w) ** 2 - 0.25 * w1**2 * (1.0 / w + 0.25) + 0.5 * w2)

    @property
    def left_slope(self) -> float:
        """Slope of total variance as k goes to minus infinity, by magnitude; at most 2 (Lee 2004)."""
        return self.b * (1.0 - self.rho)

    @property
    def right_slope(self) -> float:
        """Slope of total variance as k goes to infinity; at most 2 (Lee 2004)."""
        return self.b * (1.0 + self.rho)

    @property
    def least_variance(self) -> float:
        """Least total variance over all strikes."""
        return self.a + self.b * self.sigma * float(np.sqrt(1.0 - self.rho**2))

    def to_natural(self) -> Natural:
        """Return the natural chart (lemma 3.1).

        Raises
        ------
        ValueError
            If rho is -1 or 1: a one-sided smile has no natural parameters.
        """
        across = float(np.sqrt((1.0 - self.rho) * (1.0 + self.rho)))
        if across == 0.0:
            raise ValueError(f"rho: natural parameters need it inside (-1, 1), got {self.rho}")
        omega = 2.0 * self.b * self.sigma / across
        mu = self.m + self.rho * self.sigma / across
        return Natural(self.a - 0.5 * omega * across**2, mu, self.rho, omega, across / self.sigma)

    @classmethod
    def from_natural(cls, delta: float, mu: float, rho: float, omega: float, zeta: float) -> SVIParams:
        """Return raw parameters from the natural chart (lemma 3.1).

        Parameters
        ----------
        delta : float
            Level, in total variance.
        mu : float
            Log-moneyness at which the tilted smile has the value ``delta + omega``.
        rho : float
            Tilt, inside (-1, 1).
        omega : float
            Scale of total variance, not negative.
        zeta : float
            Scale of log-moneyness, positive.

        Raises
        ------
        ValueError
            If a parameter is outside its range, naming it.
        """
        if not -1.0 < rho < 1.0:
            raise ValueError(f"rho: must lie inside (-1, 1), got {rho}")
        if not (0.0 <= omega < np.inf and 0.0 < zeta < np.inf):
            raise ValueError(f"omega, zeta: expected omega >= 0 and zeta > 0, got {omega}, {zeta}")
        square = (1.0 - rho) * (1.0 + rho)
        a, sigma = delta + 0.5 * omega * square, float(np.sqrt(square)) / zeta
        return cls(a, 0.5 * omega * zeta, rho, mu - rho / zeta, sigma)

    def to_jump_wings(self, tau: float) -> JumpWings:
        """Return the jump-wing chart (eq. 3.5).

        Raises
        ------
        ValueError
            If `tau` is not positive, or total variance at the money is not.
        """
        w = float(self.total_variance(0.0))
        if not tau > 0.0:
            raise ValueError(f"tau: must be positive, got {tau}")
        if not w > 0.0:
            raise ValueError(f"a: total variance at the money is {w}, and jump wings need it positive")
        root = float(np.sqrt(w))
        psi = 0.5 * self.b / root * (self.rho - self.m / float(np.hypot(self.m, self.sigma)))
        return JumpWings(
            w / tau, psi, self.left_slope / root, self.right_slope / root, self.least_variance / tau
        )

    @classmethod
    def from_jump_wings(
        cls, v: float, psi: float, p: float, c: float, v_tilde: float, tau: float
    ) -> SVIParams:
        """Return raw parameters from the jump-wing chart (lemma 3.2).

        Parameters
        ----------
        v : float
            ATM variance per year.
        psi : float
            ATM skew.
        p, c : float
            Slopes of the put and the call wing, in root ATM total variance.
        v_tilde : float
            Least variance per year.
        tau : float
            Years.

        Raises
        ------
        ValueError
            If no raw smile has these jump wings, naming what is wrong.
        """
        if not (tau > 0.0 and v > 0.0):
            raise ValueError(f"v, tau: must be positive, got {v}, {tau}")
        if not (p >= 0.0 and c >= 0.0 and p + c > 0.0):
            raise ValueError(f"p, c: must not be negative, nor both zero, got {p}, {c}")
        if v_tilde > v:
            raise ValueError(f"v_tilde: the least variance {v_tilde} exceeds that at the money, {v}")
        root = float(np.sqrt(v * tau))
        b = 0.5 * root * (c + p)
        if not 0.0 < b < np.inf:
            raise ValueError(f"p, c: with v tau = {v * tau} the slopes are beyond doubles")
        rho = 1.0 - p * root / b
        beta = rho - 2.0 * psi * root / b
        if not -1.0 <= beta <= 1.0:
            raise ValueError(f"psi: the skew {psi} is steeper than the wings {p}, {c} allow")
        a, m, sigma = _vertex(b, rho, beta, v * tau, v_tilde * tau)
        return cls(a, b, rho, m, sigma)


def _vertex(b: float, rho: float, beta: float, w: float, least: float) -> tuple[float, float, float]:
    """Return a, m, sigma from ``beta = m / sqrt(m^2 + sigma^2)`` and the variances at and below the money."""
    bend = float(np.sqrt(1.0 - rho * rho))
    across = float(np.sqrt(1.0 - beta * beta))
    # sigma = across * r and m = beta * r for r = sqrt(m^2 + sigma^2), so no division by m is needed.
    gap = b * (1.0 - rho * beta - bend * across)
    if not gap > 0.0:
        raise ValueError("v_tilde: the vertex lies at the money, so the least variance does not tell sigma")
    radius = (w - least) / gap
    if not (radius > 0.0 and across > 0.0):
        raise ValueError("v_tilde: the smile degenerates to two lines")
    sigma = across * radius
    return least - b * sigma * bend, beta * radius, sigma


@np.errstate(all="ignore")
def total_variances(parameters: Floats, k: Floats) -> tuple[Floats, Floats, Floats]:
    """Return total variance of many smiles, and its first and second derivative in k.

    Parameters
    ----------
    parameters : ndarray, shape (5, ...)
        a, b, rho, m, sigma; the rest of the shape broadcasts against `k`.
    k : ndarray
        Log-moneyness.
    """
    a, b, rho, m, sigma = parameters
    s = k - m
    root = np.hypot(s, sigma)
    w = a + b * (rho * s + root)
    return w, b * (rho + s / root), b * sigma / root * (sigma / root) / root
