"""Fit of the Heston model to implied vols.

What belongs here: residuals, starting points and bounds of the Heston fit. What does not: prices and their
gradient (``heston``, ``kernels.heston``).

Levenberg-Marquardt on implied-vol residuals with the analytic gradient of the characteristic function, after
Y. Cui, S. del Bano Rollin, G. Germano (2017), "Full and fast calibration of the Heston stochastic volatility
model", European Journal of Operational Research 263(2). Where the local search ends badly, differential
evolution looks for another valley: R. Storn, K. Price (1997), "Differential evolution: a simple and efficient
heuristic for global optimization over continuous spaces", Journal of Global Optimization 11.
"""

from __future__ import annotations

from dataclasses import astuple, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import Bounds, differential_evolution

from periscope_analytics import black
from periscope_analytics.calibration.objective import (
    Optimum,
    Residuals,
    least_squares,
    nothing_fitted,
    quote_columns,
    summarise,
)
from periscope_analytics.calibration.result import Calibration
from periscope_analytics.errors import Status
from periscope_analytics.heston import (
    FURTHEST_LOG_MONEYNESS,
    HestonParams,
    fill_values,
    forward_values,
    maturity_edges,
)
from periscope_analytics.implied_vol import implied_vol
from periscope_analytics.kernels.heston_fit import damped_step, vol_residuals

Floats = NDArray[np.float64]

LOWER = np.array([1e-6, 1e-3, 1e-6, 1e-2, -0.999])
UPPER = np.array([10.0, 100.0, 10.0, 10.0, 0.999])
N_PARAMS = 5
TOLERANCE = 1e-10
WARM_UP_TOLERANCE = 1e-8
SMALLEST_VALUE = 1e-7
"""Out-of-the-money value over the forward below which a quote says nothing."""
LEAST_TAU, MOST_TAU = 1e-5, 100.0
"""Years outside which a quote is left out: five minutes, a century."""
WARM_UP, MOST_ITERATIONS = 8, 200

SEED = 1997
POPULATION, GENERATIONS = 6, 20
GLOBAL_QUOTES, GLOBAL_EXPIRIES, GLOBAL_TOLERANCE = 60, 8, 1e-6
SHORTEST, LONGEST = 1e-4, 30.0
"""Years outside which no global search is made: its far points would take long to price."""
DISAGREEMENT = 1.01
"""Ratio of costs above which two converged searches count as different valleys."""


@np.errstate(all="ignore")
def fit_heston(
    forward: ArrayLike,
    strike: ArrayLike,
    tau: ArrayLike,
    iv: ArrayLike,
    weights: ArrayLike | None = None,
    initial: HestonParams | None = None,
    global_search: bool | None = None,
) -> Calibration[HestonParams]:
    """Fit Heston parameters to implied vols of any strikes and expiries.

    Parameters
    ----------
    forward, strike, tau, iv : array_like, shape (n,)
        Forward and strike in one unit, years, Black vols as decimals. A quote with a value that is not
        finite and positive, worth less than 1e-7 of its forward or within 1e-7 of its upper bound, or with
        less than 1e-5 or more than 100 years to go, is left out and has the residual NaN.
    weights : array_like, shape (n,), optional
        Weight of each squared vol residual; equal by default, zero leaves a quote out.
    initial : HestonParams, optional
        First starting point; two others are derived from the quotes.
    global_search : bool, optional
        Whether to look for other valleys by differential evolution, from a fixed seed, and to keep the best
        end. By default only where the local search does not converge or ends at a bound, or where its starts
        have converged to different ends. None is made with maturities outside 1e-4 to 30 years.

    Returns
    -------
    Calibration of HestonParams
        Residuals are model vol minus market vol. Status TOO_FEW_STRIKES (fewer usable quotes than
        parameters), AT_BOUND, NOT_CONVERGED, UNIDENTIFIED (quotes that do not tell all parameters apart, one
        expiry for instance: a standard error exceeds its parameter, or 1 for rho) or OK.

    Raises
    ------
    ValueError
        If shapes do not broadcast to one dimension or a weight is negative.
    """
    (f, x, t, vol), weight = quote_columns(weights, forward=forward, strike=strike, tau=tau, iv=iv)
    quotes, order = _usable(f, x, t, vol, weight)
    if order.size < N_PARAMS:
        return nothing_fitted(Status.TOO_FEW_STRIKES, f.size, N_PARAMS)
    rough, objective = (_objective(quotes, tolerance) for tolerance in (WARM_UP_TOLERANCE, TOLERANCE))
    starts = _starts(quotes.k, quotes.tau, quotes.vol, initial)
    best, iterations, evaluations, agreed = _best_of(rough, objective, starts)
    ordinary = bool(np.all((quotes.tau > SHORTEST) & (quotes.tau < LONGEST)))
    if ordinary and (global_search or (global_search is None and not agreed)):
        elsewhere, tries = _global(quotes, starts[-1])
        polished = _search(objective, elsewhere, MOST_ITERATIONS)
        iterations, evaluations = (
            iterations + polished.n_iterations,
            evaluations + tries + polished.n_evaluations,
        )
        best = polished if not best.cost <= polished.cost else best
    residuals = np.full(f.size, np.nan)
    residuals[order] = best.residuals / quotes.root_weight
    fit = summarise(HestonParams(*best.x.tolist()), best, residuals, iterations, evaluations)
    vague = fit.status is Status.OK and bool(np.any(fit.stderr > np.append(best.x[:4], 1.0)))
    return replace(fit, status=Status.UNIDENTIFIED) if vague else fit


class _Quotes(NamedTuple):
    """Usable quotes in the order of their maturities."""

    k: Floats
    tau: Floats
    vol: Floats
    value: Floats
    vega: Floats
    root_weight: Floats


def _usable(f: Floats, x: Floats, t: Floats, vol: Floats, weight: Floats) -> tuple[_Quotes, NDArray[np.intp]]:
    """Return the quotes that say something, by maturity, and where in the columns they are."""
    usable = weight > 0.0
    for column in (f, x, t, vol):
        usable &= (column > 0.0) & (column < np.inf)
    usable &= (t >= LEAST_TAU) & (t <= MOST_TAU)
    order = np.flatnonzero(usable)
    order = order[np.argsort(t[order], kind="stable")]
    k, tau, sigma = np.log(x[order]) - np.log(f[order]), t[order], vol[order]
    known = np.abs(k) <= FURTHEST_LOG_MONEYNESS
    if not known.all():
        order, k, tau, sigma = order[known], k[known], tau[known], sigma[known]
    greeks = black.greeks(1.0, np.exp(k), tau, sigma, k > 0.0)
    columns = k, tau, sigma, greeks.price, greeks.vega, np.sqrt(weight[order])
    most = np.minimum(1.0, np.exp(k))
    worth = (greeks.price > SMALLEST_VALUE) & (greeks.price < (1.0 - SMALLEST_VALUE) * most)
    if worth.all():
        return _Quotes(*columns), order
    return _Quotes(*(column[worth] for column in columns)), order[worth]


def _objective(quotes: _Quotes, tolerance: float) -> Residuals:
    """Return the weighted vol residuals and their Jacobian as a function of the parameters."""
    k, tau = quotes.k, quotes.tau
    edges = maturity_edges(tau)
    maturities, ratio, is_call = tau[edges[:-1]], np.exp(k), k > 0.0
    table = np.stack([k, np.sqrt(tau), quotes.vol, quotes.value, quotes.vega, quotes.root_weight])

    def residuals(params: Floats) -> tuple[Floats, Floats]:
        call, put, r = np.empty(k.size), np.empty(k.size), np.empty(k.size)
        gradient = np.zeros((N_PARAMS, k.size))
        fill_values(params, k, edges, maturities, tolerance, call, put, gradient)
        model = np.where(is_call, call, put)
        resolved = np.where(model > 0.01 * SMALLEST_VALUE, model, np.nan)
        sigma = implied_vol(resolved, 1.0, ratio, tau, is_call).sigma
        vol_residuals(table, model, sigma, gradient, r)
        return r, gradient.T

    return residuals


def _step(
    x: Floats, r: Floats, jac: Floats, damping: float, lower: Floats, upper: Floats
) -> tuple[Floats, float]:
    """Take the step of ``objective`` by its compiled twin."""
    trial = np.empty_like(x)
    return trial, float(damped_step(x, r, jac.T, damping, lower, upper, trial))


def _search(objective: Residuals, start: Floats, most: int) -> Optimum:
    return least_squares(objective, start, LOWER, UPPER, max_iterations=most, step=_step)


def _starts(k: Floats, tau: Floats, vol: Floats, initial: HestonParams | None) -> list[Floats]:
    """Return starting points: the caller's, then slow and fast reversion from short to long ATM variance."""
    near = np.abs(k) / np.sqrt(tau) <= np.quantile(np.abs(k) / np.sqrt(tau), 0.4)
    variance, when = vol[near] ** 2, tau[near]
    short = float(np.median(variance[when <= np.quantile(when, 0.25)]))
    long = float(np.median(variance[when >= np.quantile(when, 0.75)]))
    lean = -0.6 if np.dot(k - k.mean(), vol) <= 0.0 else 0.4
    derived = [np.array([short, kappa, long, sigma, lean]) for kappa, sigma in ((1.5, 0.6), (6.0, 1.5))]
    return derived if initial is None else [np.array(astuple(initial)), *derived]


def _best_of(rough: Residuals, objective: Residuals, starts: list[Floats]) -> tuple[Optimum, int, int, bool]:
    """Return the best optimum, the work done, and whether there is no sign of a better one.

    A few steps on the rough objective are taken from each start, then the best goes to its end.
    """
    tried = [_search(rough, start, WARM_UP) for start in starts]
    first = min(tried, key=lambda optimum: optimum.cost if np.isfinite(optimum.cost) else np.inf)
    best = _search(objective, first.x, MOST_ITERATIONS)
    work = [*tried, best]
    agreed = best.converged and not best.at_bound and np.isfinite(best.cost)
    agreed &= not any(o.converged and o.cost > DISAGREEMENT * best.cost + TOLERANCE for o in tried)
    return best, sum(o.n_iterations for o in work), sum(o.n_evaluations for o in work), bool(agreed)


def _global(quotes: _Quotes, around: Floats) -> tuple[Floats, int]:
    """Return the best point of a differential evolution on some of the quotes, and its evaluations.

    Variances are searched in decades around those of `around`; all but the correlation by their logarithm.
    """
    expiries = _evenly(np.unique(quotes.tau), GLOBAL_EXPIRIES)
    order = np.lexsort((quotes.k, quotes.tau))
    some = _evenly(order[np.isin(quotes.tau[order], expiries)], GLOBAL_QUOTES)
    k, tau, _, value, vega, root_weight = (column[some] for column in quotes)
    is_call = k > 0.0

    def cost(x: Floats) -> float:
        params = np.append(np.exp(x[:4]), x[4])
        call, put, _ = forward_values(params, k, tau, GLOBAL_TOLERANCE)
        total = float(np.sum((root_weight * (np.where(is_call, call, put) - value) / vega) ** 2))
        return total if np.isfinite(total) else 1e300

    v0, theta = np.clip(around[[0, 2]], 1e-4, 0.5)
    low = np.append(np.log([0.05 * v0, 0.05, 0.05 * theta, 0.05]), -0.98)
    high = np.append(np.log([20.0 * v0, 50.0, 20.0 * theta, 8.0]), 0.98)
    found = differential_evolution(
        cost, Bounds(low, high), init="sobol", polish=False,
        popsize=POPULATION, maxiter=GENERATIONS, tol=1e-3, rng=np.random.default_rng(SEED),
    )  # fmt: skip
    return np.append(np.exp(found.x[:4]), found.x[4]), int(found.nfev)


def _evenly(values: NDArray[Any], n: int) -> NDArray[Any]:
    """Return at most `n` of the values, evenly spaced in their order."""
    return values[np.unique(np.linspace(0, values.size - 1, n).astype(np.intp))]
