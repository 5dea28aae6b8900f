"""Fit of raw SVI to the total variances of one expiry, or of many expiries in one call.

What belongs here: arguments, and what the optimum says. What does not: the search (``kernels.svi``,
``kernels.svi_bound``), evaluation (``svi``), the order of expiries (``calibration.svi_surface``).
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

from periscope_analytics.calibration.objective import Optimum, summarise
from periscope_analytics.calibration.result import Calibration, assembled
from periscope_analytics.calibration.slices import SliceFits, checked_offsets, two_columns
from periscope_analytics.errors import Status
from periscope_analytics.kernels import svi as kernel
from periscope_analytics.kernels import svi_bound, svi_quotes, svi_within
from periscope_analytics.kernels import svi_check as check
from periscope_analytics.svi import SVIParams

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

N_PARAMS = kernel.N
_FIRST = np.zeros(1, dtype=np.int64)
_FEW = float(Status.TOO_FEW_STRIKES)
_NAMES = ("k", "w")
_STATUSES = {float(each): each for each in Status}
_ERRORS = slice(check.STDERR, check.STDERR + N_PARAMS)
NO_OTHERS = np.full((2, N_PARAMS), np.nan)


def fit_svi(
    k: ArrayLike, w: ArrayLike, weights: ArrayLike | None = None, arbitrage_free: bool = True
) -> Calibration[SVIParams]:
    """Fit raw SVI parameters by weighted least squares in total variance.

    Parameters
    ----------
    k : array_like, shape (n,)
        Log-moneyness ln(K/F); strikes closer than 1e-9 count as one.
    w : array_like, shape (n,)
        Total variance iv^2 tau. Quotes with ``|k| > 100`` or `w` outside [1e-16, 1e4], NaN included, are left
        out: residual NaN.
    weights : array_like, shape (n,), optional
        Weight of each squared residual; equal by default. Zero, or less than 1e-30 of the greatest, leaves a
        quote out.
    arbitrage_free : bool
        Require g >= 0 at every strike and wing slopes of at most 2. An optimum that meets this by itself is
        the same either way.

    Returns
    -------
    Calibration of SVIParams
        Residuals in total variance, model minus market. Status TOO_FEW_STRIKES (fewer than five distinct
        strikes; no parameters), UNIDENTIFIED (a flat smile, for instance), AT_BOUND (of the search, for
        instance a one-sided smile with rho = -1), NOT_CONVERGED or OK; in all but the first the parameters
        are usable. A smile that the conditions against arbitrage hold back is OK.

    Raises
    ------
    ValueError
        If shapes do not broadcast to one dimension or a weight is negative.

    References
    ----------
    S. De Marco, C. Martini (2009), "Quasi-explicit calibration of Gatheral's SVI model", Zeliade; J.
    Gatheral, A. Jacquier (2014), "Arbitrage-free SVI volatility surfaces", Quantitative Finance 14(1), eq.
    2.1.
    """
    x, y, weight = two_columns(weights, _NAMES, k, w)
    return optima(x, y, weight, arbitrage_free)[0]


def fit_svi_slices(
    k: ArrayLike,
    w: ArrayLike,
    offsets: ArrayLike,
    weights: ArrayLike | None = None,
    arbitrage_free: bool = True,
) -> SliceFits[SVIParams]:
    """Fit raw SVI to many expiries, each by itself, in one compiled call.

    Parameters
    ----------
    k, w : array_like, shape (n,)
        As for :func:`fit_svi`, one expiry's quotes after the other's.
    offsets : array_like of int, shape (n_slices + 1,)
        Where each expiry's quotes begin, and `n`: ``offsets[i]:offsets[i + 1]`` are those of expiry i.
    weights : array_like, shape (n,), optional
    arbitrage_free : bool

    Returns
    -------
    SliceFits of SVIParams
        What :func:`fit_svi` gives for each expiry.

    Raises
    ------
    ValueError
        If shapes do not broadcast to one dimension, a weight is negative, or the offsets do not rise from 0
        to n.
    """
    x, y, weight = two_columns(weights, _NAMES, k, w)
    bounds = checked_offsets(offsets, x.size)
    fits, residuals = _fitted(x, y, weight, bounds)
    if arbitrage_free and not fits[:, check.FREE].all():
        missed = _missed(fits)
        free = fits[missed]
        if missed.size:
            _bind(x, y, weight, bounds, fits, residuals)
        for j, i in enumerate(missed):
            if not fits[i, check.FREE]:
                here = slice(bounds[i], bounds[i + 1])
                _overwrite(fits[i], residuals[here], fit_within(x[here], y[here], weight[here], free[j]))
    return SliceFits(
        fits[:, :N_PARAMS],
        fits[:, check.STATUS].astype(np.int8),
        fits[:, check.RMSE],
        fits[:, check.MAX_ERROR],
        residuals,
        fits[:, _ERRORS],
        fits[:, check.ITERATIONS].astype(np.int64),
        fits[:, check.EVALUATIONS].astype(np.int64),
        bounds,
        SVIParams,
    )


def optima(
    x: Floats, y: Floats, weight: Floats, arbitrage_free: bool = True
) -> tuple[Calibration[SVIParams], Floats]:
    """Return the fit to columns that have been checked, and the row of ``kernels.svi_check`` behind it."""
    bounds = _alone(x.size)
    fits, residuals = _fitted(x, y, weight, bounds)
    fit = free = fits[0]
    row = fit.tolist()
    params = None
    if row[check.STATUS] != _FEW:
        if arbitrage_free and not row[check.FREE]:
            free = fit.copy()
            _bind(x, y, weight, bounds, fits, residuals)
            row = fit.tolist()
            if not row[check.FREE]:
                return fit_within(x, y, weight, free), free
        params = SVIParams(*row[:N_PARAMS])
    rmse, most, _, _, _, _, _, status, iterations, evaluations = row[N_PARAMS : check.FREE]
    return assembled(
        params, _STATUSES[status], rmse, most, residuals, fit[_ERRORS], int(iterations), int(evaluations)
    ), free


@lru_cache(maxsize=256)
def _alone(n: int) -> Ints:
    """Return the offsets of one slice of `n` quotes."""
    return np.array([0, n])


def _missed(fits: Floats) -> NDArray[np.int64]:
    """Return the slices whose optimum is not free of arbitrage."""
    return np.flatnonzero((fits[:, check.FREE] == 0.0) & (fits[:, check.STATUS] != _FEW))


def _bind(
    x: Floats, y: Floats, weight: Floats, offsets: NDArray[np.int64], fits: Floats, residuals: Floats
) -> None:
    """Fit the slices that are not free of arbitrage along the edge; `FREE` stays 0 where that fails."""
    svi_within.fit_slices(x, y, weight, offsets, fits)
    check.judge_bound(x, y, offsets, fits, residuals)


def _fitted(x: Floats, y: Floats, weight: Floats, offsets: Ints) -> tuple[Floats, Floats]:
    """Return the rows of ``kernels.svi_check`` without conditions, and the residuals."""
    if svi_quotes.tidy(x, y, weight, offsets):
        return _fitted_tidy(x, y, weight, offsets)
    columns, places, kept = np.empty((3, x.size)), np.empty(x.size, dtype=np.int64), np.empty_like(offsets)
    svi_quotes.put_in_order(x, y, weight, offsets, columns, places, kept)
    n = kept[-1]
    fits, misfit = _fitted_tidy(columns[0, :n], columns[1, :n], columns[2, :n], kept)
    residuals = np.full(x.size, np.nan)
    residuals[places[:n]] = misfit
    return fits, residuals


def _fitted_tidy(x: Floats, y: Floats, weight: Floats, offsets: Ints) -> tuple[Floats, Floats]:
    """Do as ``_fitted``, of quotes in order."""
    n = offsets.size - 1
    order = _FIRST if n == 1 else (offsets[1:] - offsets[:-1]).argsort(kind="stable")
    facts = np.empty(((n + kernel.WIDTH - 1) // kernel.WIDTH, kernel.FACTS))
    fits, residuals = np.empty((n, check.N_OUT)), np.empty(x.size)
    kernel.fit_slices(x, y, weight, offsets, order, facts)
    check.judge(facts, order, x, y, offsets, fits, residuals)
    return fits, residuals


def _overwrite(row: Floats, residuals: Floats, fit: Calibration[SVIParams]) -> None:
    """Put the result of a fit under conditions in the place of that without."""
    params = fit.params
    row[:N_PARAMS] = np.nan if params is None else (params.a, params.b, params.rho, params.m, params.sigma)
    row[check.STATUS], row[check.RMSE], row[check.MAX_ERROR] = fit.status, fit.rmse, fit.max_error
    row[check.ITERATIONS], row[check.EVALUATIONS] = fit.n_iterations, fit.n_evaluations
    row[check.STDERR : check.STDERR + N_PARAMS] = fit.stderr
    residuals[:] = fit.residuals


def usable(x: Floats, y: Floats, weight: Floats) -> NDArray[np.bool_]:
    """Return which quotes of one expiry a fit uses."""
    good = (np.abs(x) <= svi_quotes.FURTHEST) & (y >= svi_quotes.LEAST) & (y <= svi_quotes.GREATEST)
    good &= weight < np.inf
    heaviest = float(np.max(weight, where=good, initial=0.0))
    return np.asarray(good & (weight > 1e-30 * heaviest))


def fit_within(
    x: Floats, y: Floats, weight: Floats, free: Floats, others: Floats = NO_OTHERS
) -> Calibration[SVIParams]:
    """Return the best smile free of butterfly arbitrage that keeps its place between others.

    Parameters
    ----------
    x, y, weight : ndarray, shape (n,)
        Columns of one expiry, as given.
    free : ndarray
        Row of ``kernels.svi_check`` for the same quotes: the optima without conditions.
    others : ndarray, shape (2, 5)
        Parameters of a smile to stay above, and of one to stay below; NaN for none.
    """
    used = usable(x, y, weight)
    k, w, q = x[used], y[used], weight[used] / weight[used].max()
    starts = np.stack([free[:N_PARAMS], free[check.OTHER : check.OTHER + N_PARAMS], others[1]])
    starts = starts[np.isfinite(starts[:, 0])]
    found, box, counts = np.empty(N_PARAMS), np.empty((2, N_PARAMS)), np.zeros(2)
    converged = svi_bound.fit(k, w, q / q.sum(), starts, others, found, box, counts)
    _secure(found)
    params = SVIParams(*found.tolist())
    misfit = params.total_variance(k) - w
    root = np.sqrt(q / q.mean())
    optimum = Optimum(
        found,
        root * misfit,
        root[:, None] * _jacobian(params, k),
        0.5 * float(np.sum((root * misfit) ** 2)),
        bool(converged),
        bool(np.any((found <= box[0]) | (found >= box[1]))),
        int(counts[0] + free[check.ITERATIONS]),
        int(counts[1] + free[check.EVALUATIONS]),
    )
    residuals = np.full(x.size, np.nan)
    residuals[used] = misfit
    return summarise(params, optimum, residuals)


def _secure(x: Floats) -> None:
    """Flatten the smile until the exact check holds too, by 1e-9 at first."""
    share, tried = 1e-9, x.copy()
    while not check.is_free(tried):
        svi_bound.flatten(x, share, tried)
        share = min(4.0 * share, 1.0)
    x[:] = tried


def _jacobian(params: SVIParams, k: Floats) -> Floats:
    """Return the derivatives of total variance by the parameters, shape (n, 5)."""
    s = k - params.m
    root = np.hypot(s, params.sigma)
    columns = (
        np.ones_like(k),
        params.rho * s + root,
        params.b * s,
        -params.b * (params.rho + s / root),
        params.b * params.sigma / root,
    )
    return np.stack(columns, axis=1)
