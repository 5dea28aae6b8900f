"""Skew: what a smile looks like in a few numbers, by expiry and constant maturity.

What belongs here: ``skew_metrics``: which tenors, that nothing is read beyond the quotes, errors of
differences, and where today stands in its history. What does not: the metrics' formulas
(``periscope_analytics``), open interest and volume (``positioning``), the strip's quotes (``strip``).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import pandas as pd

from periscope_analytics import skew, variance
from periscope_analytics.errors import Status
from periscope_analytics.slice import SliceParams
from periscope_analytics.vol_errors import VolErrors
from periscope_assets.transforms.forwards import QUOTES
from periscope_assets.transforms.frames import finite, numbers
from periscope_assets.transforms.stage import Snapshot, Stage, StageResult
from periscope_assets.transforms.surfaces import positioning
from periscope_assets.transforms.surfaces.grid import DAYS, TENORS_DAYS, Surface
from periscope_assets.transforms.surfaces.history import BARS, HISTORY, Standing, realized_vols, standings
from periscope_assets.transforms.surfaces.served import fitted_rows
from periscope_assets.transforms.surfaces.slices import SURFACE_ROWS, SURFACE_SLICES
from periscope_assets.transforms.surfaces.strip import strip_variances

TABLE = "skew_metrics"
DELTAS = {"25": 0.25, "10": 0.10}
QUANTILES = {f"q{percent:02d}": percent / 100.0 for percent in (1, 5, 10, 25, 50, 75, 90, 95, 99)}


class _Tenor(NamedTuple):
    """A smile, the strikes that are quoted in total vols, and the variance of its strip of quotes."""

    basis: str
    days: float
    expiry_at: pd.Timestamp | None
    params: SliceParams
    forward: float
    quoted: tuple[float, float]
    strip: float


def compute(snapshot: Snapshot) -> StageResult:
    """Read the metrics of each fitted expiry, and of constant maturities that expiries enclose.

    A delta whose strike lies beyond the quotes has no vol. Between expiries model-free variance of the quotes
    is linear in time. The status names the first metric that is absent: a delta (``out_of_range``), the
    model-free strip (``too_few_strikes``), or a slope or forward vol (``degenerate``).
    ``variance_iv`` is of the surface, wings included; ``model_free_iv`` of the quotes as the Cboe's index has
    it. Rank and percentile are against the vols at the money of a year before, of the same constant
    maturity; realised vol is of as many days before `as_of` as the maturity has ahead, and the premium is
    implied minus realised variance. Both are absent where there is no such history.
    """
    slices = snapshot.inputs["vol_surface"][SURFACE_SLICES]
    quotes = snapshot.inputs["option_quotes"]["options_snapshots"]
    fitted, surface = fitted_rows(slices), Surface(slices)
    strips = strip_variances(fitted, quotes)
    past = standings(snapshot.inputs.get(HISTORY.key))
    realized = realized_vols(snapshot.inputs.get(BARS.key), TENORS_DAYS)
    rows = [
        *_rows(_by_expiry(surface, fitted, strips), surface.errors, {}, {}),
        *_rows(_by_tenor(surface, fitted, strips), surface.errors, past, realized),
    ]
    frame = pd.DataFrame(rows, columns=_COLUMNS)
    held = positioning.rows(quotes, slices)
    return StageResult(
        {TABLE: frame, positioning.TABLE: held}, {**_quality(frame), **positioning.quality(held)}
    )


def _by_expiry(surface: Surface, fitted: pd.DataFrame, strips: np.ndarray) -> Iterator[_Tenor]:
    forwards = numbers(fitted, "forward").tolist()
    for i, params in enumerate(surface.served.slices):
        at = fitted["expiry_at"].iloc[i]
        yield _Tenor(
            "expiry", params.tau * DAYS, at, params, forwards[i], surface.quoted(i), strips[i] / params.tau
        )


def _by_tenor(surface: Surface, fitted: pd.DataFrame, strips: np.ndarray) -> Iterator[_Tenor]:
    taus = numbers(fitted, "tau_years")
    for days in TENORS_DAYS:
        tau = days / DAYS
        found = surface.tenor(tau)
        if found is not None:
            after = int(np.searchsorted(taus, tau))
            around = [max(after - 1, 0), after]
            strip = float(np.interp(tau, taus[around], strips[around])) / tau
            yield _Tenor("constant_maturity", days, None, *found, strip)


def _rows(
    tenors: Iterator[_Tenor], errors: VolErrors, past: dict[int, Standing], realized: dict[int, float]
) -> Iterator[dict[str, object]]:
    before_tau = before_w = 0.0
    for tenor in tenors:
        tau, w = tenor.params.tau, tenor.params.atm_total_variance
        read = {
            **_smile(tenor, errors),
            "slope": float(skew.slope(tenor.params)),
            "curvature": float(skew.curvature(tenor.params)),
            "forward_iv": _root((w - before_w) / (tau - before_tau)),
            "model_free_iv": _root(tenor.strip),
        }
        fair = variance.from_slice(tenor.params).variance
        vol = realized.get(int(tenor.days), np.nan)
        standing = past.get(int(tenor.days))
        ranked = standing.of(read["atm_iv"]) if standing else {**_NO_HISTORY}
        yield {
            "basis": tenor.basis,
            "tenor_days": tenor.days,
            "expiry_at": tenor.expiry_at,
            "forward": tenor.forward,
            **read,
            "variance_iv": _root(fair),
            **dict(zip(QUANTILES, tenor.params.quantile(list(QUANTILES.values())).tolist(), strict=True)),
            **ranked,
            "realized_vol": vol,
            "variance_risk_premium": fair - vol**2,
            "status": _status(read).label,
        }
        before_tau, before_w = tau, w


def _smile(tenor: _Tenor, errors: VolErrors) -> dict[str, float]:
    """Return vol at the money, risk reversals and butterflies, each with its error."""
    params, spread = tenor.params, np.sqrt(tenor.params.atm_total_variance)
    deltas = np.repeat(list(DELTAS.values()), 2)
    k = np.append(skew.strike_for_delta(params, deltas, np.tile([False, True], len(DELTAS))), 0.0)
    z = k / spread
    inside = (tenor.quoted[0] <= z) & (z <= tenor.quoted[1]) | (k == 0.0)
    vols = np.where(inside, params.iv(k), np.nan)
    factor = errors.factor(z, params.tau) * np.append(skew.delta_gain(params, k[:-1]), 1.0)[:, None]
    found = {"atm_iv": float(vols[-1]), "atm_iv_stderr": float(np.sqrt(np.sum(factor[-1] ** 2)))}
    for i, name in enumerate(DELTAS):
        put, call = vols[2 * i : 2 * i + 2].tolist()
        found |= {f"rr_{name}": call - put, f"bf_{name}": (call + put) / 2 - found["atm_iv"]}
        low, high = factor[2 * i : 2 * i + 2]
        for metric, row in (("rr", high - low), ("bf", 0.5 * (high + low) - factor[-1])):
            error = float(np.sqrt(np.sum(row**2)))
            found[f"{metric}_{name}_stderr"] = error if np.isfinite(found[f"{metric}_{name}"]) else np.nan
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


def _quality(frame: pd.DataFrame) -> dict[str, float | int | str | bool | None]:
    month = frame[(frame["basis"] == "constant_maturity") & (frame["tenor_days"] == _MONTH)]
    names = ("atm_iv", "rr_25", "bf_25", "slope", "model_free_iv", "realized_vol")
    return {
        "n_tenors": len(frame),
        "n_complete": int((frame["status"] == "ok").sum()),
        "n_constant_maturities": int((frame["basis"] == "constant_maturity").sum()),
        **{f"{name}_30d": finite(month[name].sum(min_count=1)) for name in names},
    }


_MONTH = 30
_NO_HISTORY = {"iv_rank": np.nan, "iv_percentile": np.nan, "n_history": 0}
_COLUMNS = [
    *("basis", "tenor_days", "expiry_at", "forward", "atm_iv", "atm_iv_stderr"),
    *("rr_25", "bf_25", "rr_10", "bf_10", "rr_25_stderr", "bf_25_stderr", "rr_10_stderr", "bf_10_stderr"),
    *("slope", "curvature", "forward_iv", "model_free_iv", "variance_iv", *QUANTILES),
    *("iv_rank", "iv_percentile", "n_history", "realized_vol", "variance_risk_premium", "status"),
]
STAGE = Stage("skew_metrics", (SURFACE_ROWS, QUOTES, HISTORY, BARS), "2", compute)
