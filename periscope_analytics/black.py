"""Black-76 and Black-Scholes-Merton prices and greeks, vectorised.

What belongs here: European values under lognormal dynamics. What does not: implied vols (``implied_vol``),
early exercise (``american``), smiles.

Conventions, stated once for the package. `tau` in years ACT/365F; `vol` and rates as decimals; vega, volga
and rho per 1.00 (not per point); theta per calendar day, the change of value as time passes. Black greeks
are derivatives with the forward F held, so delta is discount x Phi(d1) and rho is -tau x price; theta holds
r = -ln(discount) / tau. Black-Scholes-Merton greeks are derivatives with the spot held.

An element with a forward, strike or discount that is not finite and positive, a vol that is negative or not
finite, or a NaN, has the price NaN. At tau = 0 the price is the intrinsic value, whatever the vol.

References
----------
F. Black (1976), "The pricing of commodity contracts", J. Financial Economics 3, eq. (16);
E. G. Haug (1998), "The Complete Guide to Option Pricing Formulas", ch. 1.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from periscope_analytics.arguments import Flags, Floats, columns, not_negative, together
from periscope_analytics.kernels.black import greeks_many
from periscope_analytics.kernels.black_lanes import BLOCK, greeks_lanes
from periscope_analytics.threads import in_parts

DAYS_PER_YEAR = 365.0


@dataclass(frozen=True, slots=True, eq=False)
class Greeks:
    """Price and derivatives, arrays of one shape.

    Attributes
    ----------
    price : ndarray
        Discounted value, in the units of the forward.
    delta, gamma : ndarray
        First and second derivative in the forward (spot for Black-Scholes-Merton).
    vega, volga : ndarray
        First and second derivative in vol, per 1.00 of vol.
    theta : ndarray
        Change of value per calendar day that passes.
    rho : ndarray
        Derivative in the rate, per 1.00.
    vanna : ndarray
        Derivative of delta in vol.
    """

    price: NDArray[np.float64]
    delta: NDArray[np.float64]
    gamma: NDArray[np.float64]
    vega: NDArray[np.float64]
    theta: NDArray[np.float64]
    rho: NDArray[np.float64]
    vanna: NDArray[np.float64]
    volga: NDArray[np.float64]


class FirstGreeks(NamedTuple):
    """Price and first derivatives, and gamma; the attributes of :class:`Greeks` of the same names."""

    price: NDArray[np.float64]
    delta: NDArray[np.float64]
    gamma: NDArray[np.float64]
    vega: NDArray[np.float64]
    theta: NDArray[np.float64]
    rho: NDArray[np.float64]


def price(
    forward: ArrayLike,
    strike: ArrayLike,
    tau: ArrayLike,
    vol: ArrayLike,
    is_call: ArrayLike,
    discount: ArrayLike = 1.0,
) -> NDArray[np.float64]:
    """Return Black-76 prices.

    Parameters
    ----------
    forward, strike : array_like
        In one currency unit.
    tau : array_like
        Years to expiry.
    vol : array_like
        Decimal.
    is_call : array_like of bool
    discount : array_like
        Discount factor to expiry.

    Returns
    -------
    ndarray
        Discounted price, of the broadcast shape; NaN where an input is out of range. Relative accuracy is
        that of the out-of-the-money value's conditioning, down to the smallest double.

    Raises
    ------
    ValueError
        If tau is negative, `is_call` is not boolean, or shapes do not broadcast.
    """
    shape, call, (f, k, t, v, d) = columns(
        is_call, tile=BLOCK, forward=forward, strike=strike, tau=tau, vol=vol, discount=discount
    )
    out: Floats = _rows(1, f, k, t, v, call, d, np.empty(0))[0].reshape(shape)
    return out


def greeks(
    forward: ArrayLike,
    strike: ArrayLike,
    tau: ArrayLike,
    vol: ArrayLike,
    is_call: ArrayLike,
    discount: ArrayLike = 1.0,
) -> Greeks:
    """Return the Black-76 price and its derivatives with the forward held.

    Parameters and errors are those of :func:`price`. At zero total vol the limits are returned: delta steps
    (one half at F = K) and gamma is infinite at F = K. At tau = 0, where the discount tells no rate, theta
    takes it as zero.
    """
    shape, call, (f, k, t, v, d) = columns(
        is_call, tile=BLOCK, forward=forward, strike=strike, tau=tau, vol=vol, discount=discount
    )
    return Greeks(*(row.reshape(shape) for row in _rows(8, f, k, t, v, call, d, np.empty(0))))


def first_greeks(
    forward: ArrayLike,
    strike: ArrayLike,
    tau: ArrayLike,
    vol: ArrayLike,
    is_call: ArrayLike,
    discount: ArrayLike = 1.0,
) -> FirstGreeks:
    """Return :func:`greeks` without vanna and volga, in less time."""
    shape, call, (f, k, t, v, d) = columns(
        is_call, tile=BLOCK, forward=forward, strike=strike, tau=tau, vol=vol, discount=discount
    )
    return FirstGreeks(*(row.reshape(shape) for row in _rows(6, f, k, t, v, call, d, np.empty(0))))


def _rows(
    n_rows: int, f: Floats, k: Floats, t: Floats, v: Floats, call: Flags, d: Floats, rate: Floats
) -> Floats:
    """Return price, or price and derivatives, as rows; an empty `rate` means -ln(discount) / tau."""
    n = call.size
    out, rare = np.empty((n_rows, n)), np.zeros(n, dtype=np.bool_)

    def part(begin: int, end: int) -> int:
        return int(greeks_lanes(f, k, t, v, call, d, rate, out, rare, begin, end))

    with np.errstate(all="ignore"):
        if in_parts(part, n):
            at = np.flatnonzero(rare)
            f_at, k_at, t_at, v_at, d_at = (column[at % column.size] for column in (f, k, t, v, d))
            r_at = rate[at % rate.size] if rate.size else np.where(t_at > 0.0, -np.log(d_at) / t_at, 0.0)
            exact = np.empty((8, at.size))
            greeks_many(f_at, k_at, t_at, v_at, call[at], d_at, r_at, exact)
            out[:, at] = exact[:n_rows]
    return out


def bsm_price(
    spot: ArrayLike,
    strike: ArrayLike,
    tau: ArrayLike,
    rate: ArrayLike,
    dividend_yield: ArrayLike,
    vol: ArrayLike,
    is_call: ArrayLike,
) -> NDArray[np.float64]:
    """Return Black-Scholes-Merton prices with continuous rate and dividend yield.

    Parameters
    ----------
    spot, strike : array_like
    tau : array_like
        Years to expiry.
    rate, dividend_yield : array_like
        Continuously compounded, decimal.
    vol : array_like
        Decimal.
    is_call : array_like of bool

    Raises
    ------
    ValueError
        As :func:`price`.
    """
    s, t, r, q = together(spot=spot, tau=tau, rate=rate, dividend_yield=dividend_yield)
    not_negative("tau", t)
    with np.errstate(all="ignore"):
        forward = s * np.exp((r - q) * t)
        discount = np.exp(-r * t)
    return price(forward, strike, t, vol, is_call, discount)


def bsm_greeks(
    spot: ArrayLike,
    strike: ArrayLike,
    tau: ArrayLike,
    rate: ArrayLike,
    dividend_yield: ArrayLike,
    vol: ArrayLike,
    is_call: ArrayLike,
) -> Greeks:
    """Return the Black-Scholes-Merton price and its derivatives with the spot held.

    Parameters and errors are those of :func:`bsm_price`. Rho holds the dividend yield; theta holds both
    rates.

    References
    ----------
    Haug (1998), ch. 1.3.
    """
    s, t, r, q = together(spot=spot, tau=tau, rate=rate, dividend_yield=dividend_yield)
    not_negative("tau", t)
    with np.errstate(all="ignore"):
        growth = np.exp((r - q) * t)
        forward = s * growth
        shape, call, (f, k, t_each, v, d, r_each) = columns(
            is_call, forward=forward, strike=strike, tau=t, vol=vol, discount=np.exp(-r * t), rate=r
        )
        g = Greeks(*(row.reshape(shape) for row in _rows(8, f, k, t_each, v, call, d, r_each)))
        held = g.delta * forward
        values = (
            g.price,
            g.delta * growth,
            g.gamma * growth * growth,
            g.vega,
            g.theta - held * (r - q) / DAYS_PER_YEAR,
            g.rho + t * held,
            g.vanna * growth,
            g.volga,
        )
    return Greeks(*(np.asarray(value) for value in values))
