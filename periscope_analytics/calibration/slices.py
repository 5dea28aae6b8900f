"""The result of fitting many slices in one call: arrays by slice, each slice's own result on demand.

What belongs here: :class:`SliceFits`, and the checks of arguments that are lean enough for fits of a few
microseconds. What does not: fits.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from periscope_analytics.calibration.objective import quote_columns
from periscope_analytics.calibration.result import Calibration
from periscope_analytics.errors import Status

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
P = TypeVar("P")

_ONES = np.ones(1024)
_DOUBLE = _ONES.dtype


@dataclass(frozen=True, slots=True, eq=False)
class SliceFits(Generic[P]):
    """Fits of many slices; ``fits[i]`` is the :class:`Calibration` of slice i.

    Attributes
    ----------
    parameters : ndarray, shape (n_slices, n_params)
        In the order of the parameters' fields; NaN where `status` says that there are none.
    status : ndarray of int8, shape (n_slices,)
        Codes of :class:`~periscope_analytics.errors.Status`.
    rmse, max_error : ndarray, shape (n_slices,)
    residuals : ndarray, shape (n_quotes,)
        Model minus market, slice after slice; NaN for quotes that were not used.
    stderr : ndarray, shape (n_slices, n_params)
    n_iterations, n_evaluations : ndarray of int64, shape (n_slices,)
    offsets : ndarray of int64, shape (n_slices + 1,)
        Where each slice's quotes begin, and the end.
    build : callable
        Parameters as numbers to the parameters' class.
    """

    parameters: Floats
    status: NDArray[np.int8]
    rmse: Floats
    max_error: Floats
    residuals: Floats
    stderr: Floats
    n_iterations: Ints
    n_evaluations: Ints
    offsets: Ints
    build: Callable[..., P]

    def __len__(self) -> int:
        return int(self.status.size)

    def __getitem__(self, i: int) -> Calibration[P]:
        row = self.parameters[i].tolist()
        index = range(len(self))[i]
        return Calibration(
            None if np.isnan(row[0]) else self.build(*row),
            Status(int(self.status[i])),
            float(self.rmse[i]),
            float(self.max_error[i]),
            self.residuals[self.offsets[index] : self.offsets[index + 1]],
            self.stderr[i],
            int(self.n_iterations[i]),
            int(self.n_evaluations[i]),
        )


def checked_offsets(offsets: ArrayLike, n_quotes: int) -> Ints:
    """Return where slices begin, and the end, as integers.

    Raises
    ------
    ValueError
        If they are not integers that start at 0, do not fall, and end at `n_quotes`.
    """
    given = np.asarray(offsets)
    if given.ndim != 1 or given.dtype.kind not in "iu" or given.size < 1:
        raise ValueError("offsets: expected integers in one dimension")
    whole = given.astype(np.int64)
    if whole[0] != 0 or whole[-1] != n_quotes or (whole[1:] < whole[:-1]).any():
        raise ValueError(f"offsets: must rise from 0 to the number of quotes, {n_quotes}")
    return whole


def contiguous_columns(weights: ArrayLike | None, **values: ArrayLike) -> tuple[list[Floats], Floats]:
    """Return quotes as equally long columns, and their weights, without copying what is such already.

    As :func:`~periscope_analytics.calibration.objective.quote_columns`, but weights that are not finite are
    left as they are.

    Raises
    ------
    ValueError
        If shapes do not broadcast to one dimension, or a weight is negative; the message names the argument.
    """
    columns = list(values.values())
    first = columns[0]
    n = first.size if isinstance(first, np.ndarray) else -1
    for each in columns:
        if not _plain(each, n):
            return quote_columns(weights, **values)
    if weights is None:
        return columns, _ONES[:n] if n <= _ONES.size else np.ones(n)  # type: ignore[return-value]
    if not _plain(weights, n):
        return quote_columns(weights, **values)
    if (weights < 0.0).any():  # type: ignore[operator,union-attr]
        raise ValueError("weights: must not be negative")
    return columns, weights  # type: ignore[return-value]


def two_columns(
    weights: ArrayLike | None, names: tuple[str, str], x: ArrayLike, y: ArrayLike
) -> tuple[Floats, Floats, Floats]:
    """Return two columns and their weights as ``contiguous_columns`` does, in half its time where it can."""
    if (
        weights is None
        and isinstance(x, np.ndarray)
        and isinstance(y, np.ndarray)
        and x.dtype is _DOUBLE
        and y.dtype is _DOUBLE
        and x.ndim == 1
        and x.shape == y.shape
        and x.flags.carray
        and y.flags.carray
    ):
        return x, y, _ONES[: x.size] if x.size <= _ONES.size else np.ones(x.size)
    (first, second), weight = contiguous_columns(weights, **{names[0]: x, names[1]: y})
    return first, second, weight


def _plain(value: ArrayLike, n: int) -> bool:
    """Return whether a value is a column of `n` as kernels take it: doubles, contiguous, writable."""
    return (
        isinstance(value, np.ndarray)
        and value.dtype is _DOUBLE
        and value.shape == (n,)
        and value.flags.carray
    )
