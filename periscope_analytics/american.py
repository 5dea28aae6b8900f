"""American options: price, implied vol and early-exercise premium.

What belongs here: early exercise under lognormal dynamics with a continuous yield and discrete cash
dividends. What does not: European values (``black``), forwards of American chains (``forward``).

Method. European value in closed form plus the early-exercise premium of a Leisen-Reimer tree, both premium
terms on the same tree, so that most of its error cancels. Cash dividends are escrowed: the spot less the
present value of the dividends due before expiry is lognormal with the vol asked for, and exercise takes
that process plus the value of the dividends still to come. Exercise is allowed at every level and just
before (call) or after (put) each dividend.

References
----------
D. Leisen, M. Reimer (1996), "Binomial models for option valuation: examining and improving convergence",
Applied Mathematical Finance 3; R. Geske, R. Roll, R. Whaley (1977-81) for escrowed dividends; T.
Chandrupatla (1997), "A new hybrid quadratic/bisection algorithm", Advances in Engineering Software 28(3).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from periscope_analytics.arguments import Floats, columns, floats
from periscope_analytics.black import bsm_price
from periscope_analytics.implied_vol import ImpliedVol
from periscope_analytics.implied_vol import implied_vol as european_vol
from periscope_analytics.kernels.american import implied_many, price_many

N_STEPS = 201
Dividends = Sequence[ArrayLike] | NDArray[np.float64]


def price(
    spot: ArrayLike,
    strike: ArrayLike,
    tau: ArrayLike,
    rate: ArrayLike,
    dividend_yield: ArrayLike,
    vol: ArrayLike,
    is_call: ArrayLike,
    dividends: Dividends | None = None,
) -> NDArray[np.float64]:
    """Return American prices.

    Parameters
    ----------
    spot, strike : array_like
    tau : array_like
        Years to expiry.
    rate, dividend_yield : array_like
        Continuously compounded, decimal, of either sign.
    vol : array_like
        Decimal.
    is_call : array_like of bool
    dividends : pair of array_like, shape (n,), optional
        Cash amounts, and times in years from now: for each the last instant at which exercise still
        collects it (the close before the ex-date). Times that are not positive, or at or after an option's
        expiry, do not matter to it. The schedule is shared by all elements.

    Returns
    -------
    ndarray
        Of the broadcast shape; NaN where an input is out of range, or dividends are worth more than the spot.

    Raises
    ------
    ValueError
        If tau is negative, `is_call` is not boolean, shapes do not broadcast, or `dividends` is not a pair
        of equally long finite columns with amounts that are not negative.
    """
    amounts, times = _schedule(dividends)
    shape, call, (s, k, t, r, q, v) = columns(
        is_call, spot=spot, strike=strike, tau=tau, rate=rate, dividend_yield=dividend_yield, vol=vol
    )
    out = np.empty(s.size)
    with np.errstate(all="ignore"):
        price_many(s, k, t, r, q, v, call, amounts, times, N_STEPS, out)
    return out.reshape(shape)


def implied_vol(
    price: ArrayLike,
    spot: ArrayLike,
    strike: ArrayLike,
    tau: ArrayLike,
    rate: ArrayLike,
    dividend_yield: ArrayLike,
    is_call: ArrayLike,
    dividends: Dividends | None = None,
) -> ImpliedVol:
    """Return the vol at which the American price equals each price.

    Parameters and errors are those of :func:`price`.

    Returns
    -------
    ImpliedVol
        Status per element: OK; INVALID_VALUE; EXPIRED (tau = 0); AT_EXERCISE (the price equals what
        immediate exercise pays, which no vol is needed for); BELOW_INTRINSIC (less than the best exercise
        at zero vol); ABOVE_MAXIMUM (at or above the value at infinite vol); NOT_CONVERGED.
    """
    amounts, times = _schedule(dividends)
    shape, call, (p, s, k, t, r, q) = columns(
        is_call, price=price, spot=spot, strike=strike, tau=tau, rate=rate, dividend_yield=dividend_yield
    )
    sigma, status = np.empty(p.size), np.empty(p.size, dtype=np.int8)
    with np.errstate(all="ignore"):
        base = s - escrowed(t, r, dividends)
        european = european_vol(p, base * np.exp((r - q) * t), k, t, call, np.exp(-r * t)).sigma
        guess = np.where(np.isfinite(european), european, 0.5)
        implied_many(p, guess, s, k, t, r, q, call, amounts, times, N_STEPS, sigma, status)
    return ImpliedVol(sigma.reshape(shape), status.reshape(shape))


def early_exercise_premium(
    spot: ArrayLike,
    strike: ArrayLike,
    tau: ArrayLike,
    rate: ArrayLike,
    dividend_yield: ArrayLike,
    vol: ArrayLike,
    is_call: ArrayLike,
    dividends: Dividends | None = None,
) -> NDArray[np.float64]:
    """Return the American minus the European price, both with escrowed dividends.

    Parameters, NaNs and errors are those of :func:`price`.
    """
    american = price(spot, strike, tau, rate, dividend_yield, vol, is_call, dividends)
    s, t, r = floats("spot", spot), floats("tau", tau), floats("rate", rate)
    with np.errstate(all="ignore"):
        base = s - escrowed(t, r, dividends)
    plain = bsm_price(base, strike, t, r, dividend_yield, vol, is_call)
    return np.asarray(np.maximum(american - plain, 0.0))


def escrowed(tau: ArrayLike, rate: ArrayLike, dividends: Dividends | None) -> NDArray[np.float64]:
    """Return the present value of the dividends due before each expiry; parameters as in :func:`price`."""
    amounts, times = _schedule(dividends)
    t, r = np.broadcast_arrays(floats("tau", tau), floats("rate", rate))
    due = (times > 0.0) & (times < t[..., None])
    with np.errstate(all="ignore"):
        return np.asarray(np.sum(np.where(due, amounts * np.exp(-r[..., None] * times), 0.0), axis=-1))


def _schedule(dividends: Dividends | None) -> tuple[Floats, Floats]:
    if dividends is None:
        return np.empty(0), np.empty(0)
    if len(dividends) != 2:
        raise ValueError("dividends: expected a pair of columns, amounts and times")
    amounts, times = (np.ascontiguousarray(floats("dividends", column)) for column in dividends)
    if amounts.ndim != 1 or amounts.shape != times.shape:
        raise ValueError("dividends: amounts and times must be columns of one length")
    if not (np.all(np.isfinite(amounts) & np.isfinite(times)) and np.all(amounts >= 0.0)):
        raise ValueError("dividends: amounts must be finite and not negative, times finite")
    return amounts, times
