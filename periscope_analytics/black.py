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

import numpy as np
from numpy.typing import ArrayLike, NDArray

from periscope_analytics.arguments import columns, floats, not_negative
from periscope_analytics.kernels.black import greeks_many, price_many

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
        is_call, forward=forward, strike=strike, tau=tau, vol=vol, discount=discount
    )
    out = np.empty(f.size)
    with np.errstate(all="ignore"):
        price_many(f, k, t, v, call, d, out)
    return out.reshape(shape)


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
    t, d = floats("tau", tau), floats("discount", discount)
    with np.errstate(all="ignore"):
        rate = np.where(t > 0.0, -np.log(d) / t, 0.0)
    return _greeks_at_rate(forward, strike, t, vol, is_call, d, rate)


def _greeks_at_rate(
    forward: ArrayLike,
    strike: ArrayLike,
    tau: ArrayLike,
    vol: ArrayLike,
    is_call: ArrayLike,
    discount: ArrayLike,
    rate: ArrayLike,
) -> Greeks:
    shape, call, (f, k, t, v, d, r) = columns(
        is_call, forward=forward, strike=strike, tau=tau, vol=vol, discount=discount, rate=rate
    )
    out = np.empty((8, f.size))
    with np.errstate(all="ignore"):
        greeks_many(f, k, t, v, call, d, r, out)
    return Greeks(*(row.reshape(shape) for row in out))


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
    t = floats("tau", tau)
    not_negative("tau", t)
    r, q = floats("rate", rate), floats("dividend_yield", dividend_yield)
    with np.errstate(all="ignore"):
        forward = floats("spot", spot) * np.exp((r - q) * t)
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
    t = floats("tau", tau)
    not_negative("tau", t)
    r, q = floats("rate", rate), floats("dividend_yield", dividend_yield)
    with np.errstate(all="ignore"):
        growth = np.exp((r - q) * t)
        forward = floats("spot", spot) * growth
        g = _greeks_at_rate(forward, strike, t, vol, is_call, np.exp(-r * t), r)
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
