"""Which quotes a fit of SVI uses, and these in order.

What belongs here: the quotes of many slices before they are fitted; arrays in, arrays out. Not here: fits.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

from periscope_analytics.kernels.lanes import WIDTH, every, load

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

FEWEST = 5
FURTHEST, SAME_STRIKE = 100.0, 1e-9
LEAST, GREATEST = 1e-16, 1e4
_LIGHT, _HEAVY, _LIGHTEST = 1e-15, 1e15, 1e-30


@njit(cache=True, error_model="numpy")
def _one_is_tidy(k: Floats, w: Floats, weight: Floats) -> bool:
    """Do as ``tidy`` of one slice."""
    n, at = k.size, 0
    good = n >= FEWEST
    if n <= WIDTH:
        for i in range(n):
            good &= abs(k[i]) <= FURTHEST and LEAST <= w[i] <= GREATEST and _LIGHT <= weight[i] <= _HEAVY
            good &= i == 0 or k[i] - k[i - 1] > SAME_STRIKE
        return good
    fine = abs(load(k, n - WIDTH)) <= FURTHEST
    while at < n:
        at = min(at, n - WIDTH)
        x, y, q = load(k, at), load(w, at), load(weight, at)
        fine = fine & (abs(x) <= FURTHEST) & (y >= LEAST) & (y <= GREATEST) & (q >= _LIGHT) & (q <= _HEAVY)
        fine = fine & (load(k, max(at, 1)) - load(k, max(at, 1) - 1) > SAME_STRIKE)
        at += WIDTH
    return every(fine)


@njit(cache=True, error_model="numpy")
def tidy(k: Floats, w: Floats, weight: Floats, offsets: Ints) -> bool:
    """Return whether all quotes are usable, in order, at five strikes a slice or more, none twice."""
    for j in range(offsets.size - 1):
        b, e = offsets[j], offsets[j + 1]
        if not _one_is_tidy(k[b:e], w[b:e], weight[b:e]):
            return False
    return True


@njit(cache=True, error_model="numpy")
def put_in_order(
    k: Floats, w: Floats, weight: Floats, offsets: Ints, columns: Floats, places: Ints, kept: Ints
) -> None:
    """Copy the usable quotes of each slice in order of strike, none of a slice of too few strikes.

    Parameters
    ----------
    k, w, weight : ndarray, shape (n,)
    offsets : ndarray of int64, shape (n_slices + 1,)
    columns : ndarray, shape (3, n)
        Filled with k, w and weight, the heaviest of a slice 1; weights of 1e-30 of that are too light.
    places : ndarray of int64, shape (n,)
        Filled with where each stood.
    kept : ndarray of int64, shape (n_slices + 1,)
        Filled with where slices begin in `columns`, and the end.
    """
    n = 0
    for j in range(offsets.size - 1):
        kept[j], begin, heaviest, in_order = n, n, 0.0, True
        for i in range(offsets[j], offsets[j + 1]):
            if abs(k[i]) <= FURTHEST and LEAST <= w[i] <= GREATEST and weight[i] < math.inf:
                heaviest = max(heaviest, weight[i])
        for i in range(offsets[j], offsets[j + 1]):
            usable = abs(k[i]) <= FURTHEST and LEAST <= w[i] <= GREATEST
            if usable and _LIGHTEST * heaviest < weight[i] < math.inf:
                columns[0, n], columns[1, n], columns[2, n], places[n] = k[i], w[i], weight[i] / heaviest, i
                in_order = in_order and (n == begin or columns[0, n - 1] <= k[i])
                n += 1
        if not in_order:
            order = np.argsort(columns[0, begin:n])
            for p in range(3):
                columns[p, begin:n] = columns[p, begin:n][order]
            places[begin:n] = places[begin:n][order]
        distinct = min(n - begin, 1)
        for i in range(begin + 1, n):
            distinct += 1 if columns[0, i] - columns[0, i - 1] > SAME_STRIKE else 0
        if distinct < FEWEST:
            n = begin
    kept[offsets.size - 1] = n
