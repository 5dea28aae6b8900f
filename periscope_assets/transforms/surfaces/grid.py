"""Grid: the served surface at constant maturities, by delta and by moneyness, each node with its error.

What belongs here: ``surface_grid``: which nodes there are, and that nothing is said of maturities that
expiries don't enclose. What does not: the surface and its errors (``served``).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.special import ndtri

from periscope_analytics.errors import Status
from periscope_analytics.slice import SliceParams
from periscope_analytics.smiles import Smiles
from periscope_analytics.vol_errors import VolErrors
from periscope_assets.transforms.frames import Bools, Floats, finite, numbers
from periscope_assets.transforms.stage import Input, Snapshot, Stage, StageResult
from periscope_assets.transforms.surfaces.served import fitted_rows, read_fitted
from periscope_assets.transforms.surfaces.slices import SURFACE_ROWS, SURFACE_SLICES

TABLE = "surface_nodes"
SURFACE_GRID = Input("surface_grid")
TENORS_DAYS = (7, 14, 30, 60, 91, 122, 152, 182, 273, 365, 547, 730)
DELTAS = np.arange(5, 100, 5) / 100.0
MONEYNESS = np.array([0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.925, 0.95, 0.975, 1.0, 1.025, 1.05, 1.075, 1.1, 1.15,
                      1.2, 1.3, 1.4, 1.5])  # fmt: skip

DAYS = 365.0


class Tenor(NamedTuple):
    """A constant maturity that expiries enclose.

    Attributes
    ----------
    params : SliceParams
    forward : float
        USD, log-linear between expiries.
    quoted : tuple of float
        Log-moneyness between which both neighbouring expiries are quoted, in total vols at the money.
    """

    params: SliceParams
    forward: float
    quoted: tuple[float, float]


class Surface:
    """Published rows of a surface, ready to be read at any maturity."""

    def __init__(self, slices: pd.DataFrame) -> None:
        self.rows = rows = fitted_rows(slices)
        self.served, self.errors = read_fitted(rows)
        self._taus = numbers(rows, "tau_years")
        self._log_forwards = np.log(numbers(rows, "forward"))
        spread = numbers(rows, "atm_iv") * np.sqrt(self._taus)
        self._ends = numbers(rows, "k_min") / spread, numbers(rows, "k_max") / spread

    def quoted(self, *expiries: int) -> tuple[float, float]:
        """Return the log-moneyness between which all these expiries are quoted, in total vols."""
        low, high = (ends[list(expiries)] for ends in self._ends)
        return float(low.max()), float(high.min())

    def tenor(self, tau: float) -> Tenor | None:
        """Return a maturity, None where the expiries don't enclose it."""
        if not self._taus[0] <= tau <= self._taus[-1]:
            return None
        after = int(np.searchsorted(self._taus, tau))
        around = [after] if self._taus[after] == tau else [after - 1, after]
        return Tenor(
            self.served.slice_at(tau),
            float(np.exp(np.interp(tau, self._taus, self._log_forwards))),
            self.quoted(*around),
        )


def compute(snapshot: Snapshot) -> StageResult:
    """Read the served surface at constant maturities.

    Deltas are forward and undiscounted, of the call: N(d1) at the node's own vol, so that 0.25 is the
    25-delta call and 0.75 the 25-delta put. Moneyness is strike over forward. A maturity that expiries don't
    enclose has no vols (``out_of_range``); a strike beyond those quoted at its neighbours is
    ``extrapolated``. Errors are published from 12 total vols below the forward to 6 above; a strike beyond
    counts as extrapolated too, without an error.
    """
    surface = Surface(snapshot.inputs["vol_surface"][SURFACE_SLICES])
    found = [surface.tenor(days / DAYS) for days in TENORS_DAYS]
    n = len(DELTAS) + len(MONEYNESS)
    enclosed = np.repeat([each is not None for each in found], n)
    columns = {name: np.full(enclosed.size, np.nan) for name in _NODE}
    status = np.full(enclosed.size, Status.OUT_OF_RANGE.label, dtype=object)
    tenors = [each for each in found if each is not None]
    if tenors:
        values, inside = _nodes(tenors, surface.errors)
        for name, column in zip(_NODE, values, strict=True):
            columns[name][enclosed] = column.ravel()
        status[enclosed] = np.where(inside, Status.OK.label, Status.EXTRAPOLATED.label).ravel()
    days = np.repeat(np.array(TENORS_DAYS, dtype=np.float64), n)
    frame = pd.DataFrame(
        {
            "axis": np.tile(np.repeat(["delta", "moneyness"], [len(DELTAS), len(MONEYNESS)]), len(found)),
            "tenor_days": days,
            "coordinate": np.tile(np.concatenate([DELTAS, MONEYNESS]), len(found)),
            "tau_years": days / DAYS,
            **columns,
            "status": status,
        }
    )
    return StageResult({TABLE: frame}, _quality(columns["iv"], columns["iv_stderr"], status, n))


def _nodes(tenors: list[Tenor], errors: VolErrors) -> tuple[tuple[Floats, ...], Bools]:
    """Return the columns `_NODE`, a row for each maturity, and which nodes are quoted and have an error."""
    smiles, m = Smiles([each.params for each in tenors]), len(tenors)
    by_delta = smiles.strikes(np.repeat(np.arange(m), len(DELTAS)), np.tile(ndtri(DELTAS), m))
    k = np.hstack([by_delta.reshape(m, -1), np.tile(np.log(MONEYNESS), (m, 1))])
    row = np.repeat(np.arange(m), k.shape[1])
    gain = np.ones(k.shape)
    gain[:, : len(DELTAS)] = smiles.delta_gain(row, k.ravel()).reshape(k.shape)[:, : len(DELTAS)]
    z = k / np.sqrt(smiles.atm_total_variance)[:, None]
    stderr = gain * np.sqrt(np.sum(errors.factors_at(z, smiles.taus) ** 2, axis=2))
    low, high = np.array([each.quoted for each in tenors]).T[..., None]
    inside = (z >= low) & (z <= high) & np.isfinite(stderr)
    forward = np.broadcast_to(np.array([each.forward for each in tenors])[:, None], k.shape)
    iv = smiles.iv(row, k.ravel())
    return (forward, k, forward * np.exp(k), iv, stderr), inside


def _quality(
    iv: Floats, stderr: Floats, status: np.ndarray, n: int
) -> dict[str, float | int | str | bool | None]:
    """Return the figures of nodes of which `n` make a maturity."""
    good, told = status == Status.OK.label, np.unique(status.astype(str), return_counts=True)
    at_money = len(DELTAS) + int(np.flatnonzero(MONEYNESS == 1.0)[0])
    vols, errors = iv.reshape(-1, n)[:, at_money].tolist(), stderr.reshape(-1, n)[:, at_money].tolist()
    known = stderr[good & np.isfinite(stderr)]
    return {
        "n_nodes": len(status),
        **{f"n_status_{label}": int(count) for label, count in zip(*told, strict=True)},
        "n_tenors": int(np.any((status != Status.OUT_OF_RANGE.label).reshape(-1, n), axis=1).sum()),
        "median_stderr_bps": 1e4 * float(np.median(known)) if known.size else None,
        **{f"atm_iv_{days}d": finite(vol) for days, vol in zip(TENORS_DAYS, vols, strict=True)},
        "atm_iv_30d_stderr_bps": finite(1e4 * errors[TENORS_DAYS.index(_MONTH)]),
    }


_MONTH = 30
_NODE = ("forward", "log_moneyness", "strike", "iv", "iv_stderr")
STAGE = Stage("surface_grid", (SURFACE_ROWS,), "2", compute)
