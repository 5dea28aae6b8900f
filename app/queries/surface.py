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
from periscope_analytics.black import first_greeks
from periscope_analytics.smiles import Smiles
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
    chosen = np.flatnonzero([expiry_at in (None, at) for at in fitted["expiry_at"]])
    k = iv = np.empty(0)
    if chosen.size:
        served = served_of(fitted).slices
        smiles = Smiles([served[i] for i in chosen])
        ends = fitted[["k_min", "k_max"]].to_numpy(dtype=np.float64)[chosen]
        nodes = _nodes(smiles, ends, coordinate, points, wing_delta)
        k, iv = nodes.ravel(), _vols(smiles, nodes).ravel()
    row = np.repeat(chosen, points)
    tau, forward = (fitted[name].to_numpy(dtype=np.float64)[row] for name in ("tau_years", "forward"))
    return pd.DataFrame(
        {
            **{name: fitted[name].array[row] for name in _EXPIRY},
            "log_moneyness": k,
            "strike": forward * np.exp(k),
            "delta": call_delta(iv, k, tau),
            "iv": iv,
            "total_variance": iv**2 * tau,
        }
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


def _nodes(smiles: Smiles, ends: Floats, coordinate: str, points: int, wing_delta: float) -> Floats:
    """Return the log-moneynesses of each expiry, shape (n, points)."""
    k, delta = _fine(smiles, ends)
    within = (delta >= wing_delta) & (delta <= 1.0 - wing_delta)
    some = within.sum(axis=1) > 1
    first, last = within.argmax(axis=1), _FINE - 1 - within[:, ::-1].argmax(axis=1)
    row = np.arange(len(smiles))
    ends = np.where(some[:, None], np.column_stack([k[row, first], k[row, last]]), ends)
    if coordinate == "log_moneyness":
        return np.linspace(ends[:, 0], ends[:, 1], points, axis=1)
    if coordinate == "strike":
        return np.asarray(np.log(np.linspace(np.exp(ends[:, 0]), np.exp(ends[:, 1]), points, axis=1)))
    return np.array([_by_delta(*each, points) for each in zip(*_fine(smiles, ends), strict=True)])


def _fine(smiles: Smiles, ends: Floats) -> tuple[Floats, Floats]:
    """Return log-moneynesses between the ends of each expiry and the deltas of their calls."""
    k = np.linspace(ends[:, 0], ends[:, 1], _FINE, axis=1)
    return k, call_delta(_vols(smiles, k), k, smiles.taus[:, None])


def _vols(smiles: Smiles, k: Floats) -> Floats:
    """Return vols at the log-moneynesses of each expiry, shape (n, m)."""
    row = np.repeat(np.arange(len(smiles)), k.shape[1])
    return smiles.iv(row, k.ravel()).reshape(k.shape)


def _by_delta(k: Floats, delta: Floats, points: int) -> Floats:
    """Return `points` log-moneynesses between the ends of `k`, equally spaced in delta."""
    falling = np.concatenate(([True], delta[1:] < np.minimum.accumulate(delta)[:-1]))
    targets = np.linspace(delta[falling][0], delta[falling][-1], points)
    return np.asarray(np.interp(-targets, -delta[falling], k[falling]), dtype=np.float64)


def call_delta(iv: Floats, k: Floats, tau: float | Floats) -> Floats:
    """Return forward, undiscounted deltas of calls."""
    return np.asarray(first_greeks(1.0, np.exp(k), tau, iv, True).delta, dtype=np.float64)
