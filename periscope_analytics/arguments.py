"""Checks and broadcasting of arguments, shared by every vectorised function.

What belongs here: turning what a caller passes into equally long float columns, and the ``ValueError`` that
names the argument at fault. What does not: judging market values; they get a status, not an exception.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]


def floats(name: str, value: ArrayLike) -> Floats:
    """Return `value` as an array of doubles.

    Raises
    ------
    ValueError
        If it is not numeric, naming the argument.
    """
    try:
        return np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name}: expected numbers, got {type(value).__name__}") from error


def flags(name: str, value: ArrayLike) -> Flags:
    """Return `value` as an array of booleans; the integers 0 and 1 are taken too.

    Raises
    ------
    ValueError
        If it holds anything else, naming the argument.
    """
    array = np.asarray(value)
    if array.dtype == np.bool_:
        return array
    if array.dtype.kind in "iu" and np.all((array == 0) | (array == 1)):
        return array.astype(np.bool_)
    raise ValueError(f"{name}: expected booleans, got {array.dtype}")


def not_negative(name: str, value: Floats) -> None:
    """Raise ``ValueError`` naming the argument if any element is negative; NaN passes."""
    least = value.min(initial=np.inf)
    if least < 0.0 or (least != least and np.any(value < 0.0)):
        raise ValueError(f"{name}: must not be negative, least is {np.nanmin(value)}")


def together(**values: ArrayLike) -> list[Floats]:
    """Return the named numbers broadcast against each other, to be read only.

    Raises
    ------
    ValueError
        If a value is not numeric or shapes do not broadcast, naming the arguments.
    """
    arrays = [floats(name, value) for name, value in values.items()]
    try:
        shape = np.broadcast_shapes(*(array.shape for array in arrays))
    except ValueError as error:
        given = ", ".join(f"{name} {array.shape}" for name, array in zip(values, arrays, strict=True))
        raise ValueError(f"shapes do not broadcast: {given}") from error
    return [array if array.shape == shape else np.broadcast_to(array, shape) for array in arrays]


def columns(
    is_call: ArrayLike, *, tile: int | None = None, **values: ArrayLike
) -> tuple[tuple[int, ...], Flags, list[Floats]]:
    """Broadcast `is_call` and the named numbers against each other.

    Parameters
    ----------
    is_call : array_like of bool
    tile : int, optional
        Length to which single numbers are repeated where the common length is greater: for kernels that work
        block by block, and read a short column's beginning for every block.
    **values : array_like
        Numbers by argument name; ``tau`` must not be negative.

    Returns
    -------
    shape : tuple of int
        Common shape.
    is_call : ndarray of bool, shape (n,)
    numbers : list of ndarray, shape (n,) or (tile,)
        Contiguous, in the order given.

    Raises
    ------
    ValueError
        If shapes do not broadcast, a value is not numeric, or tau is negative; the message names the
        argument.
    """
    call = flags("is_call", is_call)
    arrays = [floats(name, value) for name, value in values.items()]
    for name, array in zip(values, arrays, strict=True):
        if name == "tau":
            not_negative(name, array)
    shape = call.shape
    try:
        if any(array.ndim and array.shape != shape for array in arrays):
            shape = np.broadcast_shapes(shape, *(array.shape for array in arrays))
    except ValueError as error:
        given = ", ".join(f"{name} {array.shape}" for name, array in zip(values, arrays, strict=True))
        raise ValueError(f"shapes do not broadcast: is_call {call.shape}, {given}") from error
    return shape, _flat(call, shape, None), [_flat(array, shape, tile) for array in arrays]


def _flat(array: NDArray[Any], shape: tuple[int, ...], tile: int | None) -> NDArray[Any]:
    """Return `array` broadcast, flat and writable: one type, so that kernels compile once."""
    if array.ndim == 0:
        n = math.prod(shape)
        flat = np.empty(n if tile is None else min(n, tile), array.dtype)
        flat.fill(array[()])
        return flat
    flat = (array if array.shape == shape else np.broadcast_to(array, shape)).ravel()
    return flat if flat.flags.writeable else flat.copy()
