"""Heston's stochastic-volatility model: parameters, European prices, implied vols.

What belongs here: broadcasting, grouping by maturity, units. What does not: quadrature (``kernels.heston``)
and the fit (``calibration.heston``).

``dF/F = sqrt(v) dW``, ``dv = kappa (theta - v) dt + sigma sqrt(v) dZ``, ``d<W, Z> = rho dt``.

References
----------
S. Heston (1993), "A closed-form solution for options with stochastic volatility", RFS 6(2); A. Lewis (2001),
"A simple option formula for general jump-diffusion and other exponential Levy processes"; S. Boyarchenko, S.
Levendorskii (2019), "Sinh-acceleration", IJTAF 22(3).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from periscope_analytics.arguments import columns, together
from periscope_analytics.errors import Status
from periscope_analytics.implied_vol import implied_vol as black_implied_vol
from periscope_analytics.kernels.heston import prices
from periscope_analytics.kernels.heston_lanes import prices_lanes

Floats = NDArray[np.float64]

DEFAULT_TOLERANCE = 1e-8
VOL_TOLERANCE = 1e-13
FURTHEST_LOG_MONEYNESS = 200.0


@dataclass(frozen=True, slots=True)
class HestonParams:
    """Parameters of the Heston model.

    Attributes
    ----------
    v0 : float
        Initial variance, per year.
    kappa : float
        Speed of mean reversion, per year; positive.
    theta : float
        Long-run variance, per year.
    sigma : float
        Vol of variance; 0 is the deterministic limit.
    rho : float
        Correlation of the forward and its variance, in [-1, 1].

    Raises
    ------
    ValueError
        If a parameter is outside its range or not finite, naming it.
    """

    v0: float
    kappa: float
    theta: float
    sigma: float
    rho: float

    def __post_init__(self) -> None:
        for name in ("v0", "theta", "sigma"):
            if not 0.0 <= getattr(self, name) < np.inf:
                raise ValueError(f"{name}: must be finite and not negative, got {getattr(self, name)}")
        if not 0.0 < self.kappa < np.inf:
            raise ValueError(f"kappa: must be finite and positive, got {self.kappa}")
        if not -1.0 <= self.rho <= 1.0:
            raise ValueError(f"rho: must lie in [-1, 1], got {self.rho}")

    @property
    def feller_satisfied(self) -> bool:
        """Whether ``2 kappa theta >= sigma^2``, so that the variance never reaches zero."""
        return 2.0 * self.kappa * self.theta >= self.sigma * self.sigma

    def price(
        self,
        forward: ArrayLike,
        strike: ArrayLike,
        tau: ArrayLike,
        is_call: ArrayLike,
        discount: ArrayLike = 1.0,
        tolerance: float = DEFAULT_TOLERANCE,
    ) -> Floats:
        """Return European prices.

        Parameters
        ----------
        forward, strike : array_like
            In one currency unit.
        tau : array_like
            Years to expiry.
        is_call : array_like of bool
        discount : array_like
            Discount factor to expiry.
        tolerance : float
            Absolute error aimed at, as a share of the forward, in [1e-14, 1e-3]. Where rounding forbids it
            (a correlation of +-1 at the edge of the distribution), 1e-8 is kept.

        Returns
        -------
        ndarray
            Discounted price, of the broadcast shape; NaN where a market value is not finite and positive, or
            a strike lies beyond ``|ln(K/F)| = 200``.

        Raises
        ------
        ValueError
            If tau is negative, `tolerance` is out of range, `is_call` is not boolean, or shapes do not
            broadcast.
        """
        if not 1e-14 <= tolerance <= 1e-3:
            raise ValueError(f"tolerance: must lie in [1e-14, 1e-3], got {tolerance}")
        shape, call, (f, strikes, t, d) = columns(
            is_call, tile=1, forward=forward, strike=strike, tau=tau, discount=discount
        )
        with np.errstate(all="ignore"):
            k = np.log(strikes) - np.log(f)
        known = (np.abs(k) <= FURTHEST_LOG_MONEYNESS) & (t < np.inf)
        known = known & (f > 0.0) & (f < np.inf) & (d > 0.0) & (d < np.inf)
        values = np.array([self.v0, self.kappa, self.theta, self.sigma, self.rho])
        k, t = (column if column.size == call.size else np.repeat(column, call.size) for column in (k, t))
        if known.all():
            calls, puts, _ = forward_values(values, k, t, tolerance)
        else:
            at = np.flatnonzero(np.broadcast_to(known, call.shape))
            calls, puts = np.full(call.size, np.nan), np.full(call.size, np.nan)
            calls[at], puts[at], _ = forward_values(values, k[at], t[at], tolerance)
        with np.errstate(all="ignore"):
            return (np.where(call, calls, puts) * f * d).reshape(shape)

    def implied_vol(self, forward: ArrayLike, strike: ArrayLike, tau: ArrayLike) -> Floats:
        """Return the Black vols of the model's prices.

        Parameters
        ----------
        forward, strike, tau : array_like
            As in :meth:`price`.

        Returns
        -------
        ndarray
            Decimal, of the broadcast shape; NaN where there is none: at tau = 0, where a market value is not
            finite and positive, and so far out that the out-of-the-money value is below about 1e-13 of the
            forward.
        """
        f, strikes, _ = together(forward=forward, strike=strike, tau=tau)
        is_call = strikes > f
        value = self.price(f, strikes, tau, is_call, tolerance=VOL_TOLERANCE)
        resolved = np.where(value > VOL_TOLERANCE * f, value, np.nan)
        sigma, status = black_implied_vol(resolved, f, strikes, tau, is_call)
        return np.where(status == Status.OK, sigma, np.nan)


def forward_values(
    params: Floats, k: Floats, tau: Floats, tolerance: float, gradient: bool = False
) -> tuple[Floats, Floats, Floats]:
    """Return call and put values over the forward, and their common gradient by the parameters.

    Parameters
    ----------
    params : ndarray, shape (5,)
        v0, kappa, theta, sigma, rho, in range.
    k : ndarray, shape (n,)
        ln(strike / forward).
    tau : ndarray, shape (n,)
        Years, not negative.
    tolerance : float
        As in :meth:`HestonParams.price`.
    gradient : bool
        Whether to compute the third result; it has no rows otherwise.

    Returns
    -------
    call, put : ndarray, shape (n,)
        NaN where the quadrature did not converge.
    gradient : ndarray, shape (5, n) or (0, n)
    """
    if not bool((tau[1:] >= tau[:-1]).all()):
        order = np.argsort(tau, kind="stable")
        back = np.empty_like(order)
        back[order] = np.arange(order.size)
        call, put, slopes = forward_values(params, k[order], tau[order], tolerance, gradient)
        return call[back], put[back], slopes[:, back]
    edges = maturity_edges(tau)
    call, put = np.empty(k.size), np.empty(k.size)
    slopes = np.zeros((5 if gradient else 0, k.size))
    fill_values(params, k, edges, tau[edges[:-1]], tolerance, call, put, slopes)
    return call, put, slopes


def maturity_edges(tau: Floats) -> NDArray[np.int64]:
    """Return where each maturity of a rising column begins, and at last its length."""
    if tau.size == 0:
        return np.zeros(1, dtype=np.int64)
    ends = np.empty(tau.size, dtype=np.bool_)
    np.not_equal(tau[1:], tau[:-1], out=ends[:-1])
    ends[-1] = True
    edges = np.zeros(np.count_nonzero(ends) + 1, dtype=np.int64)
    edges[1:] = np.flatnonzero(ends) + 1
    return edges


def fill_values(
    params: Floats,
    k: Floats,
    edges: NDArray[np.int64],
    tau: Floats,
    tolerance: float,
    call: Floats,
    put: Floats,
    gradient: Floats,
) -> None:
    """Fill what ``kernels.heston.prices`` does, by vector registers where they will do."""
    rare = np.zeros(tau.size, dtype=np.bool_)
    if prices_lanes(k, edges, tau, params, tolerance, call, put, gradient, rare):
        for i in np.flatnonzero(rare):
            at = slice(edges[i], edges[i + 1])
            whole = np.array([0, at.stop - at.start])
            prices(k[at], whole, tau[i : i + 1], params, tolerance, call[at], put[at], gradient[:, at])
