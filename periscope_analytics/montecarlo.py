"""Monte Carlo under the Heston model: paths from a seed, and payoffs that need them.

What belongs here: the time grid, random numbers of a given seed, estimates with their standard errors. What
does not: the step (``kernels.montecarlo``), European prices without sampling error (``heston``).

Paths follow Andersen's QE scheme with martingale correction: S/F has mean one at every time, whatever the
step, except where rho > 0 and vol of variance are so large that the step's moment is infinite; there the
uncorrected drift is taken. What remains is the bias of the variance's law, which vanishes with the step.
Barriers and averages are monitored at the times of the paths only.

References
----------
L. Andersen (2008), "Simple and efficient simulation of the Heston stochastic volatility model", J.
Computational Finance 11(3); P. Glasserman (2003), "Monte Carlo Methods in Financial Engineering", section 4.2
(antithetic variates and their standard error).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from periscope_analytics.arguments import flags, floats
from periscope_analytics.heston import HestonParams
from periscope_analytics.kernels.montecarlo import advance

Floats = NDArray[np.float64]
Barrier = Literal["up_out", "up_in", "down_out", "down_in"]

LONGEST_STEP = 1.0 / 52.0
MOST_STEPS = 1_000_000


@dataclass(frozen=True, slots=True, eq=False)
class Paths:
    """Simulated paths of an underlying over its forward.

    Attributes
    ----------
    times : ndarray, shape (m,)
        Years, increasing.
    ratio : ndarray, shape (m, n)
        S / F at each time.
    variance : ndarray, shape (m, n)
        Instantaneous variance, per year.
    antithetic : bool
        Whether path i + n/2 mirrors path i.
    """

    times: Floats
    ratio: Floats
    variance: Floats
    antithetic: bool


class Estimate(NamedTuple):
    """A sample mean and its standard error, of one shape; the error of what no path reached is zero."""

    value: Floats
    stderr: Floats


@np.errstate(all="ignore")
def simulate(
    params: HestonParams,
    times: ArrayLike,
    n_paths: int,
    seed: int,
    longest_step: float = LONGEST_STEP,
    antithetic: bool = True,
) -> Paths:
    """Draw paths; equal arguments give equal paths.

    Parameters
    ----------
    params : HestonParams
    times : array_like, shape (m,)
        Years at which paths are recorded, positive and increasing.
    n_paths : int
        At least 4; even if `antithetic`.
    seed : int
        Not negative; of NumPy's PCG64.
    longest_step : float
        Years; between two times as many equal steps are taken as it needs, a million in all at most.
    antithetic : bool
        Whether the second half of the paths mirrors the first half's normals.

    Raises
    ------
    ValueError
        If an argument is out of range, naming it.
    """
    when = floats("times", times).reshape(-1)
    gaps = np.diff(when, prepend=0.0)
    if not (when.size and np.all(gaps > 0.0) and np.all(np.isfinite(when))):
        raise ValueError("times: must be positive, finite and increase")
    if n_paths < 4 or (antithetic and n_paths % 2):
        raise ValueError(f"n_paths: expected at least 4, and even for antithetic paths, got {n_paths}")
    if not longest_step > 0.0:
        raise ValueError(f"longest_step: must be positive, got {longest_step}")
    if when[-1] / longest_step > MOST_STEPS:
        raise ValueError(f"longest_step: {longest_step} makes more than {MOST_STEPS:,} steps")
    if seed < 0:
        raise ValueError(f"seed: must not be negative, got {seed}")
    random = np.random.Generator(np.random.PCG64(seed))
    x, v = np.zeros(n_paths), np.full(n_paths, params.v0)
    ratio, variance = np.empty((when.size, n_paths)), np.empty((when.size, n_paths))
    for i, gap in enumerate(gaps.tolist()):
        n_steps = max(int(np.ceil(gap / longest_step * (1.0 - 1e-12))), 1)
        constants = _constants(params, gap / n_steps)
        for _ in range(n_steps):
            advance(x, v, *_normals(random, n_paths, antithetic), constants)
        ratio[i], variance[i] = np.exp(x), v
    return Paths(when, ratio, variance, antithetic)


def _normals(random: np.random.Generator, n_paths: int, antithetic: bool) -> tuple[Floats, Floats]:
    if not antithetic:
        return random.standard_normal(n_paths), random.standard_normal(n_paths)
    v, x = random.standard_normal((2, n_paths // 2))
    return np.concatenate([v, -v]), np.concatenate([x, -x])


def _constants(params: HestonParams, h: float) -> Floats:
    """Return what a step of `h` years needs: see ``kernels.montecarlo.advance``."""
    kappa, theta, sigma = params.kappa, params.theta, params.sigma
    decay, rise = np.exp(-kappa * h), -np.expm1(-kappa * h)
    # Without vol of variance the correlation says nothing, and rho / sigma would be infinite.
    rho = params.rho if sigma > 0.0 else 0.0
    tilt = rho / sigma if sigma > 0.0 else 0.0
    drift, noise = 0.5 * h * (kappa * tilt - 0.5), 0.5 * h * (1.0 - rho) * (1.0 + rho)
    spread = sigma * sigma * rise / kappa
    by_v, fixed = spread * decay, 0.5 * theta * spread * rise
    k = (-kappa * theta * tilt * h, drift - tilt, drift + tilt, noise, noise)
    return np.array([decay, theta, by_v, fixed, *k])


@np.errstate(all="ignore")
def european(
    paths: Paths, forward: ArrayLike, strike: ArrayLike, is_call: ArrayLike, discount: float = 1.0
) -> Estimate:
    """Return prices of European options on the paths' last time.

    Parameters
    ----------
    paths : Paths
    forward : array_like
        Scalar, or one for each of the paths' times.
    strike : array_like
        Any shape, the estimate's.
    is_call : array_like of bool
        Broadcasts against `strike`.
    discount : float
        To the last time.

    Raises
    ------
    ValueError
        If shapes do not broadcast or `is_call` is not boolean.
    """
    return _estimate(paths, _spot(paths, forward)[-1], 1.0, strike, is_call, discount)


@np.errstate(all="ignore")
def asian(
    paths: Paths, forward: ArrayLike, strike: ArrayLike, is_call: ArrayLike, discount: float = 1.0
) -> Estimate:
    """Return prices of options on the arithmetic mean over the paths' times.

    Parameters and errors are those of :func:`european`; payment is at the last time.
    """
    return _estimate(paths, _spot(paths, forward).mean(axis=0), 1.0, strike, is_call, discount)


@np.errstate(all="ignore")
def barrier(
    paths: Paths,
    forward: ArrayLike,
    strike: ArrayLike,
    is_call: ArrayLike,
    level: float,
    kind: Barrier,
    discount: float = 1.0,
) -> Estimate:
    """Return prices of European options that a barrier ends or starts; no rebate.

    Parameters
    ----------
    paths, forward, strike, is_call, discount
        As in :func:`european`.
    level : float
        In the units of the forward. It is hit when the spot is at or beyond it at one of the paths' times,
        the last included; between them and at time zero nobody looks.
    kind : {'up_out', 'up_in', 'down_out', 'down_in'}

    Raises
    ------
    ValueError
        As in :func:`european`; if `kind` is unknown or `level` is not positive.
    """
    if kind not in ("up_out", "up_in", "down_out", "down_in"):
        raise ValueError(f"kind: expected up_out, up_in, down_out or down_in, got {kind!r}")
    if not level > 0.0:
        raise ValueError(f"level: must be positive, got {level}")
    spot = _spot(paths, forward)
    hit = np.any(spot >= level if kind.startswith("up") else spot <= level, axis=0)
    alive = hit if kind.endswith("in") else ~hit
    return _estimate(paths, spot[-1], alive.astype(np.float64), strike, is_call, discount)


def _spot(paths: Paths, forward: ArrayLike) -> Floats:
    each = floats("forward", forward)
    if each.shape not in ((), paths.times.shape):
        raise ValueError(f"forward: expected a scalar or {paths.times.size} numbers, got {each.shape}")
    return paths.ratio * each.reshape(-1, 1)


def _estimate(
    paths: Paths, final: Floats, alive: Floats | float, strike: ArrayLike, is_call: ArrayLike, discount: float
) -> Estimate:
    strikes, call = floats("strike", strike), flags("is_call", is_call)
    try:
        strikes, call = np.broadcast_arrays(strikes, call)
    except ValueError as error:
        raise ValueError(f"shapes do not broadcast: strike {strikes.shape}, is_call {call.shape}") from error
    value, stderr = np.empty(strikes.shape), np.empty(strikes.shape)
    for at in np.ndindex(strikes.shape):
        inner = final - strikes[at] if call[at] else strikes[at] - final
        sample = discount * alive * np.maximum(inner, 0.0)
        if paths.antithetic:
            sample = 0.5 * (sample[: sample.size // 2] + sample[sample.size // 2 :])
        value[at] = sample.mean()
        stderr[at] = sample.std(ddof=1) / np.sqrt(sample.size)
    return Estimate(value, stderr)
