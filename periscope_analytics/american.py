"""American options: price, implied vol and early-exercise premium.

What belongs here: early exercise under lognormal dynamics with a continuous yield and discrete cash
dividends. What does not: European values (``black``), forwards of American chains (``forward``).

Method. Without cash dividends: the exercise boundary as a fixed point (Andersen, Lake, Offengenden), to
2e-7 of the strike; where it is never optimal to exercise, the European value. With cash dividends, or two
boundaries (a put with yield < rate < 0, a call with rate < yield < 0): the European value in closed form
plus the early-exercise premium of a Leisen-Reimer tree, both terms of the premium on the same tree; to 1e-5
of the spot typically, 1e-4 at worst. For two boundaries two trees are extrapolated, to 1e-5 at worst;
Andersen and Lake's (2021) integral equations are not used. Cash dividends are escrowed: the spot less the
present value of the dividends due before expiry is lognormal with the vol asked for, and exercise takes that
process plus the value of the dividends still to come. Exercise is allowed at every level and just before
(call) or after (put) each dividend.

References
----------
L. Andersen, M. Lake, D. Offengenden (2016), "High-performance American option pricing", J. Computational
Finance 20(1); M. Li (2010), "Analytical approximations for the critical stock prices of American options: a
performance comparison", Review of Derivatives Research 13 (the first boundary); D. Leisen, M. Reimer
(1996), "Binomial models for option valuation: examining and improving convergence", Applied Mathematical
Finance 3; R. Geske, R. Roll, R. Whaley (1977-81) for escrowed dividends; T. Chandrupatla (1997), "A new
hybrid quadratic/bisection algorithm", Advances in Engineering Software 28(3).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from periscope_analytics.arguments import Flags, Floats, columns, floats, together
from periscope_analytics.black import bsm_price, greeks
from periscope_analytics.bracket import Function, chandrupatla
from periscope_analytics.errors import Status
from periscope_analytics.implied_vol import ImpliedVol
from periscope_analytics.implied_vol import implied_vol as european_vol
from periscope_analytics.kernels.american_boundary import put_many, scheme
from periscope_analytics.kernels.american_tree import limits_many, price_many
from periscope_analytics.threads import in_parts

N_STEPS = 201
N_STEPS_TWO_BOUNDARIES = 401, 801
RESOLUTION = (9, 9, 7, 28)
_UNTOLD = 1e-6
_LEAST_PART = 500
_LEAST_TOTAL_VOL, _GREATEST_TOTAL_VOL = 1e-7, 20.0
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
    terms = Terms(s, k, t, r, q, call, amounts, times)
    with np.errstate(all="ignore"):
        floor, bound = _limits(terms)
        value = np.where((v >= 0.0) & (v < np.inf), floor, np.nan)
        total = v * np.sqrt(t)
        value = np.where(np.isfinite(value) & (total >= _GREATEST_TOTAL_VOL), bound, value)
        rows = np.flatnonzero(np.isfinite(value) & (total > _LEAST_TOTAL_VOL) & (total < _GREATEST_TOTAL_VOL))
        value[rows] = _price(terms.take(rows), v[rows])
    return value.reshape(shape)


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
        Status per element: OK; INVALID_VALUE; EXPIRED (tau = 0); AT_EXERCISE (the price is that of the best
        exercise at zero vol, at once or later, to a millionth of the strike where that is worth anything:
        it tells no vol); BELOW_INTRINSIC (less than that); ABOVE_MAXIMUM (at or above the value at infinite
        vol); NOT_CONVERGED.
    """
    amounts, times = _schedule(dividends)
    shape, call, (p, s, k, t, r, q) = columns(
        is_call, price=price, spot=spot, strike=strike, tau=tau, rate=rate, dividend_yield=dividend_yield
    )
    terms = Terms(s, k, t, r, q, call, amounts, times)
    with np.errstate(all="ignore"):
        floor, bound = _limits(terms)
        status = _absence(p, terms, floor, bound)
        sigma = np.full(p.size, np.nan)
        rows = np.flatnonzero(status == Status.OK)
        sigma[rows], found = _solve(p[rows], terms.take(rows))
    status[rows[~found]] = Status.NOT_CONVERGED
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
    t, r = together(tau=tau, rate=rate)
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


class Terms(NamedTuple):
    """What options are priced with but the vol: columns of one length, and the dividends they share."""

    spot: Floats
    strike: Floats
    tau: Floats
    rate: Floats
    q: Floats
    is_call: Flags
    amounts: Floats
    times: Floats

    def take(self, rows: Flags | NDArray[np.intp]) -> Terms:
        """Return the terms of the given rows."""
        spot, strike, tau, rate, q, is_call, *schedule = self
        return Terms(spot[rows], strike[rows], tau[rows], rate[rows], q[rows], is_call[rows], *schedule)


def _limits(terms: Terms) -> Floats:
    out = np.empty((2, terms.spot.size))
    limits_many(*terms, out)
    return out


def _price(terms: Terms, vol: Floats) -> Floats:
    """Return prices of sound terms and ordinary total vols, each by the method that suits it."""
    value = np.full(vol.size, np.nan)
    is_call = terms.is_call
    r, q = np.where(is_call, terms.q, terms.rate), np.where(is_call, terms.rate, terms.q)
    pays = np.zeros(vol.size, dtype=np.bool_)
    for time, amount in zip(terms.times, terms.amounts, strict=True):
        pays |= (0.0 < time < terms.tau) & (amount > 0.0)
    never = ~pays & (r <= 0.0) & (q >= r)
    value[never] = _european(terms.take(never), vol[never])
    one = np.flatnonzero(~pays & ~never & (r >= 0.0))
    value[one] = _by_boundary(terms.take(one), r[one], q[one], vol[one])
    two = np.flatnonzero(~pays & ~never & (r < 0.0))
    value[two] = _by_two_trees(terms.take(two), vol[two])
    rest = np.flatnonzero(np.isnan(value))
    value[rest] = _by_tree(terms.take(rest), vol[rest], N_STEPS)
    return np.asarray(np.maximum(value, _exercise(terms)))


def _exercise(terms: Terms) -> Floats:
    gain = terms.spot - terms.strike
    return np.asarray(np.maximum(np.where(terms.is_call, gain, -gain), 0.0))


def _european(terms: Terms, vol: Floats) -> Floats:
    return bsm_price(terms.spot, terms.strike, terms.tau, terms.rate, terms.q, vol, terms.is_call)


def _by_tree(terms: Terms, vol: Floats, n_steps: int) -> Floats:
    out = np.empty(vol.size)
    spot, strike, tau, rate, q, is_call, amounts, times = terms
    price_many(spot, strike, tau, rate, q, vol, is_call, amounts, times, n_steps, out)
    return out


def _by_two_trees(terms: Terms, vol: Floats) -> Floats:
    """Return prices extrapolated to no step size: a tree's error is about proportional to it."""
    few, many = N_STEPS_TWO_BOUNDARIES
    coarse, fine = (_by_tree(terms, vol, n) for n in (few, many))
    return np.asarray(np.maximum(fine + (fine - coarse) * few / (many - few), _european(terms, vol)))


def _by_boundary(terms: Terms, r: Floats, q: Floats, vol: Floats) -> Floats:
    """Return prices as puts, a call as the put with spot and strike, rate and yield exchanged."""
    strike = np.where(terms.is_call, terms.spot, terms.strike)
    spot = np.where(terms.is_call, terms.strike, terms.spot)
    out = np.empty(vol.size)
    chosen, ratio = scheme(*RESOLUTION), spot / strike

    def part(begin: int, end: int) -> int:
        put_many(ratio, terms.tau, r, q, vol, *chosen, out, begin, end)
        return 0

    in_parts(part, vol.size, _LEAST_PART)
    return strike * out


def _absence(price: Floats, terms: Terms, floor: Floats, bound: Floats) -> NDArray[np.int8]:
    """Return why there is no vol, OK where there may be one."""
    told = np.where(floor > 0.0, _UNTOLD * terms.strike, 0.0)
    status = np.where(price >= bound, Status.ABOVE_MAXIMUM, Status.OK)
    status = np.where(price < floor - told, Status.BELOW_INTRINSIC, status)
    status = np.where(np.abs(price - floor) <= told, Status.AT_EXERCISE, status)
    status = np.where(terms.tau == 0.0, Status.EXPIRED, status)
    return np.where(np.isfinite(price) & np.isfinite(floor), status, Status.INVALID_VALUE).astype(np.int8)


def _solve(price: Floats, terms: Terms) -> tuple[Floats, Flags]:
    """Return vols and whether found; the bracket starts from the European vol, which is never below."""
    root = np.sqrt(terms.tau)

    def gap(vol: Floats, rows: NDArray[np.intp]) -> Floats:
        return _price(terms.take(rows), vol) - price[rows]

    base = terms.spot - escrowed(terms.tau, terms.rate, (terms.amounts, terms.times))
    forward, discount = base * np.exp((terms.rate - terms.q) * terms.tau), np.exp(-terms.rate * terms.tau)
    guess = european_vol(price, forward, terms.strike, terms.tau, terms.is_call, discount).sigma
    vega = greeks(forward, terms.strike, terms.tau, guess, terms.is_call, discount).vega
    start = np.where(np.isfinite(guess), guess * (1.0 + 1e-9), 0.5 / root)
    premium = gap(start, np.arange(price.size))
    step = np.where(vega > 0.0, np.minimum(2.0 * premium / vega / start, 0.5), 0.5) + 1e-6
    ends = _bracket(
        gap, start, premium, 1.0 - step, 2.0 * _LEAST_TOTAL_VOL / root, _GREATEST_TOTAL_VOL / root
    )
    return chandrupatla(gap, *ends)


def _bracket(
    gap: Function, x: Floats, f: Floats, factor: Floats, least: Floats, greatest: Floats
) -> tuple[Floats, Floats, Floats, Floats]:
    """Return two points and the values there, of opposite sign; the second is NaN where the search failed.

    It goes down by `factor` first, then by 0.6, from a positive value; up by 1.5 from a negative one.
    """
    y, f_y = np.full(x.shape, np.nan), np.full(x.shape, np.nan)
    grows = f < 0.0
    factor = np.where(grows, 1.5, factor)
    rows = np.flatnonzero(np.isfinite(f))
    while len(rows):
        point = x[rows] * factor[rows]
        value = gap(point, rows)
        crossed = np.sign(value) != np.sign(f[rows])
        y[rows[crossed]], f_y[rows[crossed]] = point[crossed], value[crossed]
        going = ~crossed & (point > least[rows]) & (point < greatest[rows])
        rows = rows[going]
        x[rows], f[rows] = point[going], value[going]
        factor[rows] = np.where(grows[rows], 1.5, 0.6)
    return x, y, f, f_y
