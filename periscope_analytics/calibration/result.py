"""The one result type of every calibration.

What belongs here: :class:`Calibration`. What does not: anything about a particular model.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from periscope_analytics.errors import Status

P = TypeVar("P")


@dataclass(frozen=True, slots=True, eq=False)
class Calibration(Generic[P]):
    """A fitted model and how sure the fit is.

    Attributes
    ----------
    params : P or None
        Fitted parameters; None when `status` says that there are none.
    status : Status
        ``OK`` when the optimum was reached inside the bounds.
    rmse, max_error : float
        Root mean square and largest absolute residual, in the units of `residuals`.
    residuals : ndarray, shape (n,)
        Model minus market for each input quote, in the units of the objective (vols as decimals unless the
        fit says otherwise).
    stderr : ndarray, shape (n_params,)
        One-sigma parameter errors in the order of the parameters' fields; NaN where not identified.
    n_iterations, n_evaluations : int
        Work done by the optimiser.
    """

    params: P | None
    status: Status
    rmse: float
    max_error: float
    residuals: NDArray[np.float64]
    stderr: NDArray[np.float64]
    n_iterations: int
    n_evaluations: int
