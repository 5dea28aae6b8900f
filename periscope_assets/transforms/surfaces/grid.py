"""Grid: the served surface at constant maturities, by delta and by moneyness, each node with its error.

What belongs here: ``surface_grid``: which nodes there are, and that nothing is said of maturities that
expiries don't enclose. What does not: the surface and its errors (``served``).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd

from periscope_analytics.errors import Status
from periscope_analytics.skew import delta_gain, strike_for_delta
from periscope_analytics.slice import SliceParams
from periscope_analytics.vol_errors import VolErrors
from periscope_assets.transforms.frames import counts, finite, numbers
from periscope_assets.transforms.stage import Input, Snapshot, Stage, StageResult
from periscope_assets.transforms.surfaces.served import errors_of, fitted_rows, served_of
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
        rows = fitted_rows(slices)
        self.served, self.errors = served_of(rows), errors_of(rows)
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
    parts = [_nodes(surface.tenor(days / DAYS), surface.errors) for days in TENORS_DAYS]
    n = len(DELTAS) + len(MONEYNESS)
    columns = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    days = np.repeat(np.array(TENORS_DAYS, dtype=np.float64), n)
    frame = pd.DataFrame(
        {
            "axis": np.tile(np.repeat(["delta", "moneyness"], [len(DELTAS), len(MONEYNESS)]), len(parts)),
            "tenor_days": days,
            "coordinate": np.tile(np.concatenate([DELTAS, MONEYNESS]), len(parts)),
            "tau_years": days / DAYS,
            **columns,
        }
    )
    return StageResult({TABLE: frame}, _quality(frame))


def _nodes(tenor: Tenor | None, errors: VolErrors) -> dict[str, np.ndarray]:
    n = len(DELTAS) + len(MONEYNESS)
    if tenor is None:
        absent = {
            name: np.full(n, np.nan) for name in ("forward", "log_moneyness", "strike", "iv", "iv_stderr")
        }
        return absent | {"status": np.full(n, Status.OUT_OF_RANGE.label, dtype=object)}
    by_delta = strike_for_delta(tenor.params, DELTAS, True)
    k = np.concatenate([by_delta, np.log(MONEYNESS)])
    gain = np.concatenate([delta_gain(tenor.params, by_delta), np.ones(len(MONEYNESS))])
    z = k / np.sqrt(tenor.params.atm_total_variance)
    stderr = gain * errors.stderr(z, tenor.params.tau)
    inside = (z >= tenor.quoted[0]) & (z <= tenor.quoted[1]) & np.isfinite(stderr)
    return {
        "forward": np.full(n, tenor.forward),
        "log_moneyness": k,
        "strike": tenor.forward * np.exp(k),
        "iv": tenor.params.iv(k),
        "iv_stderr": stderr,
        "status": np.where(inside, Status.OK.label, Status.EXTRAPOLATED.label).astype(object),
    }


def _quality(frame: pd.DataFrame) -> dict[str, float | int | str | bool | None]:
    good = frame[frame["status"] == "ok"]
    at_money = frame[(frame["axis"] == "moneyness") & (frame["coordinate"] == 1.0)]
    vols = dict(zip(TENORS_DAYS, at_money["iv"].tolist(), strict=True))
    errors = dict(zip(TENORS_DAYS, at_money["iv_stderr"].tolist(), strict=True))
    return {
        "n_nodes": len(frame),
        **counts(frame["status"], "n_status"),
        "n_tenors": int(frame.loc[frame["status"] != "out_of_range", "tenor_days"].nunique()),
        "median_stderr_bps": finite(1e4 * good["iv_stderr"].median()),
        **{f"atm_iv_{days}d": finite(vol) for days, vol in vols.items()},
        "atm_iv_30d_stderr_bps": finite(1e4 * errors[_MONTH]),
    }


_MONTH = 30
STAGE = Stage("surface_grid", (SURFACE_ROWS,), "1", compute)
