"""Implied vol of European options: price in, vol and status out.

What belongs here: the inversion of Black-76, per element. What does not: American implied vols
(``american``), fits.

References
----------
P. Jaeckel (2015), "Let's be rational", Wilmott 75 (the normalised function, and objectives per region);
D. Stefanica, R. Radoicic (2017), "An explicit implied volatility formula", IJTAF 20(7) (the guess).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from periscope_analytics.arguments import columns
from periscope_analytics.kernels.black import implied_many
from periscope_analytics.kernels.implied_lanes import BLOCK, implied_lanes
from periscope_analytics.threads import in_parts


class ImpliedVol(NamedTuple):
    """Vols and why they are absent.

    Attributes
    ----------
    sigma : ndarray of float
        Decimal; NaN exactly where `status` is not OK.
    status : ndarray of int8
        Codes of :class:`~periscope_analytics.errors.Status`, of the same shape.
    """

    sigma: NDArray[np.float64]
    status: NDArray[np.int8]


def implied_vol(
    price: ArrayLike,
    forward: ArrayLike,
    strike: ArrayLike,
    tau: ArrayLike,
    is_call: ArrayLike,
    discount: ArrayLike = 1.0,
) -> ImpliedVol:
    """Return the Black-76 vol of each price, to machine precision of the price's conditioning.

    Parameters
    ----------
    price : array_like
        Discounted price, in the units of the forward.
    forward, strike : array_like
    tau : array_like
        Years to expiry.
    is_call : array_like of bool
    discount : array_like
        Discount factor to expiry.

    Returns
    -------
    ImpliedVol
        Status per element: OK; INVALID_VALUE (NaN, infinite, or a forward, strike or discount that is not
        positive); EXPIRED (tau = 0); BELOW_INTRINSIC; AT_EXERCISE (the price equals the intrinsic value,
        zero included: no time value); ABOVE_MAXIMUM (at or above the discounted forward for a call, strike
        for a put); NOT_CONVERGED.

    Raises
    ------
    ValueError
        If tau is negative, `is_call` is not boolean, or shapes do not broadcast.
    """
    shape, call, (p, f, k, t, d) = columns(
        is_call, tile=BLOCK, price=price, forward=forward, strike=strike, tau=tau, discount=discount
    )
    n = call.size
    sigma, rare = np.empty(n), np.zeros(n, dtype=np.bool_)
    status = np.zeros(n, dtype=np.int8)  # Status.OK is 0; np.full takes eight times as long

    def part(begin: int, end: int) -> int:
        return int(implied_lanes(p, f, k, t, call, d, sigma, rare, begin, end))

    with np.errstate(all="ignore"):
        if in_parts(part, n):
            at = np.flatnonzero(rare)
            vols, codes = np.empty(at.size), np.empty(at.size, dtype=np.int8)
            p_at, f_at, k_at, t_at, d_at = (column[at % column.size] for column in (p, f, k, t, d))
            implied_many(p_at, f_at, k_at, t_at, call[at], d_at, vols, codes)
            sigma[at], status[at] = vols, codes
    return ImpliedVol(sigma.reshape(shape), status.reshape(shape))
