"""The surface as readers see it: the served surface's published numbers evaluated at points.

What belongs here: choosing the points, calling the analytics. What does not: smile formulas, reading the
store.
"""

from __future__ import annotations

from datetime import datetime

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from app.queries.errors import InvalidParameterError
from periscope_analytics.black import greeks
from periscope_analytics.slice import SliceParams
from periscope_assets.transforms.surfaces.served import fitted_rows, served_of

COORDINATES = ("log_moneyness", "strike", "delta")
MOST_POINTS = 401
_FINE = 401
_EXPIRY = ["expiry_at", "expiry", "root", "tau_years"]

Floats = NDArray[np.float64]


def surface_grid_points(
    slices: pd.DataFrame,
    *,
    coordinate: str = "log_moneyness",
    points: int = 21,
    wing_delta: float = 0.01,
    expiry_at: datetime | None = None,
) -> pd.DataFrame:
    """Return vols of the served surface for every fitted expiry, at points inside its quoted range.

    Parameters
    ----------
    slices : DataFrame
        All rows of ``surface_slices``; expiries without a slice of their own give no points.
    coordinate : {'log_moneyness', 'strike', 'delta'}
        Coordinate in which the points of an expiry are equally spaced.
    points : int
        Points for each expiry, 2 to 401.
    wing_delta : float
        Points whose call delta is below it or above one minus it are left out.
    expiry_at : datetime, optional
        Only this expiry.

    Returns
    -------
    DataFrame
        A row for each point: expiry_at, expiry, root, tau_years, log_moneyness, strike, delta (of the call),
        iv, total_variance. Nothing is extrapolated beyond the quotes.

    Raises
    ------
    InvalidParameterError
        If `coordinate` or `points` is not one of the above.
    """
    check_grid(coordinate, points)
    fitted = fitted_rows(slices)
    served = served_of(fitted).slices if len(fitted) else ()
    chosen = [i for i, at in enumerate(fitted["expiry_at"]) if expiry_at in (None, at)]
    frame = fitted.iloc[np.repeat(chosen, points).astype(np.intp)][[*_EXPIRY, "forward"]]
    ends = fitted[["k_min", "k_max"]].to_numpy(dtype=np.float64)
    nodes = [_nodes(served[i], ends[i], coordinate, points, wing_delta) for i in chosen]
    k = np.concatenate([*nodes, np.empty(0)])
    w = np.concatenate(
        [*(served[i].total_variance(node) for i, node in zip(chosen, nodes, strict=True)), np.empty(0)]
    )
    tau = frame["tau_years"].to_numpy(dtype=np.float64)
    iv = np.sqrt(w / tau)
    return (
        frame[_EXPIRY]
        .reset_index(drop=True)
        .assign(
            log_moneyness=k,
            strike=frame["forward"].to_numpy(dtype=np.float64) * np.exp(k),
            delta=call_delta(iv, k, tau),
            iv=iv,
            total_variance=w,
        )
    )


def check_grid(coordinate: str, points: int) -> None:
    """Refuse what :func:`surface_grid_points` does not know.

    Raises
    ------
    InvalidParameterError
        Naming the argument.
    """
    if coordinate not in COORDINATES:
        raise InvalidParameterError(
            "coordinate", f"expected one of {', '.join(COORDINATES)}, got {coordinate[:40]!r}"
        )
    if not 2 <= points <= MOST_POINTS:
        raise InvalidParameterError("points", f"expected 2 to {MOST_POINTS}, got {points}")


def _nodes(params: SliceParams, ends: Floats, coordinate: str, points: int, wing_delta: float) -> Floats:
    """Return the log-moneynesses of one expiry."""
    k = np.linspace(ends[0], ends[1], _FINE)
    delta = call_delta(params.iv(k), k, params.tau)
    inside = k[(delta >= wing_delta) & (delta <= 1.0 - wing_delta)]
    if len(inside) > 1:
        k = np.linspace(inside[0], inside[-1], _FINE)
        delta = call_delta(params.iv(k), k, params.tau)
    return _spread(k, delta, coordinate, points)


def _spread(k: Floats, delta: Floats, coordinate: str, points: int) -> Floats:
    """Return `points` log-moneynesses between the ends of `k`, equally spaced in `coordinate`."""
    if coordinate == "log_moneyness":
        return np.linspace(k[0], k[-1], points)
    if coordinate == "strike":
        return np.asarray(np.log(np.linspace(np.exp(k[0]), np.exp(k[-1]), points)), dtype=np.float64)
    falling = np.concatenate(([True], delta[1:] < np.minimum.accumulate(delta)[:-1]))
    targets = np.linspace(delta[falling][0], delta[falling][-1], points)
    return np.asarray(np.interp(-targets, -delta[falling], k[falling]), dtype=np.float64)


def call_delta(iv: Floats, k: Floats, tau: float | Floats) -> Floats:
    """Return forward, undiscounted deltas of calls."""
    return np.asarray(greeks(1.0, np.exp(k), tau, iv, True).delta, dtype=np.float64)
