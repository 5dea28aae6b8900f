"""How the analytics say that a number is absent, and why.

What belongs here: the status vocabulary that solvers, calibrations and the store share. What does not:
exceptions of sources or stores (they live beside the code that raises them). Invalid *arguments* raise
``ValueError`` naming the argument; invalid *market values* never raise, they come back with one of these
statuses.
"""

from __future__ import annotations

from enum import IntEnum

import numpy as np
from numpy.typing import ArrayLike, NDArray


class Status(IntEnum):
    """Why a number is present or absent; stored and served as its lower-case name."""

    OK = 0
    NO_BID = 1
    NO_ASK = 2
    CROSSED = 3
    STALE = 4
    BELOW_INTRINSIC = 5
    AT_EXERCISE = 6
    ABOVE_MAXIMUM = 7
    EXPIRED = 8
    TOO_FEW_STRIKES = 9
    NO_FORWARD = 10
    NOT_CONVERGED = 11
    INVALID_VALUE = 12
    DEGENERATE = 13
    AT_BOUND = 14
    UNIDENTIFIED = 15
    NO_CURVE = 16
    OUT_OF_RANGE = 17
    NO_DIVIDENDS = 18
    NO_QUOTE = 19
    BORROWED_SHAPE = 20
    INTERPOLATED = 21
    EXTRAPOLATED = 22
    IN_THE_MONEY = 23
    LOCKED = 24
    NO_HISTORY = 25

    @property
    def label(self) -> str:
        """Name under which the status is stored and served."""
        return self.name.lower()


_LABELS = np.array([status.label for status in Status], dtype=object)


def labels(status: ArrayLike) -> NDArray[np.object_]:
    """Return the served names of an array of status codes.

    Parameters
    ----------
    status : array_like of int
        Codes of :class:`Status`, any shape.

    Returns
    -------
    ndarray of str
        Same shape as `status`.
    """
    return np.asarray(_LABELS[np.asarray(status, dtype=np.intp)], dtype=object)
