"""Least squares inside a box, and what its optimum says about the parameters' errors.

What belongs here: the damped Gauss-Newton driver and the statistics that every fit shares. What does not:
anything about a particular model.

References
----------
K. Levenberg (1944); D. Marquardt (1963); K. Madsen, H. Nielsen, O. Tingleff (2004), "Methods for non-linear
least squares problems", algorithm 3.16 (the damping rule).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from periscope_analytics.calibration.result import Calibration
from periscope_analytics.errors import Status

Floats = NDArray[np.float64]
Residuals = Callable[[Floats], tuple[Floats, Floats]]
"""Parameters to residuals, shape (n,), and their Jacobian, shape (n, n_params)."""
Step = Callable[[Floats, Floats, Floats, float, Floats, Floats], tuple[Floats, float]]
"""Point, residuals, Jacobian, damping and box to the step's end and the decrease predicted there."""
P = TypeVar("P")

SMALLEST_SINGULAR_VALUE = 1e-7
"""Below this share of the largest, after scaling columns, a direction counts as not identified."""


@dataclass(frozen=True, slots=True, eq=False)
class Optimum:
    """Where a minimisation of half the sum of squares ended.

    Attributes
    ----------
    x : ndarray, shape (n_params,)
    residuals : ndarray, shape (n,)
    jacobian : ndarray, shape (n, n_params)
    cost : float
        Half the sum of squared residuals.
    converged : bool
    at_bound : bool
        Whether a parameter rests on a bound that it would leave if it could.
    n_iterations, n_evaluations : int
    """

    x: Floats
    residuals: Floats
    jacobian: Floats
    cost: float
    converged: bool
    at_bound: bool
    n_iterations: int
    n_evaluations: int


def least_squares(
    function: Residuals,
    start: Floats,
    lower: Floats,
    upper: Floats,
    max_iterations: int = 100,
    tolerance: float = 1e-10,
    step: Step | None = None,
) -> Optimum:
    """Minimise half the sum of squares by Levenberg-Marquardt steps projected into a box.

    Parameters
    ----------
    function : callable
        Residuals and Jacobian at a point; a point where they are not finite is refused like an uphill step.
    start, lower, upper : ndarray, shape (n_params,)
    max_iterations : int
    tolerance : float
        Relative decrease of the cost, predicted by the linear model, at which to stop.
    step : callable, optional
        The projected step, where a fit has a compiled one.

    Returns
    -------
    Optimum
    """
    x = np.clip(start, lower, upper)
    r, jac = function(x)
    cost = 0.5 * float(r @ r)
    damping, growth, evaluations, iteration = 1e-3, 2.0, 1, 0
    converged = False
    take = _step if step is None else step
    while iteration < max_iterations and not converged and np.isfinite(cost):
        iteration += 1
        trial, predicted = take(x, r, jac, damping, lower, upper)
        if predicted < 0.0 and damping <= 1e12:
            # The box has bent a long step uphill: that is no sign of an optimum, a shorter one may lead down.
            damping *= growth
            growth *= 2.0
            continue
        if predicted <= tolerance * cost or cost == 0.0:
            converged = True
            break
        new_r, new_jac = function(trial)
        evaluations += 1
        new_cost = 0.5 * float(new_r @ new_r)
        if np.isfinite(new_cost) and new_cost < cost:
            gain = (cost - new_cost) / predicted
            damping *= max(1.0 / 3.0, 1.0 - (2.0 * gain - 1.0) ** 3)
            growth = 2.0
            x, r, jac, cost = trial, new_r, new_jac, new_cost
        else:
            damping *= growth
            growth *= 2.0
            converged = damping > 1e12
    gradient = jac.T @ r
    held = _held(x, gradient, lower, upper)
    return Optimum(x, r, jac, cost, converged, bool(held.any()), iteration, evaluations)


def _held(x: Floats, gradient: Floats, lower: Floats, upper: Floats) -> NDArray[np.bool_]:
    return ((x <= lower) & (gradient > 0.0)) | ((x >= upper) & (gradient < 0.0))


def _step(
    x: Floats, r: Floats, jac: Floats, damping: float, lower: Floats, upper: Floats
) -> tuple[Floats, float]:
    """Return the projected step's end and the decrease of the cost that the linear model predicts there."""
    gradient = jac.T @ r
    free = np.flatnonzero(~_held(x, gradient, lower, upper))
    trial = x.copy()
    if free.size:
        part = jac[:, free]
        normal = part.T @ part
        scale = np.maximum(np.diag(normal), 1e-30)
        trial[free] -= np.linalg.solve(normal + damping * np.diag(scale), gradient[free])
    trial = np.clip(trial, lower, upper)
    move = jac @ (trial - x)
    return trial, float(-(move @ r) - 0.5 * (move @ move))


def standard_errors(jacobian: Floats, cost: float) -> tuple[Floats, bool]:
    """Return one-sigma parameter errors at an optimum, and whether every parameter is identified.

    Parameters
    ----------
    jacobian : ndarray, shape (n, n_params)
    cost : float
        Half the sum of squared residuals.

    Returns
    -------
    stderr : ndarray, shape (n_params,)
        Square roots of the diagonal of ``s^2 (J'J)^-1`` with ``s^2 = 2 cost / (n - n_params)``; NaN for the
        parameters that take part in a direction in which the residuals do not change.
    identified : bool
    """
    n, n_params = jacobian.shape
    if not np.isfinite(jacobian).all():
        return np.full(n_params, np.nan), False
    size = np.linalg.norm(jacobian, axis=0)
    scaled = jacobian / np.where(size > 0.0, size, 1.0)
    _, singular, directions = np.linalg.svd(np.linalg.qr(scaled, mode="r"), full_matrices=True)
    singular = np.concatenate([singular, np.zeros(n_params - singular.size)])
    flat = singular <= SMALLEST_SINGULAR_VALUE * max(singular[0], 1e-300)
    inverse = np.where(flat, 0.0, 1.0 / np.where(flat, 1.0, singular))
    variance = ((directions.T * inverse) ** 2).sum(axis=1) / np.where(size > 0.0, size, np.inf) ** 2
    noise = 2.0 * cost / (n - n_params) if n > n_params else np.nan
    involved = (np.abs(directions[flat]) > 1e-3).any(axis=0)
    return np.where(involved, np.nan, np.sqrt(variance * noise)), not bool(flat.any())


def summarise(
    params: P,
    optimum: Optimum,
    residuals: Floats,
    n_iterations: int | None = None,
    n_evaluations: int | None = None,
) -> Calibration[P]:
    """Return the result of a fit whose optimum has been found.

    Parameters
    ----------
    params : object
    optimum : Optimum
        Of weighted residuals, for status and errors.
    residuals : ndarray, shape (n_quotes,)
        Unweighted, NaN for the quotes that were not used.
    n_iterations, n_evaluations : int, optional
        Work over all starts; that of `optimum` by default.
    """
    if not np.isfinite(optimum.cost):
        return nothing_fitted(Status.NOT_CONVERGED, residuals.size, optimum.x.size)
    stderr, identified = standard_errors(optimum.jacobian, optimum.cost)
    status = Status.OK
    if not optimum.converged:
        status = Status.NOT_CONVERGED
    elif optimum.at_bound:
        status = Status.AT_BOUND
    elif not identified:
        status = Status.UNIDENTIFIED
    used = residuals[np.isfinite(residuals)]
    return Calibration(
        params,
        status,
        float(np.sqrt(np.mean(used * used))),
        float(np.abs(used).max()),
        residuals,
        stderr,
        optimum.n_iterations if n_iterations is None else n_iterations,
        optimum.n_evaluations if n_evaluations is None else n_evaluations,
    )


def nothing_fitted(status: Status, n_quotes: int, n_params: int) -> Calibration[P]:
    """Return the result of a fit that could not be made."""
    return Calibration(
        None, status, np.nan, np.nan, np.full(n_quotes, np.nan), np.full(n_params, np.nan), 0, 0
    )


def quote_columns(weights: ArrayLike | None, **values: ArrayLike) -> tuple[list[Floats], Floats]:
    """Return quotes as equally long columns, and their weights.

    The weights are 1 by default, and 0 for a weight that is not finite.

    Raises
    ------
    ValueError
        If shapes do not broadcast to one dimension, or a weight is negative; the message names the argument.
    """
    names = [*values, "weights"]
    given_weights = 1.0 if weights is None else weights
    arrays = [np.asarray(value, dtype=np.float64) for value in (*values.values(), given_weights)]
    try:
        shape = np.broadcast_shapes(*(array.shape for array in arrays))
    except ValueError as error:
        given = ", ".join(f"{name} {array.shape}" for name, array in zip(names, arrays, strict=True))
        raise ValueError(f"shapes do not broadcast: {given}") from error
    if len(shape) > 1:
        raise ValueError(f"{names[0]}: expected one dimension, got shape {shape}")
    columns = [np.broadcast_to(array, shape or (1,)).astype(np.float64) for array in arrays]
    weight = np.where(np.isfinite(columns[-1]), columns[-1], 0.0)
    if np.any(weight < 0.0):
        raise ValueError("weights: must not be negative")
    return columns[:-1], weight
