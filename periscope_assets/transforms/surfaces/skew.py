"""Skew: what a smile looks like in a few numbers, by expiry and constant maturity.

What belongs here: ``skew_metrics``: which tenors, that nothing is read beyond the quotes, errors of
differences, and where today stands in its history. What does not: the metrics' formulas
(``periscope_analytics``), open interest and volume (``positioning``), the strip's quotes (``strip``).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from scipy.special import ndtri

from periscope_analytics.errors import Status
from periscope_analytics.slice import SliceParams
from periscope_analytics.smiles import Smiles
from periscope_analytics.vol_errors import VolErrors
from periscope_assets.transforms.forwards import QUOTES
from periscope_assets.transforms.frames import Floats, finite, numbers
from periscope_assets.transforms.stage import Snapshot, Stage, StageResult
from periscope_assets.transforms.surfaces import activity, positioning
from periscope_assets.transforms.surfaces.event_time import EVENTS, quiet_vols
from periscope_assets.transforms.surfaces.grid import DAYS, TENORS_DAYS, Surface
from periscope_assets.transforms.surfaces.history import BARS, HISTORY, Standing, realized_vols, standings
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
    is linear in time, or comes as events and the clock say. The status names the first metric that is absent:
    a delta (``out_of_range``), the model-free strip (``too_few_strikes``), or a slope or forward vol
    (``degenerate``).
    ``variance_iv`` is of the surface, wings included; ``model_free_iv`` of the quotes as the Cboe's index has
    it. Rank and percentile are against the vols at the money of a year before, of the same constant
    maturity; realised vol is of as many days before `as_of` as the maturity has ahead, and the premium is
    implied minus realised variance. Both are absent where there is no such history.
    """
    slices = snapshot.inputs["vol_surface"][SURFACE_SLICES]
    quotes = snapshot.inputs["option_quotes"]["options_snapshots"]
    surface = Surface(slices)
    fitted = surface.rows
    strips = strip_variances(fitted, quotes)
    past = standings(snapshot.inputs.get(HISTORY.key))
    realized = realized_vols(snapshot.inputs.get(BARS.key), TENORS_DAYS)
    tenors = [*_by_expiry(surface, fitted, strips), *_by_tenor(surface, fitted, strips)]
    smiles = Smiles([each.params for each in tenors])
    rows = _rows(tenors, smiles, surface.errors, past, realized)
    for row, quiet, event in zip(rows, quiet_vols(fitted), _events(fitted), strict=False):
        row |= {"quiet_iv": quiet, **event}
    frame = pd.DataFrame({name: [row.get(name) for row in rows] for name in _COLUMNS})
    traded = snapshot.inputs.get(activity.HISTORY.key)
    held = positioning.rows(quotes, slices, smiles, traded)
    figures = {**positioning.quality(held), **activity.quality(held, traded)}
    return StageResult({TABLE: frame, positioning.TABLE: held}, {**_quality(rows), **figures})


def _by_expiry(surface: Surface, fitted: pd.DataFrame, strips: np.ndarray) -> Iterator[_Tenor]:
    named = zip(fitted["expiry_at"].tolist(), numbers(fitted, "forward").tolist(), strict=True)
    for i, (params, (at, forward)) in enumerate(zip(surface.served.slices, named, strict=True)):
        yield _Tenor(
            _EXPIRY, params.tau * DAYS, at, params, forward, surface.quoted(i), strips[i] / params.tau
        )


def _by_tenor(surface: Surface, fitted: pd.DataFrame, strips: np.ndarray) -> Iterator[_Tenor]:
    taus = numbers(fitted, "tau_years")
    for days in TENORS_DAYS:
        tau = days / DAYS
        found = surface.tenor(tau)
        if found is not None:
            after = int(np.searchsorted(taus, tau))
            around = [max(after - 1, 0), after]
            even = float(surface.served.passage.even(tau, taus))
            strip = float(np.interp(even, taus[around], strips[around])) / tau
            yield _Tenor(_FIXED, days, None, *found, strip)


def _events(fitted: pd.DataFrame) -> list[dict[str, object]]:
    """Return the columns of events of each row, absent where the rows have none of them."""
    columns = [fitted[name].tolist() if name in fitted else [None] * len(fitted) for name in EVENTS]
    return [dict(zip(EVENTS, row, strict=True)) for row in zip(*columns, strict=True)]


def _rows(
    tenors: Sequence[_Tenor],
    smiles: Smiles,
    errors: VolErrors,
    past: dict[int, Standing],
    realized: dict[int, float],
) -> list[dict[str, Any]]:
    n_expiries = sum(each.basis == _EXPIRY for each in tenors)
    read = {**_smiles(tenors, smiles, errors), **_at_money(smiles, n_expiries)}
    read["model_free_iv"] = _root(np.array([each.strip for each in tenors]))
    fair, quantiles = smiles.fair_variances(), smiles.quantiles(np.array(list(QUANTILES.values())))
    extra = {"variance_iv": _root(fair), **dict(zip(QUANTILES, quantiles.T, strict=True))}
    names, columns = [*read, *extra], [each.tolist() for each in (*read.values(), *extra.values())]
    rows = [dict(zip(names, values, strict=True)) for values in zip(*columns, strict=True)]
    statuses = _statuses(read)
    for i, (row, tenor) in enumerate(zip(rows, tenors, strict=True)):
        days = 0 if tenor.basis == _EXPIRY else int(tenor.days)
        vol, standing = realized.get(days, np.nan), past.get(days)
        row |= {name: getattr(tenor, field) for name, field in _NAMED.items()}
        row |= standing.of(row["atm_iv"]) if standing else _NO_HISTORY
        row |= {"realized_vol": vol, "variance_risk_premium": float(fair[i]) - vol**2, "status": statuses[i]}
    return rows


def _at_money(smiles: Smiles, n_expiries: int) -> dict[str, Floats]:
    """Return slope, curvature and forward vol of each smile, the last from the smile of its basis before."""
    row, w = np.arange(len(smiles)), smiles.atm_total_variance
    first, second = smiles.derivatives(row, np.zeros(row.size), w)
    vol = np.sqrt(w / smiles.taus)
    slope = first / (2.0 * vol * smiles.taus)
    before = row - 1
    before[[i for i in (0, n_expiries) if i < row.size]] = row.size
    start, at = np.append(w, 0.0)[before], np.append(smiles.taus, 0.0)[before]
    rise = (w - start) / (smiles.taus - at)
    curvature = (0.5 * second / smiles.taus - slope**2) / vol
    return {"slope": slope, "curvature": curvature, "forward_iv": _root(rise)}


def _smiles(tenors: Sequence[_Tenor], smiles: Smiles, errors: VolErrors) -> dict[str, Floats]:
    """Return vol at the money, risk reversals and butterflies, each with its error."""
    m, size = len(tenors), np.array(list(DELTAS.values()))
    target = np.stack([-ndtri(size), ndtri(size)], axis=1).ravel()
    by_delta = smiles.strikes(np.repeat(np.arange(m), target.size), np.tile(target, m))
    k = np.hstack([by_delta.reshape(m, -1), np.zeros((m, 1))])
    row = np.repeat(np.arange(m), k.shape[1])
    z = k / np.sqrt(smiles.atm_total_variance)[:, None]
    low, high = np.array([each.quoted for each in tenors]).T[..., None]
    inside = (low <= z) & (z <= high) | (k == 0.0)
    vols = np.where(inside, smiles.iv(row, k.ravel()).reshape(k.shape), np.nan)
    gain = smiles.delta_gain(row, k.ravel()).reshape(k.shape)
    gain[:, -1] = 1.0
    factor = errors.factors_at(z, smiles.taus) * gain[..., None]
    found = {"atm_iv": vols[:, -1], "atm_iv_stderr": _length(factor[:, -1])}
    for i, name in enumerate(DELTAS):
        put, call = vols[:, 2 * i], vols[:, 2 * i + 1]
        found |= {f"rr_{name}": call - put, f"bf_{name}": (call + put) / 2 - vols[:, -1]}
        left, right = factor[:, 2 * i], factor[:, 2 * i + 1]
        for metric, part in (("rr", right - left), ("bf", 0.5 * (right + left) - factor[:, -1])):
            known = np.isfinite(found[f"{metric}_{name}"])
            found[f"{metric}_{name}_stderr"] = np.where(known, _length(part), np.nan)
    return found


def _length(rows: Floats) -> Floats:
    return np.asarray(np.sqrt(np.sum(rows**2, axis=1)))


def _statuses(metrics: dict[str, Floats]) -> list[str]:
    absent = {name: ~np.isfinite(column) for name, column in metrics.items()}
    beyond = absent["rr_25"] | absent["bf_25"] | absent["rr_10"] | absent["bf_10"]
    labels = np.full(beyond.size, Status.OK.label, dtype=object)
    labels[np.any(list(absent.values()), axis=0)] = Status.DEGENERATE.label
    labels[absent["model_free_iv"]] = Status.TOO_FEW_STRIKES.label
    labels[beyond] = Status.OUT_OF_RANGE.label
    return list(labels)


def _root(variance_per_year: Floats) -> Floats:
    return np.asarray(np.sqrt(np.where(variance_per_year >= 0.0, variance_per_year, np.nan)))


def _quality(rows: list[dict[str, Any]]) -> dict[str, float | int | str | bool | None]:
    fixed = [row for row in rows if row["basis"] == _FIXED]
    month = next((row for row in fixed if row["tenor_days"] == _MONTH), {})
    names = ("atm_iv", "rr_25", "bf_25", "slope", "model_free_iv", "realized_vol")
    return {
        "n_tenors": len(rows),
        "n_complete": sum(row["status"] == Status.OK.label for row in rows),
        "n_constant_maturities": len(fixed),
        **{f"{name}_30d": finite(float(month.get(name, np.nan))) for name in names},
    }


_EXPIRY, _FIXED = "expiry", "constant_maturity"
_MONTH = 30
_NAMED = {"basis": "basis", "tenor_days": "days", "expiry_at": "expiry_at", "forward": "forward"}
_NO_HISTORY = {"iv_rank": np.nan, "iv_percentile": np.nan, "n_history": 0}
_COLUMNS = [
    *("basis", "tenor_days", "expiry_at", "forward", "atm_iv", "atm_iv_stderr"),
    *("rr_25", "bf_25", "rr_10", "bf_10", "rr_25_stderr", "bf_25_stderr", "rr_10_stderr", "bf_10_stderr"),
    *("slope", "curvature", "forward_iv", "model_free_iv", "variance_iv", *QUANTILES),
    *("iv_rank", "iv_percentile", "n_history", "realized_vol", "variance_risk_premium", "status"),
    *("quiet_iv", *EVENTS),
]
STAGE = Stage("skew_metrics", (SURFACE_ROWS, QUOTES, HISTORY, BARS, activity.HISTORY), "4", compute)
