"""Skew: what a smile looks like in a few numbers, by expiry and constant maturity.

What belongs here: ``skew_metrics``: which tenors, and that nothing is read beyond the quotes. What does not:
the metrics' formulas (``periscope_analytics.skew``, ``variance``).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np
import pandas as pd

from periscope_analytics import skew, variance
from periscope_analytics.errors import Status
from periscope_analytics.surface import Slice, VolSurface, iv
from periscope_assets.transforms.forwards import QUOTES
from periscope_assets.transforms.frames import finite, numbers
from periscope_assets.transforms.stage import Snapshot, Stage, StageResult
from periscope_assets.transforms.surfaces.slices import VOL_SURFACE, surface_of, usable

TABLE = "skew_metrics"
TENORS_DAYS = (30, 60, 91, 182, 365)
DELTAS = {"25": 0.25, "10": 0.10}

_DAYS = 365.0


class _Tenor(NamedTuple):
    """A smile with the range of log-moneyness that is quoted, and the model-free variance of its tenor."""

    basis: str
    expiry_at: pd.Timestamp | None
    smile: Slice
    forward: float
    quoted: tuple[float, float]
    model_free: float


def compute(snapshot: Snapshot) -> StageResult:
    """Read the metrics of each fitted expiry, and of constant maturities that expiries enclose.

    A delta whose strike lies beyond the quotes has no vol. Between expiries total variance is linear in time
    at constant log-moneyness, model-free variance linear in time. The status names the first metric that is
    absent: a delta (``out_of_range``), the model-free strip (``too_few_strikes``), or a slope or forward vol
    (``degenerate``).
    """
    fitted = usable(snapshot.inputs["vol_surface"]["svi_slices"])
    quotes = snapshot.inputs["option_quotes"]["options_snapshots"]
    rows: list[dict[str, object]] = []
    if not fitted.empty:
        surface = surface_of(fitted)
        strips = np.array([_model_free(row, quotes) for _, row in fitted.iterrows()])
        rows = [*_rows(_by_expiry(surface, fitted, strips)), *_rows(_by_tenor(surface, fitted, strips))]
    frame = pd.DataFrame(rows, columns=_COLUMNS)
    return StageResult({TABLE: frame}, _quality(frame))


def _by_expiry(surface: VolSurface, fitted: pd.DataFrame, strips: np.ndarray) -> Iterator[_Tenor]:
    for row, smile, strip in zip(fitted.to_dict("records"), surface.slices, strips, strict=True):
        quoted = row["k_min"], row["k_max"]
        yield _Tenor("expiry", row["expiry_at"], smile, row["forward"], quoted, strip / smile.tau)


def _by_tenor(surface: VolSurface, fitted: pd.DataFrame, strips: np.ndarray) -> Iterator[_Tenor]:
    taus = surface.taus
    k_min, k_max = numbers(fitted, "k_min"), numbers(fitted, "k_max")
    for tau in (days / _DAYS for days in TENORS_DAYS):
        if not taus[0] <= tau <= taus[-1]:
            continue
        after = int(np.searchsorted(taus, tau))
        around = [max(after - 1, 0), after]
        quoted = float(k_min[around].max()), float(k_max[around].min())
        strip = float(np.interp(tau, taus[around], strips[around])) / tau
        forward = float(surface.forward(tau))
        yield _Tenor("constant_maturity", None, surface.slice_at(tau), forward, quoted, strip)


def _rows(tenors: Iterable[_Tenor]) -> Iterator[dict[str, object]]:
    before_tau = before_w = 0.0
    for tenor in tenors:
        tau, w = tenor.smile.tau, float(tenor.smile.total_variance(0.0))
        atm = float(iv(tenor.smile, 0.0))
        metrics = {
            "atm_iv": atm,
            **_wings(tenor, atm),
            "slope": float(skew.slope(tenor.smile)),
            "curvature": float(skew.curvature(tenor.smile)),
            "forward_iv": _root((w - before_w) / (tau - before_tau)),
            "model_free_iv": _root(tenor.model_free),
        }
        yield {
            "basis": tenor.basis,
            "tenor_days": tau * _DAYS if tenor.basis == "expiry" else round(tau * _DAYS),
            "expiry_at": tenor.expiry_at,
            "forward": tenor.forward,
            **metrics,
            "status": _status(metrics).label,
        }
        before_tau, before_w = tau, w


def _wings(tenor: _Tenor, atm: float) -> dict[str, float]:
    deltas = np.repeat(list(DELTAS.values()), 2)
    k = skew.strike_for_delta(tenor.smile, deltas, np.tile([False, True], len(DELTAS)))
    inside = (tenor.quoted[0] <= k) & (k <= tenor.quoted[1])
    vols = np.where(inside, iv(tenor.smile, k), np.nan).reshape(-1, 2)
    found: dict[str, float] = {}
    for name, (put, call) in zip(DELTAS, vols.tolist(), strict=True):
        found |= {f"rr_{name}": call - put, f"bf_{name}": (call + put) / 2 - atm}
    return found


def _status(metrics: dict[str, float]) -> Status:
    absent = {name for name, value in metrics.items() if not np.isfinite(value)}
    if absent & {"rr_25", "bf_25", "rr_10", "bf_10"}:
        return Status.OUT_OF_RANGE
    if "model_free_iv" in absent:
        return Status.TOO_FEW_STRIKES
    return Status.DEGENERATE if absent else Status.OK


def _root(variance_per_year: float) -> float:
    return float(np.sqrt(variance_per_year)) if variance_per_year >= 0 else np.nan


def _model_free(row: pd.Series, quotes: pd.DataFrame) -> float:
    """Return the total model-free variance of an expiry from its quoted strip, NaN where it is too thin."""
    chain = quotes[quotes["expiry_at"] == row["expiry_at"]]
    unit = np.where(chain["quote_unit"] == "coin", row["forward"], 1.0)
    priced = chain.assign(bid=chain["bid"] * unit, ask=chain["ask"] * unit).sort_values(
        ["strike", "contract"]
    )
    priced = priced.drop_duplicates(["strike", "is_call"])
    sides = priced.pivot(index="strike", columns="is_call", values=["bid", "ask"])
    columns = [sides[quote].get(call, np.nan) for call in (True, False) for quote in ("bid", "ask")]
    call_bid, call_ask, put_bid, put_ask = (
        np.broadcast_to(np.asarray(each, dtype=np.float64), len(sides)) for each in columns
    )
    found = variance.model_free(
        sides.index.to_numpy(dtype=np.float64), call_bid, call_ask, put_bid, put_ask,
        float(row["forward"]), float(row["tau_years"]), float(row["discount"]),
    )  # fmt: skip
    return found.variance * float(row["tau_years"])


def _quality(frame: pd.DataFrame) -> dict[str, float | int | str | bool | None]:
    month = frame[(frame["basis"] == "constant_maturity") & (frame["tenor_days"] == TENORS_DAYS[0])]
    figures = {f"{name}_30d": finite(month[name].sum(min_count=1)) for name in ("atm_iv", "rr_25", "bf_25")}
    return {
        "n_tenors": len(frame),
        "n_complete": int((frame["status"] == "ok").sum()),
        "n_constant_maturities": int((frame["basis"] == "constant_maturity").sum()),
        **figures,
    }


_COLUMNS = [
    *("basis", "tenor_days", "expiry_at", "forward", "atm_iv", "rr_25", "bf_25", "rr_10", "bf_10"),
    *("slope", "curvature", "forward_iv", "model_free_iv", "status"),
]
STAGE = Stage("skew_metrics", (VOL_SURFACE, QUOTES), "1", compute)
