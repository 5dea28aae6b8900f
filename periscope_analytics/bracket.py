"""Bracketed root finding for many equations at once, each with its own outcome.

What belongs here: the iteration. What does not: what is solved, or where brackets come from.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from periscope_analytics.arguments import Flags, Floats

MAX_STEPS = 80
Function = Callable[[Floats, NDArray[np.intp]], Floats]
"""Takes points and the numbers of the equations they belong to."""


def chandrupatla(
    function: Function, a: Floats, b: Floats, f_a: Floats, f_b: Floats, tolerance: float = 1e-11
) -> tuple[Floats, Flags]:
    """Solve f(x) = 0 for each element between its two ends.

    Parameters
    ----------
    function : callable
        Of points, shape (m,), and equation numbers, shape (m,).
    a, b, f_a, f_b : ndarray, shape (n,)
        Ends and values there, of opposite sign or zero.
    tolerance : float
        Relative width of the last bracket.

    Returns
    -------
    root : ndarray, shape (n,)
        NaN where not converged.
    converged : ndarray of bool, shape (n,)

    References
    ----------
    T. R. Chandrupatla (1997), "A new hybrid quadratic/bisection algorithm for finding the zero of a
    nonlinear function without using derivatives", Advances in Engineering Software 28(3).
    """
    root, done = np.full(a.shape, np.nan), np.zeros(a.shape, dtype=np.bool_)
    for end, value in ((a, f_a), (b, f_b)):
        root, done = np.where(value == 0.0, end, root), done | (value == 0.0)
    rows = np.flatnonzero(~done & (np.sign(f_a) * np.sign(f_b) < 0.0))
    a, b, f_a, f_b = a[rows], b[rows], f_a[rows], f_b[rows]
    t = np.full(len(rows), 0.5)
    for _ in range(MAX_STEPS):
        if not len(rows):
            break
        x = a + t * (b - a)
        f = function(x, rows)
        keeps = np.sign(f) == np.sign(f_a)
        c, f_c = np.where(keeps, a, b), np.where(keeps, f_a, f_b)
        b, f_b = np.where(keeps, b, a), np.where(keeps, f_b, f_a)
        a, f_a = x, f
        best = np.where(np.abs(f_a) < np.abs(f_b), a, b)
        room = tolerance * np.abs(best) / np.abs(b - a)
        found = (f == 0.0) | (room > 0.5)
        root[rows[found]], done[rows[found]] = np.where(f == 0.0, x, best)[found], True
        t = np.clip(_next(a, b, c, f_a, f_b, f_c), room, 1.0 - room)
        going = ~found & np.isfinite(f)
        rows, t = rows[going], t[going]
        a, b, f_a, f_b = a[going], b[going], f_a[going], f_b[going]
    return root, done


@np.errstate(divide="ignore", invalid="ignore", over="ignore")
def _next(a: Floats, b: Floats, c: Floats, f_a: Floats, f_b: Floats, f_c: Floats) -> Floats:
    """Return the fraction of the way from a to b: inverse quadratic where that is safe, else the middle."""
    xi, phi = (a - b) / (c - b), (f_a - f_b) / (f_c - f_b)
    quadratic = f_a / (f_b - f_a) * f_c / (f_b - f_c) + (c - a) / (b - a) * f_a / (f_c - f_a) * f_b / (
        f_c - f_b
    )
    safe = (phi**2 < xi) & ((1.0 - phi) ** 2 < 1.0 - xi) & np.isfinite(quadratic)
    return np.asarray(np.where(safe, quadratic, 0.5))
