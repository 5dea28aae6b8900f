"""Generators: each turns published figures into candidates, with a fair vol, a cost and an error.

What belongs here: one function a rule, from frames to candidates. What does not: how candidates are weighed
and refused (``weighing``).

A candidate's edge is its distance to fair less the half-spread; it is put forward where that exceeds its
error. Its confidence is 2 Phi(edge / scale) - 1, where the scale joins the error with how far such distances
spread by themselves.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from scipy.special import ndtr

from periscope_analytics.ou import OUParams
from periscope_assets.transforms.expiries import instants, is_labelled
from periscope_assets.transforms.frames import MAD_TO_SIGMA, Floats, numbers
from periscope_assets.transforms.models.ou import TENOR_DAYS

RELATIVE_VALUE, MEAN_REVERSION, TERM_STRUCTURE = "heston_relative_value", "mean_reversion", "term_structure"
HORIZON_SESSIONS = 21
"""Sessions within which a mean-reversion signal expects its move."""
INSTRUMENTS = {"atm_iv": "ATM 30d", "rr_25": "RR25 30d", "bf_25": "BF25 30d"}

Candidates = Mapping[str, np.ndarray]
"""Columns of one length: NAMES and NUMBERS."""
NAMES = ("generator", "instrument", "contract", "expiry_at", "is_call", "reason")
NUMBERS = (
    *("strike", "tenor_days", "entry_iv", "fair_iv", "half_spread_iv", "vega_usd"),
    *("edge_iv", "edge_usd", "edge_stderr", "z_score", "score"),
)

_LEGS = {"atm_iv": 1, "rr_25": 2, "bf_25": 3}
_LEAST_Z = 1.5
_NEAR_DAYS = (15.0, 45.0)
_AT_MONEY = 0.8
_LEAST_TENORS = 4
_DAY = np.timedelta64(1, "D")
DAYS = 365.0


class Market(NamedTuple):
    """What it takes to trade a vol at the money: half-spread, and vega per unit in USD."""

    half_spread_iv: float
    vega_usd: float


def relative_value(mispricings: pd.DataFrame, as_of: pd.Timestamp) -> Candidates:
    """Return contracts whose mid vol is off Heston's by more than half the spread and one error together.

    The scale takes in the robust spread of the differences in the contract's expiry: what the model gets
    wrong throughout an expiry is no opportunity in it.
    """
    difference, half, error, money = (
        numbers(mispricings, name) for name in ("difference", "half_spread_iv", "stderr", "edge_usd")
    )
    size = np.where(is_labelled(mispricings["status"], "ok"), np.abs(difference), np.nan)
    days, at = _days(mispricings, as_of)
    edge = size - half
    rows = np.flatnonzero((edge > error) & np.isfinite(money))
    spread = MAD_TO_SIGMA * _median_by(at, size)[rows]
    read = {
        "tenor_days": days[rows],
        "entry_iv": numbers(mispricings, "market_iv")[rows],
        "fair_iv": numbers(mispricings, "model_iv")[rows],
        "half_spread_iv": half[rows],
        "edge_iv": edge[rows],
        "edge_usd": np.abs(money[rows]),
        "edge_stderr": error[rows],
        "score": edge[rows] / np.hypot(error[rows], spread),
        **{name: numbers(mispricings, name)[rows] for name in ("strike", "vega_usd", "z_score")},
    }
    contract = mispricings["contract"].to_numpy(dtype=object)[rows]
    names = {
        "generator": np.full(len(rows), RELATIVE_VALUE, dtype=object),
        "instrument": contract,
        "contract": contract,
        "expiry_at": at[rows],
        "is_call": mispricings["is_call"].to_numpy(dtype=object)[rows],
        "reason": _reasons(read, "Mid vol", "Heston's"),
    }
    return {**names, **read}


def at_money(mispricings: pd.DataFrame, as_of: pd.Timestamp) -> Market:
    """Return what vols of about a month cost at the money: medians of contracts with most of the vega."""
    days, at = _days(mispricings, as_of)
    half, vega = numbers(mispricings, "half_spread_iv"), numbers(mispricings, "vega_usd")
    near = (days >= _NEAR_DAYS[0]) & (days <= _NEAR_DAYS[1]) & np.isfinite(half + vega)
    at, half, vega = at[near], half[near], vega[near]
    if not len(at):
        return Market(np.nan, np.nan)
    _, which = np.unique(at, return_inverse=True)
    most = np.zeros(which.max() + 1)
    np.maximum.at(most, which, vega)
    chosen = vega >= _AT_MONEY * most[which]
    return Market(float(np.median(half[chosen])), float(np.median(vega[chosen])))


def mean_reversion(fits: pd.DataFrame, market: Market) -> Candidates:
    """Return series whose distance to where their past expects them in 21 sessions pays for the trade.

    Fair is the Ornstein-Uhlenbeck mean after 21 sessions. A risk reversal pays the half-spread twice, a
    butterfly three times. Series within 1.5 stationary deviations of their mean are left alone. The scale
    takes in the process's own deviation over the sessions.
    """
    found = []
    far = is_labelled(fits["status"], "ok") & (np.abs(numbers(fits, "z_score")) >= _LEAST_Z)
    for row in fits[far].to_dict("records") if far.any() else []:
        process = OUParams(row["kappa"], row["theta"], row["sigma"])
        fair = float(process.mean(row["value"], HORIZON_SESSIONS))
        back = 1.0 - np.exp(-row["kappa"] * HORIZON_SESSIONS)
        error = float(np.hypot(row["value_stderr"] * back, row["theta_stderr"] * back))
        paid = Market(_LEGS[row["series"]] * market.half_spread_iv, market.vega_usd)
        scale = float(np.hypot(error, process.deviation(HORIZON_SESSIONS)))
        read = (float(row["value"]), fair, error, scale)
        found.append(_series(INSTRUMENTS[row["series"]], TENOR_DAYS, read, paid, float(row["z_score"])))
    return _columns(found, MEAN_REVERSION, "Value", "its expected")


def term_structure(metrics: pd.DataFrame, market: Market, as_of: pd.Timestamp) -> Candidates:
    """Return forward vols that stand out from their neighbours along the curve of constant maturities.

    Fair is the line through the forward vols before and after, each at the middle of its span. The cost of a
    forward vol is that of the two vols that make it. The scale takes in the robust spread of all distances.
    What the calendar's events bring is no dislocation: the line is one of forward variance without them, and
    their variance is part of what is fair. Spans with an event that the expiries don't tell are left out.
    """
    fixed = is_labelled(metrics["basis"], "constant_maturity")
    days, vol, error, forward = (
        numbers(metrics, name)[fixed] for name in ("tenor_days", "atm_iv", "atm_iv_stderr", "forward_iv")
    )
    order = np.argsort(days)[np.isfinite(forward[np.argsort(days)])]
    days, vol, error, forward = (each[order] for each in (days, vol, error, forward))
    if len(days) < _LEAST_TENORS:
        return _columns([], TERM_STRUCTURE, "", "")
    start = np.append(0.0, days[:-1])
    middle, span = (start + days) / 2.0, days - start
    # One vol of the far end moves the forward vol by this much, one of the near end by the other.
    far = vol * days / (forward * span)
    near = np.append(0.0, vol[:-1] * days[:-1]) / (forward * span)
    stderr = np.hypot(far * error, near * np.append(0.0, error[:-1]))
    cost = (far + near) * market.half_spread_iv
    events = _event_variance(metrics, as_of, start, days) / (span / DAYS)
    quiet = np.sqrt(np.where(forward**2 > events, forward**2 - events, np.nan))
    inner = np.arange(1, len(days) - 1)
    share = (middle[inner] - middle[inner - 1]) / (middle[inner + 1] - middle[inner - 1])
    line = quiet[inner - 1] + share * (quiet[inner + 1] - quiet[inner - 1])
    fair = np.where(events[inner] > 0.0, np.sqrt(line**2 + events[inner]), line)
    off = forward[inner] - fair
    distances = np.abs(off[np.isfinite(off)])
    scale = np.hypot(stderr[inner], MAD_TO_SIGMA * float(np.median(distances) if distances.size else np.nan))
    found = []
    for j, i in enumerate(inner.tolist()):
        read = float(forward[i]), float(fair[j]), float(stderr[i]), float(scale[j])
        paid = Market(float(cost[i]), market.vega_usd / float(far[i]))
        name = f"FWD {start[i]:.0f}d-{days[i]:.0f}d"
        found.append(_series(name, float(days[i]), read, paid, float(off[j] / scale[j])))
    return _columns(found, TERM_STRUCTURE, "Forward vol", "its neighbours'")


def _event_variance(metrics: pd.DataFrame, as_of: pd.Timestamp, start: Floats, end: Floats) -> Floats:
    """Return the total variance of the calendar's events in each span of days; NaN where one is not told."""
    total = np.zeros(len(end))
    told = metrics["event_at"].notna().to_numpy() if "event_at" in metrics else np.zeros(1, np.bool_)
    if not told.any():
        return total
    rows = metrics[told]
    days, _ = _days(rows.assign(expiry_at=rows["event_at"]), as_of)
    known = (rows["event_status"] == "ok").to_numpy()
    for day, variance in zip(days, np.where(known, numbers(rows, "event_variance"), np.nan), strict=True):
        total[(start < day) & (day <= end)] += variance
    return total


def confidence(score: Floats) -> Floats:
    """Return 2 Phi(score) - 1."""
    return np.asarray(2.0 * ndtr(score) - 1.0)


def _days(rows: pd.DataFrame, as_of: pd.Timestamp) -> tuple[Floats, np.ndarray]:
    """Return days from the snapshot to settlement, and the instants of settlement in UTC."""
    at = instants(rows["expiry_at"])
    return (at - as_of.tz_convert(None).to_datetime64()) / _DAY, at


def _median_by(keys: np.ndarray, values: Floats) -> Floats:
    """Return for each element the median of the finite values that share its key; NaN where there is none."""
    known = np.isfinite(values)
    _, which = np.unique(keys, return_inverse=True)
    order = np.lexsort((values[known], which[known]))
    groups, sizes = np.unique(which[known][order], return_counts=True)
    ends = np.cumsum(sizes)
    low, high = (ends - sizes) + (sizes - 1) // 2, (ends - sizes) + sizes // 2
    ranked = values[known][order]
    medians = np.full(int(which.max(initial=-1)) + 1, np.nan)
    medians[groups] = (ranked[low] + ranked[high]) / 2.0
    return medians[which]


def _series(
    instrument: str,
    tenor_days: float,
    read: tuple[float, float, float, float],
    market: Market,
    z_score: float,
) -> dict[str, Any]:
    now, fair, stderr, scale = read
    edge = abs(now - fair) - market.half_spread_iv
    return {
        "instrument": instrument,
        "tenor_days": float(tenor_days),
        "entry_iv": now,
        "fair_iv": fair,
        "half_spread_iv": market.half_spread_iv,
        "vega_usd": market.vega_usd,
        "edge_iv": edge,
        "edge_usd": edge * market.vega_usd,
        "edge_stderr": stderr,
        "z_score": z_score,
        "score": edge / scale,
        "strike": np.nan,
    }


def _columns(found: list[dict[str, Any]], generator: str, what: str, whose: str) -> Candidates:
    """Return the candidates whose edge exceeds their error."""
    kept = [row for row in found if row["edge_iv"] > row["edge_stderr"]]
    read = {name: np.array([row[name] for row in kept], dtype=np.float64) for name in NUMBERS}
    n = len(kept)
    return {
        "generator": np.full(n, generator, dtype=object),
        "instrument": np.array([row["instrument"] for row in kept], dtype=object),
        "contract": np.full(n, None, dtype=object),
        "expiry_at": np.full(n, np.datetime64("NaT"), dtype="datetime64[us]"),
        "is_call": np.full(n, None, dtype=object),
        "reason": _reasons(read, what, whose),
        **read,
    }


def _reasons(read: Mapping[str, np.ndarray], what: str, whose: str) -> np.ndarray:
    columns = (
        read[name].tolist() for name in ("entry_iv", "fair_iv", "half_spread_iv", "edge_stderr", "z_score")
    )
    told = [
        f"{what} {now:.2%} is {abs(now - fair) * 1e4:.0f} bps {'below' if now < fair else 'above'} "
        f"{whose} {fair:.2%}, half-spread {half * 1e4:.0f} bps, error {error * 1e4:.0f} bps, z {z:+.1f}."
        for now, fair, half, error, z in zip(*columns, strict=True)
    ]
    return np.array(told, dtype=object)
